"""Small seeded pictures, and a PNG writer that is independent of every library under test."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

HEIGHT, WIDTH = 5, 7


@pytest.fixture
def rgb8() -> np.ndarray:
    return np.random.default_rng(8).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


@pytest.fixture
def rgb16() -> np.ndarray:
    return np.random.default_rng(16).integers(0, 65536, (HEIGHT, WIDTH, 3), np.uint16)


@pytest.fixture
def save(tmp_path: Path) -> Callable[[str, bytes], Path]:
    def save(name: str, data: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return save


@pytest.fixture(scope="session")
def png_bytes() -> Callable[..., bytes]:
    """PNG by the book (the PNG specification, unfiltered rows), from rows of already packed samples."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    def png_bytes(
        rows: np.ndarray,
        color_type: int,
        depth: int = 8,
        *,
        size: tuple[int, int] = (WIDTH, HEIGHT),
        before: Iterable[tuple[bytes, bytes]] = (),
        after: Iterable[tuple[bytes, bytes]] = (),
    ) -> bytes:
        raw = b"".join(b"\0" + row.tobytes() for row in rows.astype(">u2" if depth == 16 else "u1"))
        ihdr = struct.pack(">IIBBBBB", *size, depth, color_type, 0, 0, 0)
        chunks = [(b"IHDR", ihdr), *before, (b"IDAT", zlib.compress(raw)), *after, (b"IEND", b"")]
        return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*parts) for parts in chunks)

    return png_bytes
