"""RGL's network: a deblurring network that is told how blurred its input is (Ren et al., arXiv 2409.17792)."""

from __future__ import annotations

import torch
from torch import nn

from sdd_bench.errors import ModelError
from sdd_bench.models.isotropic_kernels import kernel_radii, seed_channels
from sdd_bench.models.unet import UNet

_RADII = 8
_WIDTH = 32  # channels of the estimator
_REDUCTION = 16  # of squeeze-and-excitation
FUSED = 3 + seed_channels(_RADII)


class ResidualBlock(nn.Module):
    """x + conv(relu(conv(x))), 3 x 3, without normalisation; height and width of the second stay."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """The block's features, shape as given."""
        out: torch.Tensor = self.second(torch.relu(self.first(features)))
        return features + out


class DefocusEstimator(nn.Sequential):
    """Defocus blur estimator D: a blurry picture to the seeds of isotropic kernels, N x 35 x H x W."""

    def __init__(self) -> None:
        blocks = [ResidualBlock(_WIDTH) for _ in range(3)]
        super().__init__(
            nn.Conv2d(3, _WIDTH, 3, padding=1), *blocks, nn.Conv2d(_WIDTH, seed_channels(_RADII), 3, padding=1)
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)
                nn.init.constant_(layer.bias, 0.1)  # type: ignore[arg-type]  # there is one


class SqueezeExcitation(nn.Module):
    """Channels weighted by what they hold on average (Hu et al., CVPR 2018)."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, channels // reduction)
        self.excite = nn.Linear(channels // reduction, channels)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """The features, each channel times its weight in (0, 1)."""
        weights = torch.sigmoid(self.excite(torch.relu(self.squeeze(features.mean((2, 3))))))
        return features * weights[:, :, None, None]


class GuidedNetwork(nn.Module):
    """A deblurring network with estimator and fusion block in front of it.

    The network sees the blurry picture and its 35 channels of blur, weighted by squeeze-and-excitation: as they are
    where its first convolution takes 38 channels, through a 1 x 1 convolution to 3 channels otherwise. That one begins
    by handing on the picture.
    """

    global_because = "squeeze-and-excitation takes means over the picture"

    def __init__(self, network: nn.Module, *, takes_fused: bool) -> None:
        """Put estimator and fusion in front of a network.

        Args:
            network: deblurs N x 38 x H x W (`takes_fused`) or N x 3 x H x W.
            takes_fused: whether its first convolution takes 38 channels. A network that adds its output to (the first
                three channels of) its input says so by an attribute ``residual = True``.
        """
        super().__init__()
        self.estimator = DefocusEstimator()
        self.attention = SqueezeExcitation(FUSED, _REDUCTION)
        self.to_picture: nn.Conv2d | None = None
        if not takes_fused:
            self.to_picture = nn.Conv2d(FUSED, 3, 1)
            with torch.no_grad():
                # Half of each picture channel is what attention lets through at first.
                self.to_picture.weight.zero_()[:, :3, 0, 0] = 2 * torch.eye(3)
                nn.init.zeros_(self.to_picture.bias)  # type: ignore[arg-type]  # there is one
        self.network = network
        self.stride = int(getattr(network, "stride", 1))
        self.residual = bool(getattr(network, "residual", False))

    def forward(
        self, blurry: torch.Tensor, strength: float = 1.0, with_seeds: bool = False
    ) -> torch.Tensor | tuple[torch.Tensor | tuple[torch.Tensor, ...], torch.Tensor]:
        """Deblur.

        Args:
            blurry: N x 3 x H x W in [0, 1].
            strength: what the estimate is multiplied by before the network sees it; less than 1 early in training.
            with_seeds: also give the estimate.

        Returns:
            What the network gives; with the seeds, N x 35 x H x W (not multiplied), if asked for.
        """
        seeds = self.estimator(blurry)
        fused = self.attention(torch.cat([blurry, strength * seeds], 1))
        seen = fused if self.to_picture is None else self.to_picture(fused)
        deblurred = self.network(seen)
        if self.residual:  # what the network has learned is added to the blurry picture, not to what it saw of it
            correction = blurry - seen[:, :3]
            stages = (deblurred,) if isinstance(deblurred, torch.Tensor) else deblurred
            corrected = tuple(stage + correction for stage in stages)
            deblurred = corrected[0] if isinstance(deblurred, torch.Tensor) else corrected
        return (deblurred, seeds) if with_seeds else deblurred

    def defocus_map(self, blurry: torch.Tensor) -> torch.Tensor:
        """Blur radius as the estimator sees it: the mean over its kernels of their root-mean-square radius.

        In training the shares of the kernels come from the deblurred picture, too; the estimator predicts none, so
        all count alike. The map says where a picture is blurred more than elsewhere; its scale is not calibrated.

        Args:
            blurry: N x 3 x H x W in [0, 1].

        Returns:
            N x 1 x H x W, pixels. Without gradient.
        """
        with torch.no_grad():
            return kernel_radii(self.estimator(blurry).float(), _RADII).mean(1, keepdim=True)


def guided_unet(width: int = 64, residual: bool = False) -> GuidedNetwork:
    """The U-Net as RGL trains it, its first convolution taking picture and blur.

    Args:
        width: channels of its first level.
        residual: see `sdd_bench.models.unet.UNet`.
    """
    return GuidedNetwork(UNet(width, FUSED, residual), takes_fused=True)


def guided(network: nn.Module) -> GuidedNetwork:
    """Any deblurring network as RGL trains it, behind a 1 x 1 convolution.

    Raises:
        ModelError: it is guided already.
    """
    if isinstance(network, GuidedNetwork):
        raise ModelError("the network has an estimator and a fusion block already.")
    return GuidedNetwork(network, takes_fused=False)
