"""LPIPS against references whose features are kept: the network runs once per reference, then once per prediction."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sdd_bench.evaluation.archives import load_archive, save_archive

if TYPE_CHECKING:
    from sdd_bench.metrics.perceptual import LPIPS, Features

Image = NDArray[np.float32]


class KeptLPIPS:
    """LPIPS of predictions to references that serve many predictions.

    Features are kept under the hash of the picture's own values, so they are found again whatever made the picture.

    Args:
        lpips: the metric.
        folder: of the kept files, 20 bytes per pixel of a reference.
        libraries: versions that may round differently, part of every key.
    """

    def __init__(self, lpips: LPIPS, folder: Path, libraries: str) -> None:
        self._lpips = lpips
        self._folder = folder
        self._about = f"{libraries}, {lpips.weights_sha256}, {lpips.device}"

    def __call__(self, pred: Image, *refs: Image) -> tuple[float, ...]:
        """Distance of a prediction to each of several references, H x W x 3 float32 in [0, 1] all."""
        return self._lpips.between(pred, *(self._features(reference) for reference in refs))

    def _features(self, picture: Image) -> Features:
        digest = hashlib.sha256(f"{self._about}, {picture.shape}, {picture.dtype}".encode())
        digest.update(np.ascontiguousarray(picture).data)
        key = digest.hexdigest()
        path = self._folder / f"{key}.features"
        kept = load_archive(path, key)
        if kept is not None:
            return tuple(kept[name] for name in sorted(kept))
        features = self._lpips.features(picture)
        save_archive(path, key, {f"layer{k}": layer for k, layer in enumerate(features)})
        return features
