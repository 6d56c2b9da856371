"""Sums of a picture over the rings of a square window, and the adjoint of that.

The value of an isotropic kernel depends on the distance from its centre alone, and a window of 15 x 15 pixels holds
only 24 distinct distances up to 7. What a kernel makes of a picture follows from one sum per distance (a ring) and one
sum over the window's corners, the pixels farther away than its radius.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Rings:
    """The rings of all kernels from radius 1 to `reach`.

    Kernel j = 0, 1, ... has radius j + 1 and a window of 2j + 3 pixels a side.

    Attributes:
        reach: the largest radius, in pixels.
    """

    reach: int

    @cached_property
    def squared(self) -> list[int]:
        """Squared radius of every ring, ascending, in pixels squared."""
        sides = range(self.reach + 1)
        return sorted({x * x + y * y for x in sides for y in sides if x * x + y * y <= self.reach**2})

    @cached_property
    def members(self) -> list[list[tuple[int, int]]]:
        """The pixels (x, y) of every ring in one quadrant, both >= 0."""
        sides = range(self.reach + 1)
        return [[(x, y) for x in sides for y in sides if x * x + y * y == d] for d in self.squared]

    @cached_property
    def sizes(self) -> list[int]:
        """Number of pixels of every ring, in all quadrants."""
        return [sum((1 + (x > 0)) * (1 + (y > 0)) for x, y in ring) for ring in self.members]

    @cached_property
    def first(self) -> list[int]:
        """For every ring the smallest kernel that reaches it; all larger ones do too."""
        return [max(math.isqrt(d - 1), 0) if d else 0 for d in self.squared]

    @cached_property
    def corners(self) -> list[int]:
        """For every kernel the number of pixels of its window that are farther away than its radius."""
        inside = [sum(n for n, f in zip(self.sizes, self.first, strict=True) if f <= j) for j in range(self.reach)]
        return [(2 * j + 3) ** 2 - n for j, n in enumerate(inside)]

    def columns(self, slab: Tensor) -> list[Tensor]:
        """Sums of the pixels at the same distance to the left and to the right, the first steps of all other sums.

        Args:
            slab: [N, C, H + 2 reach, W + 2 reach], the picture with `reach` pixels around it.

        Returns:
            For each distance from 0 to `reach`: [N, C, H + 2 reach, W].
        """
        reach = self.reach
        width = slab.shape[-1] - 2 * reach
        middle = slab[..., reach : reach + width].contiguous()
        sides = range(1, reach + 1)
        return [middle, *(slab[..., reach - x :][..., :width] + slab[..., reach + x :][..., :width] for x in sides)]

    def sums(self, columns: list[Tensor]) -> list[Tensor]:
        """Sums over every ring around each pixel, from `columns`: per ring [N, C, H W]."""
        reach = self.reach
        height = columns[0].shape[2] - 2 * reach
        sums = []
        for ring in self.members:
            parts = [columns[x][:, :, reach + side :][:, :, :height] for x, y in ring for side in {y, -y}]
            total = parts[0] + parts[1] if len(parts) > 1 else parts[0].clone()
            for part in parts[2:]:
                total += part
            sums.append(total.flatten(2))
        return sums

    def corner_sums(self, columns: list[Tensor], sums: list[Tensor]) -> Tensor:
        """Sums over every kernel's corners around each pixel: those over its window less those over its rings.

        Args:
            columns: from `columns`.
            sums: from `sums`.

        Returns:
            [N, kernels, C, H W].
        """
        reach = self.reach
        n, channels, height, width = columns[0].shape
        height -= 2 * reach
        corners = columns[0].new_empty(n, reach, channels, height, width)
        box = columns[0].clone()
        for j in range(reach):
            box += columns[j + 1]
            window = corners[:, j].copy_(box[:, :, reach : reach + height])
            for y in range(1, j + 2):
                window += box[:, :, reach - y : reach - y + height]
                window += box[:, :, reach + y : reach + y + height]
        corners = corners.flatten(3)
        disc = sums[0].clone()
        for k, first in enumerate(self.first[1:], start=1):
            if first != self.first[k - 1]:
                corners[:, first - 1] -= disc
            disc += sums[k]
        corners[:, -1] -= disc
        return corners

    def spread(self, rings: list[Tensor], corners: Tensor, height: int) -> Tensor:
        """The adjoint of all sums: every pixel receives what the sums it is in carry.

        Args:
            rings: per ring [N, C, H W]; overwritten.
            corners: [N, kernels, C, H W]; overwritten.
            height: H.

        Returns:
            [N, C, H + 2 reach, W + 2 reach].
        """
        reach = self.reach
        n, channels, pixels = rings[0].shape
        width = pixels // height
        shaped = corners.view(n, reach, channels, height, width)
        columns = [corners.new_zeros(n, channels, height + 2 * reach, width) for _ in range(reach + 1)]
        for j in reversed(range(reach)):
            box = columns[j + 1]
            for y in range(-j - 1, j + 2):
                box[:, :, reach + y : reach + y + height] += shaped[:, j]
            if j + 1 < reach:
                box += columns[j + 2]
        columns[0] += columns[1]
        for j in reversed(range(reach - 1)):
            corners[:, j] += corners[:, j + 1]
        for k, ring in enumerate(self.members):
            rings[k] -= corners[:, self.first[k]]
            share = rings[k].view(n, channels, height, width)
            for x, y in ring:
                for side in {y, -y}:
                    columns[x][:, :, reach + side : reach + side + height] += share
        slab = corners.new_zeros(n, channels, height + 2 * reach, width + 2 * reach)
        for x, column in enumerate(columns):
            for side in {x, -x}:
                slab[..., reach + side : reach + side + width] += column
        return slab


@lru_cache(maxsize=4)
def rings_up_to(reach: int) -> Rings:
    """The rings of kernels with radii up to `reach` pixels, made once."""
    return Rings(reach)
