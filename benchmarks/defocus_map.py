"""How well defocus maps order pixels by their blur, on scenes whose blur is known; for `jdrl_recovery.py`."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import nn

from sdd_bench.training.reblurring_network import ReblurringNetwork, defocus_map


def map_correlations(
    network: nn.Module,
    reblurring: ReblurringNetwork | None,
    blurry: torch.Tensor,
    deblurred: torch.Tensor,
    true: NDArray,
) -> dict[str, float | None]:
    """Spearman correlation of maps of one picture with the true radius of the circle of confusion.

    Args:
        network: deblurs; if it has an estimator as RGL's has, its map is read, too: from the blurry picture alone.
        reblurring: the module that was trained with it; its map needs shares of several isotropic kernels.
        blurry: 1 x 3 x H x W in [0, 1].
        deblurred: the same shape, what the network makes of it.
        true: H x W, pixels.

    Returns:
        `module_map` and `estimator_map`, None where there is none or it is constant; `smoothness_map`, what is to be
        had without any training: minus the mean gradient within about 8 px; and `module_radius`, the mean radius in
        the module's map, pixels: near 0, it blurs nothing, and its order of pixels says nothing either.
    """
    maps: dict[str, NDArray | None] = {"module_map": None, "estimator_map": None, "smoothness_map": _smoothness(blurry)}
    with torch.no_grad():
        if reblurring is not None and reblurring.shares is not None:
            maps["module_map"] = defocus_map(reblurring(deblurred, blurry))[0, 0].numpy()
        if hasattr(network, "defocus_map"):
            maps["estimator_map"] = network.defocus_map(blurry)[0, 0].numpy()
    found: dict[str, float | None] = {
        name: None if values is None or not np.ptp(values) else float(stats.spearmanr(true.ravel(), values.ravel())[0])
        for name, values in maps.items()
    }
    module = maps["module_map"]
    return found | {"module_radius": None if module is None else float(module.mean())}


def _smoothness(blurry: torch.Tensor) -> NDArray[np.float32]:
    gray = cv2.cvtColor(np.ascontiguousarray(blurry[0].permute(1, 2, 0).numpy()), cv2.COLOR_RGB2GRAY)
    gradient = np.hypot(cv2.Sobel(gray, cv2.CV_32F, 1, 0), cv2.Sobel(gray, cv2.CV_32F, 0, 1))
    return -cv2.GaussianBlur(gradient, (0, 0), 8)
