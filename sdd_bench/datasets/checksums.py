"""`SHA256SUMS`: the SHA-256 of every file of a prepared dataset, in the format of ``sha256sum``.

The manifest pins the images, and its hash pins the manifest. The other files are made from these; this list tells
whether they are as they were written. ``sha256sum --check --quiet SHA256SUMS`` reads it without this software.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from sdd_bench.errors import DatasetError
from sdd_bench.io.atomic import write_text

SUMS_NAME = "SHA256SUMS"

_LINE = re.compile(r"(\\?)([0-9a-f]{64})  (.+)")


def write_checksums(folder: Path, hashes: Mapping[str, str]) -> None:
    """Write the list into a dataset's folder, sorted by path.

    Args:
        folder: the dataset's folder.
        hashes: SHA-256 by path relative to it.

    Raises:
        OutputError: if it can't be written.
    """
    write_text(folder / SUMS_NAME, "".join(f"{_line(path, hashes[path])}\n" for path in sorted(hashes)))


def read_checksums(folder: Path) -> dict[str, str]:
    """Read the list of a dataset's folder: SHA-256 by path relative to it.

    Raises:
        DatasetError: if it can't be read, or a line is not of that format.
    """
    path = folder / SUMS_NAME
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise DatasetError(f"{path}: can't be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: damaged: not UTF-8 (byte {error.start}).") from error
    hashes = {}
    for number, line in enumerate(lines, 1):
        found = _LINE.fullmatch(line)
        if found is None:
            raise DatasetError(f"{path}: damaged: line {number} is not a hash, two spaces and a path.")
        escaped, digest, name = found.groups()
        hashes[name.replace("\\\\", "\\") if escaped else name] = digest
    return hashes


def _line(path: str, digest: str) -> str:
    if "\\" not in path:
        return f"{digest}  {path}"
    escaped = path.replace("\\", "\\\\")  # as sha256sum does it
    return f"\\{digest}  {escaped}"
