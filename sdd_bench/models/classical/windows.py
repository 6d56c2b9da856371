"""Guided filtering of sparse values: in every window, a map is a linear function of the picture's colour.

In every square window, value = a . colour + b is fitted by least squares with a small penalty on a; the fits of all
windows around a pixel are averaged (He, Sun and Tang, PAMI 2013). Windows are cut off at the picture's border.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Windows:
    """Weighted statistics of the colours in the window around every pixel.

    Attributes:
        guide: H x W x 3, the picture.
        weight: H x W, how much every pixel counts in the fits.
        radius: windows are 2 radius + 1 pixels wide.
        total: H x W, sum of the weights in the window.
        mean: H x W x 3, mean colour.
        inverse: H x W x 3 x 3, inverse of the colours' covariance with the penalty added to its diagonal.
    """

    guide: Array
    weight: Array
    radius: int
    total: Array
    mean: Array
    inverse: Array


def windows(guide: Array, weight: Array, radius: int, penalty: Array | float) -> Windows:
    """Gather the statistics.

    Args:
        guide: H x W x 3 float64, the picture.
        weight: H x W, not negative.
        radius: of the windows, pixels.
        penalty: added to the variances: on |a|^2, per pixel of the window; a number, or H x W.
    """
    total = box_sum(weight, radius)
    safe = np.maximum(total, 1e-12)[..., None]
    mean = box_sum(weight[..., None] * guide, radius) / safe
    products = guide[..., :, None] * guide[..., None, :]
    moments = box_sum(weight[..., None] * products.reshape(*weight.shape, 9), radius) / safe
    covariance = moments.reshape(products.shape) - mean[..., :, None] * mean[..., None, :]
    covariance += np.broadcast_to(penalty, weight.shape)[..., None, None] * np.eye(3)
    return Windows(guide, weight, radius, total, mean, np.asarray(np.linalg.inv(covariance)))


def fit(stats: Windows, values: Array) -> tuple[Array, Array]:
    """Slope a (H x W x 3) and offset b (H x W) of the window around every pixel; 0 where nothing in it has a weight.

    Args:
        stats: of the windows.
        values: H x W, what is fitted.
    """
    safe = np.maximum(stats.total, 1e-12)
    weighted = stats.weight * values
    sums = box_sum(np.concatenate([weighted[..., None], weighted[..., None] * stats.guide], -1), stats.radius)
    mean = sums[..., 0] / safe
    covariance = sums[..., 1:] / safe[..., None] - mean[..., None] * stats.mean
    slope = np.einsum("hwij,hwj->hwi", stats.inverse, covariance)
    return slope, mean - (slope * stats.mean).sum(-1)


def guided(stats: Windows, values: Array) -> tuple[Array, Array]:
    """The guided filter of sparse values: the fits of all windows around a pixel, averaged by their weights.

    Args:
        stats: of the windows; the weight of a pixel without value is 0.
        values: H x W.

    Returns:
        The map, H x W, and the weight behind every pixel of it, H x W; the map is 0 where that is 0.
    """
    slope, offset = fit(stats, values)
    evidence = box_sum(stats.total, stats.radius)
    sums = box_sum(stats.total[..., None] * np.concatenate([slope, offset[..., None]], -1), stats.radius)
    found = (sums[..., :3] * stats.guide).sum(-1) + sums[..., 3]
    return np.where(evidence > 1e-9, found / np.maximum(evidence, 1e-12), 0.0), evidence


def box_sum(values: Array, radius: int) -> Array:
    """Sum over the window around every pixel, cut off at the border.

    Args:
        values: H x W or H x W x C.
        radius: of the windows, pixels.
    """
    side = (2 * radius + 1, 2 * radius + 1)
    planes = np.moveaxis(values, -1, 0) if values.ndim == 3 else values[None]
    sums = [
        cv2.boxFilter(np.ascontiguousarray(plane), -1, side, normalize=False, borderType=cv2.BORDER_CONSTANT)
        for plane in planes
    ]
    return np.stack(sums, -1) if values.ndim == 3 else np.asarray(sums[0])
