"""How often do 95 % intervals hold the true mean? Plain percentiles, BCa and sdd-bench's intervals on simulated scores.

All three use 10,000 resamples of 35 images, as many as SDD's test split has, of its 11 indoor ones, or of 6, the fewest
that sdd-bench gives an interval for. Each sample is drawn anew from a distribution whose mean is known. Run:

    python benchmarks/interval_coverage.py
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable

import numpy as np
from scipy.special import ndtr, ndtri

from sdd_bench.evaluation.statistics import LEVEL, RESAMPLES, mean_intervals

BATCH = 500  # samples at a time: their resampled means take 40 MB

# Title -> (draws an array of that shape, true mean)
DISTRIBUTIONS: dict[str, tuple[Callable[[np.random.Generator, tuple[int, int]], np.ndarray], float]] = {
    "normal": (lambda rng, shape: rng.normal(size=shape), 0.0),
    "two kinds of scenes": (lambda rng, shape: rng.normal(size=shape) + 2 * (rng.random(shape) < 0.3), 0.6),
    "log-normal, skew 1.75": (lambda rng, shape: np.exp(0.5 * rng.normal(size=shape)), math.exp(0.125)),
    "exponential, skew 2": (lambda rng, shape: rng.exponential(size=shape), 1.0),
    "heavy tails, t(3)": (lambda rng, shape: rng.standard_t(3, size=shape), 0.0),
}


def percentile_and_bca(samples: np.ndarray, drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bounds by both methods (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, 13.3 and 14.3).

    Args:
        samples: K x N.
        drawn: resamples x N, how often each value is drawn.

    Returns:
        K x 2 each.
    """
    size = samples.shape[1]
    means = samples.mean(axis=1, keepdims=True)
    resampled = np.sort(samples @ drawn.T / size, axis=1)
    tails = np.array([(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    percentile = resampled[:, (RESAMPLES * tails).astype(int)]
    bias = ndtri((resampled < means).mean(axis=1, keepdims=True))
    influence = means - samples
    acceleration = -(influence**3).sum(axis=1, keepdims=True) / (6 * (influence**2).sum(axis=1, keepdims=True) ** 1.5)
    shifted = bias + ndtri(tails)
    levels = ndtr(bias + shifted / (1 - acceleration * shifted))
    places = np.clip((RESAMPLES * levels).astype(int), 0, RESAMPLES - 1)
    return percentile, np.take_along_axis(resampled, places, axis=1)


def coverage(title: str, size: int, samples: int) -> list[float]:
    """Share of samples whose interval holds the true mean, by percentiles, BCa and sdd-bench."""
    rng = np.random.default_rng([size, list(DISTRIBUTIONS).index(title)])
    drawn = rng.multinomial(size, np.full(size, 1 / size), RESAMPLES).astype(np.float64)
    draw, true_mean = DISTRIBUTIONS[title]
    held = np.zeros(3)
    for _ in range(samples // BATCH):
        values = draw(rng, (BATCH, size))
        for number, bounds in enumerate((*percentile_and_bca(values, drawn), np.array(mean_intervals(values)))):
            held[number] += ((bounds[:, 0] <= true_mean) & (true_mean <= bounds[:, 1])).sum()
    return list(held / (samples // BATCH * BATCH))


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=20_000, help="per distribution and size (default %(default)s)")
    samples = parser.parse_args().samples
    print("| distribution of scores | images | percentiles | BCa | sdd-bench |\n|---|---:|---:|---:|---:|")
    for title in DISTRIBUTIONS:
        for size in (6, 11, 35):
            cells = " | ".join(f"{100 * share:.1f} %" for share in coverage(title, size, samples))
            print(f"| {title} | {size} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
