import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdd_bench.datasets.histograms import histogram

finite = st.floats(-1e6, 1e6, allow_subnormal=False)


@given(st.lists(finite, min_size=1, max_size=60), st.lists(finite, max_size=60))
def test_every_value_is_counted_once_in_at_most_a_few_bins(first, second):
    chart = histogram({"a": first, "b": second})
    counted = {name: sum(int(bar.label.split()[-2]) for bar in chart.bars if bar.group == name) for name in "ab"}
    assert counted == {"a": len(first), "b": len(second)}
    assert all(0 <= bar.left <= bar.left + bar.width <= 100 + 1e-9 for bar in chart.bars)
    assert all(0 < bar.height <= bar.bottom + bar.height <= 100 + 1e-9 for bar in chart.bars)
    assert max(bar.bottom + bar.height for bar in chart.bars) == pytest.approx(100)
    assert 100 / chart.bars[0].width <= 27
    assert all(0 <= at <= 100 for at, _ in chart.ticks)


def test_counts_are_those_of_numpy_between_round_edges():
    values = np.random.default_rng(0).normal(size=500).tolist()
    chart = histogram({"all": values})
    low, high = min(values), max(values)
    step = 0.5 if (high - low) / 24 > 0.2 else 0.2  # the next of 1, 2, 5 above a 24th of the range
    edges = np.arange(math.floor(low / step), math.floor(high / step) + 2) * step
    expected = np.histogram(values, edges)[0]
    assert chart.highest == expected.max()
    assert [round(bar.height * chart.highest / 100) for bar in chart.bars] == [c for c in expected if c]
    assert chart.bars[0].label == f"{edges[0]:.1f} to {edges[1]:.1f}: {expected[0]} all"


def test_groups_are_stacked_and_the_threshold_is_where_it_belongs():
    chart = histogram({"fine": [0.1, 0.1, 0.3], "warned of": [0.1, 0.9]}, threshold=0.5)
    at_left = [bar for bar in chart.bars if bar.left == 0]
    assert [(bar.group, bar.bottom, bar.height) for bar in at_left] == [
        ("fine", 0, pytest.approx(200 / 3)),
        ("warned of", pytest.approx(200 / 3), pytest.approx(100 / 3)),
    ]
    assert chart.highest == 3
    first, last = (next(bar for bar in chart.bars if bar.label.startswith(label)) for label in ("0.10", "0.90"))
    assert chart.mark == pytest.approx(first.left + (last.left - first.left) / 2)
    assert histogram({"fine": [0.1, 0.3]}, threshold=0.5).mark is None


@pytest.mark.parametrize("value", [0.0, 1.0, -3.5, 1e-12, 1e6])
def test_equal_values_make_one_bar(value):
    (bar,) = histogram({"": [value] * 5}).bars
    assert (bar.left, bar.bottom, bar.height) == (pytest.approx(0, abs=1e-6), 0, 100)
