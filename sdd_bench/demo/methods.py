"""The demo's own "methods": two that anyone can run, and two that know the truth."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.alignment.warp import warp

Image = NDArray[np.float32]


def blurry_input(blur: Image, aligned: Image, rng: np.random.Generator) -> Image:
    """The input as it is: what doing nothing scores."""
    return blur


def unsharp_mask(blur: Image, aligned: Image, rng: np.random.Generator) -> Image:
    """Classical sharpening: the input plus 1.5 times its difference from its own Gaussian blur (sigma 2 px)."""
    return np.asarray(np.clip(blur + 1.5 * (blur - cv2.GaussianBlur(blur, (0, 0), 2.0)), 0, 1), np.float32)


def nearly_perfect(blur: Image, aligned: Image, rng: np.random.Generator) -> Image:
    """The truth with a little blur and noise: what a very good network would give, at about 32 dB."""
    soft = cv2.GaussianBlur(aligned, (0, 0), 0.6)
    return np.asarray(np.clip(soft + rng.normal(0, 0.018, soft.shape), 0, 1), np.float32)


def sharp_but_wavy(blur: Image, aligned: Image, rng: np.random.Generator) -> Image:
    """The truth, sharp, but bent by waves of 1.5 px: it looks good and shows things where they are not."""
    height, width = aligned.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    waves = 1.5 * np.stack([np.sin(y / 40), np.cos(x / 40)], -1)
    return np.asarray(np.clip(warp(aligned, waves), 0, 1), np.float32)


METHODS: dict[str, Callable[[Image, Image, np.random.Generator], Image]] = {
    "blurry input": blurry_input,
    "unsharp mask": unsharp_mask,
    "nearly perfect": nearly_perfect,
    "sharp but wavy": sharp_but_wavy,
}
