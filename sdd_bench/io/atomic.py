"""Write a file whole or not at all.

The new content goes to a hidden temporary name in the same folder, is flushed to the disk, and only then takes the
final name in one step. A reader, a crash or a power cut sees the old file or the new one, never a part of one.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from sdd_bench.errors import OutputError

# What a killed process may leave behind starts with this, so that others (staging) know it for rubbish.
TEMPORARY_PREFIX = ".sdd-bench-tmp-"

_FLUSHING = 4  # threads that wait for the disk; a file system flushes several files in the time of one
_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_ADVICE = {
    **dict.fromkeys(_DISK_FULL, "Free some space or choose a place on another disk."),
    **dict.fromkeys(
        (errno.EACCES, errno.EPERM, errno.EROFS), "Choose a folder you may write to or change its permissions."
    ),
    **dict.fromkeys((errno.ENOTDIR, errno.EEXIST), "A part of this path is a file, not a folder: choose another path."),
    errno.EISDIR: "This is a folder: choose another name.",
    errno.ENAMETOOLONG: "Choose a shorter name.",
}


def write_bytes(path: Path | str, data: bytes | memoryview) -> None:
    """Write bytes to a file, whole or not at all; an existing file is replaced and missing folders are made.

    Args:
        path: the file; a symbolic link of this name is replaced, not followed.
        data: its new content.

    Raises:
        OutputError: the file can't be written; nothing of it was.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path | str, text: str) -> None:
    """Write text as UTF-8, its line ends unchanged on every platform; see `write_bytes`."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path | str, obj: Any) -> None:
    """Write an object as JSON for people: UTF-8, two spaces of indent, keys in their given order, a final newline.

    Args:
        path: the file; see `write_bytes`.
        obj: what `json.dumps` accepts. JSON has no NaN and no infinity: say what they mean (``null``, a flag).

    Raises:
        OutputError: the file can't be written.
        ValueError: `obj` holds NaN or an infinity.
        TypeError: `obj` holds something that is not JSON.
    """
    write_text(path, json.dumps(obj, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_together(files: dict[Path, bytes]) -> None:
    """Write files that belong together, so that the last of them vouches for the others.

    All is on the disk before anything of an earlier version goes. Then the last file goes, the others take their names
    in order, and the last one comes back: where it is, the others are there and of its version, whatever happened.

    Args:
        files: content by path, the one that vouches last.

    Raises:
        OutputError: they can't be written; unless they took their names already, those there before still are.
    """
    with ExitStack() as stack:
        # What is entered last is left first: the file that vouches is entered first.
        lent = {path: stack.enter_context(atomic_path(path)) for path in reversed(files)}
        for path, temporary in lent.items():
            temporary.write_bytes(files[path])
            _sync_file(temporary)
        next(iter(lent)).unlink(missing_ok=True)


class FileBatch:
    """Files on their way to the disk, lent by `file_batch`."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._temporary: dict[Path, Path] = {}
        self._flushed: dict[Path, Future[None]] = {}

    def write_bytes(self, path: Path | str, data: bytes | memoryview) -> None:
        """Write bytes to a file that appears at the end of the batch; missing folders are made.

        Raises:
            OutputError: the file can't be written.
        """
        path = Path(path)
        temporary = self._temporary[path] = _temporary_name(path)
        with output_errors(path):
            make_folder(path.parent)
            temporary.write_bytes(data)
        self._flushed[path] = self._pool.submit(_sync_file, temporary)

    def _name_all(self) -> None:
        for path, flushed in self._flushed.items():
            with output_errors(path):
                flushed.result()
        for path, temporary in self._temporary.items():
            with output_errors(path):
                temporary.replace(path)
        for folder in {path.parent for path in self._temporary}:
            with output_errors(folder):
                sync_folder(folder)

    def _clean_up(self) -> None:
        for temporary in self._temporary.values():
            with suppress(OSError):
                temporary.unlink()


@contextmanager
def file_batch() -> Iterator[FileBatch]:
    """Write many files, each whole or not at all, faster than one by one.

    Each is flushed to the disk in the background while the next one is made; at the end of the block they take their
    names. If the block raises, none of them does; if the process ends at the end of the block, some of them may.

    Raises:
        OutputError: a file can't be written.
    """
    with ThreadPoolExecutor(_FLUSHING) as pool:
        batch = FileBatch(pool)
        try:
            yield batch
            batch._name_all()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            batch._clean_up()


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Lend a temporary name that some library can write to, and make it `path` at the end of the block.

    Args:
        path: the final file; missing folders are made.

    Yields:
        A path that does not exist yet: same folder and suffix, hidden name. If the block raises, what was written there
        is removed and `path` is as before.

    Raises:
        OutputError: the file can't be written (`path` is a folder, no permission, disk full, nothing was written).
            Other errors of the block, for example of a file it reads, pass unchanged.
    """
    path = Path(path)
    temporary = _temporary_name(path)
    with output_errors(path):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        make_folder(path.parent)
    try:
        try:
            yield temporary
        except OSError as error:
            if error.errno in _DISK_FULL or (error.filename and Path(os.fsdecode(error.filename)) == temporary):
                raise _output_error(path, error) from error
            raise
        with output_errors(path):
            if not temporary.is_file():
                raise OutputError(f"{path} can't be written: nothing was saved under the temporary name that was lent.")
            _sync_file(temporary)
            temporary.replace(path)
            sync_folder(path.parent)
    finally:
        with suppress(OSError):  # it is gone, or may stay as rubbish: neither is worth another error
            temporary.unlink()


def remove_leftovers(folder: Path, older_than: float = 86_400) -> None:
    """Remove temporary files that killed processes left in a folder.

    Args:
        folder: it; nothing happens if there is none.
        older_than: seconds since they were last written to. A younger one may be in use by another process.
    """
    with suppress(OSError):  # rubbish that stays is no reason to stop
        for entry in os.scandir(folder):
            if entry.name.startswith(TEMPORARY_PREFIX) and time.time() - entry.stat().st_mtime > older_than:
                Path(entry.path).unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make a folder and its missing parents so that they survive a power cut.

    Raises:
        OSError: it can't be made.
    """
    if folder.is_dir():
        return
    missing = [part for part in (folder, *folder.parents) if not part.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for part in missing:
        sync_folder(part.parent)


def sync_folder(folder: Path) -> None:
    """Force a folder's list of names to the disk; without effect where the platform or file system has no such thing.

    Raises:
        OSError: the disk reports an error.
    """
    if os.name == "nt":  # Windows can't open a folder; its file systems journal renames
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # network file systems that sync names by themselves
            raise
    finally:
        os.close(descriptor)


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn every OSError of the block into an `OutputError` that says what can't be written, why, and what to do.

    Raises:
        OutputError: in place of the OSError, which is chained.
    """
    try:
        yield
    except OSError as error:
        raise _output_error(path, error) from error


def _output_error(path: Path, error: OSError) -> OutputError:
    advice = _ADVICE.get(error.errno or 0, "Choose another place.")
    return OutputError(f"{path} can't be written: {error.strerror or error}. {advice}")


def _temporary_name(path: Path) -> Path:
    return path.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}{path.suffix}")


def _sync_file(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
