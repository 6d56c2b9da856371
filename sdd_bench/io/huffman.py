"""Huffman codes as DEFLATE uses them (RFC 1951, section 3.2.2): of limited length, and told by their lengths alone."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter


def code_lengths(counts: Sequence[int], limit: int) -> list[int]:
    """Lengths of the codes that make a text shortest, none longer than a limit.

    By package-merge (Larmore and Hirschberg, "A fast algorithm for optimal length-limited Huffman codes", 1990).

    Args:
        counts: how often each symbol occurs; at least two occur, and at most 2^limit.
        limit: of the lengths, bits.

    Returns:
        One length per symbol; 0 where it does not occur.
    """
    leaves: list[tuple[int, tuple[int, ...]]] = sorted(
        (count, (symbol,)) for symbol, count in enumerate(counts) if count
    )
    merged = leaves
    for _ in range(limit - 1):
        packages = [
            (first + second, some + others)
            for (first, some), (second, others) in zip(merged[::2], merged[1::2], strict=False)
        ]
        merged = sorted(leaves + packages, key=itemgetter(0))  # stable: leaves first, then as they are
    lengths = [0] * len(counts)
    for _, symbols in merged[: 2 * len(leaves) - 2]:
        for symbol in symbols:
            lengths[symbol] += 1
    return lengths


def codes(lengths: Sequence[int]) -> list[int]:
    """The codes that belong to lengths, with the bit that comes first in the lowest place.

    Args:
        lengths: one per symbol, 0 for none, as `code_lengths` gives them.

    Returns:
        One code per symbol; 0 for none.
    """
    found = [0] * len(lengths)
    code = 0
    for length in range(1, max(lengths) + 1):
        code <<= 1
        for symbol, own in enumerate(lengths):
            if own == length:
                found[symbol] = int(f"{code:0{length}b}"[::-1], 2)
                code += 1
    return found
