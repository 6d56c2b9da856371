"""Restormer (Zamir et al., CVPR 2022; ``restormer_arch.py`` of the release) for single-image defocus deblurring.

Attributes are named as in the release, whose checkpoints are read by these names.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, normalize

from sdd_bench.models.inputs import require_picture

WIDTH = 48  # channels of the first level; they double from level to level
BLOCKS = (4, 6, 6, 8)  # of each level; the decoder has as many
REFINING = 4  # further blocks at full resolution
HEADS = (1, 2, 4, 8)
EXPANSION = 2.66  # of the channels inside the feed-forward part
STEADY = 1e-5  # added to a variance before its root is taken


class Restormer(nn.Module):
    """Four levels of transformer blocks whose attention is between channels; what they give is added to the picture."""

    stride = 8

    def __init__(self) -> None:
        super().__init__()
        first, second, third, fourth = (WIDTH << level for level in range(4))
        self.patch_embed = Embedding()
        self.encoder_level1 = _blocks(0, first)
        self.down1_2 = _down(first)
        self.encoder_level2 = _blocks(1, second)
        self.down2_3 = _down(second)
        self.encoder_level3 = _blocks(2, third)
        self.down3_4 = _down(third)
        self.latent = _blocks(3, fourth)
        self.up4_3 = _up(fourth)
        self.reduce_chan_level3 = _conv(fourth, third)
        self.decoder_level3 = _blocks(2, third)
        self.up3_2 = _up(third)
        self.reduce_chan_level2 = _conv(third, second)
        self.decoder_level2 = _blocks(1, second)
        self.up2_1 = _up(second)
        # At full resolution, what is joined is not reduced to the channels of the first level.
        self.decoder_level1 = _blocks(0, second)
        self.refinement = nn.Sequential(*(Block(second, HEADS[0]) for _ in range(REFINING)))
        self.output = _conv(second, 3, 3)

    def forward(self, picture: Tensor) -> Tensor:
        """Deblur.

        Args:
            picture: N x 3 x H x W in [0, 1], H and W multiples of 8.

        Returns:
            N x 3 x H x W.
        """
        require_picture(picture, 3, self.stride)
        first = self.encoder_level1(self.patch_embed(picture))
        second = self.encoder_level2(self.down1_2(first))
        third = self.encoder_level3(self.down2_3(second))
        features = self.latent(self.down3_4(third))
        features = self.reduce_chan_level3(torch.cat([self.up4_3(features), third], dim=1))
        features = self.decoder_level3(features)
        features = self.reduce_chan_level2(torch.cat([self.up3_2(features), second], dim=1))
        features = self.decoder_level2(features)
        features = self.decoder_level1(torch.cat([self.up2_1(features), first], dim=1))
        sharp: Tensor = self.output(self.refinement(features)) + picture
        return sharp


class Block(nn.Module):
    """Attention between channels, then a gated feed-forward part, each normalised before and added to what came in."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.norm1 = ChannelNorm(channels)
        self.attn = ChannelAttention(channels, heads)
        self.norm2 = ChannelNorm(channels)
        self.ffn = GatedFeedForward(channels)

    def forward(self, features: Tensor) -> Tensor:
        """N x C x H x W to the same."""
        features = features + self.attn(self.norm1(features))
        changed: Tensor = features + self.ffn(self.norm2(features))
        return changed


class ChannelNorm(nn.Module):
    """At every pixel, zero mean and unit variance over the channels, then a factor and an offset for each."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = Affine(channels)

    def forward(self, features: Tensor) -> Tensor:
        """N x C x H x W to the same."""
        mean = features.mean(1, keepdim=True)
        spread = torch.sqrt(features.var(1, keepdim=True, unbiased=False) + STEADY)
        normal: Tensor = self.body((features - mean) / spread)
        return normal


class Affine(nn.Module):
    """A factor and an offset for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, features: Tensor) -> Tensor:
        """N x C x H x W to the same."""
        return features * self.weight[:, None, None] + self.bias[:, None, None]


class ChannelAttention(nn.Module):
    """Attention whose tokens are channels, of the length of the whole picture (Zamir et al., eq. 1)."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.qkv = _conv(channels, 3 * channels)
        self.qkv_dwconv = _conv(3 * channels, 3 * channels, 3, groups=3 * channels)
        self.project_out = _conv(channels, channels)

    def forward(self, features: Tensor) -> Tensor:
        """N x C x H x W to the same."""
        query, key, value = (
            part.unflatten(1, (self.heads, -1)).flatten(3)  # N x heads x channels of a head x pixels
            for part in self.qkv_dwconv(self.qkv(features)).chunk(3, dim=1)
        )
        likeness = normalize(query, dim=-1) @ normalize(key, dim=-1).transpose(-2, -1)
        attended = (likeness * self.temperature).softmax(dim=-1) @ value
        projected: Tensor = self.project_out(attended.reshape(features.shape))
        return projected


class GatedFeedForward(nn.Module):
    """One half of the channels, through GELU, times the other half (Zamir et al., eq. 2)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inside = int(channels * EXPANSION)
        self.project_in = _conv(channels, 2 * inside)
        self.dwconv = _conv(2 * inside, 2 * inside, 3, groups=2 * inside)
        self.project_out = _conv(inside, channels)

    def forward(self, features: Tensor) -> Tensor:
        """N x C x H x W to the same."""
        gate, passed = self.dwconv(self.project_in(features)).chunk(2, dim=1)
        made: Tensor = self.project_out(gelu(gate) * passed)
        return made


class Embedding(nn.Module):
    """The first convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.proj = _conv(3, WIDTH, 3)

    def forward(self, picture: Tensor) -> Tensor:
        """N x 3 x H x W to N x 48 x H x W."""
        features: Tensor = self.proj(picture)
        return features


class Resize(nn.Module):
    """A convolution, then pixels become channels (half the resolution) or channels pixels (twice the resolution)."""

    def __init__(self, channels: int, made: int, rearranged: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(_conv(channels, made, 3), rearranged)

    def forward(self, features: Tensor) -> Tensor:
        """N x C x H x W to N x 2C x H/2 x W/2, or to N x C/2 x 2H x 2W."""
        resized: Tensor = self.body(features)
        return resized


def _down(channels: int) -> Resize:
    return Resize(channels, channels // 2, nn.PixelUnshuffle(2))


def _up(channels: int) -> Resize:
    return Resize(channels, 2 * channels, nn.PixelShuffle(2))


def _blocks(level: int, channels: int) -> nn.Sequential:
    return nn.Sequential(*(Block(channels, HEADS[level]) for _ in range(BLOCKS[level])))


def _conv(given: int, made: int, size: int = 1, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(given, made, size, padding=size // 2, groups=groups, bias=False)
