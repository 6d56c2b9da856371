"""KPAC (Son et al., ICCV 2021; ``model.py`` of the release): one kernel at five dilations, weighted by attention."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, leaky_relu, pad

from sdd_bench.models.initial_weights import normal_initialise
from sdd_bench.models.inputs import require_picture

WIDTH = 48  # channels of the two finest levels, and of each dilation; the coarser levels have twice as many
RATES = (1, 2, 3, 4, 5)
ATTENTION = (32, 32, 16, 16)  # channels on the way to the attention to the dilations
SQUEEZED = 12  # channels on the way to the attention to the channels
BLOCKS = 2
SLOPE = 0.2  # of every leaky ReLU
SPREAD = 0.04  # of fresh weights


class KPAC(nn.Module):
    """A U-Net with blocks of kernel-sharing parallel atrous convolutions at its coarsest level.

    Args:
        levels: how often the resolution is halved: 2 or 3.
    """

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.stride = 2**levels
        widths = (WIDTH, WIDTH, *[2 * WIDTH] * (levels - 1))
        self.down = nn.ModuleList()
        for level, width in enumerate(widths):
            if level == 0:
                self.down.append(nn.Conv2d(3, width, 5, padding=2))
            else:
                self.down.append(nn.Conv2d(widths[level - 1], width, 3, stride=2))
            self.down.append(nn.Conv2d(width, width, 3, padding=1))
        self.blocks = nn.ModuleList(KernelSharing(widths[-1]) for _ in range(BLOCKS))
        self.fuse = nn.ModuleList(
            (
                nn.Conv2d((1 + BLOCKS) * widths[-1], widths[-1], 3, padding=1),
                nn.Conv2d(widths[-1], widths[-1], 3, padding=1),
            )
        )
        self.up = nn.ModuleList()
        for level in range(levels - 1, -1, -1):
            width = widths[level]
            self.up.append(nn.ConvTranspose2d(widths[level + 1], width, 4, stride=2, padding=1))
            if level:
                self.up.append(nn.Conv2d(2 * width, width, 3, padding=1))
            else:
                self.up.append(nn.Conv2d(2 * width, 3, 5, padding=2))
        normal_initialise(self, SPREAD)

    def forward(self, picture: Tensor) -> Tensor:
        """Deblur.

        Args:
            picture: N x 3 x H x W in [0, 1], H and W multiples of 4, with three levels of 8.

        Returns:
            N x 3 x H x W.
        """
        require_picture(picture, 3, self.stride)
        features = 2 * picture - 1
        finer: list[Tensor] = []
        for level, (first, second) in enumerate(_pairs(self.down)):
            # TensorFlow pads an even side for stride 2 on the right and at the bottom only.
            features = leaky_relu(first(pad(features, (0, 1, 0, 1)) if level else features), SLOPE)
            features = leaky_relu(second(features), SLOPE)
            finer.append(features)
        gathered = [finer.pop()]
        for block in self.blocks:
            gathered.append(block(gathered[-1]))
        features = torch.cat(gathered, dim=1)
        for convolution in self.fuse:
            features = leaky_relu(convolution(features), SLOPE)
        for up, joined in _pairs(self.up):
            features = joined(torch.cat([leaky_relu(up(features), SLOPE), finer.pop()], dim=1))
            features = leaky_relu(features, SLOPE) if finer else features
        return picture + features / 2


class KernelSharing(nn.Module):
    """Five dilations of one kernel, each with a weight per pixel, their channels with a weight per picture."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.empty(WIDTH, width, 5, 5))
        sizes = (width, *ATTENTION)
        self.scale = nn.ModuleList(
            nn.Conv2d(given, made, 5, padding=4, dilation=2) for given, made in zip(sizes, ATTENTION, strict=False)
        )
        self.scale.append(nn.Conv2d(ATTENTION[-1], len(RATES), 5, padding=2))
        self.shape = nn.ModuleList((nn.Conv2d(width, SQUEEZED, 1), nn.Conv2d(SQUEEZED, WIDTH, 1)))
        self.fuse = nn.Conv2d(len(RATES) * WIDTH, width, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """N x C x H x W to the same."""
        scales = _attention(self.scale, features)
        channels = _attention(self.shape, features.mean((2, 3), keepdim=True))
        dilated = [
            leaky_relu(conv2d(features, self.kernel, padding=2 * rate, dilation=rate), SLOPE)
            * scales[:, number : number + 1]
            * channels
            for number, rate in enumerate(RATES)
        ]
        return leaky_relu(self.fuse(torch.cat(dilated, dim=1)), SLOPE)


def kpac_2level() -> KPAC:
    """Make the network of the release's ``single_2level.npz``."""
    return KPAC(2)


def kpac_3level() -> KPAC:
    """Make the network of the release's ``single_3level.npz``."""
    return KPAC(3)


def two_levels_from_release(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Name the listed tensors of the release's network of two levels."""
    return _from_release(tensors, 2)


def three_levels_from_release(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Name the listed tensors of the release's network of three levels."""
    return _from_release(tensors, 3)


def _pairs(layers: nn.ModuleList) -> Iterator[tuple[nn.Module, nn.Module]]:
    return zip(layers[::2], layers[1::2], strict=True)


def _attention(layers: nn.ModuleList, features: Tensor) -> Tensor:
    *inner, last = layers
    for layer in inner:
        features = leaky_relu(layer(features), SLOPE)
    return torch.sigmoid(last(features))


def _from_release(tensors: dict[str, Tensor], levels: int) -> dict[str, Tensor]:
    # A kernel of TensorFlow is H x W x in x out, a transposed one H x W x out x in.
    names = dict(zip((f"params.{index}" for index in range(len(tensors))), _order(levels), strict=False))
    return {
        names.get(name, name): tensor.permute(3, 2, 0, 1) if tensor.ndim == 4 else tensor
        for name, tensor in tensors.items()
    }


def _order(levels: int) -> list[str]:
    """Our names, in the order of the release's list."""
    layers = [f"down.{place}" for place in range(2 * levels + 2)]
    for block in (f"blocks.{number}" for number in range(BLOCKS)):
        layers.append(f"{block}.kernel")
        layers += [f"{block}.scale.{place}" for place in range(len(ATTENTION) + 1)]
        layers += [f"{block}.shape.0", f"{block}.shape.1", f"{block}.fuse"]
    layers += ["fuse.0", "fuse.1", *(f"up.{place}" for place in range(2 * levels))]
    return [
        name
        for layer in layers
        for name in ([layer] if layer.endswith("kernel") else [f"{layer}.weight", f"{layer}.bias"])
    ]
