from __future__ import annotations

import zlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sdd_bench.io.bit_strings import join_bits, pack_rows
from sdd_bench.io.deflate import last_block


@given(
    plain=st.binary(min_size=1, max_size=200),
    counted=st.binary(max_size=200),
    often=st.sampled_from([1, 1000, 10**9]),
)
def test_bytes_in_a_block_are_inflated_again_whatever_was_counted(plain: bytes, counted: bytes, often: int) -> None:
    counts = np.bincount(np.frombuffer(counted, np.uint8), minlength=256) * often
    block = last_block(counts)
    symbols = np.frombuffer(plain + bytes(4 - len(plain) % 4), np.uint8).reshape(1, -1)
    packed = pack_rows(symbols, np.array([0, len(plain)]), block.table)
    (start, stop), frame = packed.offsets[0].tolist(), 64 * packed.words.size
    data = join_bits(
        np.concatenate([packed.words, block.frame]),
        np.array([frame, start, frame + block.before]),
        np.array([block.before, stop - start, block.after]),
    )
    inflate = zlib.decompressobj(-15)
    assert inflate.decompress(bytes(data)) == plain
    assert inflate.eof
    assert not inflate.unused_data


def test_what_is_counted_most_takes_least() -> None:
    counts = np.ones(256, np.int64)
    counts[7] = 10**6
    assert last_block(counts).table.lengths[7] == 1
