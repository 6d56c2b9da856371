"""Refinement of a similarity between differently blurred pictures, from local displacements in octave bands."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.alignment.octaves import Gray, Placement, band_pass, in_target_frame, pyramid

Array = NDArray[np.float64]

# Noise of a band-passed value: about the rounding of 8 bit, 1 / (255 sqrt(12)).
_NOISE = 1e-3
# Neighbouring pixels of a band err alike; so many of them count as one measurement.
_CORRELATED_PIXELS = 10.0
# A tile has a say once the model explains this share of its variance; in the rest noise and compression dominate.
_LEAST_EXPLAINED = 0.8
# Tukey's biweight rejects displacements beyond this many robust standard deviations.
_REJECT = 6.0
_ITERATIONS = 6
# Aliasing and interpolation leave errors that don't average out; measured as so many pixels on rendered pairs.
_SYSTEMATIC = 2e-3
# Regions along the longer side, whose errors are taken as independent of each other.
_REGIONS = 10
_BAND_FINE, _BAND_COARSE = 1.0, 2.0


class NoTextureError(Exception):
    """Too few places of the pictures say anything about their displacement; caught within this package."""


@dataclass(frozen=True)
class Refined:
    """Outcome of the refinement.

    Attributes:
        placement: of the source in the target, in pixels of the full pictures.
        covariance: of (zoom, shift_x, shift_y).
        inlier_share: of the information used, what was not rejected as moving differently, 0..1.
    """

    placement: Placement
    covariance: Array
    inlier_share: float


@dataclass(frozen=True)
class _Tiles:
    """Displacement of n tiles of one band, still missing after the current placement, in full pixels.

    Attributes:
        place: centres relative to the centre of the picture, [n, 2].
        information: inverse covariance of the displacement, [n, 2, 2].
        pull: information times displacement, [n, 2].
    """

    place: Array
    information: Array
    pull: Array


class Bands:
    """Both pictures in octave bands, from a finest to a coarsest level of their pyramids."""

    def __init__(self, source: Gray, target: Gray, finest: int, coarsest: int) -> None:
        self._source, self._target = (
            dict(enumerate((_band(level) for level in pyramid(gray, coarsest + 1)[finest:]), finest))
            for gray in (source, target)
        )
        self._coarsest = coarsest
        self._width = source.shape[1]

    def refine(self, placement: Placement, finest: int) -> Refined:
        """Refines from coarse to fine; each step uses all bands down to the current one.

        Args:
            placement: where to start, in pixels of the full pictures.
            finest: level at which to end.

        Returns:
            The refined placement with its uncertainty.

        Raises:
            NoTextureError: too few tiles hold shared texture, or the pictures don't overlap.
        """
        for level in range(self._coarsest, finest - 1, -1):
            for _ in range(_ITERATIONS):
                bands = [self._measure(k, placement) for k in range(level, self._coarsest + 1)]
                change, covariance, inlier_share = _robust_fit(bands)
                step = abs(change[0]) * self._width / 2 + np.abs(change[1:]).max()
                # The displacement model is linear over about two pixels of the band.
                change = change * min(1.0, 2.0 * 2**level / max(step, 1e-12))
                placement, covariance = _moved(placement, change, covariance)
                if step < 2e-3 * 2**level:
                    break
        half = np.array([self._width / 2, 1, 1])
        return Refined(placement, covariance + np.diag((_SYSTEMATIC / half) ** 2), inlier_share)

    def _measure(self, level: int, placement: Placement) -> _Tiles:
        """Per tile the least-squares displacement under b(x + d) = alpha a(x) + beta laplacian(a)(x).

        alpha is a local gain; beta a difference in blur, to first order: blurring by variance v adds v/2 laplacian.
        """
        target = self._target[level]
        here = placement.at_level(level)
        seen, rows, columns = in_target_frame(self._source[level], here)
        side = 32 if min(seen.shape) >= 160 else 16
        rows = slice(rows.start, rows.start + (rows.stop - rows.start) // side * side)
        columns = slice(columns.start, columns.start + (columns.stop - columns.start) // side * side)
        if rows.stop == rows.start or columns.stop == columns.start:
            raise NoTextureError("the pictures hardly overlap")
        down, across = (rows.stop - rows.start) // side, (columns.stop - columns.start) // side

        def mean(values: Gray) -> Array:
            return cv2.resize(values, (across, down), interpolation=cv2.INTER_AREA).astype(np.float64)

        def spread(values: Array) -> Gray:
            return np.repeat(np.repeat(values.astype(np.float32), side, axis=0), side, axis=1)

        curvature = np.asarray(cv2.Laplacian(seen, cv2.CV_32F), dtype=np.float32)
        slopes = [(_slope(seen, axis)[rows, columns], _slope(curvature, axis)[rows, columns]) for axis in (1, 0)]
        a, c, b = seen[rows, columns], curvature[rows, columns], target[rows, columns]
        aa, ac, cc, ab, cb, bb = mean(a * a), mean(a * c), mean(c * c), mean(a * b), mean(c * b), mean(b * b)
        cc *= 1.001  # a little damping, for tiles in which the two can't be told apart
        determinant = aa * cc - ac * ac + 1e-20
        alpha, beta = (ab * cc - ac * cb) / determinant, (aa * cb - ac * ab) / determinant
        gain, sharpening = spread(alpha), spread(beta)
        left = b - gain * a - sharpening * c
        qx, qy = (gain * first + sharpening * third for first, third in slopes)
        variance = mean(left * left)
        explained = 1 - variance / np.maximum(bb, 1e-14)
        trust = np.clip(explained - _LEAST_EXPLAINED, 0, None) / (1 - _LEAST_EXPLAINED) * (alpha > 0)
        weight = (trust * side**2 / _CORRELATED_PIXELS / (variance + _NOISE**2)).ravel()
        xx, xy, yy = mean(qx * qx).ravel(), mean(qx * qy).ravel(), mean(qy * qy).ravel()
        information = np.stack([xx, xy, xy, yy], axis=-1).reshape(-1, 2, 2) * weight[:, None, None]
        pull = -np.stack([mean(qx * left).ravel(), mean(qy * left).ravel()], axis=-1) * weight[:, None]
        middle = (side - 1) / 2
        y = rows.start + side * np.arange(down) + middle - here.centre_y
        x = columns.start + side * np.arange(across) + middle - here.centre_x
        place = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
        used = weight * (xx + yy) > 0
        scale = 2.0**level
        return _Tiles(place[used] * scale, information[used] / scale**2, pull[used] / scale)


def _band(gray: Gray) -> Gray:
    return band_pass(gray, _BAND_FINE, _BAND_COARSE)


def _slope(values: Gray, axis: int) -> Gray:
    return np.asarray(cv2.Sobel(values, cv2.CV_32F, axis, 1 - axis, ksize=1, scale=0.5), dtype=np.float32)


def _moved(placement: Placement, change: Array, covariance: Array) -> tuple[Placement, Array]:
    """A further zoom by 1 + change[0] about the centre and shift by change[1:], with the covariance carried over."""
    zoom, x, y = placement[:3]
    grow = 1 + change[0]
    moved = placement._replace(zoom=zoom * grow, shift_x=x * grow + change[1], shift_y=y * grow + change[2])
    by = np.array([[zoom, 0, 0], [x, 1, 0], [y, 0, 1]])
    return moved, by @ covariance @ by.T


def _robust_fit(bands: list[_Tiles]) -> tuple[Array, Array, float]:
    """Zoom and shift that fit the tiles' displacements; their covariance; the share of information kept.

    Tiles differ in how well they know their displacement and, where the scene is deep, in the displacement itself. So
    a tile's information is capped by the scatter within its band (a random-effects model): no strong edge may decide
    alone.
    """
    counts = [len(band.place) for band in bands]
    if sum(counts) < 4:
        raise NoTextureError("too few places with texture that both pictures share")
    place, information, pull = (
        np.concatenate([getattr(band, name) for band in bands]) for name in ("place", "information", "pull")
    )
    trace = np.trace(information, axis1=1, axis2=2)
    design = np.zeros((len(place), 2, 3))
    design[:, :, 0] = place
    design[:, 0, 1] = design[:, 1, 2] = 1
    # A straight edge says nothing along itself: a little damping keeps its displacement across.
    eye = np.eye(2)
    displacement = np.linalg.solve(information + 1e-3 * trace[:, None, None] * eye, pull[..., None])[..., 0]
    change = np.zeros(3)
    for _ in range(3):
        miss = displacement - design @ change
        size = np.sqrt(np.einsum("ni,nij,nj->n", miss, information, miss) / trace)
        scatter = np.concatenate(
            [_scatter(s, t) for s, t in zip(_parts(size, counts), _parts(trace, counts), strict=True)]
        )
        keep = np.clip(1 - (size / (_REJECT * scatter)) ** 2, 0, None) ** 2
        shrink = np.linalg.inv(eye + scatter[:, None, None] ** 2 * information)
        capped, capped_pull = shrink @ information, (shrink @ pull[..., None])[..., 0]
        normal = np.einsum("nki,nkl,nlj,n->ij", design, capped, design, keep)
        unit = np.sqrt(np.maximum(np.diag(normal), 1e-300))
        if not np.linalg.cond(normal / np.outer(unit, unit)) < 1e8:
            raise NoTextureError("the texture that both pictures share doesn't determine zoom and shift")
        change = np.linalg.solve(normal, np.einsum("nki,nk,n->i", design, capped_pull, keep))
    scores = np.einsum("nki,nk,n->ni", design, capped_pull - (capped @ (design @ change)[..., None])[..., 0], keep)
    inverse = np.linalg.inv(normal)
    used = np.trace(capped, axis1=1, axis2=2)
    return change, inverse @ _scores_covariance(place, scores) @ inverse, float((keep * used).sum() / used.sum())


def _scores_covariance(place: Array, scores: Array) -> Array:
    """The middle of the sandwich estimate: the scatter that is there, whatever its cause, region by region.

    Bands overlap and see the same structure, so their tiles err together: scores are summed over regions first.
    """
    region = np.floor((place - place.min(axis=0)) / (np.ptp(place, axis=0).max() / _REGIONS + 1e-9)).astype(int)
    _, member = np.unique(region, axis=0, return_inverse=True)
    sums = np.zeros((int(member.max()) + 1, scores.shape[1]))
    np.add.at(sums, member.ravel(), scores)
    return np.asarray(sums.T @ sums)


def _parts(values: Array, counts: list[int]) -> list[Array]:
    return np.split(values, np.cumsum(counts)[:-1])


def _scatter(size: Array, trace: Array) -> Array:
    """Robust standard deviation of a band's displacements, weighted by information, the same for each of its tiles."""
    if not size.size:
        return size
    weight = np.minimum(trace, 4 * np.median(trace))
    order = np.argsort(size)
    total = np.cumsum(weight[order])
    median = size[order][np.searchsorted(total, total[-1] / 2)]
    return np.full(size.shape, 1.4826 * median + 1e-3)
