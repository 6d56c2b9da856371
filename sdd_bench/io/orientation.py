"""The EXIF orientation: found in a file's metadata, applied to its pixels."""

from __future__ import annotations

import struct
import threading
import warnings
from typing import Any

from numpy.typing import NDArray
from PIL import Image

from sdd_bench.errors import ImageError

ORIENTATION_TAG = 274  # EXIF 2.32, table 4
_SIDEWAYS = (5, 6, 7, 8)
# The directory ends too early, a tag's data does (which ends Pillow's reading), or it is the orientation's own.
_WORRYING = rf"Corrupt EXIF|Truncated File Read|.*Skipping tag {ORIENTATION_TAG}\b"
_PILLOW = r"PIL\.TiffImagePlugin"

_one_at_a_time = threading.Lock()  # what to do about warnings is the whole process's


def exif_orientation(exif: bytes) -> int:
    """Read the orientation from an EXIF block.

    Args:
        exif: the block from its TIFF header (``II*`` or ``MM*``) on.

    Returns:
        1 to 8; 1 (upright) where the block states none. EXIF knows no other values; the 0 that some cameras write means
        that the camera didn't know.

    Raises:
        ImageError: the block is damaged, so that the orientation can't be known.
    """
    directory = Image.Exif()
    try:
        with _one_at_a_time, warnings.catch_warnings():
            # Pillow warns of damage and goes on without the damaged part. Only what may be the orientation matters.
            warnings.filterwarnings("ignore", module=_PILLOW)
            warnings.filterwarnings("error", _WORRYING, module=_PILLOW)
            # Some writers leave out what ends a directory: four zeros.
            directory.load(exif + bytes(4))
            return known_orientation(directory.get(ORIENTATION_TAG, 1))
    except (SyntaxError, struct.error, UserWarning, ValueError) as error:
        raise ImageError(f"has damaged EXIF metadata, so its orientation is unknown: {error}.") from error


def known_orientation(value: object) -> int:
    """Take the orientation from the value of its tag.

    Args:
        value: as stored.

    Returns:
        1 to 8; 1 (upright) for numbers that have no meaning.

    Raises:
        ValueError: it is no whole number.
    """
    if not isinstance(value, int):
        raise ValueError(f"tag {ORIENTATION_TAG} is {value!r} where a whole number belongs")
    return int(value) if 1 <= value <= 8 else 1


def oriented_size(width: int, height: int, orientation: int) -> tuple[int, int]:
    """Give the upright width and height of a picture stored with these sides and this orientation."""
    return (height, width) if orientation in _SIDEWAYS else (width, height)


def upright(image: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn a stored picture upright.

    Args:
        image: H x W x C as stored.
        orientation: 1 to 8. EXIF 2.32, tag 274, says on which side of the upright picture the stored row 0 and column 0
            lie: 1 top left, 2 top right, 3 bottom right, 4 bottom left, 5 left top, 6 right top, 7 right bottom, 8 left
            bottom.

    Returns:
        The upright picture, H x W x C or W x H x C, a view where that is possible.
    """
    if orientation in _SIDEWAYS:
        image = image.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return image
