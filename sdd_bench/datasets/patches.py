"""Training patches: where they lie on an image, and which of them hold enough sharp detail to be kept.

The rule is DPDNet's published one (Abuolaim and Brown, ECCV 2020, `image_to_patch_filter.py`): patches on a regular
grid with edge patches added; the energy of a patch is the product, over Sobel sizes 3, 7, 11 and 15, of the
min-max-normalised sum of the gradient magnitudes of the gray sharp patch; the patches of least energy are dropped.

The published script filters every patch by itself. Patches overlap by 60-70 %, so here the image is filtered once. What
a patch by itself sees beyond its border (its own pixels, mirrored) differs from what the image holds there; therefore
the mirrored borders of all patches are spliced into the image before it is filtered. Magnitudes are rounded to a fixed
point so fine (2^-34 of the largest possible one, for 512 x 512) that sums of them in float64 are exact: the one pass
and the patch-by-patch rule then agree to the bit, on any machine and in any order of summation.
"""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt

SOBEL_SIZES = (3, 7, 11, 15)
"""Filter sizes of the sharpness energy (DPDNet's published script)."""

MIN_SIZE = 16
"""Smallest patch side: the mirrored borders of the largest filter (7 pixels on each side) must not overlap."""

REACH = SOBEL_SIZES[-1] // 2
"""Pixels beyond its border that the largest filter sees of a patch."""

BINOMIAL = np.array([1.0, 4.0, 6.0, 4.0, 1.0])
"""Convolves a Sobel kernel into the one that is 4 longer, along each axis."""

_STRIPE = 64  # rows filtered at a time: the float64 intermediates stay in the processor's cache

FloatArray = npt.NDArray[np.float64]
Levels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


def grid(width: int, height: int, size: int, stride: int) -> list[tuple[int, int]]:
    """Top left corners of all patches, row by row; the last of each row and column ends at the image's edge.

    2048 x 1080 with size 512 and stride 153 gives 12 x 5 = 60. The published script repeats the last patch where the
    stride meets the edge exactly; here no patch comes twice.

    Args:
        width: image width, pixels.
        height: image height, pixels.
        size: side of a patch, pixels; at most the shorter side of the image.
        stride: distance of neighbouring patches, pixels.

    Returns:
        (x, y) of each patch.
    """
    return [(x, y) for y, x in itertools.product(_starts(height, size, stride), _starts(width, size, stride))]


def sharpness_energy(gray: Levels, size: int, stride: int) -> FloatArray:
    """Sharpness energy of every patch of the grid.

    Where all patches have the same gradient sum (a uniform image, or a single patch) the normalised sum is 0.

    Args:
        gray: H x W gray levels of the sharp image, uint8 or uint16.
        size: side of a patch, pixels; at least `MIN_SIZE`.
        stride: distance of neighbouring patches, pixels.

    Returns:
        One energy in [0, 1] per patch, in the order of `grid`.
    """
    return normalised_product(gradient_sums(gray, size, stride))


def normalised_product(sums: FloatArray) -> FloatArray:
    """The energies that gradient sums make.

    Args:
        sums: 4 x N, one row per Sobel size.

    Returns:
        N products of the sums, each min-max-normalised within its row; 0 where all of a row are equal.
    """
    least = sums.min(axis=1, keepdims=True)
    span = sums.max(axis=1, keepdims=True) - least
    normalised = np.divide(sums - least, span, out=np.zeros_like(sums), where=span > 0)
    energy: FloatArray = normalised.prod(axis=0)
    return energy


def keep_sharpest(energy: FloatArray, keep_share: float) -> list[int]:
    """Choose the patches to keep: all but the floor((1 - keep_share) n) with the least energy.

    For a share of 0.7: 42 of 60, 20 of 28. The share is taken as the decimal number it is written as, so 0.7 of 10 is
    7. Among equal energies those that come first in the grid are dropped first, as in the published script.

    Args:
        energy: one energy per patch, in the order of `grid`.
        keep_share: share of patches to keep, in (0, 1].

    Returns:
        Indices of the kept patches, ascending.
    """
    drop = energy.size - kept_count(energy.size, keep_share)
    return sorted(int(i) for i in np.argsort(energy, kind="stable")[drop:])


def kept_count(count: int, keep_share: float) -> int:
    """How many of a number of patches `keep_sharpest` keeps.

    Args:
        count: number of patches.
        keep_share: share of patches to keep, in (0, 1].
    """
    return count - math.floor((1 - Fraction(str(keep_share))) * count)


