"""Windows of one picture as PNG files, for little more than the price of the picture.

Training patches overlap so much that a pixel is in seven of them. PNG's AVG filter looks one pixel left and one up: the
filtered bytes of a window are those of the picture, except in its first row and its first column. And DEFLATE without
matches is the codes of bytes, one after the other. So a picture is filtered and coded once, with one Huffman code, and
a window's file is joined from the bits of its rows.

No library for compression takes part: the bytes come out of integer arithmetic on arrays, and stay the same with every
version of OpenCV and zlib, on every processor. Photographs take about the space that run-length matching (`png.encode`)
gives them; but no sample takes less than a bit, so that flat pictures shrink to an eighth at best.
"""

from __future__ import annotations

import functools
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.io.bit_strings import Offsets, Words, join_bits, pack_rows
from sdd_bench.io.deflate import Block, last_block

Bytes = NDArray[np.uint8]

_SUB, _AVERAGE = 1, 3  # PNG specification, section 9.2
_STRIPE = 1 << 17  # bytes at a time: the intermediates stay in the processor's cache


class Window(NamedTuple):
    """A part of a picture: its top left corner and its size, pixels."""

    x: int
    y: int
    width: int
    height: int


class _Filtered(NamedTuple):
    """The filtered bytes of all windows.

    Above are the picture's rows as they are below the first row of a window, then the rows with which windows begin.
    Left are the picture's columns as they are right of the first pixel of a window, then, for each column with which
    windows begin, its head: the number of the row's filter, and the first pixel.
    """

    symbols: Bytes
    first_rows: dict[int, int]  # by y of a window
    heads: dict[int, int]  # by x of a window
    pixel: int  # bytes of one

    def rows(self, window: Window) -> NDArray[np.intp]:
        rows = np.arange(window.y, window.y + window.height)
        rows[0] = self.first_rows[window.y]
        return rows

    def spans(self, window: Window) -> tuple[tuple[int, int], tuple[int, int]]:
        """From where to where a row's head goes, and the rest of it."""
        head = self.heads[window.x]
        return (head, head + 1 + self.pixel), ((window.x + 1) * self.pixel, (window.x + window.width) * self.pixel)


class _Packed(NamedTuple):
    """The bits of all windows.

    Attributes:
        words: the filtered bytes, coded; then the block's frame.
        offsets: rows x cuts, where in them the byte at each cut begins.
        cuts: place among the cuts, by column.
        block: what the bits are to be put into.
    """

    words: Words
    offsets: Offsets
    cuts: dict[int, int]
    block: Block


def encode_windows(samples: NDArray[np.uint8] | NDArray[np.uint16], windows: Sequence[Window]) -> Iterator[bytes]:
    """Encode parts of a picture as PNG files, whose bytes depend on the picture and their window alone.

    Args:
        samples: H x W x 3 RGB, uint8 or uint16.
        windows: the parts, at least one; they may overlap, and one may be the whole picture.

    Yields:
        The file of each window.
    """
    filtered = _filter(samples, windows)
    height, width, _ = samples.shape
    block = last_block(_count(filtered.symbols[1:height, filtered.pixel : width * filtered.pixel]))
    cuts = sorted({at for window in windows for span in filtered.spans(window) for at in span})
    packed = pack_rows(filtered.symbols, np.array(cuts), block.table)
    words = np.concatenate([packed.words, block.frame])
    ready = _Packed(words, packed.offsets, {at: place for place, at in enumerate(cuts)}, block)
    for window in windows:
        yield _file(window, filtered, ready)


def _file(window: Window, filtered: _Filtered, packed: _Packed) -> bytes:
    rows, spans = filtered.rows(window), filtered.spans(window)
    plain = np.concatenate([filtered.symbols[rows, start:stop] for start, stop in spans], axis=1)
    starts, stops = (
        packed.offsets[rows[:, np.newaxis], [packed.cuts[span[side]] for span in spans]].ravel() for side in (0, 1)
    )
    block, frame = packed.block, 64 * (packed.words.size - packed.block.frame.size)
    bits = join_bits(
        packed.words,
        np.concatenate([[frame], starts, [frame + block.before]]),
        np.concatenate([[block.before], stops - starts, [block.after]]),
    )
    header = struct.pack(">IIBBBBB", window.width, window.height, filtered.pixel // 3 * 8, 2, 0, 0, 0)
    stream = (b"\x78\x01", bits, struct.pack(">I", zlib.adler32(plain.data)))
    return b"".join([b"\x89PNG\r\n\x1a\n", *_chunk(b"IHDR", header), *_chunk(b"IDAT", *stream), *_chunk(b"IEND")])


def _chunk(name: bytes, *body: bytes | memoryview) -> list[bytes | memoryview]:
    checksum = functools.reduce(lambda before, part: zlib.crc32(part, before), body, zlib.crc32(name))
    return [struct.pack(">I", sum(map(len, body))), name, *body, struct.pack(">I", checksum)]


def _filter(samples: NDArray[np.uint8] | NDArray[np.uint16], windows: Sequence[Window]) -> _Filtered:
    height, width, _ = samples.shape
    pixel = samples.itemsize * 3
    big_endian = np.ascontiguousarray(samples, samples.dtype.newbyteorder(">"))
    lines = big_endian.view(np.uint8).reshape(height, width * pixel)
    tops, lefts = sorted({window.y for window in windows}), sorted({window.x for window in windows})
    heads = {x: width * pixel + place * (1 + pixel) for place, x in enumerate(lefts)}
    used = width * pixel + len(lefts) * (1 + pixel)
    symbols = np.zeros((height + len(tops), (used // 4 + 1) * 4), np.uint8)
    step = max(1, _STRIPE // (width * pixel))
    for top in range(1, height, step):
        here = lines[top : top + step]
        above = lines[top - 1 : top - 1 + len(here)]
        target = symbols[top : top + len(here)]
        _subtract_average(here[:, pixel:], here[:, :-pixel], above[:, pixel:], target[:, pixel : width * pixel])
        for x, head in heads.items():
            first = np.s_[:, x * pixel : (x + 1) * pixel]
            target[:, head] = _AVERAGE
            target[:, head + 1 : head + 1 + pixel] = here[first] - (above[first] >> 1)
    first_lines, target = lines[tops], symbols[height:]
    target[:, pixel : width * pixel] = first_lines[:, pixel:] - first_lines[:, :-pixel]
    for x, head in heads.items():
        target[:, head] = _SUB
        target[:, head + 1 : head + 1 + pixel] = first_lines[:, x * pixel : (x + 1) * pixel]
    return _Filtered(symbols, {y: height + place for place, y in enumerate(tops)}, heads, pixel)


def _subtract_average(here: Bytes, left: Bytes, above: Bytes, out: Bytes) -> None:
    # The mean of two bytes, rounded down, without a ninth bit.
    np.bitwise_xor(left, above, out=out)
    out >>= 1
    out += left & above
    np.subtract(here, out, out=out)


def _count(symbols: Bytes) -> NDArray[np.int64]:
    counts = np.zeros(256, np.int64)
    step = max(1, _STRIPE // max(1, symbols.shape[1]))
    for top in range(0, len(symbols) if symbols.size else 0, step):
        # OpenCV counts in float32, which a stripe does not exhaust; NumPy takes ten times as long.
        counts += cv2.calcHist([symbols[top : top + step]], [0], None, [256], [0, 256])[:, 0].astype(np.int64)
    return counts
