"""What a prediction writes: pictures, defocus maps and their previews, all PNG; marked where weights were random."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.errors import PredictionError
from sdd_bench.io.opencv_codec import encode_by_opencv
from sdd_bench.io.png import encode
from sdd_bench.io.samples import to_samples

MAP_SCALE = 256  # stored value of a radius of one pixel: 16 bits hold 0 to 255.996 px in steps of 0.004 px
RANDOM_MARK = b"tEXtWarning\0sdd-bench: made with random weights, by no trained network"
_AFTER_HEADER = 33  # bytes of a PNG file: signature and IHDR


def picture_file(image: NDArray[np.float32], bit_depth: Literal[8, 16], *, random: bool) -> bytes:
    """A picture as a PNG file.

    Args:
        image: H x W x 3 RGB in [0, 1].
        bit_depth: bits per sample.
        random: mark it as made with random weights.
    """
    return _marked(encode(to_samples(image, bit_depth)), random)


def map_file(radius: NDArray[np.float32], *, random: bool) -> bytes:
    """A defocus map as a PNG file of one channel of 16 bits: the radius times `MAP_SCALE`.

    Args:
        radius: H x W, pixels; what is below 0 is stored as 0.
        random: as of `picture_file`.

    Raises:
        PredictionError: a radius is too large for the file.
    """
    scaled = np.rint(radius * MAP_SCALE)
    if scaled.max() > np.iinfo(np.uint16).max:
        raise PredictionError(
            f"the defocus map reaches a radius of {radius.max():.0f} pixels; its file holds "
            f"{np.iinfo(np.uint16).max / MAP_SCALE:.0f} at most."
        )
    _, data = cv2.imencode(".png", np.maximum(scaled, 0).astype(np.uint16))
    return _marked(data.tobytes(), random)


def preview_file(radius: NDArray[np.float32], *, random: bool) -> bytes:
    """A defocus map in colours (viridis), from 0 in violet to its own largest radius in yellow, as a PNG file."""
    top = max(float(radius.max()), 1 / MAP_SCALE)
    gray = np.rint(np.clip(radius / top, 0, 1) * 255).astype(np.uint8)
    rgb = cv2.cvtColor(cv2.applyColorMap(gray, cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB)
    return _marked(encode_by_opencv(".png", rgb.astype(np.uint8), ()), random)


def is_marked_random(path: Path) -> bool:
    """Whether a file says that it was made with random weights.

    Raises:
        OSError: it can't be read.
    """
    with path.open("rb") as file:
        return RANDOM_MARK in file.read(_AFTER_HEADER + len(RANDOM_MARK) + 4)


def _marked(png: bytes, random: bool) -> bytes:
    if not random:
        return png
    length, checksum = (number.to_bytes(4, "big") for number in (len(RANDOM_MARK) - 4, zlib.crc32(RANDOM_MARK)))
    return png[:_AFTER_HEADER] + length + RANDOM_MARK + checksum + png[_AFTER_HEADER:]
