import numpy as np
import pytest

from sdd_bench.evaluation.evaluator import score_image
from sdd_bench.evaluation.references import AlignedReference, Alignment

RNG = np.random.default_rng(0)
PREDICTION, OTHER, GT, DEFORMED, ALIGNED, BLUR = RNG.random((6, 40, 50, 3), np.float32)
ALIGNMENT = Alignment(zoom=None, shift=None, mean_flow=0.0, forward_backward_error=None, left_out=0.0)


def reference(valid):
    return AlignedReference(DEFORMED, valid, np.zeros((40, 50, 2), np.float32), ALIGNMENT)


def mostly_valid():
    valid = np.ones((40, 50), bool)
    valid[:, :9] = False
    return valid


class Distance:
    """Stands in for LPIPS and keeps what it saw."""

    def __init__(self):
        self.calls = []

    def __call__(self, prediction, *references):
        self.calls.append((prediction, *references))
        return tuple(float(np.abs(prediction - picture).mean()) for picture in references)


def test_where_all_pixels_count_lpips_sees_the_pictures_as_they_are_in_one_pass():
    lpips = Distance()
    scores = score_image(PREDICTION, GT, reference(np.ones((40, 50), bool)), ALIGNED, lpips=lpips)
    (seen,) = lpips.calls
    assert all(a is b for a, b in zip(seen, (PREDICTION, GT, DEFORMED, ALIGNED), strict=True))
    found = [scores[name].lpips for name in ("gt", "deformed_gt", "aligned_gt")]
    assert found == list(Distance()(PREDICTION, GT, DEFORMED, ALIGNED))


def test_pixels_that_do_not_count_are_filled_alike_in_prediction_and_references_for_lpips():
    valid, lpips = mostly_valid(), Distance()
    scores = score_image(PREDICTION, GT, reference(valid), ALIGNED, lpips=lpips, fill=BLUR)
    (masked,) = lpips.calls
    for seen, picture in zip(masked, (PREDICTION, GT, DEFORMED, ALIGNED), strict=True):
        assert np.array_equal(seen[valid], picture[valid])
        assert np.array_equal(seen[~valid], BLUR[~valid])
    assert tuple(scores[name].lpips for name in ("gt", "deformed_gt", "aligned_gt")) == Distance()(*masked)


def test_the_references_that_lpips_sees_do_not_depend_on_the_prediction():
    first, second = Distance(), Distance()
    score_image(PREDICTION, GT, reference(mostly_valid()), lpips=first, fill=BLUR)
    score_image(OTHER, GT, reference(mostly_valid()), lpips=second, fill=BLUR)
    for a, b in zip(first.calls[0][1:], second.calls[0][1:], strict=True):
        assert np.array_equal(a, b)


def test_without_a_picture_to_fill_with_lpips_refuses_a_mask():
    with pytest.raises(ValueError, match="to fill the pixels with"):
        score_image(PREDICTION, GT, reference(mostly_valid()), lpips=Distance())


def test_references_that_are_not_there_have_no_scores():
    scores = score_image(PREDICTION, GT, None)
    assert scores["gt"] is not None
    assert (scores["deformed_gt"], scores["aligned_gt"], scores["gt"].lpips) == (None, None, None)
