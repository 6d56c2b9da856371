"""The two ways in use to resize pictures for PWC-Net, to warp its features, and to enlarge its flow.

``ptlflow``
    Corners are aligned everywhere: the centres of the corner pixels stay where they are. Features are sampled at
    i + F(i); samples of which more than 0.0001 lies outside are 0. The flow is first enlarged four times, then resized.
``release``
    Corners are never aligned. Features are sampled at i + F(i) w / (w - 1), since the flow is divided by (w - 1) / 2 on
    an axis that is w pixels long; samples of which 0.001 or more lies outside are 0. The flow is resized in one step.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate

Grid = Literal["ptlflow", "release"]

STRIDE = 64  # pixels of a picture per cell of the coarsest level
STEP = 4  # and of the flow


def resize_picture(picture: Tensor, grid: Grid) -> Tensor:
    """Resize N x 3 x H x W bilinearly to the next multiples of 64."""
    height, width = (math.ceil(side / STRIDE) * STRIDE for side in picture.shape[2:])
    return _resize(picture, height, width, grid)


def warp_features(features: Tensor, flow: Tensor, grid: Grid) -> Tensor:
    """Sample features bilinearly along a flow; 0 where that is outside.

    Args:
        features: N x C x H x W.
        flow: N x 2 x H x W, (x, y) in pixels of the features.
        grid: which arithmetic.
    """
    height, width = features.shape[2:]
    axes = [_places(size, grid, flow.device) for size in (width, height)]
    aligned = grid == "ptlflow"
    if aligned:
        # In pixels first, as ptlflow does it: rounding decides about the last pixel at a border.
        x = 2 * (axes[0] + flow[:, 0]) / max(width - 1, 1) - 1
        y = 2 * (axes[1][:, None] + flow[:, 1]) / max(height - 1, 1) - 1
    else:
        x = axes[0] + flow[:, 0] / ((width - 1) / 2)
        y = axes[1][:, None] + flow[:, 1] / ((height - 1) / 2)
    places = torch.stack((x, y), dim=3)
    sampled = grid_sample(features, places, align_corners=aligned)
    inside = grid_sample(
        features.new_ones(1, 1, height, width).expand(len(features), -1, -1, -1), places, align_corners=aligned
    )
    return sampled.mul_(inside >= 0.9999 if aligned else inside > 0.999)


def _places(size: int, grid: Grid, device: torch.device) -> Tensor:
    """Pixel numbers for ``ptlflow``, places in [-1, 1] for ``release``."""
    if grid == "ptlflow":
        return torch.arange(size, dtype=torch.float32, device=device)
    return torch.linspace(-1 + 1 / size, 1 - 1 / size, size, device=device)


def full_flow(flow: Tensor, height: int, width: int, grid: Grid) -> Tensor:
    """Enlarge N x 2 x h x w flow, in pixels of the resized picture, to the picture; its values are scaled alike.

    Args:
        flow: at a quarter of the size of the resized picture.
        height: of the picture.
        width: of the picture.
        grid: which arithmetic.
    """
    resized_height, resized_width = (STEP * side for side in flow.shape[2:])
    if grid == "ptlflow":
        flow = _resize(flow, resized_height, resized_width, grid)
    scale = flow.new_tensor([width / resized_width, height / resized_height])
    return _resize(flow, height, width, grid) * scale[:, None, None]


def _resize(values: Tensor, height: int, width: int, grid: Grid) -> Tensor:
    return interpolate(values, size=(height, width), mode="bilinear", align_corners=grid == "ptlflow")
