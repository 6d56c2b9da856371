"""Ask for the environments that a raw folder does not tell: a CSV to fill in, with suggestions beside."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from sdd_bench.datasets.environment_guess import Guess, guess_environment
from sdd_bench.datasets.exif import read_capture
from sdd_bench.datasets.scene_labels import SUGGESTED
from sdd_bench.datasets.sources import SourcePair
from sdd_bench.errors import ImageError, OutputError
from sdd_bench.io.atomic import write_text
from sdd_bench.io.images import read_image
from sdd_bench.parallel import WorkerPool, map_items


def request_environments(
    path: Path,
    raw: Path,
    pairs: Sequence[SourcePair],
    *,
    workers: int | WorkerPool = 1,
    cluster: str | None = None,
    progress: bool = True,
) -> str:
    """Write a CSV with a row for every scene, its environment empty where it is not known.

    A file that is there already is left alone: it may have been filled in.

    Args:
        path: the CSV; outside the raw folder.
        raw: the raw folder.
        pairs: all pairs.
        workers: number of worker processes, or a pool of them.
        cluster: address of a Dask scheduler to use instead.
        progress: show progress on the terminal.

    Returns:
        What to do, one line.

    Raises:
        OutputError: if the CSV would lie in the raw folder, or can't be written.
    """
    if path.resolve().is_relative_to(raw.resolve()):
        raise OutputError(f"{path} lies inside the raw folder {raw}; choose a place outside it.")
    missing = {pair.scene: pair for pair in reversed(pairs) if pair.environment is None and not pair.is_patch}
    asked = f"{len(missing)} scenes have no environment, which this preset needs"
    if path.exists():
        return f"{asked}; {path} is there already: fill in its column environment and give --environment-csv {path}"
    rows: dict[str, list[str]] = {
        pair.scene: [pair.scene, pair.environment, "", "", ""] for pair in pairs if pair.environment is not None
    }
    for pair, guess in map_items(
        partial(_guess, raw),
        list(missing.values()),
        workers=workers,
        cluster=cluster,
        describe="looking at scenes",
        progress=progress,
        label=lambda pair: pair.stem,
    ):
        said = ["", "", ""] if guess is None else [guess.environment, f"{guess.confidence:.2f}", guess.reason]
        rows[pair.scene] = [pair.scene, "", *said]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["scene", "environment", *SUGGESTED])
    writer.writerows(rows[scene] for scene in sorted(rows))
    write_text(path, text.getvalue())
    return (
        f"{asked}. Fill in the column environment (indoor or outdoor) of {path}, where suggestions stand beside, and "
        f"give --environment-csv {path}; or do without them (--no-environments)"
    )


def _guess(raw: Path, pair: SourcePair) -> Guess | None:
    source = raw / pair.sources["gt"]
    try:
        return guess_environment(read_image(source), read_capture(source))
    except ImageError:
        return None  # the plan's problems tell
