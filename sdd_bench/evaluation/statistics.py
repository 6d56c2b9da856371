"""How sure a mean over few images is: bootstrap intervals, a paired test, and its correction for many comparisons.

All of it is deterministic to the bit, on every machine: result files hold these intervals and are checked by computing
them again. So the resamples come from a generator whose stream NumPy guarantees, and their sums are sums of integers,
which no order of summation can change.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Interval = tuple[float, float]

# The intervals in result files depend on these: another value needs another schema version.
LEVEL = 0.95
RESAMPLES = 10_000
SEED = 2022
SMALLEST_SAMPLE = 6

_BLOCK = 1_000  # resamples at a time, so that memory does not grow with their number


def mean_intervals(samples: NDArray[np.float64]) -> list[Interval | None]:
    """95 % bootstrap interval of the mean of each sample; all samples share the same resamples.

    The *expanded percentile* interval (Hesterberg, What Teachers Should Know About the Bootstrap, The American
    Statistician 69(4), 2015): percentiles of the means of 10,000 resamples, but at the level a at which they are as
    far apart as Student's interval is for symmetric values,

        a / 2 = Phi(-sqrt(n / (n - 1)) t(0.975; n - 1)).

    Plain percentiles are too narrow for few images, and so is BCa, which corrects for skewness but not for that. Share
    of intervals that hold the true mean in % (percentiles / BCa / these, by ``benchmarks/interval_coverage.py``):

    ===================  ==================  ==================  ==================
    scores               6 images            11 images           35 images
    ===================  ==================  ==================  ==================
    normal               86.1 / 86.2 / 93.6  91.2 / 90.9 / 95.1  94.1 / 94.1 / 95.3
    exponential          80.9 / 82.9 / 88.4  86.7 / 88.3 / 90.9  92.4 / 92.8 / 93.5
    heavy tails, t(3)    85.3 / 83.3 / 93.2  89.8 / 86.6 / 94.2  92.9 / 90.5 / 94.2
    ===================  ==================  ==================  ==================

    Fewer than 6 values have no interval: even from the smallest value to the largest, n values enclose the middle of a
    symmetric distribution with probability 1 - 2^(1-n) only, which reaches 95 % at n = 6. Equal values have an interval
    of no width.

    Args:
        samples: K x N, K samples of N finite values.

    Returns:
        (lower, upper) bound per sample, in its unit; None for each if there are fewer than 6 values.

    Raises:
        ValueError: if a value is not finite.
    """
    if not np.isfinite(samples).all():
        raise ValueError("a bootstrap needs finite values")
    size = samples.shape[1]
    if size < SMALLEST_SAMPLE:
        return [None] * len(samples)
    means = np.array([math.fsum(sample) / size for sample in samples])
    deviations = samples - means[:, None]
    # Deviations become integers so small that a sum of N of them is exact in float64, whatever adds it up.
    exponents = np.frexp(np.abs(deviations).max(axis=1))[1] - (53 - (size - 1).bit_length())
    integers = np.rint(np.ldexp(deviations, -exponents[:, None]))
    sums = np.concatenate([integers @ block.T.astype(np.float64) for block in _resamples(size)], axis=1)
    bounds = []
    for place in (_outside(size), RESAMPLES - 1 - _outside(size)):
        sums.partition(place, axis=1)  # one place at a time: NumPy is eight times slower at two
        bounds.append(means + np.ldexp(sums[:, place] / size, exponents))
    return [(float(lower), float(upper)) for lower, upper in zip(*bounds, strict=True)]


@lru_cache(maxsize=16)
def _resamples(size: int) -> NDArray[np.uint8]:
    """How often each of `size` values is drawn: blocks x resamples x values."""
    # Raw output of PCG64: NumPy guarantees its stream, but not that of the distributions drawn from it.
    stream = np.random.PCG64(SEED)
    counts = np.empty((RESAMPLES // _BLOCK, _BLOCK, size), np.uint8)
    starts = np.repeat(np.arange(_BLOCK) * size, size)
    for block in counts:
        upper_half = stream.random_raw(_BLOCK * size) >> np.uint64(32)
        drawn = (upper_half * np.uint64(size) >> np.uint64(32)).astype(np.int64)
        block[:] = np.bincount(starts + drawn, minlength=_BLOCK * size).reshape(block.shape)
    return counts


@lru_cache(maxsize=16)
def _outside(size: int) -> int:
    """Number of resamples beyond each bound."""
    from scipy.special import ndtr, stdtrit  # a quarter of a second

    quantile = float(stdtrit(size - 1, (1 + LEVEL) / 2))
    return int(RESAMPLES * float(ndtr(-math.sqrt(size / (size - 1)) * quantile)))


def signed_rank_test(differences: Sequence[float]) -> float:
    """Two-sided p-value of Wilcoxon's signed-rank test: are differences as likely above zero as below?

    The exact distribution over all 2^N signs, also with ties, whose ranks are averaged (Wilcoxon, Individual
    Comparisons by Ranking Methods, Biometrics Bulletin 1(6), 1945). Zeros say nothing and are left out, as there.

    Args:
        differences: N paired differences, finite.

    Returns:
        In (0, 1]; 1 if all differences are zero.
    """
    nonzero = np.array([difference for difference in differences if difference != 0])
    _, which, counts = np.unique(np.abs(nonzero), return_inverse=True, return_counts=True)
    ranks = (2 * np.cumsum(counts) - counts + 1)[which]  # doubled, so that averages are integers
    chance = np.zeros(int(ranks.sum()) + 1)  # of each sum of the ranks of positive differences
    chance[0] = 1
    for rank in ranks:
        with_rank = np.zeros_like(chance)
        with_rank[rank:] = chance[:-rank]
        chance = (chance + with_rank) / 2
    observed = int(ranks[nonzero > 0].sum())
    return min(1.0, 2 * min(math.fsum(chance[: observed + 1]), math.fsum(chance[observed:])))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for their number, so that any false alarm among them has at most the chance of one test.

    The step-down procedure of Holm (A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian Journal of
    Statistics 6(2), 1979): the smallest of m is multiplied by m, the next by m - 1, and so on, and none is less than
    one before it.

    Args:
        p_values: in [0, 1].

    Returns:
        Adjusted p-values in the given order, at most 1.
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = largest
    return adjusted
