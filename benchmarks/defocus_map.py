"""How well defocus maps order pixels by their blur, on scenes whose blur is known; for `jdrl_recovery.py`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import nn

from sdd_bench.datasets.dataset import Pair
from sdd_bench.training.reblurring_network import ReblurringNetwork, defocus_map
from sdd_bench.training.validation import deblur


def map_correlations(
    network: nn.Module, reblurring: ReblurringNetwork | None, pairs: Sequence[Pair], truth: Path
) -> dict[str, float | None]:
    """Spearman correlation of maps with the true radius of the circle of confusion, means over pictures.

    Args:
        network: deblurs; if it has an estimator as RGL's has, its map is read, too: from the blurry picture alone.
        reblurring: the module that was trained with it; its map needs shares of several isotropic kernels.
        pairs: to read maps of.
        truth: folder of true radii, an H x W array by each pair's stem.

    Returns:
        `module_map` and `estimator_map`, None where there is none or it is constant; `smoothness_map`, what is to be
        had without any training: minus the mean gradient within about 8 px; and `module_radius`, the mean radius in
        the module's map, pixels: near 0, it blurs nothing, and its order of pixels says nothing either.
    """
    rows: dict[str, list[float]] = {"module_map": [], "estimator_map": [], "smoothness_map": [], "module_radius": []}
    for pair in pairs:
        true, blurry = np.load(truth / f"{pair.stem}.npy"), pair.blur()
        tensor = torch.from_numpy(blurry).permute(2, 0, 1)[None]
        found = {"smoothness_map": _smoothness(blurry)}
        with torch.no_grad():
            if reblurring is not None and reblurring.shares is not None:
                output = deblur(network, tensor).clamp(0, 1)
                found["module_map"] = defocus_map(reblurring(output, tensor))[0, 0].numpy()
                rows["module_radius"].append(float(found["module_map"].mean()))
            if hasattr(network, "defocus_map"):
                found["estimator_map"] = network.defocus_map(tensor)[0, 0].numpy()
        for name, values in found.items():
            if np.ptp(values):
                rows[name].append(float(stats.spearmanr(true.ravel(), values.ravel()).statistic))
    return {name: float(np.mean(values)) if values else None for name, values in rows.items()}


def _smoothness(blurry: NDArray[np.float32]) -> NDArray[np.float32]:
    gray = cv2.cvtColor(blurry, cv2.COLOR_RGB2GRAY)
    gradient = np.hypot(cv2.Sobel(gray, cv2.CV_32F, 1, 0), cv2.Sobel(gray, cv2.CV_32F, 0, 1))
    return -cv2.GaussianBlur(gradient, (0, 0), 8)
