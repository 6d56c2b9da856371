"""Refinement of a similarity between differently blurred pictures, from local displacements in octave bands.

There are two answers. The precise one weighs every place by what it knows: fine bands, where both pictures show them,
decide. That is right where all of the scene moves alike. Where the scene is deep, places move differently, and those
that know most are those in focus in both pictures: another part of the scene for each pair. Similarities found so don't
compose. The even one weighs places by their contrast in coarse bands, which defocus hardly changes: it is less precise,
but means the same for every pair of pictures of a scene. `similarity_depth` says which one to believe.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sdd_bench.alignment.octaves import Gray, Placement, band_pass, pyramid
from sdd_bench.alignment.similarity_depth import Edition, share_of_precise
from sdd_bench.alignment.similarity_fit import EvenFit, PreciseFit, even_fit, precise_fit
from sdd_bench.alignment.similarity_tiles import NoTextureError, measure_from_source, measure_halfway

Array = NDArray[np.float64]

_ITERATIONS = 6
_EVEN_ITERATIONS = 8
# Steps, in pixels of the band, below which the next band, or the end, is due. A step leaves about a tenth of itself.
_SMALL_STEP = 0.02
_LAST_STEP = 0.04
_EVEN_STEP = 0.01
# Aliasing and interpolation leave errors that don't average out; measured as so many pixels on rendered pairs.
_SYSTEMATIC = 2e-3
# The covariance from the scatter of regions, of which few dominate, and of five bands is itself uncertain: widened so
# that 95 % regions hold the truth in 94 % of rendered pairs.
_WIDEN = 1.5
_BAND_FINE, _BAND_COARSE = 1.0, 2.0


class Refined(NamedTuple):
    """Outcome of the refinement.

    Attributes:
        placement: of the source in the target, in pixels of the full pictures.
        covariance: of (zoom, shift_x, shift_y), with rotation (zoom, shift_x, shift_y, rotation).
        inlier_share: of the information used, what was not rejected as moving differently, 0..1.
        turn: rotation that is missing, in radians; the placement knows none.
    """

    placement: Placement
    covariance: Array
    inlier_share: float
    turn: float = 0.0


class Bands:
    """Both pictures in octave bands, from a finest to a coarsest level of their pyramids; maybe turned a little."""

    def __init__(self, source: Gray, target: Gray, finest: int, coarsest: int, rotation: bool = False) -> None:
        self._source, self._target = (
            dict(enumerate((_band(level) for level in pyramid(gray, coarsest + 1)[finest:]), finest))
            for gray in (source, target)
        )
        self._finest, self._coarsest = finest, coarsest
        # The two coarsest bands: too coarse for blur of about 1 % of the picture to hide much.
        self._even_levels = range(max(coarsest - 1, finest), coarsest + 1)
        self._rotation = rotation
        # A change of zoom, or a turn, moves the border by so many pixels.
        half = source.shape[1] / 2
        self._reach = np.array([half, 1, 1, half] if rotation else [half, 1, 1])

    def approach(self, placement: Placement) -> tuple[Placement, float]:
        """Refine in the coarse bands only.

        Args:
            placement: where to start, in pixels of the full pictures.

        Returns:
            The placement, and the rotation that is missing, in radians.

        Raises:
            NoTextureError: too few tiles hold shared texture, or the pictures don't overlap.
        """
        for level in reversed(self._even_levels):
            placement, turn = self._descend(placement, level)
        return placement, turn

    def refine(self, placement: Placement, edition: Edition) -> Refined:
        """Refine in all bands.

        Args:
            placement: where to start, in pixels of the full pictures.
            edition: of the decision between the two answers.

        Raises:
            NoTextureError: too few tiles hold shared texture, or the pictures don't overlap.
        """
        for level in range(self._coarsest, self._finest, -1):
            placement, _ = self._descend(placement, level)
        placement, covariance, fit = self._precise(placement)
        covariance = _WIDEN * covariance
        turn = _turn(fit.change)
        try:
            even, even_covariance, fit_of_all = self._even(placement)
        except NoTextureError:
            pass  # the coarse bands show nothing to hold the fine ones against
        else:
            apart = np.array([*placement[:3], turn]) - [*even[:3], _turn(fit_of_all.change)]
            share = share_of_precise(fit, fit_of_all, apart[: len(self._reach)], self._reach, edition)
            zoom, x, y = (share * p + (1 - share) * e for p, e in zip(placement[:3], even[:3], strict=True))
            placement = placement._replace(zoom=zoom, shift_x=x, shift_y=y)
            turn = share * turn + (1 - share) * _turn(fit_of_all.change)
            covariance = share**2 * covariance + (1 - share) ** 2 * _WIDEN * even_covariance
        return Refined(placement, covariance + np.diag((_SYSTEMATIC / self._reach) ** 2), fit.inlier_share, turn)

    def _descend(self, placement: Placement, finest: int) -> tuple[Placement, float]:
        """Iterate in the bands down to one, moving the source into the target's frame."""
        for _ in range(_ITERATIONS):
            bands = [
                measure_from_source(self._source[k], self._target[k], placement, k).trusted()
                for k in range(finest, self._coarsest + 1)
            ]
            change, step = self._bounded(precise_fit(bands, self._rotation).change, finest)
            zoom, x, y = placement[:3]
            grow = 1 + change[0]
            placement = placement._replace(zoom=zoom * grow, shift_x=x * grow + change[1], shift_y=y * grow + change[2])
            if step < _SMALL_STEP * 2**finest:
                break
        return placement, _turn(change)

    def _precise(self, placement: Placement) -> tuple[Placement, Array, PreciseFit]:
        for _ in range(_ITERATIONS):
            bands = [
                measure_halfway(self._source[k], self._target[k], placement, k, everywhere=False).trusted()
                for k in range(self._finest, self._coarsest + 1)
            ]
            fit = precise_fit(bands, self._rotation)
            change, step = self._bounded(fit.change, self._finest)
            placement, covariance = _moved_halfway(placement, change, fit.covariance)
            if step < _LAST_STEP * 2**self._finest:
                break
        return placement, covariance, fit

    def _even(self, placement: Placement) -> tuple[Placement, Array, EvenFit]:
        for _ in range(_EVEN_ITERATIONS):
            bands = [
                measure_halfway(self._source[k], self._target[k], placement, k, everywhere=True)
                for k in self._even_levels
            ]
            fit = even_fit(bands, self._rotation)
            change, step = self._bounded(fit.change, self._even_levels.start)
            placement, covariance = _moved_halfway(placement, change, fit.covariance)
            if step < _EVEN_STEP:
                break
        return placement, covariance, fit

    def _bounded(self, change: Array, level: int) -> tuple[Array, float]:
        """The change and its size in pixels; cut where the displacement model, linear over two pixels, ends."""
        step = abs(change[0]) * self._reach[0] + np.abs(change[1:3]).max()
        return change * min(1.0, 2.0 * 2**level / max(step, 1e-12)), step


def _moved_halfway(placement: Placement, change: Array, covariance: Array) -> tuple[Placement, Array]:
    """The placement with a change made half-way between source and target, and the covariance of the change there."""
    half = placement.half()
    root, x, y = half[:3]
    grow = 1 + change[0]
    moved = placement._replace(
        zoom=placement.zoom * grow,
        shift_x=root * (x * grow + change[1]) + x,
        shift_y=root * (y * grow + change[2]) + y,
    )
    by = np.eye(len(change))
    by[:3, :3] = [[placement.zoom, 0, 0], [root * x, root, 0], [root * y, 0, root]]
    return moved, by @ covariance @ by.T


def _turn(change: Array) -> float:
    return float(change[3]) if len(change) > 3 else 0.0


def _band(gray: Gray) -> Gray:
    return band_pass(gray, _BAND_FINE, _BAND_COARSE)
