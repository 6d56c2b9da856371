"""A folder of predictions, checked whole before anything is computed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from sdd_bench.datasets.dataset import Dataset
from sdd_bench.datasets.manifest import image_path
from sdd_bench.datasets.sources import composed
from sdd_bench.errors import ImageError, OutputError, ProblemsError, ProtocolError, ResultError
from sdd_bench.evaluation.crops import CropName, Size, find_crop
from sdd_bench.evaluation.protocol import Protocol
from sdd_bench.io.hashing import sha256
from sdd_bench.io.images import IMAGE_SUFFIXES, read_samples
from sdd_bench.models.outputs import is_marked_random
from sdd_bench.models.prediction_record import RECORD_NAME, Cost, read_record
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
        crop: the rule by which it was cropped, the same for all of a folder.
        random: whether it says that it was made with random weights.
    """

    stem: str
    path: Path
    sha256: str
    lossy: bool
    crop: CropName = "none"
    random: bool = False


class _Found(NamedTuple):
    """What one file holds; `problem` is empty where it could be read."""

    problem: str
    sha256: str = ""
    size: Size = (0, 0)
    bits: int = 0
    random: bool = False


def check_predictions(
    folder: str | Path,
    dataset: Dataset,
    protocols: Sequence[Protocol] = (),
    *,
    crop: CropName | None = None,
    workers: int = 1,
    cluster: str | None = None,
    progress: bool = True,
) -> dict[str, Prediction]:
    """Match the files of a folder with the pairs of a dataset by stem and read every one of them.

    Hidden files, the clutter of file managers and the record of `sdd_bench.predict` are passed over; anything else that
    is no prediction is a problem.

    Args:
        folder: the predictions, one image file per pair.
        dataset: the pairs.
        protocols: what the predictions are for: each may refuse bit depths and crops.
        crop: the rule by which the predictions were cropped; None finds it out from their sizes.
        workers: worker processes.
        cluster: address of a Dask scheduler whose workers are used instead.
        progress: show progress on the terminal.

    Returns:
        Stem to prediction, in the dataset's order.

    Raises:
        ResultError: if the folder does not exist.
        ProtocolError: if a crop was given that a protocol does not accept.
        ProblemsError: with every missing, extra, duplicate, wrong-size, wrong-depth, invalid and unreadable file in one
            report.
    """
    folder = Path(folder)
    refusing = [protocol.id for protocol in protocols if protocol.crop == "none"]
    if crop not in (None, "none") and refusing:
        raise ProtocolError(
            f"--crop {crop}: {', '.join(refusing)} scores whole pictures. Leave --crop out and give whole predictions."
        )
    if not folder.is_dir():
        found = "a file" if folder.exists() else "nothing"
        raise ResultError(f"{folder}: expected a folder of predictions, found {found}.")
    candidates, problems = _match(folder, dataset)
    read = dict(
        map_items(
            _read,
            [path for paths in candidates.values() for path in paths],
            workers=workers,
            cluster=cluster,
            describe="checking predictions",
            progress=progress,
            label=_name,
        )
    )
    problems += [f"{path.name}: {found.problem}" for path, found in read.items() if found.problem]
    sound = {path: found for path, found in read.items() if not found.problem}
    for protocol in protocols:
        problems += _depth_problems(sound, protocol)
    whole = {pair.stem: pair.size for pair in dataset}
    sizes = {path.name: (whole[composed(path.stem)], found.size) for path, found in sound.items()}
    rule, wrong_sizes = find_crop(sizes, crop, whole_only=refusing)
    problems += [*wrong_sizes, *_ground_truth_problems(sound, dataset)]
    if problems:
        raise ProblemsError(f"{folder} can't be evaluated against {dataset.path} ({dataset.split} split)", problems)
    return {
        stem: Prediction(
            stem, path, read[path].sha256, path.suffix.lower() in {".jpg", ".jpeg"}, rule, read[path].random
        )
        for stem, (path,) in ((stem, candidates[stem]) for stem in dataset.stems)
    }


