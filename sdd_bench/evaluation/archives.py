"""Arrays kept on disk under a key, whole or not at all; what is damaged counts as absent."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdd_bench.errors import OutputError
from sdd_bench.io.atomic import atomic_path

_DIGEST = hashlib.sha256().digest_size


def unreadable(path: Path, error: OSError) -> OutputError:
    """The error for a kept file that can't be read."""
    return OutputError(f"{path}: can't be read: {error.strerror}. Choose another folder with --cache.")


def load_archive(path: Path, key: str) -> dict[str, NDArray[Any]] | None:
    """The arrays kept under a key, or None if there are no sound ones.

    A file is a SHA-256 of its key and the rest, and a NumPy archive; one that does not match its hash, or was renamed,
    counts as absent.

    Raises:
        OutputError: if there is a file that can't be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unreadable(path, error) from error
    stated, archive = content[:_DIGEST], memoryview(content)[_DIGEST:]
    if _digest(key, archive) != stated:
        return None
    with np.load(io.BytesIO(archive), allow_pickle=False) as arrays:
        return dict(arrays)


def save_archive(path: Path, key: str, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Keep arrays under a key."""
    archive = io.BytesIO()
    np.savez(archive, **arrays)  # type: ignore[arg-type]  # the stub takes the names for its own option
    content = archive.getbuffer()
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(_digest(key, content))
        file.write(content)


def _digest(key: str, content: memoryview) -> bytes:
    digest = hashlib.sha256(key.encode())
    digest.update(content)
    return digest.digest()
