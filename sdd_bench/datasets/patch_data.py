"""Training patches for PyTorch, read from a dataset's pack."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch.utils.data import Dataset

from sdd_bench.datasets.manifest import read_manifest
from sdd_bench.datasets.pack import open_patch_pack
from sdd_bench.io.samples import to_float


class PatchPair(NamedTuple):
    """One blurry/sharp training patch: 3 x H x W each, float32 RGB in [0, 1]."""

    blur: torch.Tensor
    gt: torch.Tensor


class PackedPatches(Dataset[PatchPair]):
    """The training patches of a dataset that was prepared with ``--pack``.

    No file stays open between two reads, so a loader may fork, spawn or pickle it, with any number of workers.

    Attributes:
        names: name of each patch, ``STEM_NN``, as its PNG files are named.
    """

    def __init__(self, path: str | Path) -> None:
        """Open the pack of a prepared dataset.

        Args:
            path: the dataset's folder.

        Raises:
            DatasetError: if the folder is no prepared dataset, or its pack is missing, damaged or another dataset's.
        """
        self._pack = open_patch_pack(Path(path), read_manifest(Path(path)))
        places = zip(self._pack.stems, self._pack.indices, strict=True)
        self.names = [f"{stem}_{index:02d}" for stem, index in places]

    def __len__(self) -> int:
        return len(self._pack)

    def __getitem__(self, number: int) -> PatchPair:
        if not -len(self) <= number < len(self):
            raise IndexError(f"patch {number} of {len(self)}")
        patches = self._pack.read(number)
        return PatchPair(*(torch.from_numpy(to_float(patches[kind])).permute(2, 0, 1) for kind in PatchPair._fields))
