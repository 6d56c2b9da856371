"""How noisy a picture is, from its own pixels."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]

# What one disc per place can't explain, occlusion at depth edges above all, acts as noise of this size in linear light:
# the deconvolutions that fit a prior to the noise gain most on rendered scenes if this is added to it in squares.
MODEL_ERROR = 0.006

# Second differences along both axes (Immerkaer 1996): blind to planes, gain 6 for white noise.
_MASK = np.outer([1, -2, 1], [1, -2, 1]).astype(np.float32)
_GAIN = 6.0
_BLOCK = 32
_NORMAL = 0.6745  # median of the absolute value of a standard normal variable


def noise_level(picture: Image) -> float:
    """Standard deviation of white noise, from the smoothest tenth of a picture's blocks.

    In every block of 32 x 32 pixels the noise is the median of the absolute second differences (Immerkaer, CVIU 1996,
    with a median for the mean), scaled to a standard deviation. Detail adds to it, so the tenth percentile over the
    blocks counts; blocks that touch black or white are left out, where clipping hides the noise.

    Args:
        picture: C x H x W float32 in [0, 1].

    Returns:
        In the unit of the picture; 0 if every block is clipped or the picture is smaller than a block.
    """
    levels = []
    for channel in picture:
        response = np.abs(cv2.filter2D(channel, -1, _MASK, borderType=cv2.BORDER_REFLECT_101))
        blocks, values = _blocks(response), _blocks(channel)
        open_ones = (values.min(1) > 0) & (values.max(1) < 1) if len(values) else np.zeros(0, bool)
        levels.append(np.median(blocks[open_ones], 1) / (_GAIN * _NORMAL))
    every = np.concatenate(levels)
    return float(np.percentile(every, 10)) if len(every) else 0.0


def _blocks(picture: Image) -> Image:
    rows, columns = (n // _BLOCK for n in picture.shape)
    cut = picture[: rows * _BLOCK, : columns * _BLOCK]
    return np.asarray(cut.reshape(rows, _BLOCK, columns, _BLOCK).swapaxes(1, 2).reshape(-1, _BLOCK * _BLOCK))
