"""Local displacements between two differently blurred pictures of one band, tile by tile."""

from __future__ import annotations

from dataclasses import dataclass, fields

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.alignment.octaves import Gray, Placement, in_target_frame

Array = NDArray[np.float64]

# Noise of a band-passed value: about the rounding of 8 bit, 1 / (255 sqrt(12)).
_NOISE = 1e-3
# Neighbouring pixels of a band err alike; so many of them count as one measurement.
_CORRELATED_PIXELS = 10.0
# A tile is trusted once the model explains this share of its variance; in the rest noise and compression dominate.
_LEAST_EXPLAINED = 0.8
# Sigma, in pixels of the band, of the window in which gain and blur are fitted where they are fitted at every pixel.
_WINDOW = 8.0
# Pictures are worked on in strips of about this many pixels: what is computed for one stays in the processor's cache.
_STRIP_PIXELS = 120_000


class NoTextureError(Exception):
    """Too few places of the pictures say anything about their displacement; caught within this package."""


@dataclass(frozen=True)
class Tiles:
    """Displacement of n tiles of one band, still missing after the current placement, in full pixels.

    Each tile has two weights. Its information is what it knows, given the noise: the weight for the best precision. Its
    energy is the contrast that both pictures show there: in coarse bands a property of the place, which hardly depends
    on how a picture is focused.

    Attributes:
        place: centres relative to the centre of the picture, [n, 2].
        information: inverse covariance of the displacement, [n, 2, 2].
        pull: information times displacement, [n, 2].
        energy: integral of the squared slopes, [n, 2, 2].
        push: energy times displacement, [n, 2].
        noise: variance of `push` per energy, [n].
    """

    place: Array
    information: Array
    pull: Array
    energy: Array
    push: Array
    noise: Array

    def trusted(self) -> Tiles:
        """The tiles that have any information."""
        kept = np.trace(self.information, axis1=1, axis2=2) > 0
        return Tiles(*(getattr(self, field.name)[kept] for field in fields(self)))


def measure_from_source(source: Gray, target: Gray, placement: Placement, level: int) -> Tiles:
    """Displacements found by moving the source into the target's frame; each displacement is one in that frame.

    Args:
        source: H x W float32, one level of the pyramid, band-passed.
        target: the same.
        placement: of the source in the target, in full pixels.
        level: of the pyramid.

    Raises:
        NoTextureError: the pictures hardly overlap.
    """
    here = placement.at_level(level)
    seen, rows, columns = in_target_frame(source, here)
    return _measure([(seen, target)], rows, columns, here, level, everywhere=False)


def measure_halfway(source: Gray, target: Gray, placement: Placement, level: int, everywhere: bool) -> Tiles:
    """Displacements in the frame half-way between the pictures, each explained by the other: symmetric in the two.

    Args:
        source: H x W float32, one level of the pyramid, band-passed.
        target: the same.
        placement: of the source in the target, in full pixels.
        level: of the pyramid.
        everywhere: fit gain and blur around every pixel, not per tile, and use small tiles.

    Raises:
        NoTextureError: the pictures hardly overlap.
    """
    half = placement.at_level(level).half()
    first, first_rows, first_columns = in_target_frame(source, half)
    second, second_rows, second_columns = in_target_frame(target, half.inverse())
    rows, columns = _common(first_rows, second_rows), _common(first_columns, second_columns)
    return _measure([(first, second), (second, first)], rows, columns, half, level, everywhere)


def _common(first: slice, second: slice) -> slice:
    start = max(first.start, second.start)
    return slice(start, max(start, min(first.stop, second.stop)))


