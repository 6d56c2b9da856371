"""Reducing images by area averaging, and which reductions are allowed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from sdd_bench.datasets.patches import Levels
from sdd_bench.io.samples import to_float

_STRIPE = 1 << 19  # samples at a time: the floats stay in the processor's cache


def resize_problem(size: tuple[int, int], target: tuple[int, int]) -> str | None:
    """Say why an image can't be reduced to a target size.

    Enlarging is refused, and so is a change of the aspect ratio beyond what rounding to whole pixels needs (1 pixel).

    Args:
        size: (width, height) of the image, pixels.
        target: (width, height) wanted.

    Returns:
        What is wrong, or None.
    """
    (width, height), (target_width, target_height) = size, target
    named = f"{width} x {height} to {target_width} x {target_height}"
    if target_width > width or target_height > height:
        return f"{named} would enlarge it"
    # The target must be the exact reduction by one side's factor, with the other side rounded either way.
    by_width = abs(height * target_width - target_height * width) < width
    by_height = abs(width * target_height - target_width * height) < height
    if not by_width and not by_height:
        return f"{named} would change its aspect ratio ({width / height:.4f} to {target_width / target_height:.4f})"
    return None


def resize_area(image: npt.NDArray[np.float32], target: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Reduce an image: each new pixel is the mean of the area it covers, as a coarser sensor would see it.

    Args:
        image: H x W x 3, float32.
        target: (width, height), pixels.

    Returns:
        target height x target width x 3, float32; the image itself where it has that size already.
    """
    if (image.shape[1], image.shape[0]) == target:
        return image
    return np.asarray(cv2.resize(image, target, interpolation=cv2.INTER_AREA), np.float32)


def reduce_samples(samples: npt.NDArray[Any], target: tuple[int, int]) -> npt.NDArray[np.float32]:
    """What `resize_area` makes of an image's samples as floats, without ever holding all of these.

    Args:
        samples: H x W x 3, uint8, uint16, or float32 in [0, 1].
        target: (width, height), pixels.

    Returns:
        target height x target width x 3, float32 in [0, 1].
    """
    reduced = np.empty((target[1], target[0], 3), np.float32)
    for rows, source in _stripes(samples, target):
        reduced[rows] = resize_area(to_float(source), (target[0], rows.stop - rows.start))
    return reduced


def reduce_levels(levels: Levels, target: tuple[int, int], bit_depth: Literal[8, 16]) -> Levels:
    """Reduce an image as `resize_area` does, from the levels of one bit depth to those of another.

    Args:
        levels: H x W x 3, uint8 or uint16.
        target: (width, height), pixels.
        bit_depth: of the result.

    Returns:
        target height x target width x 3, uint8 or uint16, rounded half to even; the levels themselves where nothing
        changes.
    """
    peak, own_peak = 2**bit_depth - 1, np.iinfo(levels.dtype).max
    if (levels.shape[1], levels.shape[0]) == target and peak == own_peak:
        return levels
    reduced: Levels = np.empty((target[1], target[0], 3), np.uint8 if bit_depth == 8 else np.uint16)
    for rows, source in _stripes(levels, target):
        # Of whole levels: sums of them are exact in float32, so that halves are halves and round to even.
        means = resize_area(source.astype(np.float32), (target[0], rows.stop - rows.start))
        if peak != own_peak:
            means *= np.float32(peak / own_peak)
        reduced[rows] = np.rint(means, out=means)
    return reduced


def _stripes(samples: npt.NDArray[Any], target: tuple[int, int]) -> Iterator[tuple[slice, npt.NDArray[Any]]]:
    """Rows of the reduced image, and the rows that they are means of."""
    (width, height), (source_height, source_width) = target, samples.shape[:2]
    factor, rest = divmod(source_height, height)
    if rest or source_width % width:  # a new row may take from rows of two stripes
        yield slice(0, height), samples
        return
    step = max(1, _STRIPE // (3 * source_width * factor))
    for top in range(0, height, step):
        bottom = min(top + step, height)
        yield slice(top, bottom), samples[top * factor : bottom * factor]
