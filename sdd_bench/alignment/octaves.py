"""Octave pyramids of gray pictures, and their exact resampling by zoom and shift."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import cv2
import numpy as np
import scipy.sparse
from numpy.typing import NDArray

Gray: TypeAlias = NDArray[np.float32]


class Placement(NamedTuple):
    """Zoom and shift (pixels) about a centre, all in the pixels of one pyramid level: x' = c + zoom (x - c) + shift."""

    zoom: float
    shift_x: float
    shift_y: float
    centre_x: float
    centre_y: float

    def at_level(self, level: int) -> Placement:
        """The same placement in pixels of a pyramid level; pixel x of level k covers pixels 2^k x ... of level 0."""
        scale = 0.5**level
        centre = [(c + 0.5) * scale - 0.5 for c in self[3:]]
        return Placement(self.zoom, self.shift_x * scale, self.shift_y * scale, centre[0], centre[1])

    def inverse(self) -> Placement:
        """The placement of the target in the source."""
        return self._replace(zoom=1 / self.zoom, shift_x=-self.shift_x / self.zoom, shift_y=-self.shift_y / self.zoom)

    def half(self) -> Placement:
        """Half of the way: this placement is its own half, applied twice."""
        root = float(np.sqrt(self.zoom))
        return self._replace(zoom=root, shift_x=self.shift_x / (1 + root), shift_y=self.shift_y / (1 + root))


def pyramid(gray: Gray, levels: int) -> list[Gray]:
    """The picture and its successive 2 x 2 means; an odd last row or column is left out.

    Args:
        gray: H x W, float32.
        levels: number of pictures.

    Returns:
        `levels` pictures, finest first.
    """
    pictures = [gray]
    for _ in range(levels - 1):
        height, width = (side // 2 for side in pictures[-1].shape)
        even = pictures[-1][: 2 * height, : 2 * width]
        halved = cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA)
        pictures.append(np.asarray(halved, dtype=np.float32))
    return pictures


def band_pass(gray: Gray, fine: float, coarse: float) -> Gray:
    """Difference of two Gaussians of standard deviations `fine` and `coarse`, in pixels."""
    fine_blur, coarse_blur = cv2.GaussianBlur(gray, (0, 0), fine), cv2.GaussianBlur(gray, (0, 0), coarse)
    return np.asarray(fine_blur - coarse_blur, dtype=np.float32)


def in_target_frame(source: Gray, placement: Placement) -> tuple[Gray, slice, slice]:
    """The source as seen in the target's frame: the value at x' is that of the source at c + (x' - c - shift) / zoom.

    Zoom and shift act on rows and columns separately, so Lanczos-4 sampling at exact positions is two products with
    sparse matrices. (`cv2.warpAffine` rounds positions to 1/32 px: a pure shift would be off by up to 1/64 px.)

    Args:
        source: H x W, float32.
        placement: of the source in the target, in pixels of this picture.

    Returns:
        H x W, float32; and the rows and columns for which all taps lie inside the source (empty without overlap).
    """
    height, width = source.shape
    y = (np.arange(height) - placement.centre_y - placement.shift_y) / placement.zoom + placement.centre_y
    x = (np.arange(width) - placement.centre_x - placement.shift_x) / placement.zoom + placement.centre_x
    down = _sampling_matrix(y, height) @ source
    seen = (_sampling_matrix(x, width) @ np.ascontiguousarray(down.T)).T
    return np.ascontiguousarray(seen), _inside(y, height), _inside(x, width)


def _inside(positions: NDArray[np.floating[Any]], length: int) -> slice:
    found = np.flatnonzero((positions >= 3) & (positions <= length - 5))
    return slice(int(found[0]), int(found[-1]) + 1) if found.size else slice(0, 0)


def _sampling_matrix(positions: NDArray[np.floating[Any]], length: int) -> scipy.sparse.csr_matrix:
    taps = np.arange(-3, 5)
    whole = np.floor(positions)
    distance = (positions - whole)[:, None] - taps
    weights = np.sinc(distance) * np.sinc(distance / 4)
    weights /= weights.sum(axis=1, keepdims=True)
    columns = np.clip(np.clip(whole, -8, length + 8).astype(int)[:, None] + taps, 0, length - 1)
    rows = np.arange(0, weights.size + 1, taps.size)
    return scipy.sparse.csr_matrix(
        (weights.astype(np.float32).ravel(), columns.ravel(), rows), shape=(positions.size, length)
    )
