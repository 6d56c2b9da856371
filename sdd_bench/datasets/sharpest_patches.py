"""The patches that DPDNet's rule keeps, found in single precision and proved to be the same.

`patches.gradient_sums` computes the rule exactly; most of its time goes into double precision that decides nothing,
because the patches next to the threshold differ by far more. Here the sums are computed in float32, each with a bound
of its error. The bounds of the sums give bounds of the energies; where the lowest bound of the kept patches is above
the highest bound of the dropped ones, the exact energies must choose the same patches. Where it is not (none of the 20
photographs of benchmarks/prepare_speed.py, but every picture with equal patches), the exact sums are computed.

The bound, for one patch, with u = 2^-24, S_i its exact sum of gradient magnitudes for the i-th Sobel size, and E_i a
bound on the sum of the errors of its gradients' components:

- Size 3: whole numbers below 2^24, so E_0 = 0.
- Each further size filters the gradients before by the 5 x 5 binomial, whose weights sum to 256. Errors so far grow by
  these weights. A filter row and column round at most 5 times each, by u of the sum of the products' sizes: 10 u in
  all, 0 where all numbers stay below 2^24. Over a patch with mirrored borders a pixel is used with a weight of at most
  20 per axis (the second from the border: 15 itself, 5 by its mirror image), so sums grow by at most 400. The sizes of
  both components sum to at most sqrt(2) S_i. Hence
  E_i = 400 (1 + 10 u) E_(i-1) + 400 * 10 u * sqrt(2) S_(i-1).
- A magnitude is rounded by less than 16 u (4 u by IEEE 754; the rest allows for square roots by approximation), and a
  stripe of 64 rows is summed in float32, which rounds by at most 64 u; stripes are summed in float64.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from sdd_bench.datasets.patches import (
    BINOMIAL,
    REACH,
    SOBEL_SIZES,
    FloatArray,
    Levels,
    fixed_point_step,
    keep_sharpest,
    kept_count,
    largest_gradient,
    normalised_product,
    sharpness_energy,
    splice,
)

_STRIPE = 64  # rows at a time: the intermediates stay in the processor's cache
_ROUNDING = 2.0**-24
_FILTER_ROUNDING = 11 * _ROUNDING  # 10, and all products of roundings
_SUM_ROUNDING = (16 + _STRIPE + 1) * _ROUNDING
_BORDER_WEIGHT = 400.0
_SLACK = 1.01  # the bounds are computed from rounded sums, which are right to better than 1 %
_EXACT_ROUNDING = 1e-12  # of the few float64 operations between exact sums and exact energies


def sharpest_patches(gray: Levels, size: int, stride: int, keep_share: float) -> tuple[list[int], FloatArray]:
    """The patches to keep, those of ``keep_sharpest(sharpness_energy(gray, size, stride), keep_share)``.

    Args:
        gray: H x W gray levels of the sharp image, uint8 or uint16.
        size: side of a patch, pixels; at least `MIN_SIZE`.
        stride: distance of neighbouring patches, pixels.
        keep_share: share of patches to keep, in (0, 1].

    Returns:
        Their places in the order of `grid`, ascending; and what `sharpness_energy` gives, to about five digits.
    """
    sums, error = estimate_sums(gray, size, stride)
    kept = certain_choice(*energy_bounds(sums, error), keep_share)
    if kept is None:
        kept = keep_sharpest(sharpness_energy(gray, size, stride), keep_share)
    return kept, normalised_product(sums)


def estimate_sums(gray: Levels, size: int, stride: int) -> tuple[FloatArray, FloatArray]:
    """What `gradient_sums` gives, in float32, and how far each sum may be off.

    Args:
        gray: H x W gray levels, uint8 or uint16.
        size: side of a patch, pixels; at least `MIN_SIZE`.
        stride: distance of neighbouring patches, pixels.

    Returns:
        4 x N sums, and 4 x N bounds of their distance from those of `gradient_sums`.
    """
    row_sources, row_sets = splice(gray.shape[0], size, stride)
    column_sources, column_sets = splice(gray.shape[1], size, stride)
    spliced = gray.take(row_sources, axis=0).take(column_sources, axis=1)
    rows = np.zeros((len(SOBEL_SIZES), row_sets.shape[1], spliced.shape[1]))
    members = row_sets.astype(np.float32)
    for top in range(0, spliced.shape[0], _STRIPE):
        bottom = min(top + _STRIPE, spliced.shape[0])
        first, last = max(top - REACH, 0), min(bottom + REACH, spliced.shape[0])
        gradients = [cv2.Sobel(spliced[first:last], cv2.CV_32F, *order, ksize=3) for order in ((1, 0), (0, 1))]
        for i in range(len(SOBEL_SIZES)):
            if i > 0:
                gradients = [cv2.sepFilter2D(gradient, -1, BINOMIAL, BINOMIAL) for gradient in gradients]
            dx, dy = (gradient[top - first : bottom - first] for gradient in gradients)
            rows[i] += members[i, :, top:bottom] @ np.asarray(cv2.magnitude(dx, dy))
    sums = np.stack([rows[i] @ column_sets[i].T for i in range(len(SOBEL_SIZES))]).reshape(len(SOBEL_SIZES), -1)
    return sums, _error_bounds(sums, int(np.iinfo(gray.dtype).max), size * size)


def energy_bounds(sums: FloatArray, error: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Between which numbers the energies lie.

    Args:
        sums: 4 x N.
        error: 4 x N, how far each sum may be off.

    Returns:
        N lowest and N highest energies; 0 and 1 where nothing can be said.
    """
    low, high = sums - error, sums + error
    least_low, most_low = (low.min(axis=1, keepdims=True), low.max(axis=1, keepdims=True))
    least_high, most_high = (high.min(axis=1, keepdims=True), high.max(axis=1, keepdims=True))
    if (most_low <= least_high).any():
        return np.zeros(sums.shape[1]), np.ones(sums.shape[1])
    # A normalised sum grows with its own sum, and falls with the least and with the largest one.
    floor = ((low - least_high) / (most_high - least_high)).clip(0, 1).prod(axis=0)
    ceiling = ((high - least_low) / (most_low - least_low)).clip(0, 1).prod(axis=0)
    return floor * (1 - _EXACT_ROUNDING), ceiling * (1 + _EXACT_ROUNDING)


