"""TIFF: its tags (the pixels are in `tiff_blocks`), and what of the many kinds of TIFF is taken for a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.errors import ImageError
from sdd_bench.io.headers import Color, ImageInfo, check_size, damaged, file_size, truncated
from sdd_bench.io.opencv_codec import encode_by_opencv
from sdd_bench.io.orientation import oriented_size, stated_orientation
from sdd_bench.io.tiff_blocks import DEFLATE, LZW, OLD_DEFLATE, PACKBITS, UNCOMPRESSED, BlockLayout, read_blocks
from sdd_bench.io.tiff_tags import TiffTags

# TIFF 6.0, appendix A.
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 256, 257, 258, 259, 262, 266
_STRIP_OFFSETS, _CHANNELS, _ROWS_PER_STRIP, _STRIP_BYTES, _PLANAR = 273, 277, 278, 279, 284
_PREDICTOR, _COLORMAP, _TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_BYTES = 317, 320, 322, 323, 324, 325
_SAMPLE_FORMAT = 339
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK = 0, 1, 2, 3, 5
_NO_PREDICTOR, _HORIZONTAL_DIFFERENCES = 1, 2

_COMPRESSIONS = {UNCOMPRESSED: "none", LZW: "LZW", DEFLATE: "Deflate", OLD_DEFLATE: "Deflate", PACKBITS: "PackBits"}
_COLORS: dict[int, Color] = {_WHITE_IS_ZERO: "gray", _BLACK_IS_ZERO: "gray", _RGB: "rgb", _PALETTE: "palette"}
# Channels and bits of each colour kind.
_SUPPORTED = {
    "gray": {(1, 1), (1, 8), (1, 16), (2, 8), (2, 16)},
    "rgb": {(3, 8), (3, 16), (4, 8), (4, 16)},
    "palette": {(1, 8)},
}

# Deflate with differences: every reader knows it, and LZW (OpenCV's default) makes 16-bit photographs larger than no
# compression.
_WRITING = (
    *(cv2.IMWRITE_TIFF_COMPRESSION, DEFLATE),
    *(cv2.IMWRITE_TIFF_PREDICTOR, _HORIZONTAL_DIFFERENCES),
)


@dataclass(frozen=True)
class TiffHeader:
    """What the tags of a TIFF file say.

    Attributes:
        info: the picture.
        layout: where its pixels are.
        white_is_zero: whether a gray picture is stored as a negative.
        palette: 256 x 3 uint8 if the pixels are places in it.
    """

    info: ImageInfo
    layout: BlockLayout
    white_is_zero: bool
    palette: NDArray[np.uint8] | None


def read_header(file: BinaryIO) -> TiffHeader:
    """Read the tags of a TIFF file and check that all of its pixel data is there.

    Args:
        file: open, with the TIFF signature.

    Raises:
        ImageError: truncated, damaged, too large, of several pages, or of a kind that isn't supported.
    """
    tags = TiffTags.read(file)
    if not tags.is_last:
        raise ImageError("is a TIFF of several pages. Save the wanted page as a picture of its own.")
    check_size(tags.integer(_WIDTH, 0), tags.integer(_HEIGHT, 0))
    color, channels, bits = _kind(tags)
    layout = _layout(tags, channels, bits)
    _check_blocks(layout, file_size(file))
    orientation = stated_orientation(tags)
    width, height = oriented_size(layout.width, layout.height, orientation)
    info = ImageInfo(
        width=width,
        height=height,
        bit_depth=16 if bits == 16 else 8,
        format="tiff",
        color=color,
        has_alpha=channels in (2, 4),
        orientation=orientation,
    )
    return TiffHeader(
        info=info,
        layout=layout,
        white_is_zero=tags.integer(_PHOTOMETRIC, -1) == _WHITE_IS_ZERO,
        palette=_palette(tags) if color == "palette" else None,
    )


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
    pixels = read_blocks(data, header.layout)
    if header.palette is not None:
        colors: NDArray[np.uint8] = header.palette[pixels[:, :, 0]]
        return colors
    if header.layout.bits == 1:
        pixels *= 255
    if header.white_is_zero:
        pixels[:, :, 0] = np.iinfo(pixels.dtype).max - pixels[:, :, 0]
    return pixels


def encode(samples: NDArray[np.uint8] | NDArray[np.uint16]) -> bytes:
    """Encode RGB samples, H x W x 3, as a TIFF file: the same samples always give the same bytes.

    Raises:
        ImageError: OpenCV can't write this size.
    """
    return encode_by_opencv(".tif", samples, _WRITING)


def _kind(tags: TiffTags) -> tuple[Color, int, int]:
    photometric = tags.integer(_PHOTOMETRIC, -1)
    if photometric == _CMYK:
        raise ImageError("is a CMYK picture. Convert it to RGB with its colour profile first.")
    compression = tags.integer(_COMPRESSION, UNCOMPRESSED)
    if compression not in _COMPRESSIONS:
        known = ", ".join(dict.fromkeys(_COMPRESSIONS.values()))
        raise ImageError(f"is a TIFF with compression {compression}; supported are {known}. Save it with one of these.")
    if set(tags.integers(_SAMPLE_FORMAT)) - {1}:
        raise ImageError("is a TIFF with signed or floating-point samples. Save it with 16-bit integers or as .npy.")
    if tags.integer(_FILL_ORDER, 1) != 1:
        raise ImageError("is a TIFF with reversed bits in its bytes. Save it as RGB with 8 or 16 bits.")
    channels, depths = tags.integer(_CHANNELS, 1), sorted(set(tags.integers(_BITS))) or [1]
    color = _COLORS.get(photometric)
    if color is None or len(depths) > 1 or (channels, depths[0]) not in _SUPPORTED[color]:
        raise ImageError(
            f"is a TIFF of colour kind {photometric} with {channels} channels of {depths} bits, which isn't supported. "
            "Save it as RGB with 8 or 16 bits."
        )
    return color, channels, depths[0]


def _layout(tags: TiffTags, channels: int, bits: int) -> BlockLayout:
    width, height = tags.integer(_WIDTH, 0), tags.integer(_HEIGHT, 0)
    tiled = _TILE_OFFSETS in tags.entries
    offsets = tags.integers(_TILE_OFFSETS if tiled else _STRIP_OFFSETS)
    sizes = tags.integers(_TILE_BYTES if tiled else _STRIP_BYTES)
    if len(offsets) != len(sizes):
        raise damaged(f"it lists {len(offsets)} blocks of pixels, but the sizes of {len(sizes)}")
    predictor = tags.integer(_PREDICTOR, _NO_PREDICTOR)
    if predictor not in (_NO_PREDICTOR, _HORIZONTAL_DIFFERENCES):
        raise ImageError(f"is a TIFF with predictor {predictor}. Save it with horizontal differences (2) or none.")
    return BlockLayout(
        width=width,
        height=height,
        block_width=tags.integer(_TILE_WIDTH, 0) if tiled else width,
        block_height=tags.integer(_TILE_HEIGHT, 0) if tiled else min(tags.integer(_ROWS_PER_STRIP, height), height),
        tiled=tiled,
        channels=channels,
        planes=channels if tags.integer(_PLANAR, 1) == 2 else 1,
        bits=bits,
        order=tags.order,
        compression=tags.integer(_COMPRESSION, UNCOMPRESSED),
        predicted=predictor == _HORIZONTAL_DIFFERENCES,
        extents=tuple(zip(offsets, sizes, strict=True)),
    )


def _check_blocks(layout: BlockLayout, size: int) -> None:
    check_size(layout.block_width, layout.block_height)
    expected = layout.columns * layout.rows * layout.planes
    if len(layout.extents) != expected:
        raise damaged(f"it lists {len(layout.extents)} blocks of pixels where {expected} belong")
    if any(offset + length > size for offset, length in layout.extents):
        raise truncated("its pixel data")


def _palette(tags: TiffTags) -> NDArray[np.uint8]:
    levels = np.array(tags.integers(_COLORMAP), np.uint32)
    if levels.size != 3 * 256:
        raise damaged(f"its palette has {levels.size} numbers where 768 belong")
    # All levels under 256: written by a program that took the 16-bit levels for 8-bit ones. libtiff sees it so, too.
    if levels.max() > 255:
        levels >>= 8
    return levels.reshape(3, 256).T.astype(np.uint8)
