"""Scenes that look alike: a hash of how a picture looks, and the nearest scenes by it.

The hash is that of the signs of a picture's lowest spatial frequencies (a DCT hash, after Zauner, "Implementation and
benchmarking of perceptual image hash functions", 2010, with 16 x 16 frequencies instead of 8 x 8: of a few thousand
scenes some always agree by chance in 63 bits, none in 255). It hardly changes with size, coding, exposure and blur.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

_SIDE = 64
_FREQUENCIES = 16
_BLOCK = 1024

BITS = _FREQUENCIES**2 - 1
"""Number of bits of a hash: all frequencies but the mean."""


class Nearest(NamedTuple):
    """The most similar other pair: its place in the list, and the share of hash bits that differ, %."""

    place: int
    difference: float


def look_hash(picture: NDArray[np.float32]) -> bytes:
    """Hash of how a picture looks.

    Args:
        picture: H x W x 3, float32 in [0, 1].

    Returns:
        `BITS` bits, packed.
    """
    gray = cv2.cvtColor(cv2.resize(picture, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    low = cv2.dct(gray)[:_FREQUENCIES, :_FREQUENCIES].ravel()[1:]
    return np.packbits(low > np.median(low)).tobytes()


def nearest(
    hashes: Sequence[bytes], scenes: Sequence[str], splits: Sequence[str], same_split: bool
) -> list[Nearest | None]:
    """For each pair the most similar one of another scene.

    Args:
        hashes: of `look_hash`, one per pair.
        scenes: scene of each pair.
        splits: split of each pair.
        same_split: look in the pair's own split; otherwise in all others.

    Returns:
        The nearest of each pair; None where there is none to compare with.
    """
    bits = np.unpackbits(np.frombuffer(b"".join(hashes), np.uint8).reshape(len(hashes), -1), axis=1, count=BITS)
    signs = bits.astype(np.float32) * 2 - 1
    scene, split = (np.unique(np.array(names, object), return_inverse=True)[1] for names in (scenes, splits))
    found: list[Nearest | None] = []
    for start in range(0, len(hashes), _BLOCK):
        rows = slice(start, start + _BLOCK)
        differing = (BITS - signs[rows] @ signs.T) / 2  # whole numbers, exact in float32
        compared = (scene[rows, None] != scene) & ((split[rows, None] == split) == same_split)
        differing[~compared] = np.inf
        places = differing.argmin(axis=1)
        for place, count in zip(places, differing.min(axis=1), strict=True):
            found.append(Nearest(int(place), float(count) / BITS * 100) if np.isfinite(count) else None)
    return found
