"""Training and validation pairs of a prepared dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset as TorchDataset

from sdd_bench.datasets.dataset import Pair, open_dataset
from sdd_bench.datasets.manifest import DatasetManifest, PairRecord, patch_path, read_manifest
from sdd_bench.datasets.pack import PACK_NAME
from sdd_bench.errors import ProblemsError, TrainingError
from sdd_bench.training.aligned import Window, open_aligned, part_of
from sdd_bench.training.recipe import DataSettings

_NAMED = 8  # problems of one kind that a report names

# Streams of random numbers that must not be the same one.
_SPLIT, _ORDER, _CROP = range(3)


class Place(NamedTuple):
    """Which crop of a run: its epoch, and its number within an epoch."""

    epoch: int
    number: int


class Crop(NamedTuple):
    """A training crop.

    Attributes:
        name: of the picture it was taken from.
        blurry: 3 x crop x crop, float32 RGB in [0, 1].
        sharp: the same shape.
        counted: 1 x crop x crop bool, the pixels at which they can be compared; all where nothing was aligned.
    """

    name: str
    blurry: torch.Tensor
    sharp: torch.Tensor
    counted: torch.Tensor


class TrainingCrops(TorchDataset[Crop]):
    """Random crops of the training patches, turned and mirrored.

    A crop depends on the seed, its epoch and its number alone: not on the crops before it, nor on how many workers load
    them. From the pack where the dataset has one, else from patch files, else from the full training images; from the
    full images that `align_training` left in `aligned` if the recipe says so, which may come after this.

    Args:
        folder: the prepared dataset.
        settings: of the recipe.
        seed: of all that is random.
        held_back: stems of pairs that are not for training.
        aligned: folder of aligned pictures; only looked at if the recipe says so.

    Raises:
        TrainingError: nothing is left to train with.
        ProblemsError: files are missing, or smaller than the crop; all of them in one report.
        DatasetError: the pack is damaged or another dataset's.
    """

    def __init__(
        self, folder: Path, settings: DataSettings, seed: int, held_back: frozenset[str], aligned: Path
    ) -> None:
        self.settings = settings
        self.aligned = aligned
        self.seed = seed
        manifest = read_manifest(folder)
        records = [pair for pair in manifest.pairs if pair.split == "train" and pair.stem not in held_back]
        if not records:
            raise TrainingError(
                f"{folder} has no pairs to train with: {_counts(manifest)}. Prepare it with training pairs."
            )
        self._folder = folder
        self._pack = None
        self._files: list[tuple[str, str]] = []
        self._numbers: list[int] = []
        self.stems = [record.stem for record in records]
        problems = [*_too_small(records, manifest, settings)]
        patches = not settings.align_once and any(record.patches for record in records)
        if patches and (folder / PACK_NAME).is_file():
            from sdd_bench.datasets.patch_data import PackedPatches

            self._pack = PackedPatches(folder)
            wanted = {record.stem for record in records}
            places = enumerate(self._pack.names)
            self._numbers = [number for number, name in places if name.rpartition("_")[0] in wanted]
        else:
            self._files = [files for record in records for files in _files(record, patches)]
            paths = [path for files in self._files for path in files]
            problems += [f"{path}: missing" for path in paths if not (folder / path).is_file()]
        if problems:
            more = [f"and {len(problems) - _NAMED} more"] if len(problems) > _NAMED else []
            raise ProblemsError(f"{folder}: can't be trained with", [*problems[:_NAMED], *more])

    def __len__(self) -> int:
        return self.settings.repeat * (len(self._numbers) if self._pack is not None else len(self._files))

    def __getitem__(self, place: Place) -> Crop:
        rng = np.random.default_rng([self.seed, _CROP, place.epoch, place.number])
        number = place.number // self.settings.repeat
        if self.settings.align_once:
            stem = self.stems[number]
            stored = open_aligned(self.aligned, stem)
            window, turned = self._drawn(rng, *stored.shape[:2])
            blurry, sharp, counted = map(turned, part_of(stored, window))
            return Crop(stem, blurry, sharp, counted)
        name, *pictures = self._read(number)
        (rows, columns), turned = self._drawn(rng, *pictures[0].shape[1:])
        blurry, sharp = (turned(picture[:, rows, columns]) for picture in pictures)
        return Crop(name, blurry, sharp, torch.ones_like(blurry[:1], dtype=torch.bool))

    def _drawn(
        self, rng: np.random.Generator, height: int, width: int
    ) -> tuple[Window, Callable[[torch.Tensor], torch.Tensor]]:
        size = self.settings.crop
        half = 1 if self.settings.crop_from == "anywhere" else 2
        top, left = (int(rng.integers(0, side - size + 1)) // half for side in (height, width))
        turns, mirrored = (int(rng.integers(4)), bool(rng.integers(2))) if self.settings.augment else (0, False)

        def turned(picture: torch.Tensor) -> torch.Tensor:
            picture = torch.rot90(picture, turns, (1, 2))
            return (picture.flip(2) if mirrored else picture).contiguous()

        return (slice(top, top + size), slice(left, left + size)), turned

    def _read(self, number: int) -> tuple[str, torch.Tensor, torch.Tensor]:
        if self._pack is not None:
            packed = self._numbers[number]
            return self._pack.names[packed], *self._pack[packed]
        blur, gt = self._files[number]
        return Path(blur).stem, _tensor(self._folder / blur), _tensor(self._folder / gt)


def batches(crops: int, batch: int, seed: int, epoch: int, rank: int = 0, ranks: int = 1) -> list[list[Place]]:
    """The crops of every step of an epoch, in random order; those that fill no whole batch are left out.

    Args:
        crops: how many there are.
        batch: crops per step, over all ranks.
        seed: of the order.
        epoch: from 0.
        rank: of this process.
        ranks: number of processes; they share every batch evenly.

    Raises:
        TrainingError: the batch is larger than the epoch, or can't be shared evenly.
    """
    if batch > crops:
        raise TrainingError(f"a batch of {batch} crops is more than an epoch has ({crops}). Use a smaller batch.")
    if batch % ranks:
        raise TrainingError(f"a batch of {batch} crops can't be shared evenly by {ranks} devices.")
    order = np.random.default_rng([seed, _ORDER, epoch]).permutation(crops)
    starts = range(0, crops - batch + 1, batch)
    return [[Place(epoch, int(number)) for number in order[start : start + batch][rank::ranks]] for start in starts]


class ValidationPair(NamedTuple):
    """A picture to validate with.

    Attributes:
        stem: of the pair.
        blurry: 3 x H x W.
        gt: 3 x H x W, misaligned.
        target: 3 x H x W, the ground truth deformed towards the blurry picture, once for the whole run.
        valid: H x W bool, pixels that count.
    """

    stem: str
    blurry: torch.Tensor
    gt: torch.Tensor
    target: torch.Tensor
    valid: torch.Tensor


def validation_pairs(folder: Path, share: float, seed: int) -> list[Pair]:
    """The pairs that choose the best epoch: the split "val", or else scenes taken out of the training ones.

    Args:
        folder: the prepared dataset.
        share: of the training scenes, at least one is taken.
        seed: decides which.

    Raises:
        TrainingError: there is no "val" split, and fewer than two training scenes.
        DatasetError: the folder is no prepared dataset.
    """
    manifest = read_manifest(folder)
    counts = manifest.counts()
    if counts["val"]["pairs"]:
        return list(open_dataset(folder, "val"))
    if not counts["train"]["pairs"]:
        raise TrainingError(f"{folder} has no pairs to train with: {_counts(manifest)}.")
    dataset = open_dataset(folder, "train")
    scenes = sorted({pair.scene for pair in dataset})
    if len(scenes) < 2:
        raise TrainingError(
            f"{folder} has pairs of one training scene ({scenes[0]}) and no val split: expected at least two scenes, "
            "one of them to choose the best epoch with."
        )
    count = min(max(round(share * len(scenes)), 1), len(scenes) - 1)
    taken = set(np.random.default_rng([seed, _SPLIT]).permutation(scenes)[:count].tolist())
    return [pair for pair in dataset if pair.scene in taken]


def middle(picture: np.ndarray, side: int | None) -> np.ndarray:
    """The middle of a picture H x W x C, at most `side` pixels a side."""
    if side is None:
        return picture
    top, left = (max(length - side, 0) // 2 for length in picture.shape[:2])
    return np.ascontiguousarray(picture[top : top + side, left : left + side])


def _files(record: PairRecord, patches: bool) -> Iterator[tuple[str, str]]:
    if not patches or not record.patches:
        yield record.image("blur"), record.image("gt")
        return
    for patch in record.patches:
        yield patch_path("blur", record.stem, patch.index), patch_path("gt", record.stem, patch.index)


def _too_small(records: list[PairRecord], manifest: DatasetManifest, settings: DataSettings) -> Iterator[str]:
    patch, crop = manifest.preset.patch_size, settings.crop
    whole = [record for record in records if settings.align_once or not record.patches]
    if patch is not None and patch < crop and len(whole) < len(records):
        yield f"patches of {patch} x {patch} pixels are smaller than the crop of {crop}; use data.crop={patch}"
    for record in whole:
        if min(record.size) < crop:
            yield f"{record.stem}: {record.size[0]} x {record.size[1]} pixels are less than the crop of {crop}"


def _counts(manifest: DatasetManifest) -> str:
    return ", ".join(f"{number['pairs']} in split {split}" for split, number in manifest.counts().items())


def _tensor(path: Path) -> torch.Tensor:
    from sdd_bench.io.images import read_image

    return torch.from_numpy(read_image(path)).permute(2, 0, 1)
