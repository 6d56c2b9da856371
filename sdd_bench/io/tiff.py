"""TIFF: read by tifffile; what of the many kinds of TIFF is taken for a picture is decided here.

tifffile knows the tags, where each block (strip or tile) belongs and how samples are packed. What a block is compressed
with is undone here: tifffile would need imagecodecs for LZW, sets no limit to what Deflate may unfold to and takes a
block without data for black. OpenCV returns damaged pixels without an error and reads one of three 16-bit planes;
Pillow reduces 16-bit RGB to 8 bits. Of the compressions, only Deflate has a checksum that notices all damage.
"""

from __future__ import annotations

import io
import logging
import math
import operator
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import TiffImagePlugin

from sdd_bench.errors import ImageError
from sdd_bench.io.headers import Color, ImageInfo, check_size, damaged, file_size, read_exactly, truncated
from sdd_bench.io.opencv_codec import encode_by_opencv
from sdd_bench.io.orientation import ORIENTATION_TAG, known_orientation, oriented_size

if TYPE_CHECKING:
    from tifffile import TiffPage

# TIFF 6.0, appendix A.
_PHOTOMETRIC, _STRIP_OFFSETS, _STRIP_BYTES, _TILE_OFFSETS, _TILE_BYTES = 262, 273, 279, 324, 325
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK = 0, 1, 2, 3, 5
_UNCOMPRESSED, _LZW, _DEFLATE, _OLD_DEFLATE, _PACKBITS = 1, 5, 8, 32946, 32773
_BYTE_ORDERS: dict[str, Literal["little", "big"]] = {"<": "little", ">": "big"}
_NO_PREDICTOR, _HORIZONTAL_DIFFERENCES = 1, 2
_UNPREDICTABLE = (_UNCOMPRESSED, _PACKBITS)  # TIFF 6.0, section 14, and the Deflate supplement name the others

_COMPRESSIONS = {
    _UNCOMPRESSED: "none",
    _LZW: "LZW",
    _DEFLATE: "Deflate",
    _OLD_DEFLATE: "Deflate",
    _PACKBITS: "PackBits",
}
_COLORS: dict[int, Color] = {_WHITE_IS_ZERO: "gray", _BLACK_IS_ZERO: "gray", _RGB: "rgb", _PALETTE: "palette"}
# Channels and bits of each colour kind.
_SUPPORTED = {
    "gray": {(1, 1), (1, 8), (1, 16), (2, 8), (2, 16)},
    "rgb": {(3, 8), (3, 16), (4, 8), (4, 16)},
    "palette": {(1, 8)},
}

# Deflate with differences: every reader knows it, and LZW (OpenCV's default) makes 16-bit photographs larger than no
# compression.
_WRITING = (cv2.IMWRITE_TIFF_COMPRESSION, _DEFLATE, cv2.IMWRITE_TIFF_PREDICTOR, _HORIZONTAL_DIFFERENCES)

# tifffile logs what is odd about a file. What matters is an ImageError here; only our own reading is kept quiet.
_reading = ContextVar("_reading", default=False)
logging.getLogger("tifffile").addFilter(lambda _: not _reading.get())


@dataclass(frozen=True)
class TiffHeader:
    """What the tags of a TIFF file say.

    Attributes:
        info: the picture.
    """

    info: ImageInfo


def read_header(file: BinaryIO) -> TiffHeader:
    """Read the tags of a TIFF file and check that all of its pixel data is there.

    Args:
        file: open, with the TIFF signature.

    Raises:
        ImageError: truncated, damaged, too large, of several pages, or of a kind that isn't supported.
    """
    with _first_page(file) as page:
        _check_tags(page, file)
        width, height = operator.index(page.imagewidth), operator.index(page.imagelength)
        check_size(width, height)
        color = _color(page)
        _check_blocks(page, file_size(file))
        orientation = known_orientation(page.tags.valueof(ORIENTATION_TAG, 1))
        width, height = oriented_size(width, height, orientation)
        info = ImageInfo(
            width=width,
            height=height,
            bit_depth=16 if page.bitspersample == 16 else 8,
            format="tiff",
            color=color,
            has_alpha=page.samplesperpixel in (2, 4),
            orientation=orientation,
        )
    return TiffHeader(info)


