"""Reading a prepared dataset."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from sdd_bench.datasets.manifest import DatasetManifest, Environment, PairRecord, Split, read_manifest
from sdd_bench.datasets.sources import composed
from sdd_bench.errors import DatasetError, ProblemsError, unknown_name

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True)
class Pair:
    """One blurry/sharp pair; its images are read when asked for.

    Attributes:
        stem: name of the pair; predictions are matched by it.
        scene: pairs of one scene are in one split.
        environment: "indoor", "outdoor", or None where it is not known.
        split: "train", "val" or "test".
        size: (width, height), pixels.
        bit_depth: bits per channel of the files.
        blur_path: the blurry image.
        gt_path: the sharp image, which may be misaligned with the blurry one.
        aligned_gt_path: the true aligned sharp image; None where it is not known.
    """

    stem: str
    scene: str
    environment: Environment | None
    split: Split
    size: tuple[int, int]
    bit_depth: int
    blur_path: Path
    gt_path: Path
    aligned_gt_path: Path | None

    def blur(self) -> npt.NDArray[np.float32]:
        """Read the blurry image: H x W x 3, float32 RGB in [0, 1]."""
        return _read(self.blur_path)

    def gt(self) -> npt.NDArray[np.float32]:
        """Read the sharp image: H x W x 3, float32 RGB in [0, 1]."""
        return _read(self.gt_path)

    def aligned_gt(self) -> npt.NDArray[np.float32]:
        """Read the true aligned sharp image: H x W x 3, float32 RGB in [0, 1].

        Raises:
            DatasetError: if this pair has none.
        """
        if self.aligned_gt_path is None:
            raise DatasetError(f"pair {self.stem!r} has no aligned ground truth; only synthetic datasets have one.")
        return _read(self.aligned_gt_path)


class Dataset:
    """One split of a prepared dataset: its pairs in the order of their stems.

    Attributes:
        path: the dataset's folder.
        split: "train", "val" or "test".
        manifest: the record of the whole dataset, all splits.
    """

    def __init__(self, path: Path, split: Split, manifest: DatasetManifest) -> None:
        self.path = path
        self.split = split
        self.manifest = manifest
        self._pairs = {record.stem: _pair(path, record) for record in manifest.pairs if record.split == split}

    @property
    def hash(self) -> str:
        """SHA-256 that pins the dataset (all splits): see `DatasetManifest.manifest_hash`."""
        return self.manifest.manifest_hash

    @property
    def stems(self) -> list[str]:
        """Stems of this split, in order."""
        return list(self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)

    def __iter__(self) -> Iterator[Pair]:
        return iter(self._pairs.values())

    def __contains__(self, stem: object) -> bool:
        return isinstance(stem, str) and composed(stem) in self._pairs

    def __getitem__(self, stem: str) -> Pair:
        if stem not in self:
            raise DatasetError(unknown_name(f"stem in split {self.split!r}", stem, self._pairs))
        return self._pairs[composed(stem)]


def open_dataset(path: str | Path, split: str = "test") -> Dataset:
    """Open one split of a prepared dataset.

    Args:
        path: the folder that `prepare` wrote.
        split: "test", "val" or "train".

    Returns:
        The split's pairs, their images unread.

    Raises:
        DatasetError: if the folder is no prepared dataset, its manifest is damaged, or it has nothing in this split.
        ProblemsError: if images of the split are missing.
    """
    folder = Path(path)
    known: tuple[Split, ...] = get_args(Split)
    chosen = next((name for name in known if name == split), None)
    if chosen is None:
        raise DatasetError(unknown_name("split", split, known))
    dataset = Dataset(folder, chosen, read_manifest(folder))
    if not len(dataset):
        counts = dataset.manifest.counts()
        present = [f"{name} ({number['pairs']} pairs)" for name, number in counts.items() if number["pairs"]]
        raise DatasetError(f"{folder} has no pairs in split {split!r}; it has: {', '.join(present) or 'none at all'}.")
    wanted = [path for pair in dataset for path in (pair.blur_path, pair.gt_path, pair.aligned_gt_path) if path]
    missing = [path.relative_to(folder).as_posix() for path in wanted if not path.is_file()]
    if missing:
        raise ProblemsError(f"{folder}: files of the dataset that are missing; prepare it again", missing)
    return dataset


def _pair(folder: Path, record: PairRecord) -> Pair:
    return Pair(
        stem=record.stem,
        scene=record.scene,
        environment=record.environment,
        split=record.split,
        size=record.size,
        bit_depth=record.bit_depth,
        blur_path=folder / record.image("blur"),
        gt_path=folder / record.image("gt"),
        aligned_gt_path=folder / record.image("aligned_gt") if "aligned_gt" in record.sources else None,
    )


def _read(path: Path) -> npt.NDArray[np.float32]:
    from sdd_bench.io.images import read_image

    return read_image(path)
