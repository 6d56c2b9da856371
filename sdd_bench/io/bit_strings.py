"""Bit strings in arrays of 64-bit words: packed from codes of many lengths, and cut and joined at any bit.

Bit i of a string is bit i % 64, from the lowest, of word i // 64; as bytes, which are little-endian, that is the order
of DEFLATE. All is integer arithmetic on whole arrays.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_CODE = 13
"""Longest code that `CodeTable` takes, bits."""

_WORD = np.dtype("<u8")
_PAIR = np.dtype("<u2")  # two symbols, the first in the low byte
_LENGTH_AT = np.uint32(26)  # above two codes of at most 13 bits
# So much at a time, symbols or bits: the intermediates stay in the processor's cache.
_STRIPE, _STRIPE_BITS = 1 << 17, 1 << 22
_ONE, _63, _ALL = np.uint64(1), np.uint64(63), ~np.uint64(0)

Words = NDArray[np.uint64]
Offsets = NDArray[np.int64]


class CodeTable:
    """Codes of bytes, laid out for packing two at a time."""

    def __init__(self, codes: NDArray[np.uint32], lengths: NDArray[np.uint32]) -> None:
        """Lay out codes.

        Args:
            codes: of the 256 bytes, the bit that comes first in the lowest place.
            lengths: of the codes, bits, 1 to `MAX_CODE`.
        """
        both = lengths[:, np.newaxis] + lengths
        self.lengths = lengths
        self.pairs = ((codes[:, np.newaxis] << lengths | codes) | both << _LENGTH_AT).ravel()


class PackedRows(NamedTuple):
    """Rows of symbols as one bit string.

    Attributes:
        words: the string; between rows may lie bits without meaning.
        offsets: rows x cuts, where the symbol at each cut begins, bits.
    """

    words: Words
    offsets: Offsets


def pack_rows(symbols: NDArray[np.uint8], cuts: NDArray[np.intp], table: CodeTable) -> PackedRows:
    """Write the codes of rows of symbols one after the other.

    Args:
        symbols: rows x columns, contiguous; the number of columns is a multiple of 4.
        cuts: columns at which the string will be cut, below the number of columns.
        table: the codes.
    """
    rows, columns = symbols.shape
    quads, rest = np.divmod(cuts, 4)
    step = max(1, _STRIPE // columns)
    words: list[Words] = []
    offsets = np.empty((rows, cuts.size), np.int64)
    packed = 0
    for top in range(0, rows, step):
        stripe = symbols[top : top + step]
        entries = table.pairs.take(stripe.view(_PAIR).ravel())
        lengths = (entries >> _LENGTH_AT).reshape(-1, 2)
        entries &= np.uint32((1 << 26) - 1)
        codes = entries.reshape(-1, 2).astype(np.uint64)
        quad_codes = codes[:, 1] << lengths[:, 0]
        quad_codes |= codes[:, 0]
        ends = np.cumsum(lengths[:, 0] + lengths[:, 1], dtype=np.int64)
        starts = np.concatenate([[0], ends[:-1]])
        offsets[top : top + step] = packed + starts.reshape(len(stripe), -1)[:, quads]
        for ahead in range(1, 4):  # the symbols of the quad that come before the cut
            cut = rest >= ahead
            offsets[top : top + step, cut] += table.lengths[stripe[:, cuts[cut] - ahead]]
        words.append(_packed(quad_codes, starts, int(ends[-1])))
        packed += 64 * words[-1].size
    return PackedRows(np.concatenate(words), offsets)


def _packed(codes: Words, starts: Offsets, length: int) -> Words:
    """Codes of up to 64 bits, at their places in a string of this length, and one empty word."""
    places, shifts = starts >> 6, (starts & 63).astype(np.uint64)
    first = np.flatnonzero(np.diff(places, prepend=-1))  # the first code that begins in each word: none is empty
    last = np.append(first[1:], codes.size) - 1
    words = np.zeros((length >> 6) + 2, _WORD)
    words[places[first]] = np.bitwise_or.reduceat(codes << shifts, first)
    words[places[last] + 1] |= (
        codes[last] >> _ONE >> (_63 - shifts[last])
    )  # what did not fit; two shifts, as 64 is none
    return words


def join_bits(words: Words, starts: Offsets, lengths: Offsets) -> memoryview:
    """Cut pieces out of a bit string and write them one after the other.

    Args:
        words: the string.
        starts: where each piece begins, bits.
        lengths: of the pieces, bits; 0 is possible, but not for all.

    Returns:
        Bytes: the pieces, filled up with zeros.
    """
    some = lengths > 0
    starts, lengths = starts[some], lengths[some]
    ends = np.cumsum(lengths)
    joined = np.zeros((int(ends[-1]) >> 6) + 1, _WORD)
    breaks = np.searchsorted(ends, np.arange(_STRIPE_BITS, ends[-1], _STRIPE_BITS))
    for first, last in itertools.pairwise(np.unique([0, *breaks, ends.size]).tolist()):
        part = slice(first, last)
        _write_pieces(words, starts[part], ends[part] - lengths[part], ends[part], joined)
    return joined.view(np.uint8).data[: (int(ends[-1]) + 7) // 8]


def _write_pieces(words: Words, starts: Offsets, begins: Offsets, ends: Offsets, joined: Words) -> None:
    """Write pieces that follow each other from the first of `begins` to the last of `ends`."""
    # Each piece makes entries, one for every word that it reaches into; neighbours may have a word in common.
    places, shifts = begins >> 6, begins & 63
    counts = ((ends - 1) >> 6) - places + 1
    behind = np.cumsum(counts)
    heads = behind - counts
    offsets = np.repeat(starts - shifts - 64 * heads, counts)
    offsets += np.arange(0, 64 * offsets.size, 64)
    entries = _fetch(words, offsets)
    entries[heads] &= _ALL << shifts.astype(np.uint64)
    entries[behind - 1] &= _ALL >> (-ends & 63).astype(np.uint64)
    into_begun = heads[shifts > 0]  # words that the piece before began
    own = np.ones(entries.size, bool)
    own[into_begun] = False
    first = int(places[0]) + bool(shifts[0])
    joined[first : first + entries.size - into_begun.size] = entries[own]
    np.bitwise_or.at(joined, first + into_begun - np.arange(1, into_begun.size + 1), entries[into_begun])


def _fetch(words: Words, offsets: Offsets) -> Words:
    """64 bits from each offset; beyond the ends of the string lies anything."""
    places, shifts = offsets >> 6, (offsets & 63).astype(np.uint64)
    low = words.take(places, mode="clip") >> shifts
    places += 1
    shifts ^= _63
    high = words.take(places, mode="clip")
    high <<= _ONE
    high <<= shifts
    low |= high
    return low
