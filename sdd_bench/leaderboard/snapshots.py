"""A leaderboard as it was at one time: its tables as data, from its folder or from a file built of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from sdd_bench.errors import ResultError
from sdd_bench.evaluation.results import GroupName
from sdd_bench.leaderboard.boards import make_boards
from sdd_bench.leaderboard.boards_data import json_boards
from sdd_bench.leaderboard.folder import load
from sdd_bench.leaderboard.records import ComputedEntry, Line, Method, PublishedEntry

BUILT_VERSION = 1


class _Built(BaseModel):
    # What else a built file holds serves other readers.
    model_config = ConfigDict(frozen=True, extra="ignore")


class Score(_Built):
    """One number of a table: as shown, and in full."""

    text: Line
    value: float | None


class Standing(_Built):
    """One row of a table.

    Attributes:
        id: of its entry.
        label: name of the method.
        method: all that is known of it.
        status: of the entry.
        images: how many have scores; None for published numbers.
        failed: how many have none.
        deformation: how far the predictions move content, pixels.
        scores: by column.
    """

    id: Line
    label: Line
    method: Method
    status: Line
    images: int | None
    failed: int
    deformation: float | None
    scores: dict[Line, Score]


class Table(_Built):
    """One table, its rows from the best."""

    title: Line
    group: GroupName
    rows: tuple[Standing, ...]


class _BuiltFile(_Built):
    boards: tuple[Table, ...]


@dataclass(frozen=True)
class Snapshot:
    """A leaderboard at one time.

    Attributes:
        name: where it was read from.
        tables: all of them.
        entries: the entries by id, with every row; None if they are not in what was read, a built file.
    """

    name: str
    tables: tuple[Table, ...]
    entries: dict[str, PublishedEntry | ComputedEntry] | None

    @property
    def standings(self) -> dict[str, Standing]:
        """One row of every entry, by id: that of all images, where there is one."""
        ordered = sorted(self.tables, key=lambda table: table.group == "all")
        return {row.id: row for table in ordered for row in table.rows}


def snapshot(path: Path) -> Snapshot:
    """Read the folder of a leaderboard, or what ``leaderboard build --format json`` made of one.

    Raises:
        ResultError: if it is neither, or a file of another schema version.
        ProblemsError: naming everything that keeps tables from being made of the folder.
    """
    if path.is_dir():
        entries = load(path)
        built = _read(path, json_boards(make_boards(entries)))
        return Snapshot(str(path), built.boards, {entry.id: entry for entry in entries})
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ResultError(f"{path} can't be read ({error}); expected the folder of a leaderboard or a JSON file") from (
            error
        )
    return Snapshot(str(path), _read(path, text).boards, None)


def _read(path: Path, text: str) -> _BuiltFile:
    expected = "expected what `sdd-bench leaderboard build --format json` writes"
    try:
        content = json.loads(text)
        version = content.get("schema_version") if isinstance(content, dict) else None
        if not isinstance(content, dict) or "boards" not in content:
            raise ResultError(f"{path}: no tables in it; {expected}")
        if version != BUILT_VERSION:
            raise ResultError(
                f"{path}: tables of schema version {version}, this version of sdd-bench reads {BUILT_VERSION}. "
                "Build them again."
            )
        return _BuiltFile.model_validate(content)
    except ValidationError as error:
        problem = error.errors()[0]
        raise ResultError(f"{path}: {'.'.join(map(str, problem['loc']))}: {problem['msg']}; {expected}") from error
    except (ValueError, RecursionError) as error:
        raise ResultError(f"{path}: not JSON ({error}); {expected}") from error