def _measure(
    views: list[tuple[Gray, Gray]], rows: slice, columns: slice, here: Placement, level: int, everywhere: bool
) -> Tiles:
    side = 32 if min(views[0][0].shape) >= 160 and not everywhere else 16
    down, across = (rows.stop - rows.start) // side, (columns.stop - columns.start) // side
    if not down or not across:
        raise NoTextureError("the pictures hardly overlap")
    columns = slice(columns.start, columns.start + across * side)
    high = down if everywhere else max(1, _STRIP_PIXELS // (across * side**2))
    strips = [
        slice(rows.start + first * side, rows.start + min(first + high, down) * side) for first in range(0, down, high)
    ]
    parts = [_measure_strip(views, strip, columns, side, everywhere) for strip in strips]
    information, pull, energy, push, noise = (np.concatenate(values) for values in zip(*parts, strict=True))
    middle = (side - 1) / 2
    y = rows.start + side * np.arange(down) + middle - here.centre_y
    x = columns.start + side * np.arange(across) + middle - here.centre_x
    place = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    scale = 2.0**level
    return Tiles(place * scale, information / scale**2, pull / scale, energy, push * scale, noise * scale**2)


def _measure_strip(
    views: list[tuple[Gray, Gray]], rows: slice, columns: slice, side: int, everywhere: bool
) -> tuple[Array, ...]:
    """Per tile information, pull, energy, push and noise in pixels of the band, from each (explaining, explained) view.

    The least-squares displacement d under b(x + d) = alpha a(x) + beta laplacian(a)(x). alpha is a local gain; beta a
    difference in blur, to first order: blurring by variance v adds v/2 laplacian.
    """
    # Slopes of the curvature reach two pixels beyond the strip.
    top, left = max(rows.start - 2, 0), max(columns.start - 2, 0)
    around = slice(top, rows.stop + 2), slice(left, columns.stop + 2)
    within = slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)
    size = ((columns.stop - columns.start) // side, (rows.stop - rows.start) // side)

    def mean(values: Gray) -> Array:
        return cv2.resize(values, size, interpolation=cv2.INTER_AREA).astype(np.float64)

    def spread(values: Array) -> Gray:
        return np.repeat(np.repeat(values.astype(np.float32), side, axis=0), side, axis=1)

    sums: list[Array] = []
    for index, (explaining, explained) in enumerate(views):
        seen = explaining[around]
        curvature = np.asarray(cv2.Laplacian(seen, cv2.CV_32F), dtype=np.float32)
        slopes = [(_slope(seen, axis)[within], _slope(curvature, axis)[within]) for axis in (1, 0)]
        a, c, b = seen[within], curvature[within], explained[around][within]
        products = (a * a, a * c, c * c, a * b, c * b)
        aa, ac, cc, ab, cb = (_smooth(product) if everywhere else mean(product) for product in products)
        cc *= 1.001  # a little damping, for places in which the two can't be told apart
        determinant = aa * cc - ac * ac + 1e-20
        alpha, beta = (ab * cc - ac * cb) / determinant, (aa * cb - ac * ab) / determinant
        gain, sharpening = (v.astype(np.float32) if everywhere else spread(v) for v in (alpha, beta))
        missing = b - gain * a - sharpening * c
        qx, qy = (gain * first + sharpening * third for first, third in slopes)
        variance = mean(missing * missing)
        share = 1 - variance / np.maximum(mean(b * b), 1e-14)
        positive = 1.0 if everywhere else alpha > 0
        trust = np.clip(share - _LEAST_EXPLAINED, 0, None) / (1 - _LEAST_EXPLAINED) * positive
        xx, xy, yy = mean(qx * qx).ravel(), mean(qx * qy).ravel(), mean(qy * qy).ravel()
        energy = np.stack([xx, xy, xy, yy], axis=-1).reshape(-1, 2, 2) * side**2
        # What the other picture lacks here lies the other way round.
        sign = -1 if index == 0 else 1
        push = np.stack([mean(qx * missing).ravel(), mean(qy * missing).ravel()], axis=-1) * (sign * side**2)
        noise = _CORRELATED_PIXELS * (variance.ravel() + _NOISE**2)
        weight = trust.ravel() / noise
        values = (energy * weight[:, None, None], push * weight[:, None], energy, push, noise)
        sums = [value / len(views) + (sums[i] if sums else 0) for i, value in enumerate(values)]
    return tuple(sums)


def _smooth(values: Gray) -> Array:
    return cv2.GaussianBlur(values, (0, 0), _WINDOW, borderType=cv2.BORDER_REFLECT).astype(np.float64)


def _slope(values: Gray, axis: int) -> Gray:
    return np.asarray(cv2.Sobel(values, cv2.CV_32F, axis, 1 - axis, ksize=1, scale=0.5), dtype=np.float32)
