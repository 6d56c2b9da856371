"""Deconvolution with the hyper-Laplacian prior of natural pictures' gradients (Krishnan and Fergus, NIPS 2009)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from sdd_bench.models.classical.noise import MODEL_ERROR
from sdd_bench.models.classical.transfer import completed, convolve, transfer_function
from sdd_bench.models.classical.wiener import difference_power

Image = NDArray[np.float32]

# The paper's schedule: beta from 1 to 256 in factors of 2 sqrt 2, one inner iteration each, for lambda = 2000.
_BETAS = tuple(float(2.0 ** (1.5 * step)) for step in range(6))
_LAMBDA = 2000.0
_TABLE = 2**14
_REACH = 2.0  # differences of neighbouring pixels that a table covers; beyond it the prior moves nothing visibly


def hyper_laplacian(
    blurry: Image,
    kernel: Image,
    noise: float,
    *,
    trust: Image | None = None,
    alpha: float = 2 / 3,
    strength: float = 0.2,
    model_error: float = MODEL_ERROR,
) -> Image:
    """Minimise lambda/2 |k * x - y|^2 + |D_x x|^alpha + |D_y x|^alpha, lambda = strength / (noise^2 + model_error^2).

    Half-quadratic splitting: the differences get copies w that are drawn to them ever more strongly (beta); w is found
    pixel by pixel from a table, x by one division of spectra (eq. 3-5). Where the data weigh more than in the paper, so
    do the copies: their last pull would else leave out every difference below 0.03, which is most of a dim texture.

    Args:
        blurry: C x H x W float32, linear light, periodic.
        kernel: with which it was blurred, sum 1.
        noise: standard deviation of the noise.
        trust: as of `completed`; the first step takes the blurry picture as it is.
        alpha: exponent of the prior, below 1.
        strength: the paper's lambda = 2000 is meant for noise of 0.01: 2000 * 0.01^2 = 0.2.
        model_error: what the kernel can't explain, as a standard deviation.

    Returns:
        C x H x W float32, not clipped.
    """
    size = (blurry.shape[-2], blurry.shape[-1])
    weight = strength / (noise**2 + model_error**2)
    transfer = transfer_function(kernel, size)
    power, differences = np.abs(transfer) ** 2, difference_power(size)
    estimate, data = blurry, np.conj(transfer) * fft.rfft2(blurry)
    for step, paper_beta in enumerate(_BETAS):
        beta = paper_beta * max(weight / _LAMBDA, 1.0)
        if trust is not None and step:
            data = np.conj(transfer) * fft.rfft2(completed(blurry, convolve(estimate, transfer), trust))
        pulled = np.zeros_like(estimate)
        for axis in (-2, -1):
            wanted = shrink(np.roll(estimate, -1, axis) - estimate, beta, alpha)
            pulled += np.roll(wanted, 1, axis) - wanted
        ratio = np.float32(weight / beta)
        spectrum = (fft.rfft2(pulled) + ratio * data) / (differences + ratio * power)
        estimate = np.asarray(fft.irfft2(spectrum, s=size), np.float32)
    return estimate


def shrink(values: Image, beta: float, alpha: float) -> Image:
    """The w that minimises |w|^alpha + beta/2 (w - v)^2 for every v, looked up in a table and interpolated (eq. 5).

    Args:
        values: v, any shape.
        beta: how strongly w is drawn to v.
        alpha: exponent of the prior, between 0 and 1.
    """
    table = _shrinkage_table(beta, alpha)
    position = np.minimum(np.abs(values) * np.float32(_TABLE / _REACH), np.float32(_TABLE - 1))
    index = position.astype(np.int32)
    low = table[index]
    found = low + (position - index) * (table[index + 1] - low)
    return np.asarray(np.copysign(found, values), np.float32)


@lru_cache(maxsize=64)
def _shrinkage_table(beta: float, alpha: float) -> Image:
    values = np.linspace(0, _REACH, _TABLE + 1)
    # Below the threshold 0 costs less than the other local minimum, which there is equal to
    # w = (2 (1 - alpha) / beta)^(1 / (2 - alpha)).
    least = (2 * (1 - alpha) / beta) ** (1 / (2 - alpha))
    threshold = least + alpha * least ** (alpha - 1) / beta
    found = np.where(values > threshold, values, 0.0)
    above = found > 0
    w, v = found[above], values[above]
    for _ in range(30):  # Newton from the right on a convex, rising slope: monotone, no safeguard needed
        slope = alpha * w ** (alpha - 1) + beta * (w - v)
        w = w - slope / (alpha * (alpha - 1) * w ** (alpha - 2) + beta)
    found[above] = w
    found.setflags(write=False)
    return found.astype(np.float32)
