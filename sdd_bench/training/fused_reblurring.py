"""`sdd_bench.training.reblurring.isotropic_blur` on a GPU in three kernels instead of some hundred short steps.

Sums and weights are computed in registers, ring by ring. Beside the result and the gradients, only what is about as
large as the result is ever in memory, while backward runs. See `sdd_bench.training.reblurring_kernels`.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache, partial
from typing import Any, NamedTuple

import torch
import triton
from torch.autograd.function import once_differentiable

from sdd_bench.models.rings import rings_up_to
from sdd_bench.training import reblurring_kernels as kernels

_BLOCK = 128
"""Pixels that one program of a kernel works on."""


def fused_isotropic_blur(image: torch.Tensor, seeds: torch.Tensor, radii: int) -> torch.Tensor:
    """Arguments and result are those of `isotropic_blur`, checked, of the same dtype, and on a GPU."""
    blurred: torch.Tensor = _FusedIsotropicBlur.apply(image, seeds, radii)
    return blurred


class _FusedIsotropicBlur(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image: torch.Tensor, seeds: torch.Tensor, radii: int) -> torch.Tensor:
        image, seeds = image.contiguous(), seeds.contiguous()
        n, channels, height, width = image.shape
        out = image.new_empty(n, radii, channels, height, width)
        out[:, 0] = image
        tables = _tables(radii - 1, seeds.device, seeds.dtype)
        with _on(image):
            _launch(kernels.forward, out, radii - 1)(image, seeds, out, *tables, *_shape(out))
        ctx.save_for_backward(image, seeds, out)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None, None]:
        image, seeds, out = ctx.saved_tensors
        n, radii, channels, height, width = out.shape
        wants_image, wants_seeds, _ = ctx.needs_input_grad
        gradient = gradient.contiguous()
        # What every kernel's sums are multiplied by at a pixel, and its largest seed: both gradients need them.
        received = image.new_empty(n, radii - 1, channels, height, width)
        peaks = image.new_empty(n, radii - 1, height, width)
        to_seeds = torch.empty_like(seeds)
        to_image = torch.empty_like(image) if wants_image else None
        tables = _tables(radii - 1, seeds.device, seeds.dtype)
        shared = (*tables, *_shape(out))
        with _on(image):
            _launch(kernels.backward_seeds, out, radii - 1)(
                image, seeds, out, gradient, received, peaks, to_seeds, *shared
            )
            if to_image is not None:
                _launch(kernels.backward_image, out)(seeds, gradient, received, peaks, to_image, *shared)
        return to_image, to_seeds if wants_seeds else None, None


class _Tables(NamedTuple):
    """Where the pixels of rings and corners are; on the device.

    Attributes:
        fractions: per ring its radius beyond the next smaller whole one, dtype of the seeds.
        first: per whole radius from 0 its ring. Rings between two of them lie between them in radius, too.
        members: per ring where its pixels begin; one more for the end.
        corners: per radius from 0 where the pixels of its kernel's corners begin; one more for the end.
        across: x of every pixel, rings first, then corners.
        down: y of them.
    """

    fractions: torch.Tensor
    first: torch.Tensor
    members: torch.Tensor
    corners: torch.Tensor
    across: torch.Tensor
    down: torch.Tensor


@lru_cache(maxsize=8)
def _tables(reach: int, device: torch.device, dtype: torch.dtype) -> _Tables:
    rings = rings_up_to(reach)
    pixels: list[tuple[int, int]] = []
    members, corners = [0], [0]
    for ring in rings.members:
        pixels += [(sx, sy) for x, y in ring for sx in sorted({x, -x}) for sy in sorted({y, -y})]
        members.append(len(pixels))
    for radius in range(reach + 1):
        corners[-1] = len(pixels)
        window = range(-radius, radius + 1)
        pixels += [(x, y) for y in window for x in window if x * x + y * y > radius * radius]
        corners.append(len(pixels))
    whole = {
        "first": [rings.squared.index(radius * radius) for radius in range(reach + 1)],
        "members": members,
        "corners": corners,
        "across": [x for x, _ in pixels],
        "down": [y for _, y in pixels],
    }
    fractions = [math.sqrt(squared) - math.isqrt(squared) for squared in rings.squared]
    return _Tables(
        torch.tensor(fractions, dtype=dtype, device=device),
        **{name: torch.tensor(numbers, dtype=torch.int32, device=device) for name, numbers in whole.items()},
    )


def _shape(out: torch.Tensor) -> tuple[int, ...]:
    """The last arguments of every kernel."""
    _, radii, channels, height, width = out.shape
    return height, width, channels, radii, triton.next_power_of_2(channels), _BLOCK


def _launch(program: Any, out: torch.Tensor, radii: int = 1) -> Any:
    """A kernel, once per block of pixels, per picture, and per radius if it wants that."""
    # Fused products and sums are meant: left open, Triton warns, and later versions decide otherwise.
    return partial(program[triton.cdiv(out.shape[3] * out.shape[4], _BLOCK), len(out), radii], enable_fp_fusion=True)


def _on(tensor: torch.Tensor) -> AbstractContextManager[object]:
    """Triton launches on the current device, not on that of the arguments."""
    return torch.cuda.device(tensor.device) if tensor.is_cuda else nullcontext()
