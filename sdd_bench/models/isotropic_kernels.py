"""How wide the isotropic kernels are that seeds describe."""

from __future__ import annotations

import math

import torch

from sdd_bench.models.rings import rings_up_to


def seed_channels(radii: int = 8) -> int:
    """Number of seed channels of kernels 2 ... `radii`, 2 + 3 + ... + radii: 35 for eight."""
    return radii * (radii + 1) // 2 - 1


def kernel_radii(seeds: torch.Tensor, radii: int = 8) -> torch.Tensor:
    """Root-mean-square radius of every isotropic kernel, without building any.

    Kernels are those of `sdd_bench.training.reblurring.isotropic_blur`: r_i^2 = sum of k_i(x) |x|^2 over the window,
    with r_1 = 0, the picture itself.

    Args:
        seeds: N x `seed_channels(radii)` x H x W, floating point.
        radii: number of kernels, the picture itself included.

    Returns:
        N x `radii` x H x W, pixels.
    """
    rings = rings_up_to(radii - 1)
    found = [torch.zeros_like(seeds[:, 0])]
    for j in range(radii - 1):
        own = seeds[:, seed_channels(j + 1) : seed_channels(j + 2)].abs()
        peak = own.amax(1)
        total = rings.corners[j] * torch.exp(-peak)
        moment = _corner_moment(j) * torch.exp(-peak)
        for squared, size, first in zip(rings.squared, rings.sizes, rings.first, strict=True):
            if first > j:
                continue
            distance, below = math.sqrt(squared), math.isqrt(squared)
            value = own[:, below] * (below + 1 - distance)
            if distance > below:
                value = value + own[:, below + 1] * (distance - below)
            weight = size * torch.exp(value - peak)
            total = total + weight
            moment = moment + squared * weight
        found.append((moment / total).sqrt())
    return torch.stack(found, 1)


def _corner_moment(kernel: int) -> int:
    """Sum of |x|^2 over the pixels of a kernel's window that are farther away than its radius."""
    reach = kernel + 1
    sides = range(-reach, reach + 1)
    return sum(x * x + y * y for x in sides for y in sides if x * x + y * y > reach * reach)
