"""Is the scene flat or deep? How far to believe the precise fit of a similarity rather than the even one.

How far the displacements of places scatter says so. There are two editions of the decision: what is frozen with the
first one, the protocol `sdd-v1` above all, must not change by a bit.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sdd_bench.alignment.similarity_fit import EvenFit, PreciseFit

Array = NDArray[np.float64]

Edition = Literal[1, 2]
FROZEN: Edition = 1
"""What the protocols, and the numbers beside their scores, are frozen with."""

# The precise answer is believed where its squared error, scene included, is below this share of what noise alone does
# to the even answer; the power makes the change-over short. Measured: up to 0.15 in rendered pairs of flat scenes, from
# 0.29 on in a real focal stack.
_BELIEVED = 0.17
_CHANGE_OVER = 8
# Noise moves the even answer by up to so many standard deviations; measured on rendered pairs of flat scenes: 2.4.
_NOISE_REACHES = 3.0
# What noise does to the few tiles of the second coarsest band is known to such a factor only.
_SURE = 1.15
# A band tells how displacements scatter if its tiles lie in this share of all places.
_COVERS = 1 / 3
# Edition 2. A band has seen the scene if its tiles lie in this share of all places.
_SEEN = 0.8
# Noise makes the squared scatter of n tiles, a robust one, uncertain by this share of itself over the root of n.
_SCATTER_OF_SCATTER = 1.2
# As `_BELIEVED`; what the scene does is known better, so less of it is tolerated.
_BELIEVED_2 = 0.09


def share_of_precise(precise: PreciseFit, even: EvenFit, apart: Array, reach: Array, edition: Edition) -> float:
    """How far to believe the precise answer, 0..1.

    Were the displacements of places to scatter by s, because the scene is deep, the two answers would differ by s times
    the difference of their influences, place by place. That is counted as an error of the precise answer, and so is
    what they differ by beyond what noise does.

    Coarse bands have few tiles, and what noise and differing blur do to them is known roughly only: flat scenes now and
    then scatter there like deep ones. Edition 2 holds that against the band that knows best: among those which have
    seen the scene, the one whose scatter is known to the smallest error. The scene can't scatter more than it does
    there, nor put the two answers further apart than that.

    Args:
        precise: weighted by information.
        even: weighted by energy.
        apart: precise answer - even answer, [3 or 4].
        reach: what a unit of each component moves the border by, in pixels, [3 or 4].
        edition: `FROZEN` (1), or 2.
    """
    places = even.place[: even.counts[0]]
    nearest = _nearest(precise.place, places)
    difference = np.zeros((len(places), len(reach), 2))
    np.add.at(difference, nearest, precise.influence)
    # A coarser tile acts on all the places that are nearest to it.
    start = 0
    for count in even.counts:
        member = _nearest(places, even.place[start : start + count])
        covered = np.maximum(np.bincount(member, minlength=count), 1)
        difference -= (even.influence[start : start + count] / covered[:, None, None])[member]
        start += count
    sees = [len(np.unique(band)) / len(places) for band in np.split(nearest, np.cumsum(precise.counts)[:-1])]
    scatter = _scene_scatter(precise, sees)
    from_noise = _border(even.noise, reach)
    excess = max(0.0, float(((apart * reach) ** 2).sum()) - _NOISE_REACHES**2 * from_noise)
    believed = _BELIEVED
    if edition > 1:
        believed = _BELIEVED_2
        most = _most_scatter(precise, sees)
        scatter = min(scatter, most)
        excess = min(excess, most**2 * _border(_from_scene(difference), reach))
    error = _border(precise.covariance + scatter**2 * _from_scene(difference), reach) + excess
    return float(1 / (1 + (error / (believed * from_noise)) ** _CHANGE_OVER))


def _from_scene(difference: Array) -> Array:
    """Covariance of what the two answers differ by, where places scatter by 1 px."""
    return np.asarray(np.einsum("nij,nkj->ik", difference, difference))


def _border(covariance: Array, reach: Array) -> float:
    """Mean squared displacement of the border, in square pixels."""
    return float((np.diag(covariance) * reach**2).sum())


def _scene_scatter(fit: PreciseFit, sees: list[float]) -> float:
    """How displacements scatter beyond what noise explains, in pixels.

    Taken from the third coarsest band, fine enough to know and coarse enough to see most places, and from the second,
    which sees them all. In the third at least half of the scatter is taken for the scene's: there, what a deep scene
    leaves unexplained passes for noise.
    """
    third, second = (max(len(fit.counts) - back, 0) for back in (3, 2))
    third = next((band for band in range(third, len(fit.counts)) if sees[band] >= _COVERS), len(fit.counts) - 1)
    (first, noise), (other, other_noise) = ((fit.scatter[band], fit.expected[band]) for band in (third, second))
    return float(np.sqrt(max(first**2 - noise**2, first**2 / 4, other**2 - (_SURE * other_noise) ** 2)))


def _most_scatter(fit: PreciseFit, sees: list[float]) -> float:
    """How much the scene's displacements can scatter at most, in pixels, after the band that knows best."""
    best = uncertain = np.inf
    for scatter, noise, count, share in zip(fit.scatter, fit.expected, fit.counts, sees, strict=True):
        if share < _SEEN:
            continue
        error = _SCATTER_OF_SCATTER * noise**2 / np.sqrt(count)
        if error < uncertain:
            uncertain, best = error, max(0.0, scatter**2 - noise**2) + error
    return float(np.sqrt(best))


def _nearest(points: Array, centres: Array) -> NDArray[np.intp]:
    return np.asarray(((points[:, None] - centres[None]) ** 2).sum(axis=-1).argmin(axis=1))
