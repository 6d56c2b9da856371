"""The convolutions of AlexNet as torchvision has them, and tiles of a picture that give the same features."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d

from sdd_bench.errors import WeightsError
from sdd_bench.io.state_dicts import read_state_dict


class Layer(NamedTuple):
    """A convolution with its ReLU, and the 3 x 3 max pooling of stride 2 before it, if there is one."""

    number: int
    shape: tuple[int, int, int, int]
    stride: int
    padding: int
    pool: bool
    step: int  # pixels of the picture from one cell of its features to the next


LAYERS = (
    Layer(0, (64, 3, 11, 11), 4, 2, pool=False, step=4),
    Layer(3, (192, 64, 5, 5), 1, 2, pool=True, step=8),
    Layer(6, (384, 192, 3, 3), 1, 1, pool=True, step=16),
    Layer(8, (256, 384, 3, 3), 1, 1, pool=False, step=16),
    Layer(10, (256, 256, 3, 3), 1, 1, pool=False, step=16),
)
STEP = LAYERS[-1].step
SMALLEST = 31  # pixels of a side that give one cell after both poolings
# The cells [a, b) of the last layer see the pixels [16 a - 66, 16 b + 81): back through three 3 x 3 convolutions, a
# pooling, 5 x 5, a pooling, and 11 x 11 of stride 4. Rounded up to whole steps.
HALO_BEFORE, HALO_AFTER = 80, 96


class Span(NamedTuple):
    """A tile along one axis.

    Attributes:
        start: its first pixel, a multiple of `STEP`, so that strides fall as in the whole picture.
        stop: the pixel after its last.
        own: for each layer, those of the tile's cells that no other tile has.
    """

    start: int
    stop: int
    own: tuple[slice, ...]


def cells(size: int) -> tuple[int, ...]:
    """Number of cells of each layer along a side of `size` pixels."""
    first = (size + 4 - 11) // 4 + 1
    second = (first - 3) // 2 + 1
    third = (second - 3) // 2 + 1
    return first, second, third, third, third


def spans(size: int, count: int) -> Iterator[Span]:
    """Cut a side into tiles whose own cells are, value by value, those of the whole side.

    A tile reaches so far beyond its own cells that they see no zero padding at its edge, but for that at the ends of
    the side, which belongs to the whole side too.

    Args:
        size: pixels of the side, at least `SMALLEST`.
        count: how many tiles; fewer where there are not as many cells.
    """
    numbers = cells(size)
    count = min(count, numbers[-1])
    for a, b in itertools.pairwise(numbers[-1] * i // count for i in range(count + 1)):
        last = b == numbers[-1]
        start, stop = max(a * STEP - HALO_BEFORE, 0), size if last else min(b * STEP + HALO_AFTER, size)
        own = tuple(
            slice((a * STEP - start) // layer.step, (n if last else b * STEP // layer.step) - start // layer.step)
            for layer, n in zip(LAYERS, numbers, strict=True)
        )
        yield Span(start, stop, own)


def read_convolutions(path: Path) -> list[tuple[Tensor, Tensor]]:
    """Read weight and bias of each layer from torchvision's file.

    Raises:
        WeightsError: it can't be read, or holds another network.
    """
    state = read_state_dict(path)
    pairs = []
    for layer in LAYERS:
        weight, bias = (state.get(f"features.{layer.number}.{part}") for part in ("weight", "bias"))
        if weight is None or bias is None or weight.shape != layer.shape or bias.shape != layer.shape[:1]:
            raise WeightsError(
                f"{path} is not torchvision's AlexNet: expected features.{layer.number}.weight of shape {layer.shape} "
                "and its bias."
            )
        # Channels last: convolution, pooling and sums over the channels then all read along memory.
        pairs.append((weight.float().contiguous(memory_format=torch.channels_last), bias.float()))
    return pairs


def apply(layer: Layer, features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Compute the features of one layer from those of the one before; [N, C, h, w] both."""
    if layer.pool:
        features = max_pool2d(features, 3, 2)
    if not features.is_cuda:
        return conv2d(features, weight, bias, layer.stride, layer.padding).relu_()
    # TF32, the default on CUDA, keeps 10 bits of each factor; a CPU keeps 23.
    with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
        return conv2d(features, weight, bias, layer.stride, layer.padding).relu_()
