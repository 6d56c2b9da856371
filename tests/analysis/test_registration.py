import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from sdd_bench.alignment.similarity import Similarity
from sdd_bench.analysis.registration import Job, Margin, common_margin, cropped
from sdd_bench.datasets.manifest import PairRecord


def job(zoom, shift, size):
    record = PairRecord(
        stem="a", scene="a", environment=None, split="test", size=size, bit_depth=8, sources={}, files={}
    )
    return Job(record, Similarity(zoom, shift))


def whole(margin, zoom, shift, size):
    """Whether all of the 8 x 8 taps of Lanczos-4 lie within the sharp picture, for every pixel that stays."""
    left = Similarity(zoom, shift).apply(np.array([[margin.x, margin.y]], float), size[::-1])
    right = Similarity(zoom, shift).apply(
        np.array([[size[0] - 1 - margin.x, size[1] - 1 - margin.y]], float), size[::-1]
    )
    return (np.floor(left + 3e-6) - 3 >= 0).all() and (np.floor(right - 3e-6) + 4 <= np.array(size) - 1).all()


similarities = st.tuples(st.floats(0.95, 1.05), st.tuples(st.floats(-12, 12), st.floats(-12, 12)))
sizes = st.tuples(st.integers(100, 400), st.integers(100, 300))


@given(st.lists(st.tuples(similarities, sizes), min_size=1, max_size=4))
def test_no_tap_of_any_pair_lies_outside_its_sharp_picture(pairs):
    margin = common_margin(job(zoom, shift, size) for (zoom, shift), size in pairs)
    for (zoom, shift), size in pairs:
        assert whole(margin, zoom, shift, size)


@given(similarities, sizes)
def test_a_narrower_margin_would_not_do(similarity, size):
    margin = common_margin([job(*similarity, size)])
    assume(similarity != (1.0, (0.0, 0.0)))
    if margin.x:
        assert not whole(margin._replace(x=margin.x - 1), *similarity, size)
    if margin.y:
        assert not whole(margin._replace(y=margin.y - 1), *similarity, size)


def test_pairs_that_line_up_lose_nothing():
    assert common_margin([job(1.0, (0.0, 0.0), (200, 100))]) == Margin(0, 0)


def test_a_margin_is_cut_off_both_sides():
    assert cropped((200, 100), Margin(3, 5)) == (194, 90)