def decode(data: bytes, header: TiffHeader) -> NDArray[Any]:
    """Decode the pixels of a TIFF file.

    Args:
        data: the file.
        header: what `read_header` made of it.

    Returns:
        H x W x 1, 2 (gray and alpha), 3 (RGB) or 4 (RGB and alpha), as stored, uint8 or uint16; palette and 1-bit gray
        expanded to the full range, white always the highest value.

    Raises:
        ImageError: the pixel data is damaged.
    """
    with _first_page(io.BytesIO(data)) as page:
        pixels = _read_blocks(memoryview(data), page)
        if header.info.color == "palette":
            colors: NDArray[np.uint8] = _palette(page)[pixels[:, :, 0]]
            return colors
        if page.bitspersample == 1:
            pixels *= 255
        if page.photometric == _WHITE_IS_ZERO:
            pixels[:, :, 0] = np.iinfo(pixels.dtype).max - pixels[:, :, 0]
        return pixels


def encode(samples: NDArray[np.uint8] | NDArray[np.uint16]) -> bytes:
    """Encode RGB samples, H x W x 3, as a TIFF file: the same samples always give the same bytes.

    Raises:
        ImageError: OpenCV can't write this size.
    """
    return encode_by_opencv(".tif", samples, _WRITING)


@contextmanager
def _first_page(file: BinaryIO) -> Iterator[TiffPage]:
    from tifffile import TiffFile  # takes 0.3 s

    token = _reading.set(True)
    try:
        with TiffFile(file, name="picture.tif", offset=0) as tiff:
            yield tiff.pages.first
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # what the libraries meet in a damaged file is of no particular class
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's or the network's, not the content's
        raise damaged(f"it can't be decoded ({error})") from error
    finally:
        _reading.reset(token)


def _color(page: TiffPage) -> Color:
    photometric, channels, bits = int(page.tags.valueof(_PHOTOMETRIC, -1)), page.samplesperpixel, page.bitspersample
    if photometric == _CMYK:
        raise ImageError("is a CMYK picture. Convert it to RGB with its colour profile first.")
    if page.compression not in _COMPRESSIONS:
        known = ", ".join(dict.fromkeys(_COMPRESSIONS.values()))
        kind = int(page.compression)
        raise ImageError(f"is a TIFF with compression {kind}; supported are {known}. Save it with one of these.")
    if page.sampleformat != 1:
        raise ImageError("is a TIFF with signed or floating-point samples. Save it with 16-bit integers or as .npy.")
    if page.fillorder != 1:
        raise ImageError("is a TIFF with reversed bits in its bytes. Save it as RGB with 8 or 16 bits.")
    if page.predictor not in (_NO_PREDICTOR, _HORIZONTAL_DIFFERENCES):
        raise ImageError(
            f"is a TIFF with predictor {page.predictor:d}. Save it with horizontal differences (2) or none."
        )
    color = _COLORS.get(photometric)
    if color is None or (channels, bits) not in _SUPPORTED[color] or (page.imagedepth, page.tiledepth) != (1, 1):
        raise ImageError(
            f"is a TIFF of colour kind {photometric} with {channels} channels of {bits} bits, which isn't supported. "
            "Save it as RGB with 8 or 16 bits."
        )
    return color


def _check_tags(page: TiffPage, file: BinaryIO) -> None:
    # Read here, for tifffile passes over what it can't read: tags and pages beyond the end of a truncated file.
    stated = int.from_bytes(read_exactly(file, page.offset, 2, "its tags"), _BYTE_ORDERS[page.parent.byteorder])
    if len(page.tags) != stated:
        raise damaged(f"{stated - len(page.tags)} of its {stated} tags can't be read")
    file.seek(page.offset + 2 + 12 * stated)
    if any(file.read(4)):
        raise ImageError("is a TIFF of several pages. Save the wanted page as a picture of its own.")