def gradient_sums(gray: Levels, size: int, stride: int) -> FloatArray:
    """Sum of the gradient magnitudes of every patch of the grid, each filtered as if it were an image by itself.

    OpenCV's Sobel kernel of size k + 4 is its kernel of size k convolved with the 5 x 5 binomial, so each size is
    computed from the one before. All filter responses are whole numbers that float32 or float64 hold exactly.

    Args:
        gray: H x W gray levels, uint8 or uint16.
        size: side of a patch, pixels; at least `MIN_SIZE`.
        stride: distance of neighbouring patches, pixels.

    Returns:
        4 x N sums: one row per Sobel size, patches in the order of `grid`.
    """
    peak = int(np.iinfo(gray.dtype).max)
    row_sources, row_sets = splice(gray.shape[0], size, stride)
    column_sources, column_sets = splice(gray.shape[1], size, stride)
    spliced = gray.take(row_sources, axis=0).take(column_sources, axis=1)
    sums = np.zeros((len(SOBEL_SIZES), row_sets.shape[1], column_sets.shape[1]))
    for top in range(0, spliced.shape[0], _STRIPE):
        bottom = min(top + _STRIPE, spliced.shape[0])
        first, last = max(top - REACH, 0), min(bottom + REACH, spliced.shape[0])
        gradients = [
            cv2.Sobel(spliced[first:last], cv2.CV_32F, *order, ksize=SOBEL_SIZES[0]) for order in ((1, 0), (0, 1))
        ]
        for i, kernel in enumerate(SOBEL_SIZES):
            if i > 0:
                exact = np.float32 if largest_gradient(peak, kernel) < 2**24 else np.float64
                gradients = [cv2.sepFilter2D(g.astype(exact), -1, BINOMIAL, BINOMIAL) for g in gradients]
            dx, dy = (g[top - first : bottom - first] for g in gradients)
            magnitude = fixed_point_magnitude(dx, dy, largest=largest_gradient(peak, kernel), count=size * size)
            sums[i] += row_sets[i, :, top:bottom] @ magnitude @ column_sets[i].T
    return sums.reshape(len(SOBEL_SIZES), -1)


def fixed_point_magnitude(dx: npt.NDArray[Any], dy: npt.NDArray[Any], largest: int, count: int) -> FloatArray:
    """Gradient magnitude, rounded so that float64 sums of up to ``count`` of them are exact.

    Args:
        dx: horizontal gradient, whole numbers in any type.
        dy: vertical gradient, same shape.
        largest: bound of the gradients' absolute values.
        count: number of values that will be summed.

    Returns:
        The magnitudes, float64, as multiples of a power of two.
    """
    step = fixed_point_step(largest, count)
    magnitude: FloatArray = dx.astype(np.float64)
    magnitude *= magnitude
    magnitude += np.square(dy, dtype=np.float64)
    np.sqrt(magnitude, out=magnitude)
    magnitude *= 1 / step
    np.rint(magnitude, out=magnitude)
    magnitude *= step
    return magnitude


def fixed_point_step(largest: int, count: int) -> float:
    """The fixed point of `fixed_point_magnitude`: the power of two that its results are multiples of."""
    return 2.0 ** (math.ceil(math.log2(math.sqrt(2) * largest * count)) - 53)


def gray_levels(levels: Levels) -> Levels:
    """Gray levels of a colour image, by the weights 0.299, 0.587, 0.114 and the rounding of the published script.

    Args:
        levels: H x W x 3 RGB, uint8 or uint16.

    Returns:
        H x W, same type.
    """
    gray: Any = cv2.cvtColor(levels, cv2.COLOR_RGB2GRAY)
    return cast("Levels", gray)


def _starts(length: int, size: int, stride: int) -> list[int]:
    starts = list(range(0, length - size + 1, stride))
    return starts if starts[-1] == length - size else [*starts, length - size]


def largest_gradient(peak: int, kernel: int) -> int:
    """Bound of the gradients by the Sobel kernel of this size, of gray levels from 0 to ``peak``.

    Its positive weights sum to 2^(2k - 4): binomial smoothing times a derivative.
    """
    return peak << (2 * kernel - 4)


def splice(length: int, size: int, stride: int) -> tuple[npt.NDArray[np.intp], FloatArray]:
    """One axis of the image into which the mirrored borders of all patches are spliced, for filters to find them there.

    After the image's own lines come, per patch, its first and its last lines, each with their mirror image on the outer
    side and real lines on the inner. For a filter of reach r a patch is its own inner lines, and r lines of each block.

    Args:
        length: lines of the image along this axis.
        size: lines of a patch.
        stride: distance of neighbouring patches.

    Returns:
        The source line that each line shows, and which lines form each patch: [Sobel size, patch, line], 0 or 1.
    """
    starts = _starts(length, size, stride)
    block = 3 * REACH
    sources = [np.arange(length)]
    members = np.zeros((len(SOBEL_SIZES), len(starts), length + 2 * block * len(starts)))
    for patch, start in enumerate(starts):
        end = start + size - 1
        head = length + 2 * block * patch
        sources.append(np.concatenate([np.arange(start + REACH, start, -1), np.arange(start, start + 2 * REACH)]))
        sources.append(
            np.concatenate([np.arange(end - 2 * REACH + 1, end + 1), np.arange(end - 1, end - REACH - 1, -1)])
        )
        for i, kernel in enumerate(SOBEL_SIZES):
            reach = kernel // 2
            members[i, patch, start + reach : end + 1 - reach] = 1
            members[i, patch, head + REACH : head + REACH + reach] = 1
            members[i, patch, head + block + 2 * REACH - reach : head + block + 2 * REACH] = 1
    return np.concatenate(sources), members
