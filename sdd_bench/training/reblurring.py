"""Reblurring by isotropic kernels that differ from pixel to pixel, without building them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from sdd_bench.device import one_thread
from sdd_bench.errors import DeviceError, TrainingError
from sdd_bench.models.isotropic_kernels import seed_channels
from sdd_bench.models.rings import rings_up_to

# Pixels worked on at once. On a processor what belongs to them stays in the cache; a GPU needs many at a time.
# These are some hundred short steps each: threads would mostly wait for each other, for seconds where others use the
# cores, hence one thread.
_CPU_STEP = 8192
_GPU_STEP = 1 << 19


def isotropic_blur(image: torch.Tensor, seeds: torch.Tensor, radii: int = 8, *, fused: bool = False) -> torch.Tensor:
    """Blurs a picture with isotropic kernels of several radii, each pixel with its own kernels.

    Kernel i = 2 ... `radii` has (2i - 1) x (2i - 1) entries and i seeds a_0 ... a_{i-1}, of which the absolute value
    counts. At distance rho <= i - 1 from its centre stands the linear interpolation of a at floor(rho) and ceil(rho),
    farther away 0; then comes a softmax over all entries, those zeros included. (Li et al., AAAI 2023, reblurring
    module.) Outside of the picture are zeros.

    The result is exact, but no kernel is ever built: it follows from the sums of the picture over rings, see
    `sdd_bench.models.rings`. Differentiable once, in both arguments; backward computes the sums again instead of
    keeping them. Products of matrices are involved: with PyTorch's `set_float32_matmul_precision` at anything but
    ``"highest"``, its default, float32 is off by more than rounding.

    Args:
        image: N x C x H x W, any range.
        seeds: N x (2 + 3 + ... + radii) x H x W, the seeds of kernel 2, then those of kernel 3, and so on; any sign.
        radii: number of results; the largest kernel has radius `radii` - 1 pixels. At least 2.
        fused: compute in three kernels written for GPUs (by Triton). The result is the same but for rounding.

    Returns:
        N x radii x C x H x W: the picture itself, then blurred by kernel 2, 3, ... . Both arguments are taken to the
        wider dtype of the two, and half precision to float32, also under autocast.

    Raises:
        TrainingError: shapes or devices do not fit, or the dtype is not a floating-point one.
        DeviceError: `fused` where that can't be, see `require_fused`.
    """
    _check(image, seeds, radii)
    if fused:
        require_fused(image.device)
    dtype = torch.promote_types(torch.promote_types(image.dtype, seeds.dtype), torch.float32)
    with torch.autocast(image.device.type, enabled=False), one_thread():
        image, seeds = image.to(dtype), seeds.to(dtype)
        if fused:
            from sdd_bench.training.fused_reblurring import fused_isotropic_blur

            return fused_isotropic_blur(image, seeds, radii)
        blurred: torch.Tensor = _IsotropicBlur.apply(image, seeds, radii)
    return blurred


@lru_cache
def require_fused(device: torch.device) -> None:
    """Makes sure that `isotropic_blur` can be fused, by doing so once.

    Args:
        device: to compute on.

    Raises:
        DeviceError: it is no GPU, Triton is not installed, or it can't make programs for the device. (With
            TRITON_INTERPRET=1 in the environment Triton computes on a processor, very slowly: for tests.)
    """
    try:
        import triton
    except ImportError as error:
        raise DeviceError(
            "fused reblurring needs Triton, which plain installs of PyTorch bring on Linux; it is not installed here "
            f"({error}). Leave it out: the result is the same."
        ) from error
    if device.type != "cuda" and not triton.knobs.runtime.interpret:
        raise DeviceError(f"fused reblurring is for GPUs, not for {device.type}. Leave it out: the result is the same.")
    from sdd_bench.training.fused_reblurring import fused_isotropic_blur

    # The first use compiles, which needs more than Triton itself (a C compiler, say), and would fail hours later.
    image = torch.zeros(1, 3, 2, 2, device=device, requires_grad=True)
    seeds = torch.zeros(1, seed_channels(2), 2, 2, device=device, requires_grad=True)
    try:
        with torch.enable_grad():
            torch.autograd.grad(fused_isotropic_blur(image, seeds, 2).sum(), (image, seeds))
    except Exception as error:  # whatever a compiler or a driver may raise
        raise DeviceError(
            f"fused reblurring fails on {device}: {type(error).__name__}: {error}. "
            "Leave it out: the result is the same."
        ) from error


class _IsotropicBlur(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image: torch.Tensor, seeds: torch.Tensor, radii: int) -> torch.Tensor:
        image, seeds = image.contiguous(), seeds.contiguous()
        n, channels, height, width = image.shape
        rings, profile = rings_up_to(radii - 1), _Profile(radii - 1, seeds)
        padded = torch.nn.functional.pad(image, (radii - 1,) * 4)
        out = image.new_empty(n, radii, channels, height, width)
        out[:, 0] = image
        for some, top, bottom in _steps(image):
            columns = rings.columns(padded[some, :, top : bottom + 2 * (radii - 1)])
            sums = rings.sums(columns)
            weights, total = profile.weights(seeds[some, :, top:bottom].flatten(2))
            blurred = rings.corner_sums(columns, sums).mul_(weights[-1][:, :, None])
            for ring, weight, first in zip(sums, weights[:-1], rings.first, strict=True):
                blurred[:, first:].addcmul_(ring[:, None], weight[:, :, None])
            torch.div(blurred, total[:, :, None], out=out[some, 1:, :, top:bottom].flatten(3))
        ctx.save_for_backward(image, seeds, out)
        return out

    @staticmethod
    @once_differentiable
    @one_thread()
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None, None]:
        image, seeds, out = ctx.saved_tensors
        reach, width = out.shape[1] - 1, out.shape[-1]
        wants_image, wants_seeds, _ = ctx.needs_input_grad
        rings, profile = rings_up_to(reach), _Profile(reach, seeds)
        padded = torch.nn.functional.pad(image, (reach,) * 4)
        gradient = gradient.contiguous()
        to_padded, to_seeds = torch.zeros_like(padded), torch.empty_like(seeds)
        for some, top, bottom in _steps(image):
            own_seeds = seeds[some, :, top:bottom].flatten(2)
            weights, total = profile.weights(own_seeds)
            received = gradient[some, 1:, :, top:bottom].flatten(3) / total[:, :, None]
            if wants_seeds:
                sums = rings.sums(rings.columns(padded[some, :, top : bottom + 2 * reach]))
                # The derivative of the quotient: what a region holds, less what it holds on average.
                average = (received * out[some, 1:, :, top:bottom].flatten(3)).sum(2)
                shares = []
                for ring, size, first in zip(sums, rings.sizes, rings.first, strict=True):
                    share = (received[:, first:] * ring[:, None]).sum(2)
                    shares.append(share.sub_(average[:, first:], alpha=size))
                by_row = profile.to_seeds(shares, weights, own_seeds).view(len(own_seeds), -1, bottom - top, width)
                to_seeds[some, :, top:bottom] = by_row
            if wants_image:
                reached = zip(weights[:-1], rings.first, strict=True)
                shares = [(received[:, first:] * weight[:, :, None]).sum(1) for weight, first in reached]
                slab = rings.spread(shares, received.mul_(weights[-1][:, :, None]), bottom - top)
                to_padded[some, :, top : bottom + 2 * reach] += slab
        to_image = to_padded[..., reach:-reach, reach:-reach] + gradient[:, 0] if wants_image else None
        return to_image, to_seeds if wants_seeds else None, None


class _Profile:
    """Softmax weights of the kernels per ring, from seeds; the last one is that of the corners, per kernel."""

    def __init__(self, reach: int, like: torch.Tensor) -> None:
        rings = rings_up_to(reach)
        self.rows = [reach - first for first in rings.first] + [reach]
        tables = (table.to(like.device, like.dtype) for table in _tables(reach))
        self.interpolation, self.counts = tables
        self.kernels = [slice(seed_channels(j + 1), seed_channels(j + 2)) for j in range(reach)]

    def weights(self, seeds: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
        """From seeds [N, channels, P] the weights, per ring [N, kernels that reach it, P], and their sums by kernel."""
        magnitude = seeds.abs()
        # exp of the largest entry is 1. Interpolation never exceeds the seeds, and takes the same off all of them.
        peaks = torch.stack([magnitude[:, kernel].amax(1) for kernel in self.kernels], 1)
        exponentials = (self.interpolation @ torch.cat([magnitude, peaks], 1)).exp_()
        return list(torch.split(exponentials, self.rows, 1)), self.counts @ exponentials

    def to_seeds(self, shares: list[torch.Tensor], weights: list[torch.Tensor], seeds: torch.Tensor) -> torch.Tensor:
        """Gradients of the seeds from those of the rings' weights (`shares`, which are overwritten).

        The weight of the corners is constant but for the common factor that makes the largest weight 1.
        """
        for share, weight in zip(shares, weights[:-1], strict=True):
            share.mul_(weight)
        together = torch.cat(shares, 1)
        matrix = self.interpolation[: together.shape[1], : seeds.shape[1]]
        return (matrix.T @ together).mul_(seeds.sign())


@lru_cache(maxsize=4)
def _tables(reach: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Seeds and their peaks -> exponents (rows by ring, then kernel); exponentials -> their sums by kernel."""
    rings = rings_up_to(reach)
    rows = sum(reach - first for first in rings.first) + reach
    interpolation = torch.zeros(rows, seed_channels(reach + 1) + reach, dtype=torch.float64)
    counts = torch.zeros(reach, rows, dtype=torch.float64)
    row = 0
    for squared, size, first in zip(rings.squared, rings.sizes, rings.first, strict=True):
        distance, below = math.sqrt(squared), math.isqrt(squared)
        for j in range(first, reach):
            start = seed_channels(j + 1)
            interpolation[row, start + below] = below + 1 - distance
            if distance > below:
                interpolation[row, start + below + 1] = distance - below
            interpolation[row, seed_channels(reach + 1) + j] = -1
            counts[j, row] = size
            row += 1
    for j, corners in enumerate(rings.corners):
        interpolation[row + j, seed_channels(reach + 1) + j] = -1
        counts[j, row + j] = corners
    return interpolation, counts


