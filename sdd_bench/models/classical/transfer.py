"""Convolution on a torus: transfer functions of small kernels, and pictures made fit to be periodic."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

Image = NDArray[np.float32]
Spectrum = NDArray[np.complex64]


def transfer_function(kernel: Image, size: tuple[int, int]) -> Spectrum:
    """Discrete Fourier transform of a kernel centred at the origin of a torus.

    Args:
        kernel: (2m+1) x (2n+1), no larger than the torus.
        size: height and width of the torus.

    Returns:
        H x (W//2+1) complex64, the half that `scipy.fft.rfft2` keeps.
    """
    torus = np.zeros(size, np.float32)
    height, width = kernel.shape
    torus[:height, :width] = kernel
    return np.asarray(fft.rfft2(np.roll(torus, (-(height // 2), -(width // 2)), (0, 1))), np.complex64)


def convolve(picture: Image, transfer: Spectrum) -> Image:
    """Periodic convolution of every channel.

    Args:
        picture: C x H x W float32.
        transfer: of the kernel, for the same H and W.
    """
    return np.asarray(fft.irfft2(fft.rfft2(picture) * transfer, s=picture.shape[-2:]), np.float32)


def completed(observed: Image, predicted: Image, trust: Image | None) -> Image:
    """What was observed where it is trusted, and what the current estimate predicts elsewhere.

    Put for the blurry picture at every step of an iteration, it takes what is not trusted for missing: the
    expectation step for missing data (Dempster, Laird and Rubin, JRSS B 1977), which leaves the division of
    spectra as simple as without weights.

    Args:
        observed: C x H x W float32, the blurry picture.
        predicted: C x H x W float32, the estimate blurred.
        trust: H x W float32, from 0 (missing) to 1; None trusts all.
    """
    return observed if trust is None else np.asarray(predicted + trust * (observed - predicted), np.float32)


def taper_edges(picture: Image, kernel: Image) -> Image:
    """Blend a picture into its own periodic blur towards the border, so that it continues across it.

    The window is the one of MATLAB's ``edgetaper``: along each axis, 1 minus the normalised autocorrelation of the
    kernel's projection, as far as the kernel reaches.

    Args:
        picture: C x H x W float32.
        kernel: the kernel with which the picture was blurred.
    """
    height, width = picture.shape[-2:]
    window = np.outer(_window(kernel.sum(1), height), _window(kernel.sum(0), width)).astype(np.float32)
    blurred = convolve(picture, transfer_function(kernel, (height, width)))
    return np.asarray(window * picture + (1 - window) * blurred, np.float32)


def _window(projection: Image, length: int) -> NDArray[np.float64]:
    lags = np.correlate(projection, projection, "full")[len(projection) - 1 :].astype(np.float64)
    distance = np.minimum(np.arange(length), np.arange(length)[::-1])
    return np.asarray(1.0 - np.interp(distance, np.arange(len(lags) + 1), [*(lags / lags[0]), 0.0]))
