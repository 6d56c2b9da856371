"""Wiener deconvolution."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sdd_bench.models.classical.noise import MODEL_ERROR
from sdd_bench.models.classical.transfer import completed, convolve, transfer_function

Image = NDArray[np.float32]

# Root mean square difference of neighbouring pixels, per axis, of sharp photographs in linear light: over the
# photographs of `sdd_bench.datasets.scenes` at half their size it is between 0.01 and 0.13.
GRADIENT = 0.04


_ROUNDS = 4  # of estimating what is not trusted


def wiener(
    blurry: Image,
    kernel: Image,
    noise: float,
    *,
    trust: Image | None = None,
    gradient: float = GRADIENT,
    model_error: float = MODEL_ERROR,
) -> Image:
    """The linear estimate of least mean squared error, for a picture whose spectrum falls with the square of frequency.

    X = H* Y / (|H|^2 + (level / gradient)^2 (|D_x|^2 + |D_y|^2)), D the differences of neighbouring pixels: the
    picture's power spectrum is modelled as gradient^2 / |D|^2, the noise as white, level^2 = noise^2 + model_error^2.

    Args:
        blurry: C x H x W float32, linear light, periodic.
        kernel: with which it was blurred, sum 1.
        noise: standard deviation of the noise, in the unit of the picture.
        trust: as of `completed`; the first estimate takes the blurry picture as it is.
        gradient: root mean square difference of neighbouring pixels in the sharp picture.
        model_error: what the kernel can't explain, as a standard deviation.

    Returns:
        C x H x W float32, not clipped.
    """
    size = (blurry.shape[-2], blurry.shape[-1])
    transfer = transfer_function(kernel, size)
    power = np.abs(transfer) ** 2 + (noise**2 + model_error**2) / gradient**2 * difference_power(size)
    inverse = np.conj(transfer) / power
    estimate = convolve(blurry, inverse)
    for _ in range(0 if trust is None else _ROUNDS):
        estimate = convolve(completed(blurry, convolve(estimate, transfer), trust), inverse)
    return estimate


def difference_power(size: tuple[int, ...]) -> NDArray[np.float32]:
    """|D_x|^2 + |D_y|^2 of the differences of neighbouring pixels on a torus, for `scipy.fft.rfft2`'s frequencies."""
    vertical, horizontal = np.arange(size[0]) / size[0], np.arange(size[1] // 2 + 1) / size[1]
    power = np.add.outer(2 - 2 * np.cos(2 * np.pi * vertical), 2 - 2 * np.cos(2 * np.pi * horizontal))
    return np.asarray(power, np.float32)
