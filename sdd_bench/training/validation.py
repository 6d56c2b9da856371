"""Scores that choose the best epoch, on pairs that are not trained with."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sdd_bench.datasets.dataset import Pair
from sdd_bench.errors import TrainingError
from sdd_bench.io.atomic import atomic_path
from sdd_bench.metrics.fidelity import psnr
from sdd_bench.models.padding import reflect, round_up
from sdd_bench.training.aligned import Align, Image
from sdd_bench.training.data import ValidationPair, middle


def load_validation(pairs: list[Pair], crop: int | None, align: Align, kept: Path) -> list[ValidationPair]:
    """Reads the validation pairs and aligns them, once for the whole run.

    Args:
        pairs: which.
        crop: side of their middle that is used, pixels; None uses all of it.
        align: deforms ground truths.
        kept: folder in which what was aligned is kept, for a run that is resumed.

    Raises:
        TrainingError: no pixel of any pair counts.
    """
    loaded = []
    for pair in pairs:
        blurry, gt = middle(pair.blur(), crop), middle(pair.gt(), crop)
        target, valid = _aligned(blurry, gt, align, kept / f"{pair.stem}.npz")
        if valid.any():
            pictures = [_tensor(picture) for picture in (blurry, gt, target)]
            loaded.append(ValidationPair(pair.stem, pictures[0], pictures[1], pictures[2], torch.from_numpy(valid)))
    if not loaded:
        raise TrainingError(
            f"none of the {len(pairs)} validation pairs could be aligned, so no epoch could be chosen. Look at them "
            "with: sdd-bench analyze DATASET --split train"
        )
    return loaded


def validate(network: nn.Module, pairs: list[ValidationPair], device: torch.device) -> float:
    """Mean PSNR in dB of a network over validation pairs, against their deformed ground truth over its valid pixels.

    Args:
        network: deblurs; it is left in the mode it was in.
        pairs: from `load_validation`.
        device: where the network is.
    """
    training = network.training
    network.eval()
    scores = []
    with torch.no_grad():
        for pair in pairs:
            deblurred = deblur(network, pair.blurry[None].to(device))[0].float().clamp(0, 1).cpu()
            found, target = (p.permute(1, 2, 0).contiguous().numpy() for p in (deblurred, pair.target))
            scores.append(psnr(found, target, pair.valid.numpy()))
    network.train(training)
    return math.fsum(scores) / len(scores)


def deblur(network: nn.Module, blurry: torch.Tensor) -> torch.Tensor:
    """The final output of a network for pictures of any size; sides are continued to its stride as `predict` does it.

    Args:
        network: see `sdd_bench.models.create`.
        blurry: N x 3 x H x W in [0, 1].

    Returns:
        N x 3 x H x W.
    """
    stride = int(getattr(network, "stride", 1))
    height, width = blurry.shape[2:]
    output = network(reflect(blurry, round_up(height, stride), round_up(width, stride)))
    final: torch.Tensor = output if isinstance(output, torch.Tensor) else output[0]
    return final[..., :height, :width]


def _aligned(blurry: Image, gt: Image, align: Align, kept: Path) -> tuple[Image, NDArray[np.bool_]]:
    if kept.is_file():
        with np.load(kept, allow_pickle=False) as archive:
            return archive["target"], archive["valid"]
    target, valid = align(blurry, gt)
    with atomic_path(kept) as temporary, temporary.open("wb") as file:
        np.savez(file, target=target, valid=valid)
    return target, valid


def _tensor(picture: Image) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1).contiguous()
