import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from sdd_bench.evaluation.statistics import RESAMPLES, SEED, holm, mean_intervals, signed_rank_test

scores = st.lists(st.floats(5, 60), min_size=6, max_size=40)


def tail(size):
    """Hesterberg's expanded level, by another library's distributions than ours."""
    student = scipy.stats.t(size - 1).ppf(0.975)
    return scipy.stats.norm.cdf(-math.sqrt(size / (size - 1)) * student)


def interval(values):
    return mean_intervals(np.array([values], np.float64))[0]


def test_bounds_are_those_of_all_resamples_there_are():
    # Six values have 6^6 resamples: few enough to take them all, which is what random ones stand for.
    values = [21.0, 24.5, 25.0, 26.5, 30.0, 37.0]
    every = np.array([sum(drawn) for drawn in itertools.product(values, repeat=6)]) / 6
    lower, upper = interval(values)
    error = 4 * math.sqrt(tail(6) / RESAMPLES)
    for below, up_to in (
        ((every < lower).mean(), (every <= lower).mean()),
        ((every > upper).mean(), (every >= upper).mean()),
    ):
        assert below < tail(6) + error
        assert up_to > tail(6) - error


def test_bounds_are_those_of_scipy_at_the_expanded_level():
    values = np.random.default_rng(1).gamma(4, size=35)
    theirs = scipy.stats.bootstrap(
        (values,), np.mean, confidence_level=1 - 2 * tail(35), n_resamples=100_000, method="percentile", rng=2
    ).confidence_interval
    width = theirs.high - theirs.low
    assert interval(values) == pytest.approx((theirs.low, theirs.high), abs=0.02 * width)


@pytest.mark.parametrize("size", [11, 35])
def test_95_percent_of_the_intervals_hold_the_true_mean(size):
    # 4,000 samples: a standard error of 0.35 %. Plain percentiles hold it in 91 % and 94 % (Student's narrowness).
    rng = np.random.default_rng(size)
    bounds = np.concatenate([mean_intervals(rng.normal(26, 3, (500, size))) for _ in range(8)])
    held = ((bounds[:, 0] <= 26) & (bounds[:, 1] >= 26)).mean()
    assert held == pytest.approx(0.95, abs=0.012)


def test_resampled_means_are_exact():
    # By rational numbers, from the documented stream of the generator.
    values = [20.1, 0.3, 1e-9, 33.333333333333336, 7.0, 41.7, 25.2]
    raw = np.random.PCG64(SEED).random_raw(7 * RESAMPLES).tolist()
    drawn = [Fraction(values[(number >> 32) * 7 >> 32]) for number in raw]
    means = sorted(sum(drawn[start : start + 7]) / 7 for start in range(0, len(drawn), 7))
    place = int(RESAMPLES * tail(7))
    expected = float(means[place]), float(means[-1 - place])
    assert interval(values) == pytest.approx(expected, rel=1e-15)


@given(scores, st.integers(-40, 40))
def test_the_bits_depend_on_nothing_but_the_values(values, exponent):
    # Exact sums: neither other samples beside it nor another unit (a power of 2) changes a bit.
    rows = np.array([values, values[::-1], np.square(values)])
    assert mean_intervals(rows) == [interval(row) for row in rows]
    factor = 2.0**exponent
    assert interval(rows[0] * factor) == tuple(bound * factor for bound in interval(values))


@given(scores)
def test_the_mean_is_inside_and_signs_mirror_the_interval(values):
    lower, upper = interval(values)
    mean = math.fsum(values) / len(values)
    assert lower <= mean <= upper
    assert min(values) - 1e-9 <= lower
    assert upper <= max(values) + 1e-9
    assert interval([-value for value in values]) == (-upper, -lower)


@pytest.mark.parametrize("size", range(6))
def test_fewer_than_six_values_have_no_interval(size):
    assert mean_intervals(np.ones((2, size))) == [None, None]


@pytest.mark.parametrize("value", [0.0, 0.1, 31.7, 1e-300])
def test_equal_values_have_an_interval_of_no_width(value):
    lower, upper = interval([value] * 11)
    assert lower == upper == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_values_that_are_not_finite_are_refused(value):
    with pytest.raises(ValueError, match="finite"):
        interval([1.0, 2.0, 3.0, 4.0, 5.0, value])


def test_the_level_never_falls_on_the_edge_between_two_places():
    # Else libraries that round differently could disagree on the place of a bound.
    for size in range(6, 2000):
        place = RESAMPLES * tail(size)
        assert abs(place - round(place)) > 1e-6


def test_signed_ranks_of_darwins_maize():
    # Heights of 15 pairs of cross- and self-fertilised plants in eighths of an inch (Fisher, The Design of Experiments,
    # 1935, chapter 3): negative ranks 10 + 14 = 24; of the 2^15 signs, 676 give 24 or less.
    differences = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
    assert signed_rank_test(differences) == 2 * 676 / 2**15


@given(st.lists(st.integers(-4, 4), max_size=9))
def test_signed_ranks_are_those_of_all_signs_also_with_ties_and_zeros(differences):
    nonzero = [difference for difference in differences if difference]
    ranks = scipy.stats.rankdata(np.abs(nonzero))
    observed = sum(rank for rank, difference in zip(ranks, nonzero, strict=True) if difference > 0)
    sums = [sum(itertools.compress(ranks, signs)) for signs in itertools.product((0, 1), repeat=len(nonzero))]
    smaller, larger = (sum(s <= observed for s in sums), sum(s >= observed for s in sums))
    assert signed_rank_test(differences) == pytest.approx(min(1, 2 * min(smaller, larger) / len(sums)), rel=1e-12)


@given(st.lists(st.floats(-3, 3).filter(bool), min_size=20, max_size=50, unique_by=abs))
def test_signed_ranks_are_those_of_scipy(differences):
    expected = scipy.stats.wilcoxon(differences, method="exact").pvalue
    assert signed_rank_test(differences) == pytest.approx(expected, rel=1e-9)


def test_differences_that_are_all_zero_are_no_sign_of_anything():
    assert signed_rank_test([]) == signed_rank_test([0.0, -0.0]) == 1


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_is_the_closed_test_of_bonferroni(p_values):
    # Marcus, Peritz and Gabriel 1976: a hypothesis falls when every set of hypotheses that it is in falls.
    indices = range(len(p_values))
    sets = [chosen for size in indices for chosen in itertools.combinations(indices, size + 1)]
    for index, adjusted in enumerate(holm(p_values)):
        of_sets = [min(1, len(chosen) * min(p_values[i] for i in chosen)) for chosen in sets if index in chosen]
        assert adjusted == pytest.approx(max(of_sets), rel=1e-12)


def test_holm_by_hand():
    # 0.005 x 4; 0.01 x 3; 0.03 x 2; 0.04 x 1, which may not be less than the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
