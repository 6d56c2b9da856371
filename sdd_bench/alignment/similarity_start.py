"""Where to start looking for a similarity, and whether to believe in one: correlation of coarse pictures."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.alignment.octaves import Gray, Placement, band_pass, in_target_frame, pyramid

# Shorter side of the picture that is searched: at least this many pixels, less than twice as many. Coarse enough that
# defocus leaves most of what is seen (blur radii up to about 1 % of the picture), fine enough for structure.
_SHORT_SIDE = 100
# Zooms tried. Steps of 2 % leave at most 1 % open: 1 px at the border of so small a picture.
_ZOOMS = tuple(1 + 0.02 * step for step in range(-4, 5))
_CANDIDATES = 3
# Contrast below this (standard deviation in a neighbourhood) counts as flat: about the rounding of 8 bit.
_FLAT = 3e-3
# Shifts up to this many coarse pixels belong to the main peak of the correlation: 6 standard deviations of the band's
# fine Gaussian.
_PEAK_RADIUS = 6


class Agreement(NamedTuple):
    """How well two placed pictures correlate: in place, and at the best other shift."""

    in_place: float
    elsewhere: float


class CoarseViews:
    """Both pictures small, band-passed and with equalised local contrast, so that no bright spot decides alone."""

    def __init__(self, source: Gray, target: Gray) -> None:
        self._level = max(0, int(np.log2(min(source.shape) / _SHORT_SIDE)))
        self._source, self._target = (self._equalised(picture) for picture in (source, target))

    def _equalised(self, gray: Gray) -> Gray:
        band = band_pass(pyramid(gray, self._level + 1)[-1], 1, 4)
        contrast = np.sqrt(cv2.GaussianBlur(band * band, (0, 0), 8))
        return np.asarray(band / (contrast + _FLAT), dtype=np.float32)

    def candidates(self, centre: tuple[float, float]) -> list[Placement]:
        """The most promising placements: for every zoom the shift with the highest correlation, and the best of these.

        Args:
            centre: of the full pictures, in their pixels.

        Returns:
            Placements of the source in the target in pixels of the full pictures, best first.
        """
        found = []
        for zoom in _ZOOMS:
            surface = self._correlation(Placement(zoom, 0, 0, *centre))
            row, column = np.unravel_index(int(surface.argmax()), surface.shape)
            scale = 2.0**self._level
            x, y = (int(column) - surface.shape[1] // 2) * scale, (int(row) - surface.shape[0] // 2) * scale
            found.append((float(surface[row, column]), Placement(zoom, x, y, *centre)))
        found.sort(key=lambda peak: -peak[0])
        return [placement for _, placement in found[:_CANDIDATES]]

    def agreement(self, placement: Placement) -> Agreement:
        """Correlation in place and elsewhere, weighted towards the centre so that the overlap's border doesn't matter.

        Args:
            placement: of the source in the target, in pixels of the full pictures.
        """
        surface = self._correlation(placement, windowed=True)
        y, x = (n // 2 for n in surface.shape)
        # One coarse pixel of tolerance: the peak of differently blurred pictures may be skewed.
        in_place = surface[y - 1 : y + 2, x - 1 : x + 2].max()
        surface[max(0, y - _PEAK_RADIUS) : y + _PEAK_RADIUS + 1, max(0, x - _PEAK_RADIUS) : x + _PEAK_RADIUS + 1] = -1
        return Agreement(float(in_place), float(surface.max()))

    def _correlation(self, placement: Placement, windowed: bool = False) -> NDArray[np.float32]:
        """Normalised correlation of the placed source with the target by further shift; no shift is at the middle."""
        seen, rows, columns = in_target_frame(self._source, placement.at_level(self._level))
        source = np.zeros_like(seen)
        source[rows, columns] = seen[rows, columns]
        target = self._target
        height, width = target.shape
        if windowed:
            window = np.outer(np.hanning(height), np.hanning(width)).astype(np.float32)
            source, target = source * window, target * window
        # Shifts up to half the picture without wrapping around.
        size = (cv2.getOptimalDFTSize(height + height // 2), cv2.getOptimalDFTSize(width + width // 2))
        product = np.conj(np.fft.rfft2(source, size)) * np.fft.rfft2(target, size)
        energy = float((source * source).sum()) * float((target * target).sum())
        surface = np.fft.irfft2(product, size) / np.sqrt(energy + 1e-12)
        half_y, half_x = height // 2, width // 2
        rolled = np.roll(surface, (half_y, half_x), axis=(0, 1))
        return np.asarray(rolled[: 2 * half_y + 1, : 2 * half_x + 1], dtype=np.float32)
