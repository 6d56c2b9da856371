"""What a prediction is made from: the blurry pictures of a prepared dataset, or of any folder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sdd_bench.datasets.dataset import Dataset
from sdd_bench.datasets.sources import composed
from sdd_bench.errors import DatasetError, ImageError, ProblemsError, unknown_name
from sdd_bench.io.images import IMAGE_SUFFIXES, image_info


@dataclass(frozen=True)
class Picture:
    """One picture to work on.

    Attributes:
        stem: its name, and that of the prediction.
        path: the file.
        size: (height, width), pixels.
        bit_depth: of its samples: 8, 16, or 32 for floats.
    """

    stem: str
    path: Path
    size: tuple[int, int]
    bit_depth: int


def of_dataset(dataset: Dataset) -> list[Picture]:
    """The blurry pictures of one split.

    Raises:
        ProblemsError: naming every file that can't be read by its header, or has not the size that the manifest states.
    """
    pictures = _opened({pair.stem: pair.blur_path for pair in dataset}, f"{dataset.path} has damaged pictures")
    wrong = [
        f"{picture.path.name}: {' x '.join(map(str, picture.size[::-1]))}, stated {' x '.join(map(str, pair.size))}"
        for picture, pair in zip(pictures, dataset, strict=True)
        if picture.size != pair.size[::-1]
    ]
    if wrong:
        raise ProblemsError(f"{dataset.path} is not the dataset its manifest describes; prepare it again", wrong)
    return pictures


def of_folder(folder: Path) -> list[Picture]:
    """All pictures that lie directly in a folder, by their stems; other files are passed over.

    Raises:
        DatasetError: no such folder, or no picture in it.
        ProblemsError: naming every picture that can't be read by its header, and every stem that occurs twice.
    """
    if not folder.is_dir():
        raise DatasetError(
            f"{folder}: expected a folder of pictures, found {'a file' if folder.exists() else 'nothing'}."
        )
    found: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith("."):
            found[composed(path.stem)].append(path)
    if not found:
        raise DatasetError(f"{folder} holds no pictures ({', '.join(sorted(IMAGE_SUFFIXES))}).")
    twice = [f"{', '.join(path.name for path in paths)}: one stem" for paths in found.values() if len(paths) > 1]
    if twice:
        raise ProblemsError(f"{folder}: predictions are named by stems, of which some occur twice; keep one", twice)
    return _opened({stem: path for stem, (path,) in found.items()}, f"{folder} has pictures that can't be read")


def _opened(paths: dict[str, Path], title: str) -> list[Picture]:
    pictures, problems = [], []
    for stem, path in paths.items():
        try:
            info = image_info(path)
        except ImageError as error:
            problems.append(f"{path.name}: {str(error).removeprefix(f'{path} ')}")
            continue
        pictures.append(Picture(stem, path, (info.height, info.width), info.bit_depth))
    if problems:
        raise ProblemsError(title, problems)
    return pictures


def choose(pictures: Sequence[Picture], stems: Sequence[str] | None) -> list[Picture]:
    """Those of some stems, in the order of all; None takes all.

    Raises:
        DatasetError: no stems, or one that no picture has.
    """
    if stems is None:
        return list(pictures)
    wanted = {composed(stem) for stem in stems}
    known = [picture.stem for picture in pictures]
    if not wanted:
        raise DatasetError("no stems were given: leave --stems out to take all pictures.")
    for stem in sorted(wanted.difference(known)):
        raise DatasetError(unknown_name("stem", stem, known))
    return [picture for picture in pictures if picture.stem in wanted]
