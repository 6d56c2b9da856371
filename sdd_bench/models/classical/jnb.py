"""Defocus map from the sparsity of patches at edges (Shi, Xu and Jia, CVPR 2015)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sdd_bench.alignment.light import luminance
from sdd_bench.models.classical.ebdb import along_edges, edge_threshold
from sdd_bench.models.classical.edges import crests, gradient
from sdd_bench.models.classical.jnb_dictionary import (
    LEFT,
    RADII,
    SIDE,
    Sparsity,
    atom_count,
    edge_patches,
    load_sparsity,
    normalised,
)
from sdd_bench.models.classical.noise import noise_level
from sdd_bench.models.classical.propagation import by_matting, propagate

Image = NDArray[np.float32]

_MOST = 60_000  # patches of one picture; of more edge pixels, evenly many are left out
_STEPS = 12  # of averaging along edges
_BATCH = 8192
_SIDE = 240  # of the picture in which measurements are spread, the longer one, pixels


def jnb_map(image: Image, *, noise: float | None = None) -> Image:
    """Radius of the circle of confusion at every pixel, from how few atoms of a dictionary make up each edge's patch.

    The dictionary was learned from blurred patches, so blurred edges take few of its atoms and sharp ones many. The
    number is averaged along edges, turned into a radius by what was found for known blurs, and spread over the picture
    by the matting Laplacian. Blur beyond a radius of 3 to 4 pixels looks all alike in a patch of 8 x 8: the paper is
    about blur that is just noticeable.

    Args:
        image: H x W x 3 float32 sRGB in [0, 1].
        noise: standard deviation in linear light; None measures it.

    Returns:
        H x W float32, pixels, from 0 to 6; 0 everywhere if the picture has no edge.
    """
    light = luminance(image)
    level = noise_level(light[None]) if noise is None else noise
    slope = gradient(light, 1.0)
    low = edge_threshold(level, 1.0)
    places = np.argwhere(crests(slope, low, 2 * low))
    places = places[:: -(-len(places) // _MOST) or 1]
    count, confidence = np.zeros_like(light), np.zeros_like(light)
    at = (places[:, 0], places[:, 1])
    count[at] = _counts(light, places, level, load_sparsity())
    confidence[at] = np.minimum(slope.magnitude[at] / np.float32(8 * low), 1)
    radius = radius_from_count(along_edges(count, confidence, _STEPS), load_sparsity())
    return propagate(image, radius, confidence, by_matting, _SIDE)


def radius_from_count(count: Image, sparsity: Sparsity) -> Image:
    """The radius of a disc at which half the patches take more atoms, interpolated between those that were tried.

    Args:
        count: number of atoms, any shape.
        sparsity: what was learned.
    """
    return np.interp(count, sparsity.feature[::-1], RADII[::-1]).astype(np.float32)


def _counts(light: Image, places: NDArray[np.intp], noise: float, sparsity: Sparsity) -> Image:
    counts = np.zeros(len(places), np.float32)
    for start in range(0, len(places), _BATCH):
        patches = edge_patches(light, places[start : start + _BATCH])
        norms = np.maximum(np.linalg.norm(patches, axis=1), np.float32(1e-9))
        # Noise can't be represented sparsely: it may stay.
        left = np.minimum(np.hypot(LEFT, noise * SIDE / norms), 1).astype(np.float32)
        counts[start : start + _BATCH] = atom_count(normalised(patches), sparsity.dictionary, left)
    return counts
