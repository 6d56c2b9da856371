"""Which pixels a flow can be trusted for."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.alignment.warp import warp


def inside(flow: NDArray[np.float32], margin: int = 0) -> NDArray[np.bool_]:
    """Pixels whose place in the other picture, x + F(x), lies within it.

    Args:
        flow: H x W x 2, pixels.
        margin: width of the border by which the flow is larger than the pictures on every side; the border of the other
            picture is outside of it.

    Returns:
        H x W bool.
    """
    height, width = flow.shape[:2]
    # Compared with the flow's own bounds per pixel: adding x first would round F away at large x in float32.
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    horizontal = (flow[..., 0] >= margin - x) & (flow[..., 0] <= width - 1 - margin - x)
    vertical = (flow[..., 1] >= margin - y) & (flow[..., 1] <= height - 1 - margin - y)
    return np.asarray(horizontal & vertical)


def forward_backward_error(forward: NDArray[np.float32], backward: NDArray[np.float32]) -> NDArray[np.float32]:
    """How far from its start a pixel ends after going there and back: |F(x) + F'(x + F(x))|.

    Args:
        forward: H x W x 2, flow F from the first picture to the second, pixels.
        backward: H x W x 2, flow F' from the second picture to the first, pixels.

    Returns:
        H x W float32, pixels.
    """
    returned = forward + warp(backward, forward, interpolation="bilinear")
    return np.asarray(np.hypot(returned[..., 0], returned[..., 1]), np.float32)


# Contrast is averaged with this sigma, and a bend looked for this far from a pixel, in pixels: about as far as the
# border of an object can be off.
_CONTRAST_SIGMA = 2.0
_REACH = 2


def contrast(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much a picture changes per pixel of displacement, around each pixel.

    Args:
        picture: H x W x 3 float32.

    Returns:
        H x W float32, in units of the picture per pixel: root of the mean square over the channels.
    """
    energy = np.zeros(picture.shape[:2], np.float32)
    for axis in (0, 1):
        energy += (np.gradient(picture, axis=axis) ** 2).mean(-1)
    return np.asarray(np.sqrt(cv2.GaussianBlur(energy, (0, 0), _CONTRAST_SIGMA)), np.float32)


def bends(flow: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much the flow at a pixel would change if the bends of the flow lay one pixel elsewhere.

    Borders of objects are where flow is least certain: which of two motions a pixel has, and what is hidden behind the
    nearer object, can't be told well, least of all where it is blurred.

    Args:
        flow: H x W x 2, pixels; without zoom and shift, which bend nothing.

    Returns:
        H x W float32, pixels: the largest difference of flow between neighbours near the pixel.
    """
    bend = np.zeros(flow.shape[:2], np.float32)
    for axis in (0, 1):
        difference = np.linalg.norm(np.diff(flow, axis=axis), axis=-1)
        for side in (slice(1, None), slice(None, -1)):
            part = (side, slice(None)) if axis == 0 else (slice(None), side)
            bend[part] = np.maximum(bend[part], difference)
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _REACH + 1, 2 * _REACH + 1))
    return np.asarray(cv2.dilate(bend, around), np.float32)
