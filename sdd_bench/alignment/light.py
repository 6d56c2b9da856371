"""Light behind the code values of a picture: blur adds light, not code values."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Float = TypeVar("Float", bound=np.floating[Any])

# Weights of linear red, green and blue in the luminance Y (IEC 61966-2-1).
_LUMINANCE = (0.2126, 0.7152, 0.0722)


def srgb_to_linear(encoded: NDArray[Float]) -> NDArray[Float]:
    """Light from sRGB code values, both in [0, 1] (IEC 61966-2-1).

    Args:
        encoded: any shape, float32 or float64; the result has its dtype.
    """
    curve = ((np.maximum(encoded, 0) + 0.055) / 1.055) ** 2.4
    return np.where(encoded <= 0.04045, encoded / 12.92, curve).astype(encoded.dtype)


def linear_to_srgb(linear: NDArray[Float]) -> NDArray[Float]:
    """SRGB code values from light, both in [0, 1] (IEC 61966-2-1).

    Args:
        linear: any shape, float32 or float64; the result has its dtype.
    """
    curve = 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, linear * 12.92, curve).astype(linear.dtype)


def luminance(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Linear light of an sRGB picture, weighted as the eye does.

    Args:
        image: H x W x 3 float32, sRGB code values in [0, 1].

    Returns:
        H x W float32, luminance in [0, 1].
    """
    return np.asarray(srgb_to_linear(image) @ np.array(_LUMINANCE, np.float32))
