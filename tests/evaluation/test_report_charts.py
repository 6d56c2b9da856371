import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdd_bench.evaluation.report_charts import ROW_HEIGHT, bar_chart, number, round_axis, spread
from sdd_bench.evaluation.report_ranking import rank

finite = st.floats(-1e6, 1e6, allow_subnormal=False)


@given(st.lists(finite, min_size=1, max_size=40), st.booleans())
def test_an_axis_covers_its_values_with_a_few_ticks_at_multiples_of_1_2_or_5(values, room_below):
    axis = round_axis(values, room_below=room_below)
    slack = 1e-5 * (axis.high - axis.low)
    assert axis.low - slack <= min(values) <= max(values) <= axis.high + slack
    assert 3 <= len(axis.ticks) <= 8
    step = (axis.high - axis.low) / (len(axis.ticks) - 1)
    mantissa = step / 10.0 ** math.floor(math.log10(step) + 1e-9)
    assert mantissa == pytest.approx(round(mantissa), abs=1e-6)
    assert round(mantissa) in (1, 2, 5)
    assert axis.ticks[0].at == 0
    assert axis.ticks[-1].at == 100
    assert len({tick.label for tick in axis.ticks}) == len(axis.ticks)


def test_ticks_are_labelled_with_as_many_decimals_as_their_step_needs():
    assert [tick.label for tick in round_axis([0.51, 0.98]).ticks] == ["0.4", "0.6", "0.8", "1.0"]
    assert [tick.label for tick in round_axis([21.0, 38.0]).ticks] == ["20", "25", "30", "35", "40"]
    assert [tick.label for tick in round_axis([-1.0, 1.0]).ticks] == ["−1.0", "−0.5", "0.0", "0.5", "1.0"]


def test_a_bar_of_the_worst_image_can_be_seen(make_image):
    chart = bar_chart(
        rank([make_image("a", 20.0, gt=20.0), make_image("b", 40.0, gt=30.0)], "deformed_gt"), "deformed_gt"
    )
    assert chart.axis.low < 20
    assert [bar.image.stem for bar in chart.bars] == ["a", "b"]
    assert 0 < chart.bars[0].height < chart.bars[1].height <= 100
    assert chart.bars[0].as_it_is == chart.bars[0].height
    assert chart.bars[1].as_it_is < chart.bars[1].height


def test_bars_stand_side_by_side_over_the_whole_width(make_image):
    ranked = rank([make_image(str(value), 20.0 + value) for value in range(7)], "deformed_gt")
    bars = bar_chart(ranked, "deformed_gt").bars
    for left, right in itertools.pairwise(bars):
        assert left.left + left.width < right.left
    assert bars[0].left > 0
    assert bars[-1].left + bars[-1].width < 100


def test_an_infinite_score_fills_the_plot_and_none_but_infinite_ones_make_no_chart(make_image):
    ranked = rank([make_image("a", math.inf), make_image("b", 30.0)], "deformed_gt")
    assert [bar.height for bar in bar_chart(ranked, "deformed_gt").bars][1] == 100
    assert bar_chart(rank([make_image("a", math.inf, gt=math.inf)], "deformed_gt"), "deformed_gt") is None
    assert bar_chart([], "deformed_gt") is None


def test_without_a_deformed_ground_truth_there_is_nothing_to_mark_beside_the_bars(make_image):
    (bar,) = bar_chart([make_image("a", None, gt=21.0)], "gt").bars
    assert bar.as_it_is is None


@given(st.lists(st.floats(0, 1), min_size=1, max_size=120))
def test_dots_lie_at_their_values_inside_their_row_and_none_hides_another(make_image_once, values):
    scored = [(make_image_once(str(place), 20.0), value) for place, value in enumerate(values)]
    axis = round_axis(values)
    row = spread("all", scored, axis)
    of = {image.stem: value for image, value in scored}
    assert sorted(dot.image.stem for dot in row.dots) == sorted(of)
    assert all(dot.x == axis.place(of[dot.image.stem]) for dot in row.dots)
    assert all(abs(dot.y) <= ROW_HEIGHT / 2 for dot in row.dots)
    assert len({(dot.x, dot.y) for dot in row.dots}) == len(row.dots)


@pytest.fixture(scope="module")
def make_image_once():
    class Image:
        def __init__(self, stem, _):
            self.stem = stem

    return Image


def test_quartiles_are_those_of_numpy(make_image):
    values = [20.0, 21.0, 25.0, 26.0, 40.0, 41.5]
    row = spread("all", [(make_image(str(value), value), value) for value in values], round_axis(values))
    assert row.quartiles == pytest.approx(tuple(np.percentile(values, [25, 50, 75])))


@pytest.mark.parametrize(
    ("value", "decimals", "text"), [(-1.26, 1, "−1.3"), (-0.001, 2, "0.00"), (0.0, 0, "0"), (12.345, 1, "12.3")]
)
def test_numbers_have_a_true_minus_and_zero_has_none(value, decimals, text):
    assert number(value, decimals) == text
