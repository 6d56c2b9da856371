"""DPDNet-S (Abuolaim and Brown, ECCV 2020; ``DPDNet/model.py`` of the release): the variant for a single picture."""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from sdd_bench.models.initial_weights import he_initialise
from sdd_bench.models.inputs import require_picture
from sdd_bench.models.unet import Encoder, convolve_twice, upsample

WIDTH = 64  # channels of the first level
# The convolutions in the order of the release, which names them by number.
LAYERS = (
    *(f"encoder.block{level}.{place}" for level in range(1, 6) for place in (0, 2)),
    *(name for level in range(6, 10) for name in (f"up{level}.1", f"block{level}.0", f"block{level}.2")),
    *("out.0", "out.2"),
)
_KERAS_NAME = re.compile(r"conv2d(?:_(\d+))?/(kernel|bias)")


class DPDNetS(nn.Module):
    """The U-Net from which that of JDRL was made, with ReLUs also after upsampling and a last 1 x 1 convolution."""

    stride = 16

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder(WIDTH, 3)
        for number, scale in ((6, 8), (7, 4), (8, 2), (9, 1)):
            channels = scale * WIDTH
            self.add_module(f"up{number}", upsample(2 * channels, channels))
            self.add_module(f"block{number}", convolve_twice(2 * channels, channels))
        self.out = nn.Sequential(nn.Conv2d(WIDTH, 3, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(3, 3, 1))
        he_initialise(self)

    def forward(self, picture: Tensor) -> Tensor:
        """Deblur.

        Args:
            picture: N x 3 x H x W in [0, 1], H and W multiples of 16.

        Returns:
            N x 3 x H x W in (0, 1).
        """
        require_picture(picture, 3, self.stride)
        *finer, features = self.encoder(picture)
        for number in (6, 7, 8, 9):
            up, block = self.get_submodule(f"up{number}"), self.get_submodule(f"block{number}")
            features = block(torch.cat([finer.pop(), relu(up(features))], dim=1))
        return torch.sigmoid(self.out(features))


def from_release(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Turn released weights, which read and give blue, green, red (the pictures come from ``cv2.imread``), to ours.

    Args:
        tensors: by the names that Keras gave, ``conv2d_1/kernel`` and so on; the numbers need not begin at 1.
    """
    named = {name: match for name in tensors if (match := _KERAS_NAME.fullmatch(name))}
    numbers = sorted({int(match[1] or 0) for match in named.values()})
    layers = dict(zip(numbers, LAYERS, strict=False))
    renamed = {}
    for name, tensor in tensors.items():
        layer = layers.get(int(named[name][1] or 0)) if name in named else None
        if layer is None:
            renamed[name] = tensor
        elif named[name][2] == "bias":
            renamed[f"{layer}.bias"] = tensor.flip(0) if layer == LAYERS[-1] else tensor
        else:
            weight = tensor.permute(3, 2, 0, 1) if tensor.ndim == 4 else tensor
            weight = weight.flip(1) if layer == LAYERS[0] else weight
            renamed[f"{layer}.weight"] = weight.flip(0) if layer == LAYERS[-1] else weight
    return renamed
