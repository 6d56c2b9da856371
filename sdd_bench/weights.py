"""Named weight files of other people: where they come from, which hash and licence they have, and where they are kept.

None of them is part of this package. They live in ``weights/`` of the cache folder (``SDD_BENCH_CACHE``, else the
platform's own), get there by `fetch` or `add`, and are hashed every time they are used. A missing or damaged file is an
error that names the ways out, never a reason to go on with something else.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sdd_bench.errors import WeightsError, unknown_name
from sdd_bench.io.atomic import atomic_path, write_text
from sdd_bench.io.download import Progress, download
from sdd_bench.io.hashing import sha256
from sdd_bench.io.state_dicts import read_state_dict


@dataclass(frozen=True)
class WeightFile:
    """One file of the registry.

    Attributes:
        name: what commands call it.
        used_by: what needs it.
        file: its name in the cache folder.
        url: where its authors offer it.
        sha256: the hash as far as it is known: 64 hexadecimal digits, the first few of them, or none.
        size: bytes, None if not known.
        licence: under which terms its authors offer it.
        citation: whose work it is.
    """

    name: str
    used_by: str
    file: str
    url: str
    sha256: str
    size: int | None
    licence: str
    citation: str

    @property
    def pinned(self) -> Literal["full", "prefix", "unverified"]:
        """How much of the hash is known: a file can only be verified as far as that."""
        return "full" if len(self.sha256) == 64 else "prefix" if self.sha256 else "unverified"


_PWCNET = "Sun, Yang, Liu, Kautz: PWC-Net: CNNs for Optical Flow Using Pyramid, Warping, and Cost Volume. CVPR 2018"
REGISTRY: dict[str, WeightFile] = {
    entry.name: entry
    for entry in (
        # The digits in the file name are the hash's first ones, by the convention of torch.hub, which checks them; the
        # rest and the size are as recorded by many who have the file.
        WeightFile(
            name="alexnet",
            used_by="LPIPS",
            file="alexnet-owt-7be5be79.pth",
            url="https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
            sha256="7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
            size=244_408_911,
            licence="BSD-3-Clause",
            citation="Krizhevsky: One weird trick for parallelizing convolutional neural networks. 2014 (torchvision)",
        ),
        # ptlflow's checkpoint "things" of its model "pwcnet", which is the network with dense connections.
        WeightFile(
            name="pwcnet-ptlflow",
            used_by="flow pwcnet",
            file="pwcdcnet-things-cc223701.ckpt",
            url="https://github.com/hmorimitsu/ptlflow/releases/download/weights1/pwcdcnet-things-cc223701.ckpt",
            sha256="cc223701",
            size=None,
            licence="CC BY-NC-SA 4.0",
            citation=_PWCNET + " (ptlflow)",
        ),
        # The official Caffe weights as ported by Niklaus, kept by torch.hub under the name "pwc-default".
        WeightFile(
            name="pwc-default",
            used_by="flow pwcnet, protocol jdrl2022",
            file="pwc-default.pytorch",
            url="http://content.sniklaus.com/github/pytorch-pwc/network-default.pytorch",
            sha256="",
            size=None,
            licence="CC BY-NC-SA 4.0",
            citation=_PWCNET + "; Niklaus: A Reimplementation of PWC-Net Using PyTorch. 2018",
        ),
    )
}


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
    paths = {known: folder() / known.file for known in REGISTRY.values()}
    return [Status(known, path, path.is_file()) for known, path in paths.items()]


def how_to_get(name: str) -> str:
    """Say in one line how to get a file, with and without internet."""
    size = entry(name).size
    about = f"{size / 1e6:.0f} MB, {entry(name).licence}" if size else entry(name).licence
    return (
        f"Run `sdd-bench weights fetch {name}` ({about}), or on a machine without internet "
        f"`sdd-bench weights add {name} FILE`."
    )


def find(name: str) -> Path | None:
    """Path of a file that is there and verified, or None if there is none.

    Raises:
        WeightsError: unknown name, or what is there is not the right file.
    """
    path = folder() / entry(name).file
    if not path.is_file():
        return None
    verify(name)
    return path


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
        The SHA-256 of the file. How far it is pinned is in `WeightFile.pinned`.

    Raises:
        WeightsError: unknown name, no such file, or another hash.
    """
    known, target = entry(name), folder() / entry(name).file
    if not target.is_file():
        raise WeightsError(f"the weights {name} are missing: no {target}. {how_to_get(name)}")
    digest = _require_hash(target, known, shown_as=target)
    record = _record(target)
    if record.is_file() and not record.read_text(encoding="utf-8").startswith(digest):
        raise WeightsError(
            f"{target} has changed since it was added: SHA-256 {digest}, recorded in {record.name} was "
            f"{record.read_text(encoding='utf-8').split()[0]}. Delete it and get it again. {how_to_get(name)}"
        )
    return digest


def add(name: str, file: Path | str) -> Path:
    """Copy a file into the cache after checking that it is the right one.

    Args:
        name: which file of the registry it is.
        file: where it lies now; it stays there.

    Returns:
        Its place in the cache.

    Raises:
        WeightsError: unknown name, unreadable, or not the right file; the cache is as before.
        OutputError: the cache can't be written.
    """
    known, source = entry(name), Path(file)
    if not source.is_file():
        raise WeightsError(f"{source} is no file. {how_to_get(name)}")
    return _install(known, source, shutil.copyfile)


def fetch(name: str, progress: Progress | None = None) -> Path:
    """Download a file into the cache, unless it is there already; an interrupted download goes on where it stopped.

    The licence is the caller's to show first (`WeightFile.licence`): downloading means to accept it.

    Args:
        name: which file of the registry.
        progress: told how far the download is.

    Returns:
        Its place in the cache.

    Raises:
        WeightsError: unknown name, no connection, or the server sent something else.
        OutputError: the cache can't be written.
    """
    known = entry(name)
    if (found := find(name)) is not None:
        return found
    part = folder() / f"{known.file}.part"
    download(known.url, part, progress)
    return _install(known, part, os.replace)


def _install(known: WeightFile, source: Path, bring: Callable[[Path, Path], object]) -> Path:
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
    return target


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
