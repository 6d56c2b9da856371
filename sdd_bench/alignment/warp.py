"""Backward warping: a picture sampled at positions displaced by a flow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from sdd_bench.device import one_thread
from sdd_bench.errors import AlignmentError, unknown_name

if TYPE_CHECKING:
    import torch

FloatArray: TypeAlias = NDArray[np.floating[Any]]
Float = TypeVar("Float", np.float32, np.float64)
INTERPOLATIONS = ("bilinear", "lanczos4", "lanczos6")


@overload
def warp(image: NDArray[Float], flow: FloatArray, interpolation: str = "lanczos4") -> NDArray[Float]: ...
@overload
def warp(image: torch.Tensor, flow: torch.Tensor, interpolation: str = "lanczos4") -> torch.Tensor: ...
def warp(
    image: FloatArray | torch.Tensor, flow: FloatArray | torch.Tensor, interpolation: str = "lanczos4"
) -> FloatArray | torch.Tensor:
    """Samples a picture at displaced positions: W(b, F)(x) = b(x + F(x)).

    A flow of zeros returns the picture to the bit, any flow of whole pixels an exact shift; the result is the same for
    any number of threads. Positions are exact. (Not `cv2.remap`: it rounds positions to 1/32 px, so even with the true
    flow pictures are up to 1/64 px off; scikit-image's photographs then differ from exact sampling by 61 to 67 dB.)

    Outside of the picture its border is repeated: mask those pixels where that matters. Lanczos-4 overshoots at edges:
    values may leave [0, 1], clamp them where that matters. A NaN spreads to all pixels that have it among their taps.

    Args:
        image: array H x W x C or H x W, or tensor N x C x H x W; float32 or float64; any range. Differentiable once
            (tensors); no gradient reaches the flow.
        flow: array H x W x 2 for an array, tensor N x 2 x H x W for a tensor: (x, y) in pixels, finite.
        interpolation: ``"lanczos4"``: 8 x 8 taps, sinc(d) sinc(d / 4), weights divided by their sum; ``"lanczos6"``:
            likewise with 12 x 12 taps, closer to the truth for sharp pictures; or ``"bilinear"``.

    Returns:
        The warped picture: kind, shape and dtype (and device) of `image`.

    Raises:
        AlignmentError: shapes, dtypes or devices do not fit, the flow is not finite, or the interpolation is unknown.
    """
    if interpolation not in INTERPOLATIONS:
        raise AlignmentError(unknown_name("interpolation", interpolation, INTERPOLATIONS))
    import torch

    from sdd_bench.alignment.sampling import KERNELS, sample

    kernel = KERNELS[interpolation]
    if isinstance(image, torch.Tensor) and isinstance(flow, torch.Tensor):
        _check_tensors(image, flow)
        return sample(image, flow, kernel)
    if not isinstance(image, np.ndarray) or not isinstance(flow, np.ndarray):
        raise AlignmentError(
            f"expected two numpy arrays or two tensors, got {type(image).__name__} and {type(flow).__name__}"
        )
    _check_arrays(image, flow)
    # Sampling is some thousand short steps, after each of which threads wait for each other. Two of them save a third
    # of the time on an idle machine (0.31 instead of 0.48 s for 2048 x 1080 on two cores); where another process uses
    # the cores they cost up to a hundredfold (3 to 47 s measured).
    with torch.no_grad(), one_thread():
        warped = sample(_as_batch(np.atleast_3d(image)), _as_batch(flow), kernel)
    return warped[0].permute(1, 2, 0).numpy().reshape(image.shape)


@overload
def warp_jdrl2022(image: NDArray[np.float32], flow: NDArray[np.float32]) -> NDArray[np.float32]: ...
@overload
def warp_jdrl2022(image: torch.Tensor, flow: torch.Tensor) -> torch.Tensor: ...
def warp_jdrl2022(
    image: NDArray[np.float32] | torch.Tensor, flow: NDArray[np.float32] | torch.Tensor
) -> NDArray[np.float32] | torch.Tensor:
    """Samples a picture as the JDRL release does: bilinear, border repeated, on a grid slightly off.

    The grid divides by (w - 1) / 2, so -1..1 spans the pixel centres, and is sampled as if -1..1 spanned the pixel
    edges: flow f at pixel i reads position (i + f) w / (w - 1) - 1/2, so even a flow of zeros moves the picture by up
    to half a pixel. The published numbers contain this defect; `warp` is the right one.

    Args:
        image: array H x W x C, float32; or tensor N x C x H x W, float32 or float64, differentiable.
        flow: array H x W x 2, float32, or tensor N x 2 x H x W: (x, y) in pixels, finite.

    Returns:
        The warped picture: kind, shape and dtype (and device) of `image`.

    Raises:
        AlignmentError: shapes, dtypes or devices do not fit, a side is a single pixel, or the flow is not finite.
    """
    import torch

    if isinstance(image, torch.Tensor) and isinstance(flow, torch.Tensor):
        _check_tensors(image, flow)
        return _sample_jdrl2022(image, flow.to(image.dtype))
    if not isinstance(image, np.ndarray) or not isinstance(flow, np.ndarray):
        raise AlignmentError(
            f"expected two numpy arrays or two tensors, got {type(image).__name__} and {type(flow).__name__}"
        )
    _check_arrays(image, flow)
    if image.ndim != 3 or image.dtype != np.float32 or flow.dtype != np.float32:
        raise AlignmentError(f"expected float32 H x W x C and flow, got {image.dtype} {image.shape} and {flow.dtype}")
    warped = _sample_jdrl2022(_as_batch(image), _as_batch(flow))
    return np.ascontiguousarray(warped[0].permute(1, 2, 0).numpy())


def _sample_jdrl2022(image: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
    import torch

    height, width = image.shape[2:]
    if min(height, width) < 2:
        raise AlignmentError(f"the jdrl2022 grid needs at least 2 pixels a side, got {width} x {height}")
    across = torch.linspace(-1, 1, width, dtype=flow.dtype, device=flow.device).expand(height, width)
    down = torch.linspace(-1, 1, height, dtype=flow.dtype, device=flow.device)[:, None].expand(height, width)
    grid = torch.stack([across + flow[:, 0] / ((width - 1) / 2), down + flow[:, 1] / ((height - 1) / 2)], dim=-1)
    return torch.nn.functional.grid_sample(image, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _as_batch(array: FloatArray) -> torch.Tensor:
    import torch

    # torch shares the memory and warns where it is read-only; `require` copies in that case.
    return torch.from_numpy(np.require(array, requirements=["C", "W"])).permute(2, 0, 1)[None]


def _check_arrays(image: FloatArray, flow: FloatArray) -> None:
    if image.ndim not in (2, 3) or image.size == 0:
        raise AlignmentError(f"expected an image H x W x C or H x W, got shape {image.shape}")
    if flow.shape != (*image.shape[:2], 2):
        raise AlignmentError(f"expected a flow of shape {(*image.shape[:2], 2)} (H x W x 2), got {flow.shape}")
    for name, array in (("image", image), ("flow", flow)):
        if array.dtype not in (np.float32, np.float64):
            raise AlignmentError(f"expected a float32 or float64 {name}, got {array.dtype}")
    if not np.isfinite(flow).all():
        raise AlignmentError("the flow contains NaN or infinite values")


def _check_tensors(image: torch.Tensor, flow: torch.Tensor) -> None:
    import torch

    if image.ndim != 4 or image.numel() == 0:
        raise AlignmentError(f"expected image tensors N x C x H x W, got shape {tuple(image.shape)}")
    expected = (image.shape[0], 2, *image.shape[2:])
    if tuple(flow.shape) != expected:
        raise AlignmentError(f"expected a flow of shape {expected} (N x 2 x H x W), got {tuple(flow.shape)}")
    for name, tensor in (("image", image), ("flow", flow)):
        if tensor.dtype not in (torch.float32, torch.float64):
            raise AlignmentError(f"expected a float32 or float64 {name}, got {tensor.dtype}")
    if image.device != flow.device:
        raise AlignmentError(f"image and flow are on different devices: {image.device} and {flow.device}")
    if not torch.isfinite(flow).all():
        raise AlignmentError("the flow contains NaN or infinite values")
