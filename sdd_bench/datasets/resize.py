"""Reducing images by area averaging, and which reductions are allowed."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt


def resize_problem(size: tuple[int, int], target: tuple[int, int]) -> str | None:
    """Say why an image can't be reduced to a target size.

    Enlarging is refused, and so is a change of the aspect ratio beyond what rounding to whole pixels needs (1 pixel).

    Args:
        size: (width, height) of the image, pixels.
        target: (width, height) wanted.

    Returns:
        What is wrong, or None.
    """
    (width, height), (target_width, target_height) = size, target
    named = f"{width} x {height} to {target_width} x {target_height}"
    if target_width > width or target_height > height:
        return f"{named} would enlarge it"
    # The target must be the exact reduction by one side's factor, with the other side rounded either way.
    by_width = abs(height * target_width - target_height * width) < width
    by_height = abs(width * target_height - target_width * height) < height
    if not by_width and not by_height:
        return f"{named} would change its aspect ratio ({width / height:.4f} to {target_width / target_height:.4f})"
    return None


def resize_area(image: npt.NDArray[np.float32], target: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Reduce an image: each new pixel is the mean of the area it covers, as a coarser sensor would see it.

    Args:
        image: H x W x 3, float32.
        target: (width, height), pixels.

    Returns:
        target height x target width x 3, float32; the image itself where it has that size already.
    """
    if (image.shape[1], image.shape[0]) == target:
        return image
    return np.asarray(cv2.resize(image, target, interpolation=cv2.INTER_AREA), np.float32)
