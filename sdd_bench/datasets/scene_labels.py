"""Tables that give every scene a label: `--split-csv` and `--environment-csv`.

| column | |
|---|---|
| scene, or stem | what the row is about |
| split, or environment | its label; an empty cell stands for "not given" |
| suggestion, confidence, reason | of an environment, as `prepare` writes them; not read |
| x_... | anything of one's own: not read |
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from sdd_bench.datasets.manifest import Environment, Split
from sdd_bench.datasets.sources import SourcePair, composed
from sdd_bench.errors import DatasetError, ProblemsError, unknown_name

SUGGESTED = ("suggestion", "confidence", "reason")

_KEYS = ("scene", "stem")
_LABELS: dict[str, tuple[str, ...]] = {"split": get_args(Split), "environment": get_args(Environment)}
_OWN = "x_"


@dataclass(frozen=True)
class _Table:
    key: Literal["scene", "stem"]
    labels: dict[str, str]


def with_splits(pairs: Sequence[SourcePair], path: Path) -> list[SourcePair]:
    """Give every pair the split of a table, instead of what the raw folder says.

    Args:
        pairs: the pairs.
        path: CSV with a column scene or stem, and split.

    Raises:
        DatasetError: if the table can't be read.
        ProblemsError: if it is not sound, names what is not there, or lacks a pair.
    """
    table = _read(path, "split", pairs)
    missing = sorted({_key(pair, table) for pair in pairs} - table.labels.keys())
    if missing:
        raise ProblemsError(f"{path}: lacks splits", [f"{table.key} {name!r}: no split" for name in missing])
    known: dict[str, Split] = {name: name for name in get_args(Split)}
    return [replace(pair, split=known[table.labels[_key(pair, table)]]) for pair in pairs]


def with_environments(pairs: Sequence[SourcePair], path: Path) -> list[SourcePair]:
    """Give pairs the environment of a table; those it does not name keep what the raw folder says.

    Args:
        pairs: the pairs.
        path: CSV with a column scene or stem, and environment.

    Raises:
        DatasetError: if the table can't be read.
        ProblemsError: if it is not sound, names what is not there, or contradicts the raw folder.
    """
    table = _read(path, "environment", pairs)
    known: dict[str, Environment] = {name: name for name in get_args(Environment)}
    problems = []
    labelled = []
    for pair in pairs:
        label = table.labels.get(_key(pair, table))
        if label is not None and pair.environment not in (None, label):
            problems.append(f"{pair.stem}: {label} by the table, {pair.environment} by the raw folder")
        labelled.append(pair if label is None else replace(pair, environment=known[label]))
    if problems:
        raise ProblemsError(f"{path} contradicts the raw folder", problems)
    return labelled


def _key(pair: SourcePair, table: _Table) -> str:
    return pair.scene if table.key == "scene" else pair.stem


def _read(path: Path, column: str, pairs: Sequence[SourcePair]) -> _Table:
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = [
            row for row in csv.reader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True) if any(row)
        ]
    except OSError as error:
        raise DatasetError(f"{path}: can't be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8.") from error
    except csv.Error as error:
        raise DatasetError(f"{path}: not a CSV file: {error}.") from error
    header = [cell.strip() for cell in rows[0]] if rows else []
    keys = [name for name in _KEYS if name in header]
    problems = [
        unknown_name("column", name, (*_KEYS, column))
        for name in header
        if name not in (*_KEYS, column, *SUGGESTED) and not name.startswith(_OWN)
    ]
    if len(keys) != 1:
        problems.append(f"expected one column scene or stem, found {' and '.join(keys) or 'neither'}")
    if column not in header:
        problems.append(f"column {column!r} is missing; found: {', '.join(header) or 'nothing'}")
    if problems:
        raise ProblemsError(f"{path}, a table of {column}s", problems)
    key: Literal["scene", "stem"] = "scene" if keys == ["scene"] else "stem"
    known = {pair.scene if key == "scene" else pair.stem for pair in pairs}
    labels: dict[str, str] = {}
    for number, cells in enumerate(rows[1:], 2):
        if len(cells) != len(header):
            problems.append(f"row {number}: {len(cells)} cells; the header has {len(header)}")
            continue
        row = dict(zip(header, cells, strict=True))
        name, label = composed(row[key].strip()), row[column].strip().casefold()
        if name not in known:
            problems.append(f"row {number}: {_nearest(key, name, known)}")
        elif label and label not in _LABELS[column]:
            problems.append(f"row {number}: {unknown_name(column, row[column].strip(), _LABELS[column])}")
        elif label and labels.setdefault(name, label) != label:
            problems.append(f"row {number}: {key} {name!r} is {labels[name]} in an earlier row, {label} here")
    if problems:
        raise ProblemsError(f"{path}, a table of {column}s", problems)
    return _Table(key, labels)


def _nearest(key: str, name: str, known: set[str]) -> str:
    # All of hundreds of names would hide the message.
    return unknown_name(key, name, known).partition(" Known:")[0]
