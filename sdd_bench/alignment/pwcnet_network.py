"""The layers of PWC-Net with dense connections (Sun et al., CVPR 2018), arranged to need little memory.

A pyramid of features is made of both pictures. From the coarsest level to that of a quarter of the resolution, features
of the target are warped by the flow so far and correlated with those of the source over 9 x 9 displacements; a block of
convolutions, each of which sees what all before it gave, makes the next flow out of it. A last chain of dilated
convolutions corrects the finest flow.

Tensors are N x C x H x W, of N pairs of pictures, and lie in memory with the channels last. A block has one tensor with
room for all that its layers give, so that nothing is ever concatenated, and its convolutions run over stripes of rows,
so that what is copied for them stays small.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import conv2d, conv_transpose2d, leaky_relu_, pad

Warp = Callable[[Tensor, Tensor], Tensor]

SLOPE = 0.1  # of every leaky ReLU
PYRAMID = (16, 32, 64, 96, 128, 196)  # channels of levels 1 to 6
COARSEST, FINEST = 6, 2
DENSE = (128, 128, 96, 64, 32)  # channels that the layers of a block add
DENSE_SUM = sum(DENSE)
CONTEXT = ((128, 1), (128, 2), (128, 4), (96, 8), (64, 16), (32, 1))  # channels and dilation
REACH = 4  # of the correlation, in pixels of a level
SIDE = 2 * REACH + 1
FLOW_UNIT = 20.0  # pixels of the pictures
# A copied stripe of this size stays in the processor's cache, and the allocator reuses its memory.
STRIPE_VALUES = 1 << 21
BAND = 16  # columns whose products the correlation makes together


class Layer(NamedTuple):
    """A convolution."""

    weight: Tensor
    bias: Tensor


def weight_shapes() -> dict[str, tuple[int, int, int, int]]:
    """Shape of the weight of every layer, by its name."""
    shapes: dict[str, tuple[int, int, int, int]] = {}
    for level, (given, made) in enumerate(pairwise((3, *PYRAMID)), 1):
        for k in range(3):
            shapes[f"pyramid.{level}.{k}"] = (made, made if k else given, 3, 3)
    for level in range(COARSEST, FINEST - 1, -1):
        start = _given_channels(level)
        for k, (given, made) in enumerate(zip(accumulate(DENSE, initial=start), DENSE, strict=False)):
            shapes[f"dense.{level}.{k}"] = (made, given, 3, 3)
        shapes[f"flow.{level}"] = (2, start + DENSE_SUM, 3, 3)
        if level > FINEST:  # transposed convolutions: what is given comes first
            shapes[f"flow_up.{level}"] = (2, 2, 4, 4)
            shapes[f"features_up.{level}"] = (start + DENSE_SUM, 2, 4, 4)
    sizes = (_given_channels(FINEST) + DENSE_SUM, *(size for size, _ in CONTEXT), 2)
    for k, (given, made) in enumerate(pairwise(sizes)):
        shapes[f"context.{k}"] = (made, given, 3, 3)
    return shapes


def _given_channels(level: int) -> int:
    """Channels that the first layer of a block is given: correlation, and but for the coarsest features and flow."""
    return SIDE**2 + (0 if level == COARSEST else PYRAMID[level - 1] + 2 + 2)


class PwcNet:
    """The network.

    Args:
        layers: by the names of `weight_shapes`.
        device: where to compute.
    """

    def __init__(self, layers: Mapping[str, Layer], device: str) -> None:
        self._layers = {
            name: Layer(weight.to(device, memory_format=torch.channels_last), bias.to(device))
            for name, (weight, bias) in layers.items()
        }

    def __call__(self, source: Tensor, target: Tensor, warp: Warp) -> Tensor:
        """Flow at a quarter of the resolution.

        Args:
            source: N x 3 x H x W in [0, 1], H and W multiples of 64.
            target: the same.
            warp: ``warp(features, flow)`` samples N x C x h x w features along a N x 2 x h x w flow in their pixels.

        Returns:
            N x 2 x H/4 x W/4, (x, y) in pixels of the pictures.
        """
        ours, theirs = self._features(source), self._features(target)
        block = self._block(COARSEST, ours[COARSEST], theirs[COARSEST], [])
        flow = conv2d(block, *self._layers[f"flow.{COARSEST}"], padding=(0, 1))
        for level in range(COARSEST - 1, FINEST - 1, -1):
            features = conv_transpose2d(block[:, :, 1:-1], *self._layers[f"features_up.{level + 1}"], 2, 1)
            flow = conv_transpose2d(flow, *self._layers[f"flow_up.{level + 1}"], 2, 1)
            warped = warp(theirs[level], flow * (FLOW_UNIT / 2**level))
            block = self._block(level, ours[level], warped, [ours[level], flow, features])
            flow = conv2d(block, *self._layers[f"flow.{level}"], padding=(0, 1))
        for k, (_, dilation) in enumerate(CONTEXT):
            padding = (dilation if k else 0, dilation)  # the block brings its own padding of rows
            block = leaky_relu_(conv2d(block, *self._layers[f"context.{k}"], 1, padding, dilation), SLOPE)
        return (flow + conv2d(block, *self._layers[f"context.{len(CONTEXT)}"], padding=1)) * FLOW_UNIT

    def _features(self, picture: Tensor) -> dict[int, Tensor]:
        features = {}
        for level in range(1, COARSEST + 1):
            for k in range(3):
                layer = self._layers[f"pyramid.{level}.{k}"]
                picture = leaky_relu_(conv2d(picture, *layer, stride=1 if k else 2, padding=1), SLOPE)
            if level >= FINEST:
                features[level] = picture
        return features

    def _block(self, level: int, source: Tensor, target: Tensor, others: Sequence[Tensor]) -> Tensor:
        """What makes the flow of a level, N x C x (H + 2) x W: a row of zeros, H rows of channels, a row of zeros.

        The channels are, from the last layer to the first, those that the layers give, and then those that they are
        given: the correlation of source and target, and what else there is.
        """
        n, _, height, width = source.shape
        block = source.new_empty(n, height + 2, width, DENSE_SUM + _given_channels(level)).permute(0, 3, 1, 2)
        block[:, :, :: height + 1] = 0
        inside = block[:, :, 1:-1]
        end = DENSE_SUM + SIDE**2
        correlate(source, target, out=inside[:, DENSE_SUM:end].permute(0, 2, 3, 1))
        for other in others:
            inside[:, end : end + other.shape[1]] = other
            end += other.shape[1]
        start = DENSE_SUM
        for k, size in enumerate(DENSE):
            layer = self._layers[f"dense.{level}.{k}"]
            # A GPU has no such cache: there a batch is worked on in the stripes of one picture.
            together = n if block.device.type == "cpu" else 1
            rows = max(1, STRIPE_VALUES // (together * width * layer.weight.shape[1]))
            for top in range(0, height, rows):
                stripe = block[:, start:, top : top + rows + 2].contiguous(memory_format=torch.channels_last)
                made = leaky_relu_(conv2d(stripe, *layer, padding=(0, 1)), SLOPE)
                inside[:, start - size : start, top : top + rows] = made
            start -= size
        return block


def correlate(source: Tensor, target: Tensor, out: Tensor) -> None:
    """Mean product over the channels of each place with the 9 x 9 places around it in the target, leaky ReLU applied.

    A band of columns times all columns within its reach is a matrix product, of which a diagonal strip is wanted. That
    is over twice the multiplications, and yet several times faster than 81 products of shifted pictures.

    Args:
        source: N x C x H x W.
        target: the same; it counts as 0 outside.
        out: N x H x W x 81 to write to, the displacements in rows: the first 9 are (-4, -4) to (4, -4).
    """
    n, channels, height, width = source.shape
    padded = pad(target, (REACH,) * 4).contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1)
    places = source.permute(0, 2, 3, 1)
    for left in range(0, width, BAND):
        band = places[:, :, left : left + BAND].flatten(0, 1)
        columns = band.shape[1]
        reached = padded[:, :, left : left + columns + SIDE - 1]
        for dy in range(SIDE):
            products = torch.bmm(band, reached[:, dy : dy + height].flatten(0, 1).transpose(1, 2))
            row, column, _ = products.stride()
            strip = products.as_strided((n, height, columns, SIDE), (height * row, row, column + 1, 1))
            out[:, :, left : left + columns, dy * SIDE : (dy + 1) * SIDE] = strip
    leaky_relu_(out.div_(channels), SLOPE)
