"""A picture through a network in tiles that overlap, so that memory does not grow with the picture.

Two ways to join tiles. Where the network is local (no output depends on inputs farther away than `reach`), each tile is
read with a margin of that reach and only what lies inside the margin is kept: the result is the untiled one. Where it
is not (attention or pooling over the whole picture), neighbouring tiles are blended over their overlap, and the result
depends on the tiles.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from sdd_bench.errors import PredictionError
from sdd_bench.models.padding import reflect, round_up

if TYPE_CHECKING:
    from torch import Tensor

BLENDED_SHARE = 4  # neighbours share a quarter of a tile's side where they are blended


@dataclass(frozen=True)
class Tiles:
    """How pictures are cut for one network.

    Attributes:
        size: (height, width) of what the network sees at once at most, multiples of `stride`; None is all of a picture.
        overlap: pixels, a multiple of `stride`. Local network: the margin of a tile that is not kept. Otherwise: what
            neighbours share at least.
        stride: the network's, pixels: sides and places of tiles are multiples of it.
        local: whether the overlap covers the network's reach, so that tiles change nothing.
        fixed: whether the network takes pictures of exactly `size` and no others.
    """

    size: tuple[int, int] | None
    overlap: int = 0
    stride: int = 1
    local: bool = True
    fixed: bool = False

    @property
    def shared(self) -> int:
        """Pixels that neighbouring tiles have in common at least."""
        return 2 * self.overlap if self.local else self.overlap

    def covers(self, height: int, width: int) -> bool:
        """Whether a picture of this size goes through the network in one piece."""
        return self.seen(height, width) == (round_up(height, self.stride), round_up(width, self.stride))

    def seen(self, height: int, width: int) -> tuple[int, int]:
        """What the network sees at once at most of a picture of this size, (height, width)."""
        whole = round_up(height, self.stride), round_up(width, self.stride)
        return whole if self.size is None else (min(whole[0], self.size[0]), min(whole[1], self.size[1]))


def plan_tiles(side: int | None, stride: int, reach: int | None) -> Tiles:
    """Cut for a network.

    Args:
        side: of a tile, overlap included, pixels; rounded up to a multiple of the stride. None: no tiles.
        stride: of the network, pixels.
        reach: radius of its receptive field, pixels; None where that is the whole picture or not known.

    Raises:
        PredictionError: the side leaves nothing of a tile but its overlap.
    """
    local = reach is not None
    if side is None:
        return Tiles(None, 0, stride, local)
    smallest = smallest_side(stride, reach)
    rounded = round_up(side, stride)
    if rounded < smallest:
        why = (
            "its blending needs more than one step" if reach is None else f"its receptive field reaches {reach} pixels"
        )
        raise PredictionError(
            f"tiles of {side} x {side} are too small for this network: its stride is {stride} and {why}. "
            f"Use --tile {smallest} or more."
        )
    overlap = round_up(reach, stride) if reach is not None else max(stride, rounded // BLENDED_SHARE // stride * stride)
    return Tiles((rounded, rounded), overlap, stride, local)


def smallest_side(stride: int, reach: int | None) -> int:
    """The smallest side of a tile, pixels, of which something is kept; see `plan_tiles` for the arguments."""
    return 2 * stride if reach is None else 2 * round_up(reach, stride) + stride


def run_tiled(function: Callable[[Tensor], Tensor], picture: Tensor, tiles: Tiles) -> Tensor:
    """Apply a network to a picture, tile by tile.

    The picture is continued to the right and below by reflection until its sides are multiples of the stride; the
    result is cropped back.

    Args:
        function: takes 1 x C x h x w and gives 1 x K x h x w float32 on the picture's device.
        picture: 1 x C x H x W.
        tiles: how to cut.

    Returns:
        1 x K x H x W float32.

    Raises:
        PredictionError: the function's result is not of the size of its input.
    """
    import torch

    height, width = picture.shape[-2:]
    wanted = [round_up(side, tiles.stride) for side in (height, width)]
    if tiles.fixed and tiles.size is not None:
        wanted = [max(side, least) for side, least in zip(wanted, tiles.size, strict=True)]
    padded = reflect(picture, *wanted)
    size = tiles.size or (wanted[0], wanted[1])
    rows, columns = (_spans(length, side, tiles) for length, side in zip(wanted, size, strict=True))
    result: Tensor | None = None
    for row in rows:
        for column in columns:
            part = padded[:, :, row.start : row.stop, column.start : column.stop]
            found = function(part)
            if found.ndim != 4 or found.shape[0] != 1 or found.shape[-2:] != part.shape[-2:]:
                raise PredictionError(
                    f"the network made {_shape(found)} of {_shape(part)}: expected a picture of the same size. "
                    "If sides must be multiples of a number, it says so by its attribute `stride`, or you by --stride."
                )
            if len(rows) == len(columns) == 1:
                result = found
                break
            if result is None:
                result = found.new_zeros((1, found.shape[1], *wanted))
            weights = torch.outer(torch.tensor(row.weights), torch.tensor(column.weights)).to(found)
            result[:, :, row.start : row.stop, column.start : column.stop] += weights * found
    assert result is not None
    return result[:, :, :height, :width]


@dataclass(frozen=True)
class _Span:
    """Where a tile lies along one axis, and how much each of its pixels counts; over all tiles this adds up to 1."""

    start: int
    stop: int
    weights: list[float]


def _spans(length: int, side: int, tiles: Tiles) -> list[_Span]:
    """Tiles along one axis, of one size, as small as their number allows."""
    if length <= side:
        return [_Span(0, length, [1.0] * length)]
    shared, stride = tiles.shared, tiles.stride
    count = math.ceil((length - shared) / (side - shared))
    if not tiles.fixed:
        side = round_up(math.ceil((length - shared) / count) + shared, stride)
    starts = [number * (length - side) // (count - 1) // stride * stride for number in range(count)]
    starts[-1] = length - side
    return _cut(starts, side, length) if tiles.local else _blend(starts, side, length, shared)


def _cut(starts: list[int], side: int, length: int) -> list[_Span]:
    # In the middle of what neighbours share, so that both are at least the overlap away from their ends.
    cuts = [0, *((after + before + side) // 2 for before, after in pairwise(starts)), length]
    return [
        _Span(start, start + side, [float(low <= start + place < high) for place in range(side)])
        for start, (low, high) in zip(starts, pairwise(cuts), strict=True)
    ]


def _blend(starts: list[int], side: int, length: int, shared: int) -> list[_Span]:
    def ramp(distance: int) -> float:
        return math.sin(math.pi / 2 * min(1.0, (distance + 0.5) / shared)) ** 2

    windows = [
        [
            (1.0 if start == 0 else ramp(place)) * (1.0 if start + side == length else ramp(side - 1 - place))
            for place in range(side)
        ]
        for start in starts
    ]
    total = [0.0] * length
    for start, window in zip(starts, windows, strict=True):
        for place, weight in enumerate(window):
            total[start + place] += weight
    return [
        _Span(start, start + side, [weight / total[start + place] for place, weight in enumerate(window)])
        for start, window in zip(starts, windows, strict=True)
    ]


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape))
