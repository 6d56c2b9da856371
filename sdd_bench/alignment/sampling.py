"""Sampling of tensors at displaced positions with separable kernels, in arithmetic that is the same everywhere."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch.autograd.function import once_differentiable

# Pixels worked on at once: enough that threads rarely wait for each other, few enough for the cache (6 MB per line).
_CHUNK = 65536


@dataclass(frozen=True)
class Kernel:
    """A separable interpolation kernel.

    Attributes:
        first: offset of the first tap from the pixel at or before the position.
        taps: number of taps along an axis.
        weights: from fractions t [n] in [0, 1] to weights [taps, n] of sum 1; the unit pulse at t = 0 and at t = 1.
    """

    first: int
    taps: int
    weights: Callable[[torch.Tensor], torch.Tensor]


def _bilinear_weights(t: torch.Tensor) -> torch.Tensor:
    return torch.stack([1 - t, t])


def _alternating_series(squared: torch.Tensor, first: int) -> torch.Tensor:
    """1 - z/(n(n+1)) (1 - z/((n+2)(n+3)) (1 - ...)): sin(a)/a for n = 2 and cos(a) for n = 1, where z = a^2.

    Not `torch.sin`: vector units and the loops for their remainders may round it differently, which would let the last
    bit depend on the machine and on how threads split the work. Sums and products are rounded alike everywhere. Eight
    terms: less than 1e-16 from the truth for a up to pi/4.
    """
    total = torch.ones_like(squared)
    for n in range(first + 14, first - 1, -2):
        total.mul_(squared).mul_(-1 / (n * (n + 1))).add_(1)
    return total


def _lanczos_weights(lobes: int, t: torch.Tensor) -> torch.Tensor:
    """sinc(t - i) sinc((t - i) / lobes) for i = 1 - lobes ... lobes, divided by the sum.

    sin(pi (t - i)) is the same for all taps but for its sign and leaves with the sum. The kernel is symmetric, so a tap
    k pixels beyond the one next to the position, on either side, has the weight of a distance x + k, x = t or 1 - t;
    sin(pi/lobes (x + k)) follows from sine and cosine of pi/lobes x. Everything is multiplied by t (1 - t), which
    removes the 0/0 at both ends and makes them exact unit pulses.
    """
    both = torch.stack([t, 1 - t])
    squared = (both * (math.pi / lobes)).square_()
    slope, cosine = _alternating_series(squared, 2).mul_(math.pi / lobes), _alternating_series(squared, 1)
    common = both[0] * both[1]
    weights = t.new_empty(2 * lobes, t.numel())
    for near, tap, step in ((0, lobes - 1, -1), (1, lobes, 1)):
        x = both[near]
        weights[tap] = slope[near] * both[1 - near]
        sine = slope[near] * x
        for k in range(1, lobes):
            turned = sine * math.cos(math.pi * k / lobes) + cosine[near] * math.sin(math.pi * k / lobes)
            sign = -1 if k % 2 else 1
            weights[tap + step * k] = turned * common * sign / (x + k).square_()
    total = weights[0].clone()
    for tap in range(1, 2 * lobes):
        total.add_(weights[tap])
    return weights.div_(total)


def _lanczos(lobes: int) -> Kernel:
    return Kernel(first=1 - lobes, taps=2 * lobes, weights=partial(_lanczos_weights, lobes))


KERNELS = {
    "bilinear": Kernel(first=0, taps=2, weights=_bilinear_weights),
    "lanczos4": _lanczos(4),
    "lanczos6": _lanczos(6),
}


def _split(flow: torch.Tensor, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Whole pixels, limited to what can matter, and fractions of a displacement [2, n].

    Pixel x is an integer, so x + f lies at pixel x + floor(f) with fraction f - floor(f). Adding first would round f:
    at x = 4096 float32 has steps of 1/2048 px.
    """
    floor = flow.floor()
    limit = float(max(height, width) + 16)
    return floor.clamp(-limit, limit).long(), flow - floor


