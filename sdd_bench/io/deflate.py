"""DEFLATE blocks without matches (RFC 1951): every byte is written as its code, and nothing else."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sdd_bench.io.bit_strings import CodeTable, Words
from sdd_bench.io.huffman import code_lengths, codes

_LONGEST = 12  # bits of a byte's code; RFC 1951 allows 15, which saves nothing worth the larger table
_END = 256  # the symbol that ends a block
# Section 3.2.7: the order in which the lengths of the codes of code lengths are told, and their largest.
_TOLD = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
_LONGEST_TOLD = 7
_UNUSED = (1, 1)  # lengths of two codes for distances, as zlib tells them where there are no matches


class Block(NamedTuple):
    """All of a block but its bytes.

    Attributes:
        table: the codes of bytes.
        frame: a bit string: what goes before the bytes, then what goes after them.
        before: bits of the frame that go before.
        after: bits of the frame that go after.
    """

    table: CodeTable
    frame: Words
    before: int
    after: int


def last_block(counts: NDArray[np.int64]) -> Block:
    """The last block of a stream, with the codes that are best for these bytes.

    Args:
        counts: how often each of the 256 bytes occurs; others than these may be written all the same.
    """
    lengths = code_lengths([*(counts + 1).tolist(), 1], _LONGEST)
    own = codes(lengths)
    header, before = _header(lengths)
    after = lengths[_END]
    words = -(-(before + after) // 64)
    return Block(
        table=CodeTable(np.array(own[:_END], np.uint32), np.array(lengths[:_END], np.uint32)),
        frame=np.frombuffer((header | own[_END] << before).to_bytes(8 * words, "little"), "<u8"),
        before=before,
        after=after,
    )


def _header(lengths: list[int]) -> tuple[int, int]:
    """Section 3.2.7: the last block, with codes of its own, told by their lengths. The first bit is the lowest."""
    told = [*lengths, *_UNUSED]
    of_lengths = code_lengths([told.count(length) for length in range(len(_TOLD))], _LONGEST_TOLD)
    of_codes = codes(of_lengths)
    fields = [
        *((1, 1), (2, 2), (len(lengths) - 257, 5), (len(_UNUSED) - 1, 5), (len(_TOLD) - 4, 4)),
        *((of_lengths[length], 3) for length in _TOLD),
        *((of_codes[length], of_lengths[length]) for length in told),
    ]
    header = bits = 0
    for value, count in fields:
        header |= value << bits
        bits += count
    return header, bits
