"""Which prediction files an entry scored: found by stem, held against their hashes."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from sdd_bench.datasets.sources import composed
from sdd_bench.errors import ProblemsError, ResultError
from sdd_bench.evaluation.results import EvaluationResult
from sdd_bench.io.hashing import sha256
from sdd_bench.io.images import IMAGE_SUFFIXES
from sdd_bench.models.prediction_record import RECORD_NAME

CLUTTER = frozenset({".ds_store", "thumbs.db", "desktop.ini", "__macosx"})
"""What file managers put beside files, in lower case."""


def prediction_files(folder: Path, result: EvaluationResult) -> dict[str, Path]:
    """The file of every image that a result scored, by stem.

    Hidden files, the clutter of file managers and the record of `sdd_bench.predict` are passed over. Whether the files
    are those that were scored is not looked at.

    Raises:
        ResultError: if there is no such folder.
        ProblemsError: naming every image without a file or with several, and every file that is no image's.
    """
    if not folder.is_dir():
        raise ResultError(
            f"{folder}: expected a folder of predictions, found {'a file' if folder.exists() else 'nothing'}."
        )
    found: dict[str, list[Path]] = defaultdict(list)
    problems = []
    stems = dict.fromkeys(image.stem for image in result.images)
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name.lower() in CLUTTER or path.name == RECORD_NAME:
            continue
        if path.is_file() and path.suffix.lower() in IMAGE_SUFFIXES and composed(path.stem) in stems:
            found[composed(path.stem)].append(path)
        else:
            problems.append(f"extra: {path.name} is no prediction of an image in the result; remove it")
    for stem in stems:
        if stem not in found:
            problems.append(f"missing: no file for {stem}; expected for example {stem}.png")
        elif len(found[stem]) > 1:
            problems.append(f"duplicate stem {stem}: {', '.join(path.name for path in found[stem])}; keep one")
    if problems:
        raise ProblemsError(f"{folder} does not hold the predictions of the result", problems)
    return {stem: path for stem, (path,) in found.items()}


def other_files(files: dict[str, Path], result: EvaluationResult) -> dict[str, str]:
    """SHA-256 of every file that is not the one the result scored, by stem."""
    scored = {image.stem: image.prediction_sha256 for image in result.images}
    hashes = {stem: sha256(path) for stem, path in files.items()}
    return {stem: found for stem, found in hashes.items() if found != scored[stem]}