def certain_choice(low: FloatArray, high: FloatArray, keep_share: float) -> list[int] | None:
    """The patches that `keep_sharpest` keeps whatever the energies are between these bounds; None if that depends.

    Args:
        low: lowest energy of each patch.
        high: highest energy of each patch.
        keep_share: share of patches to keep, in (0, 1].
    """
    drop = low.size - kept_count(low.size, keep_share)
    order = np.argsort(low + high, kind="stable")
    dropped, kept = order[:drop], order[drop:]
    if drop and high[dropped].max() >= low[kept].min():
        return None
    return sorted(int(i) for i in kept)


def _error_bounds(sums: FloatArray, peak: int, count: int) -> FloatArray:
    bounds = np.empty_like(sums)
    gradients = np.zeros(sums.shape[1])
    for i, kernel in enumerate(SOBEL_SIZES):
        largest = largest_gradient(peak, kernel)
        if i > 0:
            rounding = 0.0 if largest < 2**24 else _FILTER_ROUNDING
            before = math.sqrt(2) * _SLACK * (sums[i - 1] + gradients)
            gradients = _BORDER_WEIGHT * ((1 + rounding) * gradients + rounding * before)
        # The exact sums are of magnitudes rounded to a fixed point: half a step each, and as much for their own error.
        bounds[i] = _SLACK * (_SUM_ROUNDING * sums[i] + gradients) + count * fixed_point_step(largest, count)
    return bounds
