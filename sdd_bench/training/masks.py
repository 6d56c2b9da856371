"""Which pixels of a flow are trusted in training: the calibration mask, and those that stay within the picture."""

from __future__ import annotations

from typing import Literal, get_args

import torch

from sdd_bench.errors import TrainingError, unknown_name

MaskName = Literal["paper", "release"]

TOLERANCE = 0.35  # lambda of Li et al., AAAI 2023
ALIGNED = 0.5  # mean magnitude in pixels below which a pair counts as aligned


def calibration_mask(flow: torch.Tensor, variant: MaskName = "paper", tolerance: float = TOLERANCE) -> torch.Tensor:
    """Pixels whose flow is about as large as the flow of their picture is on average.

    - ``paper`` (Li et al., AAAI 2023): (1 - tolerance) m < |F| < (1 + tolerance) m, m the mean magnitude over the
      picture. Where m is below 0.5 px all pixels count: of a pair without misalignment the flow is noise, few pixels
      of which are near its mean, and none at all where it is zero, so that such a pair would teach nothing.
    - ``release``, as the released code has it: not the magnitude is compared but the gray value (8 bit) of the flow's
      picture by the colour wheel of Baker et al., ICCV 2007, the flow being divided by its largest magnitude. Small
      flow is white there, and large flow is dark or bright by its direction. Bounds are within.

    Args:
        flow: N x 2 x H x W, (x, y) in pixels, finite.
        variant: ``"paper"`` or ``"release"``.
        tolerance: lambda, a share of the mean.

    Returns:
        N x 1 x H x W bool.

    Raises:
        TrainingError: the shape is another one, or the variant is unknown.
    """
    if variant not in (known := get_args(MaskName)):
        raise TrainingError(unknown_name("calibration mask", variant, known))
    if flow.ndim != 4 or flow.shape[1] != 2 or flow.numel() == 0:
        raise TrainingError(f"expected a flow N x 2 x H x W, got shape {tuple(flow.shape)}")
    flow = flow.detach()
    if variant == "release":
        gray = _wheel_gray(flow)
        mean = gray.mean((1, 2, 3), keepdim=True)
        return torch.logical_and(gray >= (1 - tolerance) * mean, gray <= (1 + tolerance) * mean)
    magnitude = torch.linalg.vector_norm(flow, dim=1, keepdim=True)
    mean = magnitude.mean((1, 2, 3), keepdim=True)
    near = torch.logical_and(magnitude > (1 - tolerance) * mean, magnitude < (1 + tolerance) * mean)
    return near.logical_or(mean < ALIGNED)


def stays_inside(flow: torch.Tensor) -> torch.Tensor:
    """Pixels whose place in the other picture, x + F(x), lies within it (`alignment.masks.inside`, for tensors).

    Args:
        flow: N x 2 x H x W, (x, y) in pixels.

    Returns:
        N x 1 x H x W bool.
    """
    height, width = flow.shape[2:]
    y = torch.arange(height, dtype=flow.dtype, device=flow.device)[:, None]
    x = torch.arange(width, dtype=flow.dtype, device=flow.device)
    horizontal = (flow[:, :1] >= -x) & (flow[:, :1] <= width - 1 - x)
    return horizontal & (flow[:, 1:] >= -y) & (flow[:, 1:] <= height - 1 - y)


def _wheel_gray(flow: torch.Tensor) -> torch.Tensor:
    """Gray values 0 ... 255 of each flow's colour-wheel picture, N x 1 x H x W double.

    torchvision divides by the largest magnitude of a batch, hence one at a time; it adds 1e-7 to it, the release 1e-5.
    """
    from torchvision.utils import flow_to_image  # type: ignore[import-untyped]  # torchvision has no types

    red, green, blue = torch.stack([flow_to_image(one.float()) for one in flow]).int().unbind(1)
    # 0.299 R + 0.587 G + 0.114 B as OpenCV computes it for 8 bit: in units of 2^-15, rounded.
    return ((9798 * red + 19235 * green + 3735 * blue + (1 << 14)) >> 15)[:, None].double()
