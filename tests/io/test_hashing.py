from __future__ import annotations

from pathlib import Path

import pytest

from sdd_bench.io.hashing import sha256


@pytest.mark.parametrize(
    ("content", "expected"),
    [  # FIPS 180-2, appendix B.1 and B.3; the empty message from NIST's test vectors
        (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (b"a" * 1_000_000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
    ],
)
def test_the_hash_is_the_published_one(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert sha256(path) == expected


def test_every_block_of_a_large_file_counts(tmp_path: Path) -> None:
    # 3 blocks of 1 MiB and a rest; a change in any of them must show. Oracle: they must all differ.
    path = tmp_path / "file"
    hashes = set()
    for place in (None, 0, 1 << 20, 2 << 20, 3 << 20):
        content = bytearray((3 << 20) + 5)
        if place is not None:
            content[place] = 1
        path.write_bytes(content)
        hashes.add(sha256(path))
    assert len(hashes) == 5


def test_a_missing_file_is_an_oserror(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sha256(tmp_path / "absent")
