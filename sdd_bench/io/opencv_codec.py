"""OpenCV as a codec from bytes to RGB and back, so that neither file names nor its BGR order reach anything else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.errors import ImageError
from sdd_bench.io.headers import damaged

_TO_RGB = {3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGBA}


def decode_by_opencv(data: bytes) -> NDArray[Any]:
    """Decode a file's bytes with their own depth and channels, ignoring any orientation.

    Args:
        data: the file.

    Returns:
        H x W x 1, 3 (RGB) or 4 (RGBA), the file's integer type.

    Raises:
        ImageError: OpenCV refuses the data.
    """
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        # OpenCV has limits of its own: a million pixels per side, and what the user has set.
        raise ImageError(
            f"can't be decoded by OpenCV ({error.err}). If OPENCV_IO_MAX_IMAGE_PIXELS, _WIDTH or _HEIGHT is set in the "
            "environment, unset it."
        ) from error
    if pixels is None:
        raise damaged("its pixel data can't be decoded")
    if pixels.ndim == 2:
        return pixels[:, :, np.newaxis]
    return cv2.cvtColor(pixels, _TO_RGB[pixels.shape[2]])


def encode_by_opencv(suffix: str, samples: NDArray[np.uint8] | NDArray[np.uint16], parameters: Sequence[int]) -> bytes:
    """Encode RGB samples as a file of the given suffix.

    Args:
        suffix: with its dot; names the format.
        samples: H x W x 3.
        parameters: OpenCV's flat list of (parameter, value).

    Raises:
        ImageError: OpenCV can't write this picture.
    """
    try:
        _, data = cv2.imencode(suffix, cv2.cvtColor(samples, cv2.COLOR_RGB2BGR), list(parameters))
    except cv2.error as error:
        raise ImageError(f"can't be encoded by OpenCV: {error}") from error
    return data.tobytes()
