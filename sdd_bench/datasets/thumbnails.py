"""Small pictures of large ones, for cards and reports."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.io.samples import to_float

_QUALITY = 82


def thumbnail(samples: NDArray[Any], longest: int) -> NDArray[np.uint8]:
    """Reduce a picture by area averaging.

    Args:
        samples: H x W x 3 RGB, uint8, uint16, or float32 in [0, 1].
        longest: pixels of the longer side; a smaller picture keeps its size.

    Returns:
        h x w x 3 RGB, 8 bits.
    """
    height, width = samples.shape[:2]
    scale = min(1.0, longest / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    reduced = cv2.resize(samples, size, interpolation=cv2.INTER_AREA)
    return np.asarray(np.rint(255 * to_float(reduced)), np.uint8)


def jpeg(picture: NDArray[np.uint8]) -> bytes:
    """Encode a small picture, H x W x 3 RGB, as a JPEG file; the same picture gives the same bytes."""
    encoded = cv2.imencode(".jpg", picture[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, _QUALITY))[1]
    return bytes(encoded)
