"""A folder of predictions, checked whole before anything is computed."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from sdd_bench.datasets.dataset import Dataset
from sdd_bench.datasets.sources import composed
from sdd_bench.errors import ImageError, ProblemsError, ResultError
from sdd_bench.io.hashing import sha256
from sdd_bench.io.images import IMAGE_SUFFIXES, read_image
from sdd_bench.parallel import map_items

# Written by file managers, not by people.
_CLUTTER = {"thumbs.db", "desktop.ini", "__macosx"}


@dataclass(frozen=True)
class Prediction:
    """One prediction that was read whole and found sound.

    Attributes:
        stem: of the test pair it belongs to.
        path: the file.
        sha256: of the file.
        lossy: whether it is a JPEG, whose compression is part of the score.
    """

    stem: str
    path: Path
    sha256: str
    lossy: bool


def check_predictions(
    folder: str | Path, dataset: Dataset, *, workers: int = 1, progress: bool = True
) -> dict[str, Prediction]:
    """Match the files of a folder with the pairs of a dataset by stem and read every one of them.

    Hidden files and the clutter of file managers are passed over; anything else that is no prediction is a problem.

    Args:
        folder: the predictions, one image file per pair.
        dataset: the pairs.
        workers: worker processes.
        progress: show progress on the terminal.

    Returns:
        Stem to prediction, in the dataset's order.

    Raises:
        ResultError: if the folder does not exist.
        ProblemsError: with every missing, extra, duplicate, wrong-size, invalid and unreadable file in one report.
    """
    folder = Path(folder)
    if not folder.is_dir():
        found = "a file" if folder.exists() else "nothing"
        raise ResultError(f"{folder}: expected a folder of predictions, found {found}.")
    problems: list[str] = []
    candidates: dict[str, list[Path]] = defaultdict(list)
    wanted = set(dataset.stems)
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name.lower() in _CLUTTER:
            continue
        if path.is_dir():
            problems.append(f"extra folder {path.name}/: predictions lie directly in the folder; move or remove it")
        elif path.suffix.lower() not in IMAGE_SUFFIXES:
            problems.append(f"extra file {path.name}: not an image ({', '.join(sorted(IMAGE_SUFFIXES))})")
        elif composed(path.stem) not in wanted:
            problems.append(f"extra file {path.name}: the {dataset.split} split has no pair of that stem")
        else:
            candidates[composed(path.stem)].append(path)
    for stem in dataset.stems:
        if not candidates[stem]:
            problems.append(f"missing: no file for {stem}; expected for example {stem}.png")
        elif len(candidates[stem]) > 1:
            names = ", ".join(path.name for path in candidates[stem])
            problems.append(f"duplicate stem {stem}: {names}; keep one")
    sizes = {pair.stem: pair.size for pair in dataset}
    items = [(path, sizes[stem]) for stem, paths in candidates.items() for path in paths]
    hashes = {}
    for (path, _), (problem, digest) in map_items(
        _check, items, workers=workers, describe="checking predictions", progress=progress
    ):
        hashes[path] = digest
        if problem:
            problems.append(f"{path.name}: {problem}")
    if problems:
        raise ProblemsError(f"{folder} can't be evaluated against {dataset.path} ({dataset.split} split)", problems)
    return {
        stem: Prediction(stem, path, hashes[path], path.suffix.lower() in {".jpg", ".jpeg"})
        for stem, (path,) in ((stem, candidates[stem]) for stem in dataset.stems)
    }


def _check(item: tuple[Path, tuple[int, int]]) -> tuple[str, str]:
    """What is wrong with one file (empty if nothing is), and its SHA-256 (empty if it can't be read)."""
    path, (width, height) = item
    try:
        image = read_image(path)
    except ImageError as error:
        return str(error).removeprefix(f"{path} "), ""
    if image.shape[:2] != (height, width):
        return f"wrong size: {image.shape[1]} x {image.shape[0]}, expected {width} x {height}", ""
    return "", sha256(path)
