"""From measurements at edges to a map of the whole picture."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.models.classical.matting import solve_matting
from sdd_bench.models.classical.windows import Array, box_sum, fit, guided, windows

Image = NDArray[np.float32]
Fill = Callable[[Array, Array, Array], Array]
"""From a guide (H x W x 3), measurements and their weights (H x W, some of them positive) to a value at every pixel."""

_PENALTY = 1e-3  # of the guided filters, for colours in [0, 1]
_PULL, _WEAK = 0.02, 1e-5  # towards the measurements, and towards the guided filters' map, against the Laplacian's 1


def propagate(image: Image, radius: Image, confidence: Image, fill: Fill, side: int) -> Image:
    """Spread measurements over a picture, at a reduced size as the fast guided filter does (He and Sun 2015).

    Args:
        image: H x W x 3 float32 in [0, 1], the guide.
        radius: H x W float32, of interest where the confidence is positive.
        confidence: H x W float32, not negative.
        fill: `by_guided_filters` or `by_matting`.
        side: the longer side of the reduced picture, pixels.

    Returns:
        H x W float32 within the range of the measurements; 0 everywhere if there is none.
    """
    guide, measured, weight = _reduced(image, radius, confidence, side)
    if not weight.any():
        return np.zeros_like(radius)
    return _enlarged(image, guide, fill(guide, measured, weight), measured[weight > 0])


def by_guided_filters(guide: Array, measured: Array, weight: Array) -> Array:
    """The map of guided filters whose windows grow until every pixel is reached; see `Fill`."""
    return _spread(guide, measured, weight, max(guide.shape[:2]) // 24 + 1)


def by_matting(guide: Array, measured: Array, weight: Array) -> Array:
    """The map that is locally a linear function of colour (matting Laplacian); see `Fill`.

    What the guided filters say holds everywhere, but very weakly, so that regions without measurements have a value.
    """
    everywhere = by_guided_filters(guide, measured, weight)
    if min(guide.shape[:2]) < 3:
        return everywhere
    pull = _PULL * weight
    wanted = (pull * measured + _WEAK * everywhere) / (pull + _WEAK)
    return solve_matting(guide, wanted, pull + _WEAK)


def _spread(guide: Array, measured: Array, weight: Array, radius: int) -> Array:
    """Guided filters from narrow to wide: where a narrow one has little behind it, the wider one speaks."""
    found, evidence = guided(windows(guide, weight, radius, _PENALTY), measured)
    share = evidence / (evidence + 0.02 * (2 * radius + 1) ** 4)
    if 2 * radius < max(guide.shape[:2]):
        wider = _spread(guide, measured, weight, 2 * radius)
    else:
        wider = np.full_like(found, np.average(measured, weights=weight))
    return np.asarray(share * found + (1 - share) * wider)


def _reduced(image: Image, radius: Image, confidence: Image, side: int) -> tuple[Array, Array, Array]:
    height, width = radius.shape
    factor = min(side / max(height, width), 1.0)
    size = (max(round(width * factor), 1), max(round(height * factor), 1))

    def shrink(picture: Image) -> Array:
        return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float64)

    weight = shrink(confidence)
    measured = shrink(confidence * radius) / np.maximum(weight, 1e-12)
    return shrink(image), np.where(weight > 0, measured, 0.0), weight


def _enlarged(image: Image, guide: Array, found: Array, measurements: Array) -> Image:
    """The map at the picture's size: its linear functions of colour are enlarged, and applied to the picture."""
    height, width = image.shape[:2]
    stats = windows(guide, np.ones(found.shape), 1, 1e-4)
    slope, offset = fit(stats, found)
    sums = box_sum(np.concatenate([slope, offset[..., None]], -1), 1) / stats.total[..., None]
    functions = cv2.resize(sums.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    full = (functions[..., :3] * image).sum(-1) + functions[..., 3]
    return np.asarray(np.clip(full, measurements.min(), measurements.max()), np.float32)
