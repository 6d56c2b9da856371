"""Named weight files of other people: where they come from, which hash and licence they have, and where they are kept.

None of them is part of this package. They live in ``weights/`` of the cache folder (``SDD_BENCH_CACHE``, else the
platform's own), get there by `fetch` or `add`, and are hashed every time they are used. A missing or damaged file is an
error that names the ways out, never a reason to go on with something else.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sdd_bench.errors import WeightsError, unknown_name
from sdd_bench.io.atomic import atomic_path, write_text
from sdd_bench.io.download import Progress, download
from sdd_bench.io.hashing import sha256
from sdd_bench.io.state_dicts import read_state_dict
from sdd_bench.weight_files import REGISTRY, WeightFile

__all__ = [
    "REGISTRY",
    "Status",
    "WeightFile",
    "add",
    "cache_folder",
    "entry",
    "fetch",
    "find",
    "folder",
    "how_to_get",
    "path",
    "status",
    "verify",
]


@dataclass(frozen=True)
class Status:
    """Whether a file of the registry is there.

    Attributes:
        entry: the file.
        path: where it is or would be.
        present: whether there is one; `verify` tells whether it is the right one.
    """

    entry: WeightFile
    path: Path
    present: bool


def cache_folder() -> Path:
    """Folder of what is kept between runs: ``SDD_BENCH_CACHE``, or else the platform's own place for caches."""
    if root := os.environ.get("SDD_BENCH_CACHE"):
        return Path(root).expanduser()
    import pooch

    return Path(pooch.os_cache("sdd-bench"))


def folder() -> Path:
    """Folder of the weight files, in `cache_folder`."""
    return cache_folder() / "weights"


def entry(name: str) -> WeightFile:
    """Look a file up in the registry.

    Raises:
        WeightsError: there is none of that name; the message lists the nearest.
    """
    if name not in REGISTRY:
        raise WeightsError(unknown_name("weights", name, REGISTRY))
    return REGISTRY[name]


def status() -> list[Status]:
    """List all files of the registry and whether they are there; nothing is hashed."""
    return [Status(known, folder() / known.file, _is_here(known)) for known in REGISTRY.values()]


def how_to_get(name: str) -> str:
    """Say in one line how to get a file, with and without internet."""
    known = entry(name)
    about = f"{known.size / 1e6:.0f} MB, {known.licence}" if known.size else known.licence
    if known.by_hand:
        return f"See {known.url} ({about}): {known.by_hand}, then run `sdd-bench weights add {name} FILE`."
    return (
        f"Run `sdd-bench weights fetch {name}` ({about}), or on a machine without internet "
        f"`sdd-bench weights add {name} {'FOLDER' if known.parts else 'FILE'}`."
    )


def find(name: str) -> Path | None:
    """Path of a file that is there and verified, or None if there is none.

    Raises:
        WeightsError: unknown name, or what is there is not the right file.
    """
    known = entry(name)
    if not _is_here(known):
        return None
    verify(name)
    return folder() / known.file


def path(name: str) -> Path:
    """Path of a file that must be there, verified.

    Raises:
        WeightsError: unknown name, no such file (the message says how to get it), or not the right file.
    """
    found = find(name)
    if found is None:
        missing = folder() / entry(name).file
        raise WeightsError(f"the weights {name} ({entry(name).used_by}) are missing: no {missing}. {how_to_get(name)}")
    return found


def verify(name: str) -> str:
    """Hash a file in the cache and compare it with what the registry pins, and with what it was when it came in.

    Returns:
        The SHA-256 of the file, or of the lines of the hashes of a set's files. How far it is pinned is in
        `WeightFile.pinned`.

    Raises:
        WeightsError: unknown name, no such file, or another hash.
    """
    digests = [_verify(name, file) for file in entry(name).files()]
    return digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()


def add(name: str, file: Path | str) -> Path:
    """Copy a file into the cache after checking that it is the right one.

    Args:
        name: which file of the registry it is.
        file: where it lies now; it stays there. Of a set, the folder with its files.

    Returns:
        Its place in the cache.

    Raises:
        WeightsError: unknown name, unreadable, or not the right file; the cache is as before.
        OutputError: the cache can't be written.
    """
    known, source = entry(name), Path(file)
    sources = [source / part for part, _ in known.parts] or [source]
    for given in sources:
        if not given.is_file():
            raise WeightsError(f"{given} is no file. {how_to_get(name)}")
    for part, given in zip(known.files(), sources, strict=True):
        _install(part, given, shutil.copyfile)
    return folder() / known.file


def fetch(name: str, progress: Progress | None = None) -> Path:
    """Download a file into the cache, unless it is there already; an interrupted download goes on where it stopped.

    The licence is the caller's to show first (`WeightFile.licence`): downloading means to accept it.

    Args:
        name: which file of the registry.
        progress: told how far the download is.

    Returns:
        Its place in the cache.

    Raises:
        WeightsError: unknown name, no connection, the server sent something else, or only a page or an archive is
            offered.
        OutputError: the cache can't be written.
    """
    known = entry(name)
    if (found := find(name)) is not None:
        return found
    if known.by_hand:
        raise WeightsError(f"the weights {name} can't be fetched by a command. {how_to_get(name)}")
    for file in known.files():
        if (folder() / file.file).is_file():  # of a set that is not whole
            _verify(name, file)
            continue
        part = folder() / f"{file.file}.part"
        download(file.url, part, progress)
        _install(file, part, os.replace)
    return folder() / known.file


def _is_here(known: WeightFile) -> bool:
    return all((folder() / file.file).is_file() for file in known.files())


def _verify(name: str, file: WeightFile) -> str:
    target = folder() / file.file
    if not target.is_file():
        raise WeightsError(f"the weights {name} are missing: no {target}. {how_to_get(name)}")
    digest = _require_hash(target, file, shown_as=target)
    record = _record(target)
    if record.is_file() and not record.read_text(encoding="utf-8").startswith(digest):
        raise WeightsError(
            f"{target} has changed since it was added: SHA-256 {digest}, recorded in {record.name} was "
            f"{record.read_text(encoding='utf-8').split()[0]}. Delete it and get it again. {how_to_get(name)}"
        )
    return digest


def _install(known: WeightFile, source: Path, bring: Callable[[Path, Path], object]) -> None:
    target = folder() / known.file
    with atomic_path(target) as temporary:
        try:
            bring(source, temporary)
        except OSError as error:
            if error.filename == str(source):
                raise WeightsError(f"{source} can't be read: {error.strerror}. Check its permissions.") from error
            raise
        # What was brought is checked, not what it was brought from: that could change in between.
        read_state_dict(temporary, shown_as=source)
        digest = _require_hash(temporary, known, shown_as=source)
        _record(target).unlink(missing_ok=True)
    write_text(_record(target), f"{digest}  {target.name}\n")  # as `sha256sum --check` reads it


def _record(target: Path) -> Path:
    return target.with_name(target.name + ".sha256")


def _require_hash(file: Path, known: WeightFile, shown_as: Path) -> str:
    digest = sha256(file)
    if not digest.startswith(known.sha256):
        raise WeightsError(
            f"{shown_as} is not the file {known.name}: expected SHA-256 {known.sha256}"
            f"{'...' if known.pinned == 'prefix' else ''}, got {digest}. Delete it and get the file from {known.url}."
        )
    return digest
