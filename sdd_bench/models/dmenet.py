"""DMENet (Lee et al., CVPR 2019; ``model.py`` of the release): a defocus map, by VGG19 and a U-Net's way back up."""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, interpolate, leaky_relu, max_pool2d, relu

from sdd_bench.models.inputs import require_picture

# Channels and convolutions of each level of the encoder: VGG19 (Simonyan and Zisserman, 2015) without its last pooling.
LEVELS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
BLUE_GREEN_RED_MEANS = (103.939, 116.779, 123.68)  # of 8-bit pictures, subtracted before VGG19
REFINEMENTS = 7
SLOPE = 0.2  # of every leaky ReLU
MOST = 15.0  # largest circle of confusion of the training data (SYNDOF), in pixels; the network gives its fraction

_LAYER = re.compile(r"main_net/defocus_net/(?:(encoder)/(\w+)|decoder/(u\d|uf)/[cb]_?(\w+))/(\w+)")
_PARTS = {
    "kernel": "convolution.weight",
    "bias": "convolution.bias",
    "beta": "shift",
    "moving_mean": "mean",
    "moving_variance": "variance",
}
# Parts that only training uses: discriminators, the classifier of sharp and blurred, maps of the coarser levels.
_TRAINING = re.compile(
    r"discriminator/.*|main_net/binary_net/.*|main_net/defocus_net/(encoder/(conv6_1|c_logits_\d)|decoder/u\d_aux)/.*"
)


class DMENet(nn.Module):
    """Circle of confusion of every pixel."""

    stride = 16

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.ModuleDict()
        given = 3
        for level, (made, count) in enumerate(LEVELS, 1):
            for number in range(1, count + 1):
                self.encoder[f"conv{level}_{number}"] = _convolution(given, made)
                given = made
        self.decoder = nn.ModuleDict()
        for level, made in ((3, 256), (2, 128), (1, 64)):
            self.decoder[f"u{level}_1"] = Step(given + LEVELS[level][0], made)
            self.decoder[f"u{level}_2"] = Step(made, made)
            self.decoder[f"u{level}_3"] = Step(made, made)
            given = made
        self.decoder["u0_init"] = Step(given + LEVELS[0][0], 64)
        for number in range(REFINEMENTS):
            self.decoder[f"u0_res{number}"] = Step(64, 64, size=1)
            self.decoder[f"u0_{number}_1"] = Step(64, 64)
            self.decoder[f"u0_{number}_2"] = Step(64, 64)
        self.decoder["uf_1"] = Step(64, 64)
        self.decoder["uf_2"] = Step(64, 32)
        self.last = _convolution(32, 1)

    def forward(self, picture: Tensor) -> Tensor:
        """Estimate the defocus map.

        Args:
            picture: N x 3 x H x W in [0, 1], H and W multiples of 16.

        Returns:
            N x 1 x H x W: the circle of confusion in pixels, in (0, 15). The standard deviation of the Gaussian that
            the training pictures were blurred with is ``(map - 1) / 2``, or none where that is negative.
        """
        require_picture(picture, 3, self.stride)
        levels = self._encode(picture)
        features = levels.pop()
        for level in (3, 2, 1, 0):
            # The release resamples by `align_corners`, which at twice the size picks the same neighbours.
            features = interpolate(features, scale_factor=2.0, mode="nearest")
            features = torch.cat([features, levels.pop()], dim=1)
            for step in ("1", "2", "3") if level else ("init",):
                features = self.decoder[f"u{level}_{step}"](features)
        for number in range(REFINEMENTS):
            refined = self.decoder[f"u0_{number}_2"](self.decoder[f"u0_{number}_1"](features))
            features = refined + self.decoder[f"u0_res{number}"](features)
        features = self.decoder["uf_2"](self.decoder["uf_1"](features))
        return MOST * torch.sigmoid(self.last(features))

    def _encode(self, picture: Tensor) -> list[Tensor]:
        means = picture.new_tensor(BLUE_GREEN_RED_MEANS)[:, None, None]
        features = 255 * picture.flip(1) - means
        levels: list[Tensor] = []
        for level, (_, count) in enumerate(LEVELS, 1):
            features = max_pool2d(features, 2) if levels else features
            for number in range(1, count + 1):
                features = relu(self.encoder[f"conv{level}_{number}"](features))
            levels.append(features)
        return levels


class Step(nn.Module):
    """A convolution, normalisation over the batch that is shifted but not scaled, and a leaky ReLU."""

    mean: Tensor
    variance: Tensor

    def __init__(self, given: int, made: int, size: int = 3) -> None:
        super().__init__()
        self.convolution = _convolution(given, made, size)
        self.shift = nn.Parameter(torch.zeros(made))
        self.register_buffer("mean", torch.zeros(made))
        self.register_buffer("variance", torch.ones(made))

    def forward(self, features: Tensor) -> Tensor:
        """N x C x H x W to N x C' x H x W."""
        features = batch_norm(self.convolution(features), self.mean, self.variance, training=self.training)
        return leaky_relu(features + self.shift[:, None, None], SLOPE)


def from_release(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Take what makes the map out of a released file, and name it as we do.

    Args:
        tensors: by the names of the release, without ``:0``.
    """
    renamed = {}
    for name, tensor in tensors.items():
        if _TRAINING.fullmatch(name):
            continue
        weight = tensor.permute(3, 2, 0, 1) if tensor.ndim == 4 else tensor
        renamed[_our_name(name)] = weight
    return renamed


def _our_name(name: str) -> str:
    match = _LAYER.fullmatch(name)
    if match is None or match[5] not in _PARTS:
        return name
    part = _PARTS[match[5]]
    if match[1]:
        return f"encoder.{match[2]}.{part.removeprefix('convolution.')}"
    if (match[3], match[4]) == ("uf", "3"):
        return f"last.{part.removeprefix('convolution.')}"
    return f"decoder.{match[3]}_{match[4]}.{part}"


def _convolution(given: int, made: int, size: int = 3) -> nn.Conv2d:
    # TensorFlow's symmetric padding by one pixel repeats the outermost.
    return nn.Conv2d(given, made, size, padding=size // 2, padding_mode="replicate")
