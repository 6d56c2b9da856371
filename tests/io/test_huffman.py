from __future__ import annotations

import heapq
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdd_bench.io.huffman import code_lengths, codes

COUNTS = st.lists(st.integers(0, 1000), min_size=2, max_size=40).filter(lambda counts: sum(map(bool, counts)) > 1)


def kraft(lengths: list[int], limit: int) -> int:
    """2^limit where the codes leave no bit string without a meaning."""
    return sum(1 << (limit - length) for length in lengths if length)


def huffman_size(counts: list[int]) -> int:
    """Bits of the text by Huffman's own algorithm: each merger adds a bit to all symbols below it."""
    heap = [count for count in counts if count]
    heapq.heapify(heap)
    bits = 0
    while len(heap) > 1:
        merged = heapq.heappop(heap) + heapq.heappop(heap)
        bits += merged
        heapq.heappush(heap, merged)
    return bits


def size(counts: list[int], lengths: list[int]) -> int:
    return sum(count * length for count, length in zip(counts, lengths, strict=True))


@given(COUNTS)
def test_without_a_limit_that_matters_codes_are_as_short_as_huffmans(counts: list[int]) -> None:
    assert size(counts, code_lengths(counts, len(counts))) == huffman_size(counts)


@given(COUNTS, st.integers(6, 15))
def test_lengths_keep_the_limit_and_make_a_complete_code_of_what_occurs(counts: list[int], limit: int) -> None:
    lengths = code_lengths(counts, limit)
    assert max(lengths) <= limit
    assert kraft(lengths, limit) == 1 << limit
    assert [length > 0 for length in lengths] == [count > 0 for count in counts]


@given(st.lists(st.integers(1, 1000), min_size=5, max_size=6))
def test_no_code_of_these_lengths_is_shorter(counts: list[int]) -> None:
    possible = (list(each) for each in itertools.product(range(1, 4), repeat=len(counts)))
    best = min(size(counts, lengths) for lengths in possible if kraft(lengths, 3) <= 8)
    assert size(counts, code_lengths(counts, 3)) == best


def test_codes_are_those_of_the_example_in_rfc_1951() -> None:
    # Section 3.2.2: A to H with lengths (3, 3, 3, 3, 3, 2, 4, 4).
    written = ["010", "011", "100", "101", "110", "00", "1110", "1111"]
    lengths = [3, 3, 3, 3, 3, 2, 4, 4]
    assert [f"{code:0{n}b}"[::-1] for code, n in zip(codes(lengths), lengths, strict=True)] == written


@pytest.mark.parametrize("lengths", [[1, 0, 2, 2], [0, 1, 1]])
def test_what_does_not_occur_has_no_code(lengths: list[int]) -> None:
    assert [code for code, length in zip(codes(lengths), lengths, strict=True) if not length] == [0]
