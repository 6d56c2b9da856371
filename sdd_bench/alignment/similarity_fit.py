"""Zoom and shift that fit the displacements of tiles, in two ways: the most precise one, and the most even one.

A rotation may be fitted too: each change then has four components instead of three, the last in radians.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sdd_bench.alignment.similarity_tiles import NoTextureError, Tiles

Array = NDArray[np.float64]

# Tukey's biweight rejects displacements beyond this many robust standard deviations.
_REJECT = 6.0
# Regions along the longer side, whose errors are taken as independent of each other.
_REGIONS = 10
# Median of chi squared with two degrees of freedom.
_MEDIAN_CHI2 = 1.386


@dataclass(frozen=True)
class Fit:
    """A fit to the tiles of some bands.

    Attributes:
        change: missing (zoom, shift_x, shift_y), with rotation (zoom, shift_x, shift_y, rotation).
        covariance: of the change, from the scatter that is there: noise, bands that disagree, and scene parallax.
        place: of each tile, [n, 2].
        influence: of each tile's displacement on the change, [n, 3 or 4, 2].
        counts: number of tiles of each band; they follow each other in `place`.
    """

    change: Array
    covariance: Array
    place: Array
    influence: Array
    counts: list[int]


@dataclass(frozen=True)
class PreciseFit(Fit):
    """Weighted by information.

    Attributes:
        inlier_share: of the information used, what was not rejected as moving differently, 0..1.
        scatter: robust standard deviation of the displacements of each band, in pixels.
        expected: what noise alone would make of it.
    """

    inlier_share: float
    scatter: list[float]
    expected: list[float]


@dataclass(frozen=True)
class EvenFit(Fit):
    """Weighted by energy.

    Attributes:
        noise: covariance of the change from noise alone.
    """

    noise: Array


def precise_fit(bands: list[Tiles], rotation: bool = False) -> PreciseFit:
    """The zoom and shift that the tiles determine best.

    Tiles differ in how well they know their displacement and, where the scene is deep, in the displacement itself. So
    a tile's information is capped by the scatter within its band (a random-effects model): no strong edge may decide
    alone.

    Args:
        bands: tiles with information, band by band.
        rotation: fit it too.

    Raises:
        NoTextureError: too few tiles, or all on a line.
    """
    counts = [len(band.place) for band in bands]
    if sum(counts) < 4:
        raise NoTextureError("too few places with texture that both pictures share")
    place, information, pull = (
        np.concatenate([getattr(band, name) for band in bands]) for name in ("place", "information", "pull")
    )
    trace = np.trace(information, axis1=1, axis2=2)
    traces = _parts(trace, counts)
    design = _design(place, rotation)
    # A straight edge says nothing along itself: a little damping keeps its displacement across.
    eye = np.eye(2)
    displacement = np.linalg.solve(information + 1e-3 * trace[:, None, None] * eye, pull[..., None])[..., 0]
    change = np.zeros(design.shape[2])
    for _ in range(3):
        miss = displacement - design @ change
        size = np.sqrt(np.einsum("ni,nij,nj->n", miss, information, miss) / trace)
        scatter = [1.4826 * _median(s, t) + 1e-3 for s, t in zip(_parts(size, counts), traces, strict=True)]
        limit = np.repeat(scatter, counts)
        keep = np.clip(1 - (size / (_REJECT * limit)) ** 2, 0, None) ** 2
        shrink = np.linalg.inv(eye + limit[:, None, None] ** 2 * information)
        capped, capped_pull = shrink @ information, (shrink @ pull[..., None])[..., 0]
        normal = np.einsum("nki,nkl,nlj,n->ij", design, capped, design, keep)
        inverse = _inverse(normal)
        change = np.linalg.solve(normal, np.einsum("nki,nk,n->i", design, capped_pull, keep))
    left = capped_pull - (capped @ (design @ change)[..., None])[..., 0]
    scores = np.einsum("nki,nk,n->ni", design, left, keep)
    totals = np.stack([part.sum(axis=0) for part in _parts(scores, counts)])
    middle = _region_covariance(place, scores) + totals.T @ totals
    used = np.trace(capped, axis1=1, axis2=2)
    return PreciseFit(
        change=change,
        covariance=inverse @ middle @ inverse,
        place=place,
        influence=np.einsum("ij,nkj,nkl,n->nil", inverse, design, capped, keep),
        inlier_share=float((keep * used).sum() / used.sum()),
        counts=counts,
        scatter=scatter,
        expected=[1.4826 * _median(np.sqrt(_MEDIAN_CHI2 / t), t) for t in traces],
    )


def even_fit(bands: list[Tiles], rotation: bool = False) -> EvenFit:
    """The zoom and shift of the whole picture: each place counts by its contrast, however well it is in focus.

    Nothing is rejected: what is rejected depends on the pair, and the fit would then mean something else in each.

    Args:
        bands: tiles, band by band.
        rotation: fit it too.

    Raises:
        NoTextureError: the energy doesn't determine zoom and shift.
    """
    place, energy, push, noise = (
        np.concatenate([getattr(band, name) for band in bands]) for name in ("place", "energy", "push", "noise")
    )
    design = _design(place, rotation)
    inverse = _inverse(np.einsum("nki,nkl,nlj->ij", design, energy, design))
    change = inverse @ np.einsum("nki,nk->i", design, push)
    left = push - (energy @ (design @ change)[..., None])[..., 0]
    middle = _region_covariance(place, np.einsum("nki,nk->ni", design, left))
    from_noise = np.einsum("nki,nkl,nlj,n->ij", design, energy, design, noise)
    influence = np.einsum("ij,nkj,nkl->nil", inverse, design, energy)
    counts = [len(band.place) for band in bands]
    return EvenFit(change, inverse @ middle @ inverse, place, influence, counts, noise=inverse @ from_noise @ inverse)


def _design(place: Array, rotation: bool) -> Array:
    design = np.zeros((len(place), 2, 4 if rotation else 3))
    design[:, :, 0] = place
    design[:, 0, 1] = design[:, 1, 2] = 1
    if rotation:
        design[:, 0, 3], design[:, 1, 3] = -place[:, 1], place[:, 0]
    return design


def _inverse(normal: Array) -> Array:
    unit = np.sqrt(np.maximum(np.diag(normal), 1e-300))
    if not np.linalg.cond(normal / np.outer(unit, unit)) < 1e8:
        raise NoTextureError("the texture that both pictures share doesn't determine zoom and shift")
    return np.asarray(np.linalg.inv(normal))


def _region_covariance(place: Array, scores: Array) -> Array:
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


def _median(values: Array, weight: Array) -> float:
    """Weighted median; no weight counts more than four times the usual one. 0 for nothing."""
    if not values.size:
        return 0.0
    weight = np.minimum(weight, 4 * np.median(weight))
    order = np.argsort(values)
    total = np.cumsum(weight[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])
