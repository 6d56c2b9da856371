"""A folder that appears whole under its final name, or stays beside it as ``NAME.partial`` to be resumed.

Steps on disk, each of which may be the last one before a crash:

1. ``NAME.partial/`` is made, with a hidden folder of bookkeeping: a lock, the plan, one record per finished item.
2. Items: first an item's files (by `sdd_bench.io.atomic`, so whole and on the disk), then its record. A killed run
   therefore leaves records only of items that are complete.
3. ``NAME.partial`` is renamed to ``NAME`` in one step, then the bookkeeping is removed from it.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdd_bench.errors import OutputError
from sdd_bench.io.atomic import TEMPORARY_PREFIX, make_folder, output_errors, sync_folder, write_json

if sys.platform != "win32":
    import fcntl

_BOOKKEEPING = ".sdd-bench-staging"
_LOCK, _PLAN, _RECORDS = "lock", "plan.json", "records"
# Lustre without the `flock` mount option answers ENOSYS, NFS without a lock service ENOLCK.
_LOCKS_UNSUPPORTED = frozenset({errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK})


@dataclass(frozen=True)
class StagedFolder:
    """The folder in the making, as `staged_folder` lends it; it may be sent to worker processes.

    Attributes:
        path: where the files go until the folder is complete.
    """

    path: Path

    def done(self, item: str) -> dict[str, Any] | None:
        """Look up what an earlier, killed run (or this one) finished.

        Args:
            item: the name given to `finish`.

        Returns:
            The record given to `finish`, as JSON gives it back; None if the item isn't finished, which a damaged record
            counts as.

        Raises:
            OutputError: the record is there but can't be read.
        """
        file = self._record_file(item)
        with output_errors(file):
            try:
                content = file.read_bytes()
            except FileNotFoundError:
                return None
        try:
            stored = json.loads(content)
            if not isinstance(stored, dict) or not isinstance(record := stored.get("record"), dict):
                return None
            return record if stored == _sealed(item, record) else None
        except ValueError:
            return None

    def finish(self, item: str, record: Mapping[str, Any]) -> None:
        """Note durably that all files of an item are written; call it after writing them by the atomic functions.

        Args:
            item: any name that is unique within the plan.
            record: what to know of the item when a later run resumes, JSON-able.

        Raises:
            OutputError: the record can't be written.
            ValueError: `record` holds NaN or an infinity.
        """
        write_json(self._record_file(item), _sealed(item, dict(record)))

    def _record_file(self, item: str) -> Path:
        return self.path / _BOOKKEEPING / _RECORDS / f"{hashlib.sha256(item.encode()).hexdigest()}.json"


@contextmanager
def staged_folder(out: Path | str, plan: Mapping[str, Any]) -> Iterator[StagedFolder]:
    """Fill a folder that appears under its final name only when it is complete, and resume where a killed run stopped.

    At the end of the block the folder takes the name `out`. If the block raises, or the process is killed, everything
    stays under ``out`` + ``.partial``: the same call with the same plan resumes there. What was staged for another plan
    is discarded.

    A second process with the same `out` is refused while the first is at work. This uses `flock`; on Windows and on
    file systems without locks there is no such check, and the user has to take care.

    Args:
        out: the final folder: absent, or empty. Its parents are made.
        plan: everything that decides what will be written (inputs with their hashes, parameters, software version),
            JSON-able. Equal plans must give equal files.

    Yields:
        Where to write, and what is finished already.

    Raises:
        OutputError: `out` exists and isn't empty, or the staging folder isn't ours, is in use or can't be written.
        ValueError: `plan` holds NaN or an infinity.
    """
    out = Path(out).resolve()
    wanted = json.loads(json.dumps(plan, allow_nan=False))
    staging = out.with_name(f"{out.name}.partial")
    with ExitStack() as locks:
        with output_errors(out):
            _refuse_occupied(out)
            _claim(staging)
            locks.enter_context(_locked(staging))
            _refuse_occupied(out)  # again under the lock: another process may have finished meanwhile
            _resume_or_restart(staging, wanted)
        yield StagedFolder(staging)
        with output_errors(out):
            _remove_leftovers(staging)
            if out.is_dir():
                out.rmdir()
            staging.rename(out)
            sync_folder(out.parent)
            _remove_bookkeeping(out)


def _sealed(item: str, record: dict[str, Any]) -> dict[str, Any]:
    text = _canonical([item, record])
    return {"item": item, "record": record, "sha256": hashlib.sha256(text.encode()).hexdigest()}


def _canonical(obj: Any) -> str:
    return json.dumps(obj, sort_keys=True, allow_nan=False)


def refuse_occupied(out: Path) -> None:
    """Refuse an output that is there already, before any work is put into it; `staged_folder` does so anyway.

    Args:
        out: the final folder.

    Raises:
        OutputError: it exists and isn't an empty folder.
    """
    with output_errors(out):
        _refuse_occupied(out.resolve())


def _refuse_occupied(out: Path) -> None:
    if out.is_dir():
        if (out / _BOOKKEEPING).is_dir():  # complete, but killed before the last step
            with _locked(out):
                _remove_bookkeeping(out)
        count = sum(1 for _ in out.iterdir())
        if not count:
            return
        found = f"a folder with {count} entries"
    elif out.exists():
        found = "a file"
    else:
        return
    raise OutputError(f"{out} already exists: {found}. Choose another name or delete it.")


def _claim(staging: Path) -> None:
    if staging.exists() and not staging.is_dir():
        raise OutputError(f"{staging} is a file, but the unfinished output goes there. Move it or choose another name.")
    bookkeeping = staging / _BOOKKEEPING
    if staging.is_dir() and not bookkeeping.is_dir() and any(staging.iterdir()):
        raise OutputError(
            f"{staging} holds files that this program did not put there, but the unfinished output goes there. "
            "Move them or choose another name."
        )
    make_folder(bookkeeping)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    if sys.platform == "win32":  # no flock; and an open file would keep the folder from being renamed
        yield
        return
    path = folder / _BOOKKEEPING / _LOCK
    busy = f"{folder} is in use: another process is writing this output. Wait for it or choose another name."
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputError(busy) from None
        except OSError as error:
            if error.errno not in _LOCKS_UNSUPPORTED:
                raise
        # The other process may have finished between our opening and our locking: then our file is gone or moved.
        if not path.exists() or not os.path.samestat(os.fstat(lock), path.stat()):
            raise OutputError(busy)
        yield
    finally:
        os.close(lock)  # which unlocks, as does the death of the process


def _resume_or_restart(staging: Path, wanted: Any) -> None:
    bookkeeping = staging / _BOOKKEEPING
    plan = bookkeeping / _PLAN
    try:
        same = _canonical(json.loads(plan.read_bytes())) == _canonical(wanted)
    except (FileNotFoundError, ValueError):
        same = False
    if same:
        _remove_leftovers(staging)
        return
    # The records go first: killed half-way, what is left must not pass for finished items of the old plan.
    if (bookkeeping / _RECORDS).is_dir():
        shutil.rmtree(bookkeeping / _RECORDS)
    for entry in staging.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            if entry != bookkeeping:
                shutil.rmtree(entry)
        else:
            entry.unlink()
    sync_folder(staging)
    write_json(plan, wanted)


def _remove_leftovers(staging: Path) -> None:
    for leftover in list(staging.rglob(f"{TEMPORARY_PREFIX}*")):
        leftover.unlink()


def _remove_bookkeeping(folder: Path) -> None:
    bookkeeping = folder / _BOOKKEEPING
    if (bookkeeping / _RECORDS).is_dir():
        shutil.rmtree(bookkeeping / _RECORDS)
    # The lock goes last: as long as it is there, a second process knows that it has to wait.
    for name in (_PLAN, _LOCK):
        (bookkeeping / name).unlink(missing_ok=True)
    bookkeeping.rmdir()
    sync_folder(folder)
