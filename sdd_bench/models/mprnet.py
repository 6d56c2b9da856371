"""MPRNet (Zamir et al., CVPR 2021; ``MPRNet.py`` of the release): quarters, then halves, then the whole picture.

Attributes are named as in the release, whose checkpoints are read by these names.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sdd_bench.models.inputs import require_picture
from sdd_bench.models.patches import COLUMNS, ROWS, halve, rejoin

WIDTH = 96  # channels of the first level
STEP = 48  # more channels with every level down
EXTRA = 32  # more channels in the last stage, which stays at full resolution
REDUCTION = 4  # of the channels inside channel attention
BLOCKS = 8  # of each group of the last stage


class MPRNet(nn.Module):
    """Three stages, each of which hands its features and a supervised picture on to the next."""

    stride = 8  # halves of both sides, of which the coarsest level is a quarter

    def __init__(self) -> None:
        super().__init__()
        slope = nn.PReLU()  # one for all blocks
        self.shallow_feat1 = _shallow(slope)
        self.shallow_feat2 = _shallow(slope)
        self.shallow_feat3 = _shallow(slope)
        self.stage1_encoder = Encoder(slope, fuses=False)
        self.stage1_decoder = Decoder(slope)
        self.stage2_encoder = Encoder(slope, fuses=True)
        self.stage2_decoder = Decoder(slope)
        self.stage3_orsnet = OriginalResolution(slope)
        self.sam12 = SupervisedAttention()
        self.sam23 = SupervisedAttention()
        self.concat12 = _conv(2 * WIDTH, WIDTH)
        self.concat23 = _conv(2 * WIDTH, WIDTH + EXTRA)
        self.tail = _conv(WIDTH + EXTRA, 3)

    def forward(self, picture: Tensor) -> list[Tensor]:
        """Deblur.

        Args:
            picture: N x 3 x H x W in [0, 1], H and W multiples of 8.

        Returns:
            The pictures of the third, second and first stage, N x 3 x H x W each; the first of them is the result.
        """
        require_picture(picture, 3, self.stride)
        halves = halve(picture, ROWS)

        quarters = halve(halves, COLUMNS)
        encoded = [rejoin(level, COLUMNS) for level in self.stage1_encoder(self.shallow_feat1(quarters))]
        decoded = self.stage1_decoder(encoded)
        attended, first = self.sam12(decoded[0], halves)

        features = self.concat12(torch.cat([self.shallow_feat2(halves), attended], dim=1))
        encoded = [rejoin(level, ROWS) for level in self.stage2_encoder(features, encoded, decoded)]
        decoded = self.stage2_decoder(encoded)
        attended, second = self.sam23(decoded[0], picture)

        features = self.concat23(torch.cat([self.shallow_feat3(picture), attended], dim=1))
        third = self.tail(self.stage3_orsnet(features, encoded, decoded)) + picture
        return [third, second, rejoin(first, ROWS)]


class ChannelAttention(nn.Module):
    """Each channel times a factor in (0, 1), which depends on the means of all channels (Zamir et al., sec. 3.1)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_du = nn.Sequential(
            _conv(channels, channels // REDUCTION, 1),
            nn.ReLU(),
            _conv(channels // REDUCTION, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, features: Tensor) -> Tensor:
        """N x C x H x W to the same."""
        scaled: Tensor = features * self.conv_du(features.mean((2, 3), keepdim=True))
        return scaled


class AttentionBlock(nn.Module):
    """Two convolutions and channel attention, added to what came in."""

    def __init__(self, channels: int, slope: nn.PReLU) -> None:
        super().__init__()
        self.CA = ChannelAttention(channels)
        self.body = nn.Sequential(_conv(channels, channels), slope, _conv(channels, channels))

    def forward(self, features: Tensor) -> Tensor:
        """N x C x H x W to the same."""
        changed: Tensor = self.CA(self.body(features)) + features
        return changed


class SupervisedAttention(nn.Module):
    """A picture made of the features of a stage, and the features as far as that picture lets them pass."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = _conv(WIDTH, WIDTH, 1)
        self.conv2 = _conv(WIDTH, 3, 1)
        self.conv3 = _conv(3, WIDTH, 1)

    def forward(self, features: Tensor, picture: Tensor) -> tuple[Tensor, Tensor]:
        """Features for the next stage, and the picture of this one."""
        restored = self.conv2(features) + picture
        return self.conv1(features) * torch.sigmoid(self.conv3(restored)) + features, restored


class Encoder(nn.Module):
    """Features at three resolutions, the finest first; in the second stage those of the first are added to them."""

    def __init__(self, slope: nn.PReLU, *, fuses: bool) -> None:
        super().__init__()
        self.fuses = fuses
        for level in (1, 2, 3):
            channels = _channels(level)
            self.add_module(f"encoder_level{level}", _pair(channels, slope))
            if fuses:
                self.add_module(f"csff_enc{level}", _conv(channels, channels, 1))
                self.add_module(f"csff_dec{level}", _conv(channels, channels, 1))
        self.down12 = Resample("down", 0.5, _channels(1), _channels(2))
        self.down23 = Resample("down", 0.5, _channels(2), _channels(3))

    def forward(self, features: Tensor, encoded: Sequence[Tensor] = (), decoded: Sequence[Tensor] = ()) -> list[Tensor]:
        """Features of N x C x H x W at H, H/2 and H/4; `encoded` and `decoded` are those of the stage before."""
        levels: list[Tensor] = []
        for level in (1, 2, 3):
            if level > 1:
                features = self.get_submodule(f"down{level - 1}{level}")(levels[-1])
            features = self.get_submodule(f"encoder_level{level}")(features)
            if self.fuses:
                features = features + self.get_submodule(f"csff_enc{level}")(encoded[level - 1])
                features = features + self.get_submodule(f"csff_dec{level}")(decoded[level - 1])
            levels.append(features)
        return levels


class Decoder(nn.Module):
    """The way back up to full resolution: the features of all three levels, the finest first."""

    def __init__(self, slope: nn.PReLU) -> None:
        super().__init__()
        for level in (1, 2, 3):
            self.add_module(f"decoder_level{level}", _pair(_channels(level), slope))
        self.skip_attn1 = AttentionBlock(_channels(1), slope)
        self.skip_attn2 = AttentionBlock(_channels(2), slope)
        self.up21 = Resample("up", 2, _channels(2), _channels(1))
        self.up32 = Resample("up", 2, _channels(3), _channels(2))

    def forward(self, encoded: Sequence[Tensor]) -> list[Tensor]:
        """Features of the encoder to features of the same shapes."""
        third = self.get_submodule("decoder_level3")(encoded[2])
        second = self.get_submodule("decoder_level2")(self.up32(third) + self.skip_attn2(encoded[1]))
        first = self.get_submodule("decoder_level1")(self.up21(second) + self.skip_attn1(encoded[0]))
        return [first, second, third]


class Resample(nn.Module):
    """Bilinear change of the resolution and a 1 x 1 convolution, which the release keeps under the name ``up.1``."""

    def __init__(self, name: str, scale: float, given: int, made: int) -> None:
        super().__init__()
        layers = (nn.Upsample(scale_factor=scale, mode="bilinear", align_corners=False), _conv(given, made, 1))
        self.add_module(name, nn.Sequential(*layers))

    def forward(self, features: Tensor) -> Tensor:
        """N x C x H x W to N x C' x (scale H) x (scale W)."""
        (layers,) = self.children()
        resampled: Tensor = layers(features)
        return resampled


class Group(nn.Module):
    """Blocks with channel attention and a convolution, added to what came in."""

    def __init__(self, channels: int, slope: nn.PReLU) -> None:
        super().__init__()
        blocks = (AttentionBlock(channels, slope) for _ in range(BLOCKS))
        self.body = nn.Sequential(*blocks, _conv(channels, channels))

    def forward(self, features: Tensor) -> Tensor:
        """N x C x H x W to the same."""
        changed: Tensor = self.body(features) + features
        return changed


class OriginalResolution(nn.Module):
    """The last stage: groups at full resolution, to which the features of the second stage are added level by level."""

    def __init__(self, slope: nn.PReLU) -> None:
        super().__init__()
        one, two = _channels(1), _channels(2)
        for level in (1, 2, 3):
            self.add_module(f"orb{level}", Group(WIDTH + EXTRA, slope))
            for side in ("enc", "dec"):
                self.add_module(f"conv_{side}{level}", _conv(WIDTH, WIDTH + EXTRA, 1))
        for side in ("enc", "dec"):
            self.add_module(f"up_{side}1", Resample("up", 2, two, one))
            steps = (Resample("up", 2, _channels(3), two), Resample("up", 2, two, one))
            self.add_module(f"up_{side}2", nn.Sequential(*steps))

    def forward(self, features: Tensor, encoded: Sequence[Tensor], decoded: Sequence[Tensor]) -> Tensor:
        """N x 128 x H x W to the same."""
        for level in (1, 2, 3):
            features = self.get_submodule(f"orb{level}")(features)
            for side, others in (("enc", encoded), ("dec", decoded)):
                other = others[level - 1]
                if level > 1:
                    other = self.get_submodule(f"up_{side}{level - 1}")(other)
                features = features + self.get_submodule(f"conv_{side}{level}")(other)
        return features


def _channels(level: int) -> int:
    return WIDTH + (level - 1) * STEP


def _conv(given: int, made: int, size: int = 3) -> nn.Conv2d:
    return nn.Conv2d(given, made, size, padding=size // 2, bias=False)


def _pair(channels: int, slope: nn.PReLU) -> nn.Sequential:
    return nn.Sequential(AttentionBlock(channels, slope), AttentionBlock(channels, slope))


def _shallow(slope: nn.PReLU) -> nn.Sequential:
    return nn.Sequential(_conv(3, WIDTH), AttentionBlock(WIDTH, slope))
