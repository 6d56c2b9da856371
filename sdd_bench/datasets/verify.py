"""Whether a prepared dataset still is what was prepared: every file is read and its hash compared."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sdd_bench.datasets.card import CARD_NAME
from sdd_bench.datasets.checksums import SUMS_NAME, read_checksums
from sdd_bench.datasets.manifest import MANIFEST_NAME, DatasetManifest, read_manifest
from sdd_bench.datasets.pack import PACK_NAME, open_patch_pack
from sdd_bench.errors import DatasetError
from sdd_bench.io.hashing import sha256
from sdd_bench.parallel import map_items

_SYSTEM_FILES = {"thumbs.db", "desktop.ini"}


@dataclass(frozen=True)
class Verification:
    """What was found; paths are relative to the dataset's folder, sorted.

    Attributes:
        manifest_hash: of the dataset.
        files: number of files that should be there.
        missing: files that are not there.
        changed: files with another content than was written, and why that is known where it is not by their hash.
        extra: files that are no part of the dataset.
        unreadable: files that can't be read, each with the reason.
    """

    manifest_hash: str
    files: int
    missing: tuple[str, ...]
    changed: tuple[str, ...]
    extra: tuple[str, ...]
    unreadable: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether everything is there and as it was written, and nothing else."""
        return not (self.missing or self.changed or self.extra or self.unreadable)


def verify_dataset(path: str | Path, *, workers: int = 1, progress: bool = True) -> Verification:
    """Read every file of a prepared dataset and compare it with what was written.

    Images are held against the manifest, the manifest against its own hash, and all else (pack, tables, report) against
    ``SHA256SUMS``. The card, README.md, is made to be edited: it may differ. Names that start with a dot, Thumbs.db and
    desktop.ini are passed over: systems put them everywhere.

    Args:
        path: the dataset's folder.
        workers: processes that read files.
        progress: show progress on the terminal.

    Raises:
        DatasetError: if the folder is no prepared dataset, or its manifest is damaged.
    """
    folder = Path(path)
    manifest = read_manifest(folder)
    expected = manifest_files(manifest)
    changed: list[str] = []
    missing: list[str] = []
    if (folder / SUMS_NAME).is_file():
        try:
            listed = read_checksums(folder)
        except DatasetError as error:
            changed.append(f"{SUMS_NAME} ({error})")
            listed = {}
        if listed and any(listed.get(name) != digest for name, digest in expected.items()):
            changed.append(f"{SUMS_NAME} (its hashes of images are not those that {MANIFEST_NAME} states)")
        expected = {**listed, **expected}
    else:
        missing.append(SUMS_NAME)
    unreadable: list[str] = []
    for name, found in map_items(
        partial(_hash_or_explain, folder),
        list(expected),
        workers=workers,
        describe="verifying",
        progress=progress,
    ):
        if found is None:
            missing.append(name)
        elif not found.startswith("sha256:"):
            unreadable.append(f"{name} ({found})")
        elif found != f"sha256:{expected[name]}":
            changed.append(name)
    if PACK_NAME in expected and PACK_NAME not in {*missing, *changed}:
        try:
            open_patch_pack(folder, manifest)
        except DatasetError as error:
            changed.append(f"{PACK_NAME} ({error})")
    known = {*expected, MANIFEST_NAME, SUMS_NAME, CARD_NAME}
    return Verification(
        manifest_hash=manifest.manifest_hash,
        files=len(known),
        missing=tuple(sorted(missing)),
        changed=tuple(sorted(changed)),
        extra=tuple(sorted(name for name in _found(folder) if name not in known)),
        unreadable=tuple(sorted(unreadable)),
    )


def manifest_files(manifest: DatasetManifest) -> dict[str, str]:
    """SHA-256 of every image that a manifest pins, by path."""
    return {path: digest for pair in manifest.pairs for path, digest in pair.files.items()}


def _hash_or_explain(folder: Path, name: str) -> str | None:
    try:
        return f"sha256:{sha256(folder / name)}"
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return error.strerror or str(error)


def _found(folder: Path) -> Iterator[str]:
    for place, folders, files in os.walk(folder):
        here = Path(place)
        folders[:] = [name for name in folders if not name.startswith(".")]
        links = [name for name in folders if (here / name).is_symlink()]  # not walked into: they may go round
        for name in (*files, *links):
            if not name.startswith(".") and name.casefold() not in _SYSTEM_FILES:
                yield (here / name).relative_to(folder).as_posix()
