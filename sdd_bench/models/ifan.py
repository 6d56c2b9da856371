"""IFAN (Lee et al., CVPR 2021; ``models/archs/IFAN.py`` of the release): features deblurred by predicted filters.

Attributes are named as in the release, whose checkpoints are read by these names.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, pad

from sdd_bench.models.inputs import require_picture

WIDTHS = (32, 64, 128, 128)  # channels of the four levels
COARSEST = WIDTHS[-1]
TAPS = 3  # of the predicted filters
SLOPE = 0.1  # of every leaky ReLU


class IFAN(nn.Module):
    """Encodes the picture twice: as features, and as filters that then deblur them, one after the other.

    Args:
        iterations: how many filters are applied: 17 in the release's ``IFAN.pytorch``; 8, 26, 35 and 44 in its others.
        two_filters: whether the columns have filters of their own, as in the paper. The release uses those of the rows
            for both, by a slip that its README tells of, and its checkpoints were trained so.
    """

    stride = 8

    def __init__(self, iterations: int = 17, two_filters: bool = False) -> None:
        super().__init__()
        self.iterations, self.two_filters = iterations, two_filters
        for prefix in ("conv", "kconv"):
            given = 3
            for level, width in enumerate(WIDTHS, 1):
                self.add_module(f"{prefix}{level}_1", _conv(given, width, stride=1 if level == 1 else 2))
                self.add_module(f"{prefix}{level}_2", _conv(width, width))
                self.add_module(f"{prefix}{level}_3", _conv(width, width))
                given = width
        self.DME = nn.Sequential(
            _conv(COARSEST, COARSEST),
            Residual(COARSEST, 2),
            Residual(COARSEST, 2),
            nn.Conv2d(COARSEST, 1, 3, padding=1),
        )
        self.conv_DME = _conv(1, COARSEST)
        self.conv4_4 = nn.Sequential(
            _conv(2 * COARSEST, COARSEST),
            Residual(COARSEST, 2),
            Residual(COARSEST, 2),
            _conv(COARSEST, COARSEST),
        )
        self.F = nn.Sequential(
            _conv(COARSEST, COARSEST),
            Residual(COARSEST, 2),
            Residual(COARSEST, 2),
            nn.Conv2d(COARSEST, iterations * COARSEST * (2 * TAPS + 1), 1),
        )
        self.conv_res = nn.Sequential(_conv(COARSEST, COARSEST), Residual(COARSEST, 3), _conv(COARSEST, COARSEST))
        given = COARSEST
        for level in (3, 2, 1):
            width = WIDTHS[level - 1]
            up = nn.ConvTranspose2d(given, width, 4, stride=2, padding=1)
            self.add_module(f"upconv{level}_u", nn.Sequential(up, nn.LeakyReLU(SLOPE)))
            self.add_module(f"upconv{level}_1", Residual(width, 1))
            self.add_module(f"upconv{level}_2", Residual(width, 1))
            given = width
        self.out_res = _conv(given, 3)

    def forward(self, picture: Tensor) -> Tensor:
        """Deblur.

        Args:
            picture: N x 3 x H x W in [0, 1], H and W multiples of 8.

        Returns:
            N x 3 x H x W, in [0, 1] in eval mode.
        """
        require_picture(picture, 3, self.stride)
        *finer, features = self._encode("conv", picture)
        blur = self._encode("kconv", picture)[-1]
        disparity = self.conv_DME(self.DME(blur))
        filters = self.F(self.conv4_4(torch.cat([blur, disparity], dim=1)))
        features = self.conv_res(self._deblur(features, filters))
        for level in (3, 2, 1):
            features = self.get_submodule(f"upconv{level}_u")(features) + finer.pop()
            features = self.get_submodule(f"upconv{level}_1")(features)
            features = self.get_submodule(f"upconv{level}_2")(features)
        sharp: Tensor = self.out_res(features) + picture
        return sharp if self.training else sharp.clamp(0, 1)

    def _encode(self, prefix: str, picture: Tensor) -> list[Tensor]:
        levels = []
        for level in range(1, len(WIDTHS) + 1):
            for number in (1, 2, 3):
                picture = self.get_submodule(f"{prefix}{level}_{number}")(picture)
            levels.append(picture)
        return levels

    def _deblur(self, features: Tensor, filters: Tensor) -> Tensor:
        """Iterative adaptive convolutions: a filter along y and one along x for each channel and pixel, and a bias."""
        size = 2 * TAPS * COARSEST
        for number in range(self.iterations):
            weight = filters.narrow(1, number * size, size)
            bias = filters.narrow(1, self.iterations * size + number * COARSEST, COARSEST)
            along_y, along_x = weight.reshape(len(weight), 2, COARSEST, TAPS, *weight.shape[2:]).unbind(1)
            features = _filter(features, along_y, dimension=2)
            features = _filter(features, along_x if self.two_filters else along_y, dimension=3)
            features = leaky_relu(features + bias, SLOPE)
        return features


class Residual(nn.Module):
    """Pairs of convolutions, each added to what came in; if there are more than one, what came in first as well."""

    def __init__(self, width: int, pairs: int) -> None:
        super().__init__()
        self.stem = nn.ModuleList(_pair(width) for _ in range(pairs))

    def forward(self, features: Tensor) -> Tensor:
        """N x C x H x W to the same."""
        first = features
        for pair in self.stem:
            features = leaky_relu(features + pair(features), SLOPE)
        return features + first if len(self.stem) > 1 else features


def _filter(features: Tensor, weights: Tensor, dimension: int) -> Tensor:
    """Weighted sum of three neighbours along a dimension; N x C x H x W, and N x C x 3 x H x W of weights."""
    reach = TAPS // 2
    sides = (0, 0, reach, reach) if dimension == 2 else (reach, reach, 0, 0)
    size = features.shape[dimension]
    padded = pad(features, sides, mode="replicate")
    taps = [padded.narrow(dimension, tap, size) * weights[:, :, tap] for tap in range(TAPS)]
    return torch.stack(taps).sum(0)


def _pair(width: int) -> nn.Sequential:
    return nn.Sequential(*_conv(width, width), nn.Conv2d(width, width, 3, padding=1))


def _conv(given: int, made: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(given, made, 3, stride=stride, padding=1), nn.LeakyReLU(SLOPE))


def from_release(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Take the deblurring network out of a released file, which may also hold the reblurring network of training.

    Args:
        tensors: by the names of the release.
    """
    return {
        name.removeprefix("Network."): tensor
        for name, tensor in tensors.items()
        if not name.startswith("reblurNet.RBF.")
    }
