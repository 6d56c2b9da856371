"""The EXIF orientation: found in a file's metadata, applied to its pixels."""

from __future__ import annotations

import struct
from typing import Any

from numpy.typing import NDArray

from sdd_bench.errors import ImageError

ORIENTATION_TAG = 274  # EXIF 2.32, table 4
_SIDEWAYS = (5, 6, 7, 8)
_BYTE_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}  # EXIF 2.32, section 4.5.2
_INTEGERS = {3: "H", 4: "I"}  # SHORT and LONG


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
    # A directory of twelve-byte entries; reading the one that matters by hand is shorter than guarding a library that
    # reads them all, and whose answer to damage elsewhere differs between its versions.
    try:
        order = _BYTE_ORDERS[exif[:4]]
        (start,) = struct.unpack_from(f"{order}I", exif, 4)
        (entries,) = struct.unpack_from(f"{order}H", exif, start)
        for place in range(start + 2, start + 2 + 12 * entries, 12):
            tag, kind, values, field = struct.unpack_from(f"{order}HHI4s", exif, place)
            if tag == ORIENTATION_TAG:
                if values != 1 or kind not in _INTEGERS:
                    raise ValueError(f"tag {ORIENTATION_TAG} holds {values} values of type {kind}")
                (value,) = struct.unpack_from(order + _INTEGERS[kind], field)
                return known_orientation(value)
    except (KeyError, ValueError, struct.error) as error:
        raise ImageError(f"has damaged EXIF metadata, so its orientation is unknown: {error}.") from error
    return 1


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
