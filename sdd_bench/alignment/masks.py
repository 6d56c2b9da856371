"""Which pixels a flow can be trusted for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sdd_bench.alignment.warp import warp


def inside(flow: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Pixels whose place in the other picture, x + F(x), lies within it.

    Args:
        flow: H x W x 2, pixels.

    Returns:
        H x W bool.
    """
    height, width = flow.shape[:2]
    # Compared with the flow's own bounds per pixel: adding x first would round F away at large x in float32.
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    horizontal = (flow[..., 0] >= -x) & (flow[..., 0] <= width - 1 - x)
    vertical = (flow[..., 1] >= -y) & (flow[..., 1] <= height - 1 - y)
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
