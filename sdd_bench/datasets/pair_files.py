"""The files of one pair of a dataset in the making: full images, and the sharpest patches of training images."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from sdd_bench.datasets.manifest import Kind, PatchPlace, Split, image_path, patch_path
from sdd_bench.datasets.patches import Levels, gray_levels, grid
from sdd_bench.datasets.prepare_report import PairView, pair_view
from sdd_bench.datasets.preset import Preset
from sdd_bench.datasets.sharpest_patches import sharpest_patches
from sdd_bench.io.atomic import file_batch
from sdd_bench.io.png_windows import Window, encode_windows

_PATCHED: tuple[Kind, ...] = ("blur", "gt")


class PairFiles(NamedTuple):
    """What was written of a pair.

    Attributes:
        hashes: SHA-256 of every file, by its path relative to the dataset's folder.
        patches: the kept training patches, in the order of the grid.
        view: what the report shows of the pair.
    """

    hashes: dict[str, str]
    patches: tuple[PatchPlace, ...]
    view: PairView


def write_pair(
    folder: Path, stem: str, split: Split, images: Mapping[Kind, Levels], preset: Preset, *, patched: bool
) -> PairFiles:
    """Write the images of a pair, and the sharpest patches of them.

    Args:
        folder: of the dataset in the making.
        stem: of the pair.
        split: of the pair.
        images: by kind, H x W x 3 each, all uint8 or all uint16.
        preset: how patches are cut.
        patched: whether patches are cut.

    Raises:
        OutputError: a file can't be written.
    """
    patches: tuple[PatchPlace, ...] = ()
    energies: tuple[float, ...] = ()
    if patched and preset.patch_size is not None:
        gt = images["gt"]
        places = grid(gt.shape[1], gt.shape[0], preset.patch_size, preset.stride)
        kept, found = sharpest_patches(gray_levels(gt), preset.patch_size, preset.stride, preset.keep_share)
        patches = tuple(PatchPlace(index=i, x=places[i][0], y=places[i][1]) for i in kept)
        energies = tuple(found.tolist())
    parts: dict[Kind, dict[str, Window]] = {}
    for kind, image in images.items():
        parts[kind] = {image_path(split, kind, stem): Window(0, 0, image.shape[1], image.shape[0])}
        if kind in _PATCHED:
            parts[kind] |= {
                patch_path(kind, stem, patch.index): Window(
                    patch.x, patch.y, preset.patch_size or 0, preset.patch_size or 0
                )
                for patch in patches
            }
    return PairFiles(_write(folder, images, parts), patches, pair_view(images["blur"], images["gt"], energies))


def write_patch_pair(folder: Path, stem: str, images: Mapping[Kind, Levels]) -> PairFiles:
    """Write a pair of which the images are a training patch already.

    Args:
        folder: of the dataset in the making.
        stem: of the pair.
        images: by kind, H x W x 3 each, all uint8 or all uint16.

    Raises:
        OutputError: a file can't be written.
    """
    parts = {
        kind: {patch_path(kind, stem, 0): Window(0, 0, images[kind].shape[1], images[kind].shape[0])}
        for kind in _PATCHED
    }
    view = pair_view(images["blur"], images["gt"], ())
    return PairFiles(_write(folder, images, parts), (PatchPlace(index=0, x=0, y=0),), view)


def _write(folder: Path, images: Mapping[Kind, Levels], parts: Mapping[Kind, Mapping[str, Window]]) -> dict[str, str]:
    hashes: dict[str, str] = {}
    with file_batch() as batch:
        for kind, windows in parts.items():
            for path, data in zip(windows, encode_windows(images[kind], list(windows.values())), strict=True):
                batch.write_bytes(folder / path, data)
                hashes[path] = hashlib.sha256(data).hexdigest()
    return hashes
