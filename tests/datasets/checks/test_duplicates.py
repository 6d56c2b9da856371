from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdd_bench.datasets.checks.duplicates import BITS, look_hash, nearest
from sdd_bench.datasets.checks.rules import CHECKS
from sdd_bench.datasets.scenes import PHOTOGRAPHS, load_photograph

LIMIT = CHECKS["leak"].threshold


def photograph(name: str) -> np.ndarray:
    return load_photograph(name).astype(np.float32) / 255


def differing(a: bytes, b: bytes) -> float:
    """Share of differing bits in %, counted one by one."""
    return sum(bin(x ^ y).count("1") for x, y in zip(a, b, strict=True)) / BITS * 100


@pytest.mark.parametrize("name", ["coffee", "rocket", "astronaut", "stereo_motorcycle"])
def test_one_place_looks_alike_again(name: str) -> None:
    picture = photograph(name)
    height, width = picture.shape[:2]
    seen = look_hash(picture)
    assert differing(seen, look_hash(cv2.resize(picture, (640, 360), interpolation=cv2.INTER_AREA))) < LIMIT / 2
    assert differing(seen, look_hash(cv2.GaussianBlur(picture, (0, 0), 2) * 0.7)) < LIMIT / 2
    moved = picture[height // 80 : height - height // 80, width // 50 :]
    assert differing(seen, look_hash(np.ascontiguousarray(moved))) < LIMIT


def test_different_photographs_do_not_look_alike() -> None:
    hashes = [look_hash(photograph(name)) for name in PHOTOGRAPHS]
    assert min(differing(a, b) for i, a in enumerate(hashes) for b in hashes[:i]) > 1.5 * LIMIT


@given(
    st.lists(
        st.tuples(st.binary(min_size=32, max_size=32), st.sampled_from("abc"), st.sampled_from(["train", "test"])),
        min_size=1,
        max_size=8,
    ),
    st.booleans(),
)
def test_the_nearest_is_that_of_comparing_one_by_one(pairs: list[tuple[bytes, str, str]], same_split: bool) -> None:
    hashes = [bytes([*content[:-1], content[-1] & 0xFE]) for content, _, _ in pairs]  # 255 bits
    found = nearest(hashes, [scene for _, scene, _ in pairs], [split for _, _, split in pairs], same_split)
    for i, (_, scene, split) in enumerate(pairs):
        others = [
            differing(hashes[i], hashes[k])
            for k, (_, other_scene, other_split) in enumerate(pairs)
            if other_scene != scene and (other_split == split) == same_split
        ]
        nearby = found[i]
        assert (nearby is None) == (not others)
        if nearby is not None:
            assert nearby.difference == pytest.approx(min(others))
            assert differing(hashes[i], hashes[nearby.place]) == pytest.approx(min(others))
