"""The reblurring module of JDRL: a deblurred picture blurred again, so that it can be held against the input."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import nn

from sdd_bench.errors import TrainingError
from sdd_bench.models.guided import ResidualBlock
from sdd_bench.models.isotropic_kernels import kernel_radii, seed_channels
from sdd_bench.training.reblurring import isotropic_blur

KernelName = Literal["isotropic", "single", "free"]

_FREE_SIDE = 15  # of the kernel with free values, pixels: as large as the largest isotropic one


class Reblurred(NamedTuple):
    """A deblurred picture blurred again.

    Attributes:
        picture: N x 3 x H x W.
        seeds: N x 35 x H x W, of the isotropic kernels (8 channels for a single kernel, 225 for one of free values).
        weights: N x 8 x H x W, the share of each kernel, of which the first is the picture itself; None where there is
            one kernel.
    """

    picture: torch.Tensor
    seeds: torch.Tensor
    weights: torch.Tensor | None


class ReblurringNetwork(nn.Module):
    """Predicts, pixel by pixel, how a deblurred picture must be blurred to give the blurry one (Li et al., AAAI 2023).

    Two branches see both pictures: one predicts the seeds of isotropic kernels of radius 1 to 7, the other the share of
    each, and of the picture itself. The ablations of the paper are ``kernels="single"``, one isotropic kernel of
    radius 7 and no shares, and ``kernels="free"``, one kernel of 15 x 15 values that need not be isotropic.
    """

    def __init__(
        self, kernels: KernelName = "isotropic", width: int = 64, radii: int = 8, *, fused: bool = False
    ) -> None:
        """Weights are as PyTorch makes them; see `sdd_bench.training.initialisation`.

        Args:
            kernels: which kernels.
            width: channels of both branches, 64 in the paper.
            radii: number of isotropic kernels, the picture itself included.
            fused: see `isotropic_blur`; kernels of free values are blurred with as ever.
        """
        super().__init__()
        self.fused = fused
        self.kernels = kernels
        self.radii = radii
        channels = {"isotropic": seed_channels(radii), "single": radii, "free": _FREE_SIDE**2}[kernels]
        self.seeds = _branch(width, channels)
        self.shares = _branch(width, radii) if kernels == "isotropic" else None

    def forward(self, deblurred: torch.Tensor, blurry: torch.Tensor) -> Reblurred:
        """Blurs a deblurred picture.

        Args:
            deblurred: N x 3 x H x W in [0, 1].
            blurry: the same shape, what the network was given.
        """
        both = torch.cat([deblurred, blurry], 1)
        seeds = self.seeds(both)
        # Kernels are applied in single precision also where convolutions are not.
        picture, exact = deblurred.float(), seeds.float()
        if self.kernels == "free":
            return Reblurred(_free_blur(picture, exact), seeds, None)
        if self.shares is None:
            smaller = exact.new_zeros(len(exact), seed_channels(self.radii - 1), *exact.shape[2:])
            blurred = isotropic_blur(picture, torch.cat([smaller, exact], 1), self.radii, fused=self.fused)
            return Reblurred(blurred[:, -1], seeds, None)
        shares = self.shares(both).float().softmax(1)
        blurred = isotropic_blur(picture, exact, self.radii, fused=self.fused)
        return Reblurred((shares[:, :, None] * blurred).sum(1), seeds, shares)


def defocus_map(reblurred: Reblurred) -> torch.Tensor:
    """Expected blur radius at every pixel: sum_i W_i r_i, r_i the root-mean-square radius of kernel i.

    Args:
        reblurred: made with isotropic kernels and shares.

    Returns:
        N x 1 x H x W, pixels. Without gradient.

    Raises:
        TrainingError: it was made with a single kernel.
    """
    if reblurred.weights is None:
        raise TrainingError("a defocus map needs the shares of several kernels (reblurring.kernels: isotropic).")
    with torch.no_grad():
        radii = kernel_radii(reblurred.seeds.float(), reblurred.weights.shape[1])
        return (reblurred.weights * radii).sum(1, keepdim=True)


def _branch(width: int, channels: int) -> nn.Sequential:
    blocks = [ResidualBlock(width) for _ in range(3)]
    return nn.Sequential(nn.Conv2d(6, width, 3, padding=1), *blocks, nn.Conv2d(width, channels, 3, padding=1))


def _free_blur(picture: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Every pixel by its own kernel, the softmax of its values; outside of the picture are zeros."""
    n, channels, height, width = picture.shape
    windows = torch.nn.functional.unfold(picture, _FREE_SIDE, padding=_FREE_SIDE // 2)
    windows = windows.view(n, channels, _FREE_SIDE**2, height, width)
    return (windows * values.softmax(1)[:, None]).sum(2)