def _steps(image: torch.Tensor) -> Iterator[tuple[slice, int, int]]:
    """Which pictures and which rows [top, bottom) of them to work on together."""
    n, _, height, width = image.shape
    pixels = _CPU_STEP if image.device.type == "cpu" else _GPU_STEP
    rows = min(max(pixels // width, 1), height)
    together = max(pixels // (rows * width), 1) if rows == height else 1
    for start in range(0, n, together):
        for top in range(0, height, rows):
            yield slice(start, start + together), top, min(top + rows, height)


def _check(image: torch.Tensor, seeds: torch.Tensor, radii: int) -> None:
    if radii < 2:
        raise TrainingError(f"expected at least 2 radii (the picture itself and one kernel), got {radii}")
    if image.ndim != 4 or image.numel() == 0:
        raise TrainingError(f"expected image tensors N x C x H x W, got shape {tuple(image.shape)}")
    expected = (image.shape[0], seed_channels(radii), *image.shape[2:])
    if tuple(seeds.shape) != expected:
        raise TrainingError(
            f"expected seeds of shape {expected} for {radii} radii (N x {seed_channels(radii)} x H x W), "
            f"got {tuple(seeds.shape)}"
        )
    for name, tensor in (("image", image), ("seeds", seeds)):
        if not tensor.is_floating_point():
            raise TrainingError(f"expected floating-point {name}, got {tensor.dtype}; divide integers by their peak")
    if image.device != seeds.device:
        raise TrainingError(f"image and seeds are on different devices: {image.device} and {seeds.device}")
