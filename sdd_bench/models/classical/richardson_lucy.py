"""Richardson-Lucy deconvolution."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sdd_bench.models.classical.transfer import completed, convolve, transfer_function

Image = NDArray[np.float32]


def richardson_lucy(
    blurry: Image,
    kernel: Image,
    noise: float,
    *,
    trust: Image | None = None,
    iterations: int = 15,
    start: Image | None = None,
) -> Image:
    """Maximum-likelihood picture under Poisson noise, approached by multiplicative steps from the blurry one.

    x <- x K^T(y / K x) (Richardson 1972, Lucy 1974; as in Fish et al. 1995, eq. 1). The number of steps is the
    regularisation: they end early where the misfit is down to the noise (Morozov's discrepancy principle), because
    whatever is fitted after that is noise.

    Args:
        blurry: C x H x W float32, linear light, periodic; negative values are taken as 0.
        kernel: with which it was blurred, sum 1.
        noise: standard deviation of the noise; 0 makes all the steps.
        trust: as of `completed`.
        iterations: at most.
        start: first estimate; None takes the blurry picture.

    Returns:
        C x H x W float32, not negative.
    """
    size = (blurry.shape[-2], blurry.shape[-1])
    transfer = transfer_function(kernel, size)
    least = np.float32(1e-6)  # keeps the quotient finite where there is no light at all
    observed = np.maximum(blurry, least)
    estimate = np.asarray(observed if start is None else start, np.float32)
    for _ in range(iterations):
        predicted = np.maximum(convolve(estimate, transfer), least)
        wanted = completed(observed, predicted, trust)
        if noise > 0 and float(np.mean((predicted - wanted) ** 2)) <= noise**2:
            break
        estimate = np.asarray(np.maximum(estimate * convolve(wanted / predicted, np.conj(transfer)), 0))
    return estimate
