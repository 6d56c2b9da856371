"""The U-Net of JDRL (Li et al., AAAI 2023; ``models/model_deblur.py`` of the release), the reference network."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from sdd_bench.models.initial_weights import he_initialise
from sdd_bench.models.inputs import require_picture

DROPOUT = 0.4  # after the two coarsest levels


class UNet(nn.Module):
    """Five levels of two 3 x 3 convolutions each, down by max pooling and up by nearest neighbour and a 2 x 2 one.

    Args:
        width: channels of the first level; they double from level to level. 64 gives the 31.03 M parameters of the
            release.
        inputs: channels of the input: 3 of a picture, 38 where a blur map of 35 is put beside it.
        residual: predict what is to be added to the picture (the first three channels) instead of the picture itself,
            nothing at first. Not the release's, but a small network then learns in minutes what takes it hours.
    """

    stride = 16

    def __init__(self, width: int = 64, inputs: int = 3, residual: bool = False) -> None:
        super().__init__()
        self.inputs = inputs
        self.residual = residual
        self.encoder = Encoder(width, inputs)
        for number, scale in ((6, 8), (7, 4), (8, 2), (9, 1)):
            channels = scale * width
            self.add_module(f"up{number}", upsample(2 * channels, channels))
            self.add_module(f"block{number}", convolve_twice(2 * channels, channels))
        last = nn.Conv2d(width, 3, 3, padding=1)
        self.out = nn.Sequential(last)
        he_initialise(self)
        if residual:
            nn.init.zeros_(last.weight)

    def forward(self, picture: Tensor) -> Tensor:
        """Deblur.

        Args:
            picture: N x `inputs` x H x W in [0, 1], H and W multiples of 16.

        Returns:
            N x 3 x H x W, in (0, 1) unless `residual`.
        """
        require_picture(picture, self.inputs, self.stride)
        *finer, features = self.encoder(picture)
        for number in (6, 7, 8, 9):
            up, block = self.get_submodule(f"up{number}"), self.get_submodule(f"block{number}")
            features = block(torch.cat([up(features), finer.pop()], dim=1))
        made: Tensor = self.out(features)
        return picture[:, :3] + made if self.residual else torch.sigmoid(made)


class Encoder(nn.Module):
    """The way down: the features of all five levels, the finest first."""

    def __init__(self, width: int, inputs: int) -> None:
        super().__init__()
        self.block1 = convolve_twice(inputs, width)
        self.block2 = convolve_twice(width, 2 * width)
        self.block3 = convolve_twice(2 * width, 4 * width)
        self.block4 = convolve_twice(4 * width, 8 * width)
        self.block5 = convolve_twice(8 * width, 16 * width)
        self.drop = nn.Dropout(DROPOUT)
        self.pool = nn.MaxPool2d(2)

    def forward(self, picture: Tensor) -> list[Tensor]:
        """Features of N x C x H x W at H, H/2, H/4, H/8 and H/16."""
        first = self.block1(picture)
        second = self.block2(self.pool(first))
        third = self.block3(self.pool(second))
        fourth = self.drop(self.block4(self.pool(third)))
        return [first, second, third, fourth, self.drop(self.block5(self.pool(fourth)))]


def convolve_twice(given: int, made: int) -> nn.Sequential:
    """Two 3 x 3 convolutions with ReLUs."""
    return nn.Sequential(
        nn.Conv2d(given, made, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(made, made, 3, padding=1),
        nn.ReLU(inplace=True),
    )


def upsample(given: int, made: int) -> nn.Sequential:
    """Nearest neighbour to twice the size, then a 2 x 2 convolution."""
    # A 2 x 2 kernel that keeps the size pads on the right and at the bottom. The names are those of the release, where
    # the padding is part of the convolution.
    layers = {
        "0": nn.Upsample(scale_factor=2, mode="nearest"),
        "pad": nn.ZeroPad2d((0, 1, 0, 1)),
        "1": nn.Conv2d(given, made, 2),
    }
    return nn.Sequential(OrderedDict(layers))


def from_release(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Turn the released weights, which read and give blue, green, red (the pictures come from ``cv2.imread``), to ours.

    Args:
        tensors: by the names of the release, which are ours.
    """
    first, *last = "encoder.block1.0.weight", "out.0.weight", "out.0.bias"
    turned = {first: tensors[first].flip(1)} if first in tensors else {}
    return tensors | turned | {key: tensors[key].flip(0) for key in last if key in tensors}
