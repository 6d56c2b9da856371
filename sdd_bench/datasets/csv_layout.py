"""Layout `pairs.csv`: a table in the raw folder that names the files of each pair.

| column | |
|---|---|
| blur, sharp | required: the two images, relative to the CSV's folder; absolute paths and ``..`` are allowed |
| aligned | the true aligned sharp image, where it is known (synthetic data) |
| stem | name of the pair; without it, the name of the blur file without its ending |
| scene | pairs of one scene stay in one split; without it, each pair is a scene |
| environment | indoor or outdoor |
| split | train, val or test |
| x_... | anything of one's own: not read |

Any other column is an error, so that a misspelt name never passes as "not given". UTF-8, with or without byte order
mark; comma-separated; cells may be quoted; empty cells stand for "not given"; empty lines are skipped.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar, get_args

from sdd_bench.datasets.manifest import Environment, Kind, Split
from sdd_bench.datasets.sources import SUFFIXES, Found, Layout, SourcePair, composed
from sdd_bench.errors import unknown_name

FILE_NAME = "pairs.csv"

_FILES: dict[str, Kind] = {"blur": "blur", "sharp": "gt", "aligned": "aligned_gt"}
_REQUIRED = ("blur", "sharp")
_COLUMNS = (*_FILES, "stem", "scene", "environment", "split")
_OWN = "x_"

_Name = TypeVar("_Name", bound=str)


def _recognises(raw: Path) -> bool:
    return (raw / FILE_NAME).is_file()


def _find(raw: Path) -> Found:
    path = raw / FILE_NAME
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        return Found(problems=[f"{path}: can't be read: {error.strerror}"])
    except UnicodeDecodeError as error:
        return Found(problems=[f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8"])
    try:
        rows = [(line, cells) for line, cells in _rows(text) if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        return Found(problems=[f"{path}: not a CSV file: {error}"])
    if not rows:
        return Found(problems=[f"{path}: empty; expected a header with at least the columns {' and '.join(_REQUIRED)}"])
    header = [cell.strip() for cell in rows[0][1]]
    problems = _header_problems(header)
    if problems:
        return Found(problems=problems)
    pairs = []
    for line, cells in rows[1:]:
        pair, wrong = _pair(raw, header, cells)
        problems += [f"line {line}: {each}" for each in wrong]
        if pair is not None and not wrong:
            pairs.append(pair)
    if len(rows) == 1:
        problems.append(f"{path}: a header and no pairs")
    return Found(pairs, problems)


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True)
    for cells in reader:
        yield reader.line_num, cells


def _header_problems(header: Sequence[str]) -> list[str]:
    if len(header) == 1 and any(mark in header[0] for mark in ";\t"):
        return [f"the header {header[0]!r} holds no comma; save the table with commas between the columns"]
    problems = [
        f"{unknown_name('column', name, _COLUMNS)} A column of your own: {_OWN}{name or 'NAME'}."
        for name in header
        if name not in _COLUMNS and not name.startswith(_OWN)
    ]
    problems += [f"column {name!r} is missing; found: {', '.join(header)}" for name in _REQUIRED if name not in header]
    problems += [f"column {name!r} occurs {header.count(name)} times" for name in _COLUMNS if header.count(name) > 1]
    return problems


def _pair(raw: Path, header: Sequence[str], cells: Sequence[str]) -> tuple[SourcePair | None, list[str]]:
    if len(cells) != len(header):
        return None, [f"{len(cells)} cells; the header has {len(header)} (a comma in a name needs quotes)"]
    row = dict(zip(header, cells, strict=True))
    problems: list[str] = []
    sources: dict[Kind, str] = {}
    for column, kind in _FILES.items():
        name = row.get(column, "")
        if name:
            sources[kind] = name
            problems += _file_problems(raw, column, name)
        elif column in _REQUIRED:
            problems.append(f"{column} is empty")
    if "blur" in sources and sources["blur"] == sources.get("gt"):
        problems.append(f"blur and sharp are the same file, {sources['blur']}")
    environment = _one_of(row.get("environment", ""), "environment", get_args(Environment), problems)
    split = _one_of(row.get("split", ""), "split", get_args(Split), problems)
    stem = composed(row.get("stem", "").strip() or Path(row["blur"]).stem)
    if stem.startswith(".") or "/" in stem or "\\" in stem:
        problems.append(f"stem {stem!r} can't be the name of a file")
    return SourcePair(stem, sources, row.get("scene", "").strip() or stem, environment, split), problems


def _file_problems(raw: Path, column: str, name: str) -> list[str]:
    path = raw / name
    if not path.is_file():
        return [f"{column} {name!r}: {'not a file' if path.exists() else 'no such file'}"]
    if path.suffix.lower() not in SUFFIXES:
        return [f"{column} {name!r}: not a kind of image that is read ({', '.join(SUFFIXES)})"]
    return []


def _one_of(cell: str, column: str, names: tuple[_Name, ...], problems: list[str]) -> _Name | None:
    word = cell.strip().casefold()
    if not word:
        return None
    for name in names:
        if name == word:
            return name
    problems.append(unknown_name(column, cell.strip(), names))
    return None


PAIRS_CSV = Layout(
    name="pairs.csv",
    looks_like="a file pairs.csv with the columns blur and sharp; optional: aligned, stem, scene, environment, split",
    recognises=_recognises,
    find=_find,
)
