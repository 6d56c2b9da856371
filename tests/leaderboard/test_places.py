import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdd_bench.evaluation.statistics import mean_intervals
from sdd_bench.leaderboard.places import Candidate, places


def printed(*values):
    return [Candidate(value) for value in values]


def computed(*samples):
    return [Candidate(float(np.mean(s)), {str(i): float(v) for i, v in enumerate(s)}) for s in samples]


def test_the_best_is_first_and_the_next_second():
    assert places(printed(20.0, 22.0, 21.0, 19.0), higher_is_better=True) == [None, 1, 2, None]
    assert places(printed(20.0, 22.0, 21.0, 19.0), higher_is_better=False) == [2, None, None, 1]


def test_equal_published_numbers_share_a_place():
    assert places(printed(25.98, 26.11, 26.11, 25.98), higher_is_better=True) == [2, 1, 1, 2]


def test_who_has_no_number_has_no_place():
    assert places(printed(None, 20.0), higher_is_better=True) == [None, 1]
    assert places(printed(None, None), higher_is_better=True) == [None, None]
    assert places([], higher_is_better=True) == []


def test_identical_pictures_are_first():
    assert places([Candidate(40.0), Candidate(None, identical=True)], higher_is_better=True) == [2, 1]


def test_means_whose_difference_is_lost_in_the_scatter_share_a_place():
    images = np.random.default_rng(1).normal(25, 3, 30)
    better = images + 1
    # +1 and -0.9 by turns: a mean difference of 0.05 dB, with a standard error of 0.17 dB
    as_good = images + np.where(np.arange(30) % 2, 1.0, -0.9)
    assert places(computed(images, as_good), higher_is_better=True) == [1, 1]
    assert places(computed(images, better, as_good), higher_is_better=True) == [2, 1, 2]


def test_a_small_difference_on_every_image_tells_methods_apart_though_their_intervals_overlap():
    images = np.random.default_rng(2).normal(25, 3, 30)  # a mean's own interval is about 1 dB to each side
    assert places(computed(images, images + 0.1), higher_is_better=True) == [2, 1]
    assert places(computed(images, images + 0.1), higher_is_better=False) == [1, 2]


def test_only_images_that_both_have_are_compared():
    both = {str(i): 20.0 + i for i in range(6)}
    more = Candidate(23.0, {**both, "extra": 90.0})
    assert places([Candidate(22.5, both), more], higher_is_better=True) == [1, 1]  # equal where both have scores


def test_few_images_can_not_make_a_tie():
    assert places(computed([20.0, 30.0], [30.1, 20.0]), higher_is_better=True) == [2, 1]


@given(st.lists(st.one_of(st.none(), st.floats(0, 60)), max_size=12), st.booleans())
def test_first_place_is_the_best_value_and_order_does_not_matter(values, higher):
    found = places(printed(*values), higher)
    present = [value for value in values if value is not None]
    if present:
        best = max(present) if higher else min(present)
        assert {value for value, place in zip(values, found, strict=True) if place == 1} == {best}
    assert places(printed(*values[::-1]), higher) == found[::-1]


def test_lower_is_better_puts_missing_values_last_too():
    assert Candidate(None).sort_key(higher_is_better=False) == math.inf


@pytest.mark.parametrize("lead", [0.0, 0.3, 2.0, 9.0])
def test_ties_are_those_of_the_interval_also_where_no_resampling_is_needed(lead):
    rng = np.random.default_rng(1)
    best = rng.normal(25, 1, 12)
    samples = [best, *(best - lead + rng.normal(0, 1, (5, 12)))]
    found = places(computed(*samples), higher_is_better=True)
    winner = max(samples, key=np.mean)
    intervals = mean_intervals(np.array([winner - sample for sample in samples]))
    assert [place == 1 for place in found] == [low <= 0 <= high for low, high in intervals]
