"""The pixel data of a TIFF file: blocks (strips or tiles), each compressed by itself.

Decoded here rather than by OpenCV or Pillow: OpenCV's TIFF reader returns damaged pixels without an error, drops the
alpha of gray pictures and reads one of three 16-bit planes; Pillow reduces 16-bit RGB to 8 bits. Both apply the
orientation by rules of their own. Of the compressions, only Deflate has a checksum that notices all damage.
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import TiffImagePlugin

from sdd_bench.io.headers import damaged

UNCOMPRESSED, LZW, DEFLATE, OLD_DEFLATE, PACKBITS = 1, 5, 8, 32946, 32773
_PREDICTABLE = (LZW, DEFLATE, OLD_DEFLATE)  # TIFF 6.0, section 14, and the Deflate supplement


@dataclass(frozen=True)
class BlockLayout:
    """Where the pixels of a TIFF file are.

    Attributes:
        width: of the picture as stored, in pixels.
        height: likewise.
        block_width: of every block; the rightmost may reach beyond the picture.
        block_height: likewise downwards; strips, unlike tiles, end with the picture.
        tiled: whether the blocks are tiles.
        channels: of the picture.
        planes: 1, or `channels` if each channel has blocks of its own.
        bits: per sample: 1, 8 or 16.
        order: byte order as `struct` writes it.
        compression: one of the constants above.
        predicted: whether each row holds horizontal differences.
        extents: offset and length in bytes of every block: left to right, then downwards, then plane by plane.
    """

    width: int
    height: int
    block_width: int
    block_height: int
    tiled: bool
    channels: int
    planes: int
    bits: int
    order: Literal["<", ">"]
    compression: int
    predicted: bool
    extents: tuple[tuple[int, int], ...]

    @property
    def columns(self) -> int:
        """Number of blocks side by side."""
        return -(-self.width // self.block_width)

    @property
    def rows(self) -> int:
        """Number of blocks one above the other."""
        return -(-self.height // self.block_height)

    def rows_in_block(self, row: int) -> int:
        """Tell how many rows of pixels a block of the given row of blocks stores."""
        return self.block_height if self.tiled else min(self.block_height, self.height - row * self.block_height)

    def bytes_per_block_row(self) -> int:
        """Tell how many bytes one row of pixels of a block takes."""
        return (self.block_width * self.channels // self.planes * self.bits + 7) // 8


def read_blocks(data: bytes, layout: BlockLayout) -> NDArray[Any]:
    """Decode all blocks of a file.

    Args:
        data: the file.
        layout: where its blocks are.

    Returns:
        H x W x channels as stored; uint16, or uint8 (in which single bits are 0 and 1).

    Raises:
        ImageError: a block is damaged.
    """
    pixels = np.empty((layout.height, layout.width, layout.channels), np.uint16 if layout.bits == 16 else np.uint8)
    view = memoryview(data)
    for number, (offset, size) in enumerate(layout.extents):
        plane, place = divmod(number, layout.rows * layout.columns)
        row, column = divmod(place, layout.columns)
        block = _samples(view[offset : offset + size], layout, layout.rows_in_block(row))
        top, left = row * layout.block_height, column * layout.block_width
        channels = slice(None) if layout.planes == 1 else slice(plane, plane + 1)
        target = pixels[top : top + layout.block_height, left : left + layout.block_width, channels]
        target[...] = block[: target.shape[0], : target.shape[1]]
    return pixels


def _samples(stored: memoryview, layout: BlockLayout, rows: int) -> NDArray[Any]:
    raw = _decompressed(stored, layout.compression, rows * layout.bytes_per_block_row())
    if layout.bits == 1:
        bits = np.unpackbits(np.frombuffer(raw, np.uint8).reshape(rows, -1), axis=1)
        return bits[:, : layout.block_width, np.newaxis]
    dtype = np.dtype(f"{layout.order}u{layout.bits // 8}")
    samples = np.frombuffer(raw, dtype).reshape(rows, layout.block_width, layout.channels // layout.planes)
    if layout.predicted and layout.compression in _PREDICTABLE:
        return np.cumsum(samples, axis=1, dtype=dtype.newbyteorder("="))  # modulo 2^bits, as the differences were
    return samples


def _decompressed(stored: memoryview, compression: int, needed: int) -> bytes | memoryview:
    if compression == UNCOMPRESSED:
        raw: bytes | memoryview = stored[:needed]
    elif compression in (DEFLATE, OLD_DEFLATE):
        decoder = zlib.decompressobj()
        try:
            # One byte more than needed makes zlib go on to its checksum; more than that no block may claim.
            raw = decoder.decompress(stored, needed + 1)
        except zlib.error as error:
            raise damaged(f"a block of its pixels can't be decoded ({error})") from error
        if len(raw) == needed and not decoder.eof:
            raise damaged("a block of its pixels has no end")
    else:
        raw = _decompressed_by_libtiff(stored, compression, needed)
    if len(raw) < needed:
        raise damaged(f"a block of its pixels has {len(raw):,} of {needed:,} bytes")
    return raw[:needed]


def _decompressed_by_libtiff(stored: memoryview, compression: int, needed: int) -> bytes:
    # For Pillow's libtiff a block is a gray picture of one row, so that nothing but the compression matters.
    tags = {256: needed, 257: 1, 258: 8, 259: compression, 262: 1, 273: 8, 277: 1, 278: 1, 279: len(stored)}
    directory = struct.pack("<H", len(tags))
    directory += b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items()) + bytes(4)
    padding = bytes(len(stored) % 2)  # the directory begins at an even offset
    start = struct.pack("<4sI", b"II*\0", 8 + len(stored) + len(padding))
    try:
        # The plugin itself rather than Image.open: no other format can take over.
        picture = TiffImagePlugin.TiffImageFile(io.BytesIO(b"".join([start, stored, padding, directory])))
        return picture.tobytes()
    except OSError as error:
        raise damaged(f"a block of its pixels can't be decoded ({error})") from error
