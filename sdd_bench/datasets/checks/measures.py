"""What the checks measure on the two pictures of a pair.

None of this needs the pair to be aligned: pictures are compared as wholes, or so small that misalignment hardly shows.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.alignment.light import srgb_to_linear
from sdd_bench.alignment.similarity import Similarity
from sdd_bench.datasets.resize import reduce_samples, resize_area

Picture = NDArray[np.float32]

_DETAIL_SIDE = 2048
_LIGHT_SIDE = 64
# Of samples in [0, 1]: above it is as good as clipped, below it mostly noise.
_BRIGHT, _DARK = 0.97, 0.04
_ENOUGH_LIGHT = 0.05
_CLIPPED = 0.995
_ROWS = 64  # at a time: what is made of them stays in the processor's cache


def reduced(picture: Picture, longer_side: int) -> Picture:
    """A picture reduced by area averaging so that its longer side is at most this many pixels.

    Args:
        picture: H x W or H x W x 3, float32.
        longer_side: pixels.
    """
    return resize_area(picture, _reduced_size(picture.shape, longer_side))


def reduced_view(samples: NDArray[Any], longer_side: int) -> Picture:
    """A picture of floats that is reduced likewise, from its samples.

    Args:
        samples: H x W x 3, uint8, uint16, or float32 in [0, 1].
        longer_side: pixels.
    """
    return reduce_samples(samples, _reduced_size(samples.shape, longer_side))


def _reduced_size(shape: tuple[int, ...], longer_side: int) -> tuple[int, int]:
    height, width = shape[:2]
    scale = min(1.0, longer_side / max(height, width))
    return max(1, round(width * scale)), max(1, round(height * scale))


def difference(blur: NDArray[Any], sharp: NDArray[Any]) -> float:
    """Mean absolute difference of two pictures' samples, of 255; exactly 0 only if they are equal.

    Args:
        blur: H x W x 3, uint8, uint16 or float32 in [0, 1].
        sharp: same shape and type.
    """
    peak = np.iinfo(blur.dtype).max if blur.dtype.kind == "u" else 1.0
    return float(np.mean(cv2.mean(cv2.absdiff(blur, sharp))[:3])) / float(peak) * 255


def detail(picture: Picture) -> float:
    """How much fine detail a picture has: the energy of a band of its gray values over their squared mean.

    The band is that of structures about 4 pixels wide at a longer side of 2048 pixels: finer ones are mostly noise and
    coding errors, coarser ones survive mild blur. Relative to the mean, so that exposure does not count.

    Args:
        picture: H x W x 3, float32 in [0, 1].
    """
    gray = cv2.cvtColor(reduced(picture, _DETAIL_SIDE), cv2.COLOR_RGB2GRAY)
    band = cv2.GaussianBlur(gray, (0, 0), 1) - cv2.GaussianBlur(gray, (0, 0), 2)
    return float(np.square(band, dtype=np.float64).mean() / max(float(gray.mean()) ** 2, 1e-12))


def detail_gain(blur: Picture, sharp: Picture) -> float | None:
    """How much more fine detail the sharp picture has: log2 of the ratio of their `detail`.

    Args:
        blur: H x W x 3, float32 in [0, 1].
        sharp: same shape and range.

    Returns:
        Above 0 where the sharp picture is the sharper one; None where one of the two is flat.
    """
    energies = [detail(picture) for picture in (blur, sharp)]
    if min(energies) <= 0:
        return None
    return float(np.log2(energies[1] / energies[0]))


def light_ratios(blur: Picture, sharp: Picture) -> NDArray[np.float64] | None:
    """How much more light each channel of the sharp picture got, in stops.

    Medians over small pictures, so that neither misalignment nor an object that differs counts; places that are nearly
    black or nearly clipped in one of the two are left out.

    Args:
        blur: H x W x 3, float32 in [0, 1], sRGB.
        sharp: same shape and range.

    Returns:
        One number per channel: log2 of the ratio of linear light, sharp over blur; None where too little of the
        pictures is neither black nor clipped.
    """
    small = [reduced(picture, _LIGHT_SIDE) for picture in (blur, sharp)]
    usable = np.all([((each > _DARK) & (each < _BRIGHT)).all(axis=2) for each in small], axis=0)
    if usable.mean() < _ENOUGH_LIGHT:
        return None
    linear = [srgb_to_linear(each)[usable].astype(np.float64) for each in small]
    return np.asarray(np.median(np.log2(linear[1] / linear[0]), axis=0))


def clipped_share(samples: NDArray[Any]) -> float:
    """Share of pixels with a channel at its maximum, in %.

    Args:
        samples: H x W x 3, uint8, uint16 or float32 in [0, 1].
    """
    whole = samples.dtype.kind == "u"
    least = math.ceil(_CLIPPED * np.iinfo(samples.dtype).max) if whole else _CLIPPED
    count = 0
    for row in range(0, len(samples), _ROWS):
        pixels = np.flatnonzero(samples[row : row + _ROWS].ravel() >= least) // 3
        count += int(np.count_nonzero(np.diff(pixels, prepend=-1)))
    return float(100 * count / (samples.shape[0] * samples.shape[1]))


def corner_displacement(similarity: Similarity, shape: tuple[int, ...]) -> float:
    """How far a similarity moves the corner that it moves most, in % of the longer side.

    Args:
        similarity: a converged one.
        shape: of the pictures, (H, W) or (H, W, C).
    """
    height, width = shape[:2]
    corners = np.array([(x, y) for x in (0, width - 1) for y in (0, height - 1)], np.float64)
    moved = np.linalg.norm(similarity.apply(corners, shape) - corners, axis=1)
    return float(moved.max() / max(height, width) * 100)