class _Sample(torch.autograd.Function):
    """Forward and backward of sampling one padded picture, rows [P, C], at n positions."""

    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx,
        rows: torch.Tensor,
        corner: torch.Tensor,
        fraction: torch.Tensor,
        stride: int,
        kernel: Kernel,
    ) -> torch.Tensor:
        ctx.save_for_backward(corner, fraction)
        ctx.geometry = (rows.shape, stride, kernel)  # type: ignore[attr-defined]  # the documented place for plain values
        channels, taps = rows.shape[1], kernel.taps
        out = rows.new_empty(len(corner), channels)
        # Row p of this view holds the taps of one line, all channels: pixels p ... p + taps - 1 are adjacent in memory.
        lines = [
            rows[j * stride :].as_strided((len(rows) - j * stride - taps + 1, taps * channels), (channels, 1))
            for j in range(taps)
        ]
        for start in range(0, len(corner), _CHUNK):
            part = slice(start, start + _CHUNK)
            across, down = kernel.weights(fraction[0, part]), kernel.weights(fraction[1, part])
            # Products and sums in separate steps: a fused multiply-add rounds once instead of twice, and whether it is
            # used depends on the machine.
            summed = lines[0].index_select(0, corner[part]).mul_(down[0, :, None])
            for j in range(1, taps):
                summed.add_(lines[j].index_select(0, corner[part]).mul_(down[j, :, None]))
            summed = summed.view(-1, taps, channels)
            value = summed[:, 0] * across[0, :, None]
            for i in range(1, taps):
                value.add_(summed[:, i] * across[i, :, None])
            out[part] = value
        return out

    @staticmethod
    @once_differentiable
    def backward(
        ctx: torch.autograd.function.FunctionCtx, gradient: torch.Tensor
    ) -> tuple[torch.Tensor, None, None, None, None]:
        corner, fraction = ctx.saved_tensors  # type: ignore[attr-defined]  # set by save_for_backward
        shape, stride, kernel = ctx.geometry  # type: ignore[attr-defined]  # set in forward
        planes = gradient.new_zeros(shape[1], shape[0])
        taps = torch.arange(kernel.taps, device=corner.device)[:, None]
        for start in range(0, len(corner), _CHUNK):
            part = slice(start, start + _CHUNK)
            across, down = kernel.weights(fraction[0, part]), kernel.weights(fraction[1, part])
            line = corner[part] + taps
            for plane, received in zip(planes, gradient[part].T, strict=True):
                shares = received * across
                for j in range(kernel.taps):
                    plane.index_add_(0, (line + j * stride).flatten(), (shares * down[j]).flatten())
        return planes.T, None, None, None, None


def sample(images: torch.Tensor, flow: torch.Tensor, kernel: Kernel) -> torch.Tensor:
    """Values of pictures at x + flow(x), with the border repeated outside.

    Args:
        images: [N, C, H, W], float32 or float64; differentiable once.
        flow: [N, 2, H, W], (x, y) in pixels, finite; no gradient is computed for it.
        kernel: one of `KERNELS`.

    Returns:
        [N, C, H, W], dtype of `images`.
    """
    n, channels, height, width = images.shape
    # With one span of taps as border on each side and positions limited to it, a position far away reads border values
    # only, as it should.
    pad = kernel.taps
    stride = width + 2 * pad
    padded = torch.nn.functional.pad(images, (pad, pad, pad, pad), mode="replicate").permute(0, 2, 3, 1)
    rows = padded.contiguous().view(n, -1, channels)
    whole, fraction = _split(flow.detach().transpose(0, 1).reshape(2, -1), height, width)
    fraction = fraction.to(images.dtype).reshape(2, n, -1)
    xs = torch.arange(width, device=flow.device)
    ys = torch.arange(height, device=flow.device)
    place = whole.reshape(2, n, height, width)
    # The pixel before the position, kept where all taps still lie in the padded picture, then its first tap.
    x = (place[0] + xs).clamp_(-kernel.taps // 2 - 1, width + kernel.taps // 2 - 1).add_(pad + kernel.first)
    y = (place[1] + ys[:, None]).clamp_(-kernel.taps // 2 - 1, height + kernel.taps // 2 - 1).add_(pad + kernel.first)
    corner = y.mul_(stride).add_(x).reshape(n, -1)
    sampled = [_Sample.apply(rows[k], corner[k], fraction[:, k], stride, kernel) for k in range(n)]
    return torch.stack(sampled).reshape(n, height, width, channels).permute(0, 3, 1, 2)
