"""Pictures of what a network does while it learns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from sdd_bench.io.atomic import atomic_path
from sdd_bench.training.data import ValidationPair
from sdd_bench.training.objective import Objective
from sdd_bench.training.reblurring_network import defocus_map

_SIDE = 256  # pixels of a sample
_SAMPLES = 3
_TITLES = ("blurry", "deblurred", "reblurred", "GT", "deformed GT", "counts", "blur radius, px")


def draw_strip(
    path: Path,
    objective: Objective,
    network: nn.Module,
    reblurring: nn.Module | None,
    pairs: list[ValidationPair],
    epoch: int,
    device: torch.device,
    align_once: bool = False,
) -> None:
    """Draws a row per sample: input, output, reblurred, GT, deformed GT, mask and defocus map.

    What the recipe or the epoch does not have is left empty.

    Args:
        path: a PNG file.
        objective: of the recipe.
        network: deblurs; it is left in the mode it was in.
        reblurring: the reblurring module, if there is one.
        pairs: samples; the middle of the first few is drawn.
        epoch: decides which loss there is.
        device: where the modules are.
        align_once: whether the recipe learns from ground truths that were deformed before.
    """
    from matplotlib.figure import Figure

    rows = [_panels(objective, network, reblurring, pair, epoch, device, align_once) for pair in pairs[:_SAMPLES]]
    figure = Figure(figsize=(2.2 * len(_TITLES), 2.35 * len(rows)), dpi=110, layout="constrained")
    grid = figure.subplots(len(rows), len(_TITLES), squeeze=False)
    for axes, (pair, panels) in zip(grid, zip(pairs, rows, strict=False), strict=True):
        for axis, title, panel in zip(axes, _TITLES, panels, strict=True):
            axis.set(xticks=[], yticks=[])  # the frame stays: a mask may be white all over
            if panel is None:
                axis.set_axis_off()
                continue
            if panel.ndim == 3:
                axis.imshow(np.clip(panel, 0, 1))
            elif panel.dtype == np.bool_:
                axis.imshow(panel, cmap="gray", vmin=0, vmax=1)
            else:
                shown = axis.imshow(panel, cmap="viridis", vmin=0, vmax=max(float(panel.max()), 1.0))
                figure.colorbar(shown, ax=axis, shrink=0.8)
            axis.set_title(title if axis is not axes[0] else f"{title}: {pair.stem}", fontsize=8)
    figure.suptitle(f"after epoch {epoch + 1}", fontsize=9)
    with atomic_path(path) as temporary:
        figure.savefig(temporary)


def _panels(
    objective: Objective,
    network: nn.Module,
    reblurring: nn.Module | None,
    pair: ValidationPair,
    epoch: int,
    device: torch.device,
    align_once: bool,
) -> list[np.ndarray | None]:
    pictures = (pair.blurry, pair.gt, pair.target, pair.valid[None])
    blurry, sharp, target, valid = (_cut(picture)[None].to(device) for picture in pictures)
    training = network.training
    network.eval()
    with torch.no_grad():
        if align_once:
            step = objective(network, reblurring, blurry, target, epoch, valid)
        else:
            step = objective(network, reblurring, blurry, sharp, epoch)
        reblurred = step.reblurred
        shown = reblurred is not None and reblurred.weights is not None
        radius = defocus_map(reblurred)[0, 0].cpu().numpy() if reblurred is not None and shown else None
    network.train(training)
    deformed = None if step.sharp is sharp else _array(step.sharp)
    return [
        _array(blurry),
        _array(step.deblurred),
        None if reblurred is None else _array(reblurred.picture),
        _array(sharp),
        deformed,
        None if step.mask is None else step.mask[0, 0].cpu().numpy(),
        radius,
    ]


def _cut(picture: torch.Tensor) -> torch.Tensor:
    """The middle, sides multiples of 32, which all networks take."""
    height, width = (min(side, _SIDE) // 32 * 32 for side in picture.shape[1:])
    top, left = (picture.shape[1] - height) // 2, (picture.shape[2] - width) // 2
    return picture[:, top : top + height, left : left + width]


def _array(picture: torch.Tensor) -> np.ndarray:
    return picture[0].float().cpu().permute(1, 2, 0).numpy()
