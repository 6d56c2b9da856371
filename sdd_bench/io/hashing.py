"""The fingerprint that names a file's content in manifests and results."""

from __future__ import annotations

import hashlib
from pathlib import Path

_BLOCK = 1 << 20  # 1 MiB: large enough that the hash, not the reading, takes the time


def sha256(path: Path | str) -> str:
    """Hash a file of any size in constant memory.

    Args:
        path: the file.

    Returns:
        Its SHA-256 as 64 lower-case hexadecimal digits.

    Raises:
        OSError: the file can't be read.
    """
    digest = hashlib.sha256()
    block = memoryview(bytearray(_BLOCK))
    with Path(path).open("rb", buffering=0) as file:
        while count := file.readinto(block):
            digest.update(block[:count])
    return digest.hexdigest()
