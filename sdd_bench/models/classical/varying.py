"""Restoring a picture whose blur varies: one deconvolution per radius, tile by tile, blended."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft

from sdd_bench.alignment.blur import Aperture, aperture_kernel
from sdd_bench.alignment.light import linear_to_srgb, srgb_to_linear
from sdd_bench.models.classical.noise import noise_level
from sdd_bench.models.classical.transfer import taper_edges

Image = NDArray[np.float32]


class Deconvolution(Protocol):
    """`wiener`, `hyper_laplacian` or `richardson_lucy`."""

    def __call__(self, blurry: Image, kernel: Image, noise: float, *, trust: Image | None) -> Image:
        """Undo one blur of a periodic C x H x W picture; see `completed` for the trust."""


# A deconvolution at a radius that is 0.25 px off loses 1 dB at a radius of 3 px, and less the larger it is.
RADII: tuple[float, ...] = (
    *(0.0, 0.6, 0.8, 1.0, 1.25, 1.5, 1.75, 2.0, 2.25, 2.5, 2.75, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0, 7.0, 8.0, 9.0),
    *(10.0, 12.0, 14.0, 16.0, 18.0, 20.0),
)

_TILE = 384
_OVERSHOOT = 0.5


class _Region(NamedTuple):
    """A part of the picture in which one radius is wanted."""

    level: int
    rows: slice
    columns: slice


def deconvolve(
    image: Image,
    radius: Image,
    method: Deconvolution,
    *,
    noise: float | None = None,
    aperture: Aperture = "disc",
    threads: int = 1,
) -> Image:
    """Undo a known, varying defocus blur.

    Each pixel is interpolated linearly between the restorations for the two nearest `RADII`; larger radii are restored
    as the largest of them. Three things keep other depths out of a restoration: pixels of another blur, and those
    within one radius of them, where light of both may mix, are taken for missing, as is what lies outside the picture;
    before the first step, the picture of another blur is blurred as it would be at this radius, so that the restoration
    there finds what it can explain; and what was restored at a pixel may leave the range of the blurry values of its
    depth within one radius by no more than half that range, which ends ringing beside depth edges.

    Args:
        image: H x W x 3 float32 sRGB in [0, 1]; the deconvolution runs in linear light, where blur adds.
        radius: H x W float32, radius of the circle of confusion in pixels, not negative.
        method: what undoes one blur.
        noise: standard deviation in linear light; None measures it.
        aperture: shape of the circle of confusion.
        threads: to work in.

    Returns:
        H x W x 3 float32 sRGB in [0, 1].
    """
    linear = np.ascontiguousarray(np.moveaxis(srgb_to_linear(image), -1, 0))
    level = noise_level(linear) if noise is None else noise
    position = np.interp(radius, RADII, np.arange(len(RADII))).astype(np.float32)
    restored = linear * _weight(position, 0)
    regions = list(_regions(position))

    def restore(region: _Region) -> Image:
        return _restore_region(linear, position, region, aperture, method, level)

    with ThreadPoolExecutor(threads) as pool:
        for region, part in zip(regions, pool.map(restore, regions), strict=True):
            restored[:, region.rows, region.columns] += part
    untouched = position == 0
    encoded = linear_to_srgb(np.clip(np.moveaxis(restored, 0, -1), 0, 1))
    return np.asarray(np.where(untouched[..., None], image, encoded), np.float32)


def _weight(position: Image, level: int) -> Image:
    return np.asarray(np.clip(1 - np.abs(position - np.float32(level)), 0, 1), np.float32)


def _regions(position: Image) -> Iterator[_Region]:
    height, width = position.shape
    for top in range(0, height, _TILE):
        for left in range(0, width, _TILE):
            tile = position[top : top + _TILE, left : left + _TILE]
            for level in range(max(int(tile.min()), 1), int(np.ceil(tile.max())) + 1):
                wanted = np.abs(tile - level) < 1
                rows, columns = np.flatnonzero(wanted.any(1)), np.flatnonzero(wanted.any(0))
                if len(rows):
                    yield _Region(
                        level,
                        slice(top + int(rows[0]), top + int(rows[-1]) + 1),
                        slice(left + int(columns[0]), left + int(columns[-1]) + 1),
                    )


def _restore_region(
    linear: Image, position: Image, region: _Region, aperture: Aperture, method: Deconvolution, noise: float
) -> Image:
    """The region as restored for its radius, times the weight of that radius."""
    radius = RADII[region.level]
    kernel = aperture_kernel(radius, aperture)
    margin = 4 * int(np.ceil(radius)) + 12
    spans = [
        np.arange(part.start - margin, part.start - margin + fft.next_fast_len(_length(part) + 2 * margin, real=True))
        for part in (region.rows, region.columns)
    ]
    rows, columns = (_mirrored(span, length) for span, length in zip(spans, position.shape, strict=True))
    blurry, around = linear[:, rows[:, None], columns], position[rows[:, None], columns]
    weight = _weight(around, region.level)
    tolerance = 0.3 + 0.25 * radius
    difference = np.abs(np.interp(around, np.arange(len(RADII)), RADII).astype(np.float32) - np.float32(radius))
    # Every depth that is restored here at all counts as fitting, however coarse the radii are.
    fitting = (difference <= tolerance) | (weight > 0)
    share = np.where(fitting, np.clip(2 - 2 * difference / np.float32(tolerance), weight, 1), 0)
    seen = np.logical_and.outer(spans[0] == rows, spans[1] == columns)
    trust = np.where(seen & _farther(fitting, radius), share, 0).astype(np.float32)
    found = method(taper_edges(_as_if_blurred(blurry, share, kernel), kernel), kernel, noise, trust=trust)
    bounded = _bounded(found, blurry, fitting, radius)
    inside = (
        slice(margin, margin + _length(region.rows)),
        slice(margin, margin + _length(region.columns)),
    )
    return bounded[:, inside[0], inside[1]] * weight[inside]


def _as_if_blurred(blurry: Image, share: Image, kernel: Image) -> Image:
    """The blurry picture where the kernel fits it, and its own blur by the kernel elsewhere."""
    if share.min() == 1:
        return blurry
    soft = cv2.GaussianBlur(share, (0, 0), 1.0)
    blurred = [cv2.filter2D(channel, -1, kernel, borderType=cv2.BORDER_REFLECT) for channel in blurry]
    return np.asarray(soft * blurry + (1 - soft) * np.stack(blurred), np.float32)


def _bounded(found: Image, blurry: Image, fitting: NDArray[np.bool_], radius: float) -> Image:
    side = 2 * int(np.ceil(radius)) + 1
    window = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    bounded = np.empty_like(found)
    for channel, (restored, observed) in enumerate(zip(found, blurry, strict=True)):
        low = cv2.erode(np.where(fitting, observed, np.float32(np.inf)), window)
        high = cv2.dilate(np.where(fitting, observed, np.float32(-np.inf)), window)
        # Where no pixel of this depth is near, nothing is wanted: any bounds do.
        low, high = np.where(high < low, 0, low), np.where(high < low, 1, high)
        reach = _OVERSHOOT * (high - low)
        bounded[channel] = np.clip(restored, low - reach, high + reach)
    return bounded


def _farther(fitting: NDArray[np.bool_], radius: float) -> NDArray[np.bool_]:
    """Where the nearest pixel of another depth is farther away than the radius."""
    if fitting.all():
        return fitting
    return np.asarray(cv2.distanceTransform(fitting.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) > radius)


def _mirrored(index: NDArray[np.intp], length: int) -> NDArray[np.intp]:
    """Indices along an axis, mirrored at its ends with the last pixel repeated (d c b a | a b c d)."""
    index = index % (2 * length)
    return np.where(index < length, index, 2 * length - 1 - index)


def _length(part: slice) -> int:
    return int(part.stop - part.start)
