"""`train_patches.h5`: the training patches of a prepared dataset in one file, for fast training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from sdd_bench.datasets.manifest import DatasetManifest, Kind, patch_path
from sdd_bench.errors import DatasetError
from sdd_bench.io.images import read_levels
from sdd_bench.io.packing import Pack, Samples, open_pack, write_pack
from sdd_bench.parallel import WorkerPool, map_items

PACK_NAME = "train_patches.h5"
PACKED: tuple[Kind, ...] = ("blur", "gt")


def pack_problem(bit_depths: Sequence[int]) -> str | None:
    """What stands against packing patches of these bit depths (one per training image that has patches), if anything.

    Args:
        bit_depths: 8 or 16 each.
    """
    if not bit_depths:
        return (
            "there are no training patches to pack (--pack); leave --pack out, or give a patch size and training pairs"
        )
    counts = {depth: sum(1 for each in bit_depths if each == depth) for depth in (8, 16)}
    if all(counts.values()):
        return (
            f"a pack holds patches of one bit depth (--pack): {counts[8]} training images have 8 bits, {counts[16]} "
            "have 16; --bit-depth 8 makes them alike"
        )
    return None


def write_patch_pack(
    folder: Path, manifest: DatasetManifest, *, workers: int | WorkerPool = 1, progress: bool = True
) -> None:
    """Write the pack of a prepared dataset from its patch files, whole or not at all.

    Patches come in the order of the manifest: by stem, then by their place in the grid.

    Args:
        folder: the dataset's folder.
        manifest: its manifest.
        workers: number of processes, or a pool of them, that decode the patch files.
        progress: show progress on the terminal.

    Raises:
        DatasetError: if there is nothing to pack, or patches are not alike.
        ImageError: if a patch file can't be read.
        OutputError: if the pack can't be written.
    """
    problem = pack_problem([pair.bit_depth for pair in manifest.pairs if pair.patches])
    if problem is not None:
        raise DatasetError(f"{folder}: {problem}.")
    places = [(pair.stem, patch.index) for pair in manifest.pairs for patch in pair.patches]
    write_pack(
        folder / PACK_NAME,
        _decoded(folder, places, workers, progress),
        stems=[stem for stem, _ in places],
        indices=[index for _, index in places],
        attributes={"manifest_hash": manifest.manifest_hash, "dataset": manifest.name},
    )


def open_patch_pack(folder: Path, manifest: DatasetManifest) -> Pack:
    """Open the pack of a prepared dataset.

    Args:
        folder: the dataset's folder.
        manifest: its manifest.

    Raises:
        DatasetError: if there is none, it is damaged, or it was made of another dataset.
    """
    pack = open_pack(folder / PACK_NAME, PACKED)
    stated = pack.attributes.get("manifest_hash")
    if stated != manifest.manifest_hash:
        raise DatasetError(
            f"{pack.path}: made of another dataset: it states the manifest hash {stated}, {folder} has "
            f"{manifest.manifest_hash}. Prepare the dataset again with --pack."
        )
    return pack


def _decoded(
    folder: Path, places: list[tuple[str, int]], workers: int | WorkerPool, progress: bool
) -> Iterator[Mapping[str, Samples]]:
    for _, patches in map_items(
        partial(_read, folder), places, workers=workers, describe="packing patches", progress=progress
    ):
        yield patches


def _read(folder: Path, place: tuple[str, int]) -> dict[str, Samples]:
    return {kind: read_levels(folder / patch_path(kind, *place)) for kind in PACKED}
