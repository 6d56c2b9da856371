"""Against the same in Python strings of 0 and 1."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdd_bench.io import bit_strings
from sdd_bench.io.bit_strings import MAX_CODE, CodeTable, join_bits, pack_rows

PATCHED = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(params=[None, 8])
def stripes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is, and with stripes so short that small examples have many."""
    if request.param:
        monkeypatch.setattr(bit_strings, "_STRIPE", request.param)
        monkeypatch.setattr(bit_strings, "_STRIPE_BITS", 8 * request.param)


def text(words: np.ndarray) -> str:
    return "".join(map(str, np.unpackbits(words.view(np.uint8), bitorder="little")))


@pytest.mark.usefixtures("stripes")
@PATCHED
@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(1, 9),
    columns=st.integers(1, 12).map(lambda quads: 4 * quads),
    longest=st.integers(1, MAX_CODE),
)
def test_every_row_is_the_codes_of_its_symbols_and_is_found_at_every_cut(
    seed: int, rows: int, columns: int, longest: int
) -> None:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, longest + 1, 256).astype(np.uint32)
    codes = rng.integers(0, 2**lengths).astype(np.uint32)
    symbols = rng.integers(0, 256, (rows, columns), np.uint8)
    packed = pack_rows(symbols, np.arange(columns), CodeTable(codes, lengths))
    string = text(packed.words)
    for row in range(rows):
        coded = [f"{codes[symbol]:0{lengths[symbol]}b}"[::-1] for symbol in symbols[row]]
        for column, start in enumerate(packed.offsets[row]):
            assert string[start:].startswith("".join(coded[column:]))


@pytest.mark.usefixtures("stripes")
@PATCHED
@given(st.data())
def test_pieces_are_joined_as_strings_are(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 12))
    words = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1))).integers(0, 2**64, size, np.uint64)
    start = st.integers(0, 64 * size)
    pieces = data.draw(st.lists(st.tuples(start, start).map(sorted), min_size=1, max_size=20))
    if not any(stop > start for start, stop in pieces):
        pieces.append([0, 1])
    starts, stops = np.array(pieces).T
    joined = np.frombuffer(join_bits(words, starts, stops - starts), np.uint8)
    expected = "".join(text(words)[start:stop] for start, stop in pieces)
    assert joined.size == -(-len(expected) // 8)
    assert text(joined) == expected.ljust(8 * joined.size, "0")


def test_a_string_longer_than_a_stripe_is_joined_whole() -> None:
    words = np.random.default_rng(0).integers(0, 2**64, 200_000, np.uint64)
    starts = np.arange(5, 64 * words.size - 7000, 6997)
    joined = text(np.frombuffer(join_bits(words, starts, np.full(starts.size, 6997)), np.uint8))
    assert starts.size * 6997 > bit_strings._STRIPE_BITS
    assert joined[: starts.size * 6997] == text(words)[5 : 5 + starts.size * 6997]
