"""What a picture says against a defocus map: detail that so much blur would have removed."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft

from sdd_bench.alignment.blur import aperture_kernel
from sdd_bench.models.classical.noise import MODEL_ERROR, noise_level
from sdd_bench.models.classical.transfer import taper_edges, transfer_function
from sdd_bench.models.classical.varying import RADII
from sdd_bench.models.classical.wiener import GRADIENT, difference_power

Image = NDArray[np.float32]

_WINDOW = 3.5  # half the side of the window over which power is averaged, in radii


def uncontradicted(light: Image, radius: Image, *, noise: float | None = None) -> Image:
    """A defocus map, lowered where the picture has detail that the disc it says would have removed.

    A picture blurred by a disc has no more than noise at the zeros of the disc's spectrum. `wiener` models it as power
    gradient^2 / |D|^2 under the disc, and noise of standard deviation ``level``. What it can't explain of such a
    picture, the share Q = eps / (|H|^2 + eps) of its spectrum with eps = (level / gradient)^2 |D|^2, has the power
    level^2 mean(Q). Where more is left within a window, the blur is less than that, and the largest smaller radius that
    was tried stays. This only lowers: too small a radius leaves nothing behind, and what a plain area had is not known.

    Args:
        light: H x W float32, linear light.
        radius: H x W float32, radius of the circle of confusion in pixels.
        noise: standard deviation of the light's noise; None measures it.

    Returns:
        H x W float32, nowhere more than ``radius``.
    """
    largest = min(float(radius.max()), RADII[-1])
    tried = [candidate for candidate in RADII[1:] if candidate <= largest]
    if not tried:
        return radius
    white = (noise_level(light[None]) if noise is None else noise) ** 2 + MODEL_ERROR**2
    margin = 4 * int(np.ceil(largest)) + 12
    padded = _padded(light, margin)
    size = (padded.shape[0], padded.shape[1])
    differences = difference_power(size) * np.float32(white / GRADIENT**2)
    spectrum = fft.rfft2(taper_edges(padded[None], aperture_kernel(largest, "disc"))[0])
    lowered, below = radius.copy(), 0.0
    for candidate in tried:
        power = np.abs(transfer_function(aperture_kernel(candidate, "disc"), size)) ** 2
        share = differences / np.maximum(power + differences, np.float32(1e-12))
        left = fft.irfft2(spectrum * share, s=size)[margin:, margin:][: light.shape[0], : light.shape[1]]
        side = 2 * int(np.ceil(_WINDOW * max(candidate, 1.0))) + 1
        found = cv2.blur(np.ascontiguousarray(left**2), (side, side), borderType=cv2.BORDER_REFLECT)
        contradicted = found > white * _plane_mean(share, size[1])
        # Of several radii that are contradicted the smallest counts: `below` ascends.
        lowered = np.where(contradicted, np.minimum(lowered, np.float32(below)), lowered)
        below = candidate
    return np.asarray(lowered, np.float32)


def _padded(light: Image, margin: int) -> Image:
    """Mirrored beyond its borders, by the margin at the top and left and at least as much at the bottom and right."""
    after = [fft.next_fast_len(length + 2 * margin, real=True) - length - margin for length in light.shape]
    return np.pad(light, ((margin, after[0]), (margin, after[1])), mode="symmetric")


def _plane_mean(half: Image, width: int) -> float:
    """Mean over all frequencies of a symmetric quantity of which `scipy.fft.rfft2` keeps a half."""
    twice = np.full(half.shape[1], 2.0)
    twice[0] = 1.0
    if width % 2 == 0:
        twice[-1] = 1.0
    return float((half @ twice).sum() / (half.shape[0] * width))
