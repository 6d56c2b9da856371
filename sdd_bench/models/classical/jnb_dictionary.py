"""The dictionary of the `jnb` method and what a patch's sparsity says of its blur: how both are learned.

The dictionary of Shi, Xu and Jia is theirs; this one is learned from the photographs in scikit-image, with their sizes
(8 x 8 patches, 64 atoms, learned from patches blurred with sigma = 2). `python benchmarks/classical.py --dictionary`
makes the file anew.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.alignment.blur import Aperture, defocus
from sdd_bench.alignment.light import luminance
from sdd_bench.models.classical.edges import crests, gradient
from sdd_bench.models.classical.sparse_coding import learn_dictionary, matching_pursuit

Image = NDArray[np.float32]

SIDE = 8
ATOMS = 16  # per patch, at most
LEFT = 0.2  # share of a patch's norm that its atoms may leave
RADII: tuple[float, ...] = (0.0, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.25, 2.5, 3.0, 4.0, 6.0)
FILE = Path(__file__).with_name("jnb_dictionary.npz")

_PHOTOGRAPHS = ("astronaut", "brick", "chelsea", "coffee", "grass", "gravel", "rocket", "stereo_motorcycle")
_SEED = 2015
_PATCHES = 2000  # per photograph


class Sparsity(NamedTuple):
    """What `jnb` knows beforehand.

    Attributes:
        dictionary: 64 x 64 float32, one atom of norm 1 a row.
        feature: float32, median number of atoms per patch at edges blurred by each of `RADII`; falls strictly.
    """

    dictionary: Image
    feature: Image


@lru_cache(maxsize=1)
def load_sparsity() -> Sparsity:
    """What was learned, from the file that comes with the package."""
    with np.load(FILE) as stored:
        return Sparsity(stored["dictionary"], stored["feature"])


def learn_sparsity() -> Sparsity:
    """Learn the dictionary from edges blurred by a Gaussian of sigma = 2, and the feature at every radius of a disc.

    The photographs, halved in size so that they are sharp to the pixel, are blurred in linear light; the same places
    are looked at under every blur. Deterministic but for the rounding of the machine's linear algebra.
    """
    rng = np.random.default_rng(_SEED)
    lights = [_sharp_photograph(name) for name in _PHOTOGRAPHS]
    places = [_edge_places(light, rng) for light in lights]

    def blurred(radius: float, aperture: Aperture) -> Image:
        pairs = zip(lights, places, strict=True)
        return normalised(np.concatenate([edge_patches(defocus(light, radius, aperture), at) for light, at in pairs]))

    examples = blurred(4.0, "gaussian")
    dictionary, _ = learn_dictionary(examples, 64, atoms=4, rounds=25, rng=rng)
    medians = [float(np.median(atom_count(blurred(radius, "disc"), dictionary))) for radius in RADII]
    falling = np.minimum.accumulate(np.array(medians) - 1e-4 * np.arange(len(RADII)))
    return Sparsity(dictionary, falling.astype(np.float32))


def edge_patches(light: Image, places: NDArray[np.intp]) -> Image:
    """The 8 x 8 patches whose fifth pixel of the fifth row is at the given places, less their means: N x 64.

    Args:
        light: H x W float32; mirrored at its borders.
        places: N x 2, rows and columns.
    """
    padded = cv2.copyMakeBorder(light, SIDE // 2, SIDE // 2, SIDE // 2, SIDE // 2, cv2.BORDER_REFLECT_101)
    every = np.lib.stride_tricks.sliding_window_view(padded, (SIDE, SIDE))
    patches = every[places[:, 0], places[:, 1]].reshape(len(places), -1)
    return np.asarray(patches - patches.mean(1, keepdims=True), np.float32)


def normalised(patches: Image) -> Image:
    """Patches divided by their norms."""
    return np.asarray(patches / np.maximum(np.linalg.norm(patches, axis=1, keepdims=True), 1e-9), np.float32)


def atom_count(patches: Image, dictionary: Image, left: float | Image = LEFT) -> Image:
    """How many atoms it takes to leave a given share of every patch, N float32.

    A whole number in the paper; here interpolated between the two numbers around, in the logarithm of what they leave.

    Args:
        patches: N x 64 float32, norm 1.
        dictionary: K x 64.
        left: the share: one for all, or N.
    """
    _, norms, _ = matching_pursuit(patches, dictionary, ATOMS)
    goal = np.broadcast_to(np.asarray(left, np.float32), len(patches))
    enough = norms <= goal[:, None]
    after = np.where(enough.any(1), enough.argmax(1), ATOMS)
    before = np.maximum(after - 1, 0)
    every = np.arange(len(patches))
    high, low = (np.log(np.maximum(norms[every, index], 1e-9)) for index in (before, after))
    share = np.clip((high - np.log(goal)) / np.maximum(high - low, 1e-9), 0, 1)
    return np.asarray(before + np.where(after > before, share, 0), np.float32)


def _sharp_photograph(name: str) -> Image:
    from sdd_bench.datasets.scenes import load_photograph

    light = luminance((load_photograph(name) / np.float32(255)).astype(np.float32))
    return np.asarray(cv2.resize(light, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA), np.float32)


def _edge_places(light: Image, rng: np.random.Generator) -> NDArray[np.intp]:
    places = np.argwhere(crests(gradient(light, 1.0), 0.01, 0.02))
    return places[np.sort(rng.choice(len(places), min(_PATCHES, len(places)), replace=False))]