def _check_blocks(page: TiffPage, size: int) -> None:
    if page.is_tiled:
        check_size(page.tilewidth, page.tilelength)
    kinds = (_TILE_OFFSETS, _TILE_BYTES) if page.is_tiled else (_STRIP_OFFSETS, _STRIP_BYTES)
    counts, expected = {page.tags[kind].count for kind in kinds}, math.prod(page.chunked)
    if counts != {expected} or page.planarconfig not in (1, 2):
        raise damaged(f"it lists {sorted(counts)} blocks of pixels where {expected} belong")
    extents = tuple(zip(page.dataoffsets, page.databytecounts, strict=True))
    if min(map(min, extents)) < 0 or max(map(sum, extents)) > size:
        raise truncated("its pixel data")


def _read_blocks(data: memoryview, page: TiffPage) -> NDArray[Any]:
    compression = page.compression
    # From here on tifffile sees an uncompressed picture of which it gets one block after the other.
    page.compression = _UNCOMPRESSED
    if compression in _UNPREDICTABLE:
        page.predictor = _NO_PREDICTOR
    planes, _, height, width, samples = page.shaped
    pixels = np.empty((planes, height, width, samples), np.uint16 if page.bitspersample == 16 else np.uint8)
    for number, (offset, size) in enumerate(zip(page.dataoffsets, page.databytecounts, strict=True)):
        _, (plane, _, top, left, _), (_, block_height, block_width, _) = page.decode(None, number)
        needed = block_height * ((block_width * samples * page.bitspersample + 7) // 8)
        block = page.decode(_decompressed(data[offset : offset + size], compression, needed), number)[0]
        assert block is not None  # it is only without data
        target = pixels[plane, top : top + block_height, left : left + block_width]
        target[...] = block[0, : target.shape[0], : target.shape[1]]
    return np.moveaxis(pixels, 0, 2).reshape(height, width, planes * samples)


def _decompressed(stored: memoryview, compression: int, needed: int) -> bytes:
    if compression == _UNCOMPRESSED:
        raw = bytes(stored[:needed])
    elif compression in (_DEFLATE, _OLD_DEFLATE):
        decoder = zlib.decompressobj()
        # One byte more than needed makes zlib go on to its checksum; more than that no block may claim.
        raw = decoder.decompress(stored, needed + 1)
        if len(raw) == needed and not decoder.eof:
            raise damaged("a block of its pixels has no end")
    else:
        # For Pillow's libtiff a block is a gray picture of one row, so that nothing but the compression matters.
        directory = TiffImagePlugin.ImageFileDirectory_v2()
        values = (needed, 1, 8, compression, 1, 0, 1, 1, len(stored))
        directory.update(zip((256, 257, 258, 259, 262, 273, 277, 278, 279), values, strict=True))
        file = io.BytesIO()
        directory.save(file)  # which makes the offset (273) of the strip the directory's end
        file.write(stored)
        file.seek(0)
        # The plugin itself rather than Image.open: no other format can take over.
        raw = TiffImagePlugin.TiffImageFile(file).tobytes()
    if len(raw) < needed:
        raise damaged(f"a block of its pixels has {len(raw):,} of {needed:,} bytes")
    return raw[:needed]


def _palette(page: TiffPage) -> NDArray[np.uint8]:
    levels = np.asarray(page.colormap)
    if levels.shape != (3, 256):
        raise damaged(f"its palette has {levels.size} numbers where 768 belong")
    # All levels under 256: written by a program that took the 16-bit levels for 8-bit ones. libtiff sees it so, too.
    return np.asarray((levels >> 8 if levels.max() > 255 else levels).T, np.uint8)