def recorded_cost(folder: Path, predictions: Mapping[str, Prediction]) -> Cost | None:
    """What the method takes, as `sdd_bench.predict` noted it beside its predictions.

    Args:
        folder: the predictions.
        predictions: what `check_predictions` found there.

    Returns:
        None where there is no record that can be read, or one that speaks of other files than these, or says nothing.
    """
    try:
        record = read_record(folder)
    except OutputError:  # nothing that scores depend on: somebody's own file may have this name
        return None
    if record is None or not record.complete:
        return None
    recorded = {row.stem: row.sha256 for row in record.pictures}
    if any(recorded.get(stem) != prediction.sha256 for stem, prediction in predictions.items()):
        return None
    return None if record.cost == Cost() else record.cost


def _match(folder: Path, dataset: Dataset) -> tuple[dict[str, list[Path]], list[str]]:
    """The files per stem, and a line per file, folder or stem that has no counterpart."""
    candidates: dict[str, list[Path]] = defaultdict(list)
    problems: list[str] = []
    wanted = set(dataset.stems)
    by_case = {stem.casefold(): stem for stem in dataset.stems}
    for path in _inside(folder):
        stem = composed(path.stem)
        if path.name.startswith(".") or path.name.lower() in {*_CLUTTER, RECORD_NAME}:
            continue
        if path.is_dir():
            images = sum(inner.suffix.lower() in IMAGE_SUFFIXES for inner in _inside(path))
            holds = f" with {images} images" if images else ""
            problems.append(
                f"extra folder {path.name}/{holds}: predictions lie directly in the folder; move or remove it"
            )
        elif path.suffix.lower() not in IMAGE_SUFFIXES:
            problems.append(f"extra file {path.name}: not an image ({', '.join(sorted(IMAGE_SUFFIXES))})")
        elif stem in wanted:
            candidates[stem].append(path)
        elif near := by_case.get(stem.casefold()):
            problems.append(
                f"extra file {path.name}: the stem is {near}, and upper and lower case count; rename it or remove it"
            )
        else:
            problems.append(f"extra file {path.name}: the {dataset.split} split has no pair of that stem")
    for stem in dataset.stems:
        paths = candidates[stem]
        if not paths:
            problems.append(f"missing: no file for {stem}; expected for example {stem}.png")
        elif len(paths) > 1:
            twins = len({composed(path.name) for path in paths}) < len(paths)
            alike = " (the same letters, encoded differently in Unicode)" if twins else ""
            problems.append(f"duplicate stem {stem}: {', '.join(path.name for path in paths)}{alike}; keep one")
    return candidates, problems


def _inside(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise ResultError(f"{folder}: can't be read: {error.strerror}. Check its permissions.") from error


def _read(path: Path) -> _Found:
    try:
        samples = read_samples(path)
    except ImageError as error:
        return _Found(str(error).removeprefix(f"{path} "))
    bits = 32 if samples.dtype.kind == "f" else 8 * samples.dtype.itemsize
    return _Found("", sha256(path), (samples.shape[1], samples.shape[0]), bits, is_marked_random(path))


def _name(path: Path) -> str:
    return path.name


def _depth_problems(sound: Mapping[Path, _Found], protocol: Protocol) -> list[str]:
    wanted, variants = protocol.bit_depth, {int(depth): other for depth, other in protocol.variants().items()}
    problems = []
    for path, found in sound.items():
        if wanted is None or found.bits == wanted:
            continue
        has = "floating-point values" if found.bits == 32 else f"{found.bits} bits per sample"
        # Not by way of fewer bits: what was rounded away does not come back.
        way_out = f"write the network's output with {wanted} bits"
        if found.bits in variants:
            way_out += f", or score these by {variants[found.bits].id} (--bit-depth {found.bits})"
        problems.append(f"{path.name}: {has}, but {protocol.id} is for {wanted}-bit files; {way_out}")
    return problems


def _ground_truth_problems(sound: Mapping[Path, _Found], dataset: Dataset) -> list[str]:
    files = {
        record.stem: tuple(record.files[image_path(record.split, role, record.stem)] for role in ("blur", "gt"))
        for record in dataset.manifest.pairs
    }
    own = {stem: gt for stem, (blur, gt) in files.items() if gt != blur}
    # In a focal stack the sharp picture of one pair is the blurry one of another.
    others = set(own.values()) - {blur for blur, _ in files.values()}
    same = sum(found.sha256 in {own.get(composed(path.stem)), *others} for path, found in sound.items())
    if 2 * same <= len(sound):
        return []
    return [
        f"{same} of {len(sound)} files are the dataset's own ground truth, byte for byte: this is no method's output. "
        "Give the folder of predictions"
    ]
