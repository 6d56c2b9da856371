"""A folder of predictions before a run: whether it may be written to, and what of it need not be made again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sdd_bench.datasets.dataset import Dataset
from sdd_bench.datasets.sources import composed
from sdd_bench.errors import OutputError, PredictionError
from sdd_bench.io.atomic import output_errors
from sdd_bench.io.hashing import sha256
from sdd_bench.io.images import IMAGE_SUFFIXES
from sdd_bench.models.prediction_inputs import Picture
from sdd_bench.models.prediction_record import RECORD_NAME, PictureRecord, PredictionRecord, Settings, read_record

_SHOWN = 5  # files that a message names


def record_folder(
    out: str | Path | None,
    maps: str | Path | None,
    pictures: Sequence[Picture],
    dataset: str | Path | Dataset | None,
) -> Path:
    """The folder of the record; none of the folders may be one of inputs.

    Raises:
        PredictionError: there is no folder to write to, or one for two things.
        OutputError: it holds what is worked on.
    """
    if (home := out if out is not None else maps) is None:
        raise PredictionError("expected a folder for the predictions: give --out.")
    targets = [Path(folder).resolve() for folder in (out, maps) if folder is not None]
    if len(set(targets)) < len(targets):
        raise PredictionError(f"--out and --defocus-map are both {out}: files of equal names would go there.")
    inputs = {picture.path.parent.resolve() for picture in pictures}
    if dataset is not None:
        inputs.add((dataset.path if isinstance(dataset, Dataset) else Path(dataset)).resolve())
    for target in targets:
        for folder in inputs:
            if target == folder or (dataset is not None and folder in target.parents):
                raise OutputError(f"{target} lies in {folder}, which is the input. Choose another folder.")
    return Path(home)


def finished(
    home: Path,
    maps: Path | None,
    earlier: PredictionRecord | None,
    settings: Settings,
    pictures: Sequence[Picture],
    overwrite: bool,
) -> dict[str, PictureRecord]:
    """What an earlier run made and need not be made again, by stem.

    Raises:
        OutputError: the folder holds pictures of other settings, or that no record speaks of.
    """
    if overwrite:
        _remove(home, pictures)
        return {}
    if earlier is None:
        if there := _same_stems(home, pictures):
            more = f" and {len(there) - _SHOWN} more" if len(there) > _SHOWN else ""
            named = ", ".join(path.name for path in there[:_SHOWN])
            raise OutputError(
                f"{home} holds pictures of these stems, but no {RECORD_NAME} that says how they were made: "
                f"{named}{more}. Choose another --out, or --overwrite to replace them."
            )
        return {}
    if others := settings.other_than(earlier.settings):
        raise OutputError(
            f"{home} holds predictions of other settings ({'; '.join(others)}). "
            "Choose another --out, or --overwrite to replace them."
        )
    rows = {row.stem: row for row in earlier.pictures}
    for picture in pictures:
        if (row := rows.get(picture.stem)) is not None and not _is_there(row, picture, home, maps):
            del rows[picture.stem]
    return rows


def _is_there(row: PictureRecord, picture: Picture, home: Path, maps: Path | None) -> bool:
    files = [(picture.path, row.input_sha256)]
    if row.file is not None:
        files.append((home / row.file, row.sha256 or ""))
    if maps is not None:
        files.append((maps / f"{row.stem}.png", row.map_sha256 or ""))
    return all(path.is_file() and sha256(path) == digest for path, digest in files)


def _remove(home: Path, pictures: Sequence[Picture]) -> None:
    """Remove what an earlier run made; the record first, so that none is left without its pictures."""
    try:
        earlier = read_record(home)
    except OutputError:
        earlier = None
    recorded = [home / row.file for row in earlier.pictures if row.file is not None] if earlier is not None else []
    for path in (home / RECORD_NAME, *recorded, *_same_stems(home, pictures)):
        with output_errors(path):
            path.unlink(missing_ok=True)


def _same_stems(home: Path, pictures: Sequence[Picture]) -> list[Path]:
    stems = {picture.stem for picture in pictures}
    if not home.is_dir():
        return []
    return sorted(
        path for path in home.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and composed(path.stem) in stems
    )
