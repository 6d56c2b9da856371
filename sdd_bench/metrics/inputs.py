"""What the metrics accept: kinds, shapes, dtypes, ranges and masks; each check says what was expected and found."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from sdd_bench.errors import MetricError

Array: TypeAlias = NDArray[np.float32] | NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]
Kind = TypeVar("Kind")

WINDOW = 7  # side of SSIM's uniform window: scikit-image's default, which the official evaluation code uses


def require_picture(name: str, image: object, kind: type[Kind], layout: str) -> Kind:
    """Return the picture, known to be float32 or float64 of the given layout.

    Args:
        name: what the caller knows the picture as.
        image: what was given.
        kind: ``numpy.ndarray`` or ``torch.Tensor``.
        layout: axes as text, one of them the three colours, such as ``"H x W x 3"``.

    Raises:
        MetricError: it is something else.
    """
    if not isinstance(image, kind):
        raise MetricError(
            f"{name}: expected a {kind.__name__}, got a {type(image).__name__}; give arrays (H x W x 3) or tensors "
            "(N x 3 x H x W), not both"
        )
    given: Any = image
    axes, shape = layout.split(" x "), tuple(given.shape)
    if len(shape) != len(axes) or shape[axes.index("3")] != 3 or 0 in shape:
        raise MetricError(f"{name}: expected RGB of shape {layout}, got shape {shape}")
    if str(given.dtype).removeprefix("torch.") not in ("float32", "float64"):
        raise MetricError(
            f"{name}: expected float32 or float64 in [0, 1], got {given.dtype}; convert it, and divide integers by the "
            "largest value of their bit depth (255 or 65535)"
        )
    return image


def require_same(what: str, values: Mapping[str, object]) -> None:
    """Refuse pictures that differ in size or in device.

    Args:
        what: the property, for example ``"shape"``.
        values: its value by the name of the picture.

    Raises:
        MetricError: the values differ.
    """
    if len(set(values.values())) > 1:
        found = ", ".join(f"{name} {value}" for name, value in values.items())
        raise MetricError(f"expected the same {what} for all, got {found}; crop or move them to match first")


def require_mask(mask: object, kind: type[Kind], shape: Sequence[int]) -> Kind:
    """Return the mask, known to be of bool and of the given kind and shape.

    Raises:
        MetricError: it is something else.
    """
    given: Any = mask
    if isinstance(mask, kind) and str(given.dtype).removeprefix("torch.") == "bool" and given.shape == tuple(shape):
        return mask
    found = f"{type(mask).__name__} of {getattr(mask, 'dtype', '?')}, shape {tuple(getattr(mask, 'shape', ()))}"
    raise MetricError(
        f"mask: expected a {kind.__name__} of bool, shape {tuple(shape)}, True where a pixel counts; got a {found}"
    )


def require_room(height: int, width: int) -> None:
    """Refuse pictures that are smaller than one SSIM window.

    Raises:
        MetricError: a side is shorter than 7 pixels.
    """
    if min(height, width) < WINDOW:
        raise MetricError(
            f"SSIM needs at least {WINDOW} x {WINDOW} pixels, got {height} x {width}; psnr() and mae() take any size"
        )


def require_range(name: str, low: float, high: float) -> None:
    """Refuse values that are not in [0, 1], or not numbers.

    Args:
        name: what the caller knows the picture as.
        low: its smallest value; NaN if any value is.
        high: its largest value.

    Raises:
        MetricError: NaN, or a value out of range.
    """
    if math.isnan(low) or math.isnan(high):
        raise MetricError(f"{name}: has NaN; find where it comes from, no score can be given to it")
    if low < 0 or high > 1:
        raise MetricError(
            f"{name}: expected values in [0, 1], got {low:.9g} to {high:.9g}; clamp them, or divide by the largest "
            "value of the bit depth"
        )


def require_something(name: str, values: int, windows: int | None) -> None:
    """Refuse a mask that leaves nothing to measure.

    Args:
        name: what the caller knows the mask as.
        values: number of valid values.
        windows: number of wholly valid windows, None where SSIM is not asked for.

    Raises:
        MetricError: one of them is 0.
    """
    if values == 0:
        raise MetricError(f"{name}: leaves no valid pixel, so there is nothing to measure; leave this pair out")
    if windows == 0:
        raise MetricError(
            f"{name}: leaves no {WINDOW} x {WINDOW} window wholly valid, so SSIM is not defined; leave this pair "
            "out, or use psnr() and mae() alone"
        )
