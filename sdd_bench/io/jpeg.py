"""JPEG: its structure checked by hand, its pixels decoded by OpenCV.

OpenCV and Pillow use the same library with the same settings: their pixels are equal, to the bit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, BinaryIO

from numpy.typing import NDArray

from sdd_bench.errors import ImageError
from sdd_bench.io.headers import Color, ImageInfo, check_size, damaged, truncated
from sdd_bench.io.opencv_codec import decode_by_opencv
from sdd_bench.io.orientation import exif_orientation, oriented_size

# ITU-T T.81, table B.1.
_START_OF_SCAN, _END, _APP1 = 0xDA, 0xD9, 0xE1
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_COMMON_FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended and progressive, with Huffman coding
_MARKER = re.compile(rb"\xff+([^\x00\xff])")
# In a scan, 00 after FF is a data byte and D0 to D7 are restart points.
_MARKER_IN_SCAN = re.compile(rb"\xff+([^\x00\xd0-\xd7\xff])")
_EXIF = b"Exif\0\0"
_COLORS: dict[int, Color] = {1: "gray", 3: "rgb"}


@dataclass(frozen=True)
class JpegHeader:
    """What the structure of a JPEG file says.

    Attributes:
        info: the picture.
    """

    info: ImageInfo


def read_header(file: BinaryIO) -> JpegHeader:
    """Walk over all markers of a JPEG file without decoding pixels.

    What follows the end mark (previews, maker data) is not looked at.

    Args:
        file: open, with the JPEG signature.

    Raises:
        ImageError: truncated, damaged, too large, or of a kind that isn't supported.
    """
    file.seek(0)
    data = file.read()
    position, in_scan, frame, exif = 2, False, b"", b""
    while True:
        found = _MARKER_IN_SCAN.search(data, position) if in_scan else _MARKER.match(data, position)
        if found is None:
            if not in_scan and data[position : position + 1].strip(b"\xff"):
                raise damaged(f"no marker begins at byte {position}")
            raise truncated("its pixel data: the end mark is missing" if in_scan else "its header")
        marker, position = found[1][0], found.end()
        if marker == _END:
            break
        size = int.from_bytes(data[position : position + 2], "big")
        body = data[position + 2 : position + size]
        if size < 2 or len(body) != size - 2:
            raise truncated(f"a segment at byte {position}")
        position += size
        in_scan = marker == _START_OF_SCAN
        if marker in _FRAMES:
            if marker not in _COMMON_FRAMES:
                raise ImageError(f"is a JPEG of a rare kind (SOF{marker - 0xC0}). Convert it to PNG.")
            frame = body
        elif marker == _APP1 and body.startswith(_EXIF) and not exif:
            exif = body[len(_EXIF) :]
    return JpegHeader(_info(frame, exif))


def decode(data: bytes, header: JpegHeader) -> NDArray[Any]:
    """Decode the pixels of a JPEG file.

    Args:
        data: the file.
        header: what `read_header` made of it.

    Returns:
        H x W x 1 or 3 (RGB), as stored, uint8.

    Raises:
        ImageError: the pixel data is damaged. JPEG has no checksums: wrong bytes that still decode can't be noticed.
    """
    return decode_by_opencv(data)


def _info(frame: bytes, exif: bytes) -> ImageInfo:
    if len(frame) < 6:
        raise damaged("it has no frame header")
    depth, components = frame[0], frame[5]
    height, width = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")
    if components == 4:
        raise ImageError("is a CMYK picture. Convert it to RGB with its colour profile first.")
    if components not in _COLORS or depth != 8:
        raise ImageError(f"is a JPEG with {components} components of {depth} bits. Convert it to an 8-bit RGB picture.")
    check_size(width, height)
    orientation = exif_orientation(exif) if exif else 1
    width, height = oriented_size(width, height, orientation)
    return ImageInfo(width, height, 8, "jpeg", _COLORS[components], orientation=orientation)
