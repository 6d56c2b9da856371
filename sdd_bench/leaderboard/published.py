"""Published numbers, read from tables in which each row says where it was copied from."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sdd_bench.errors import ProblemsError, ResultError, unknown_name
from sdd_bench.evaluation.protocol import list_protocols
from sdd_bench.evaluation.results import METRICS
from sdd_bench.io.atomic import file_batch
from sdd_bench.leaderboard.folder import PUBLISHED, entry_path
from sdd_bench.leaderboard.records import (
    Method,
    PrintedNumber,
    PublishedEntry,
    PublishedScores,
    Source,
    published_entry,
)

JDRL_TABLES = "jdrl_tables.csv"
OTHER_RESULTS = "other_results.csv"
_NUMBERS = ("psnr", "ssim", "mae")
_REFERENCE_COLUMN = "reference_protocol(gt|deformed_gt|unknown)"
_COLUMNS = {
    JDRL_TABLES: "dataset,reference,method,framework,trained_on,psnr,ssim,mae,lpips,protocol,source,note",
    # Here the column of LPIPS is called `reference`.
    OTHER_RESULTS: "dataset,scope,method,year,venue,psnr,ssim,mae,reference,"
    f"{_REFERENCE_COLUMN},trained_on,source,source_ref,note",
}
_GROUPS = {"all": "all", "combined": "all", "indoor": "indoor", "outdoor": "outdoor"}
_REFERENCES = ("gt", "deformed_gt", "unknown")
_ABLATION = "(ablation)"

UNKNOWN_REFERENCE = "The evaluation code was not read: GT or deformed GT is not known."
UNKNOWN_FLOW = "Scores against the deformed GT depend on the flow network, and its weights are not named by a hash."
TEST_SET_CHECKPOINT = "The release of this framework picks its best checkpoint on the test set, every epoch."
ROUNDED = "The method's own code rounds to 8 bits before PSNR."
_ROUNDING_METHODS = ("GKMNet", "NRKNet")


@dataclass(frozen=True)
class Import:
    """What was read.

    Attributes:
        entries: one per method, dataset, training data and source.
        rows: how many rows they hold.
        without_scores: rows left out because they hold none of the metrics, as ``FILE:LINE method``.
    """

    entries: tuple[PublishedEntry, ...]
    rows: int
    without_scores: tuple[str, ...]


def read_published(folder: Path) -> Import:
    """Read ``jdrl_tables.csv`` and ``other_results.csv``.

    Args:
        folder: which holds both.

    Raises:
        ResultError: if one is missing.
        ProblemsError: naming every row that is not what it should be.
    """
    problems: list[str] = []
    without: list[str] = []
    entries: dict[str, dict[str, Any]] = {}
    rows = 0
    for name, convert in ((JDRL_TABLES, _jdrl_row), (OTHER_RESULTS, _other_row)):
        for line, row in _rows(folder / name):
            place = f"{name}:{line}"
            try:
                fields = convert(row)
                scores = fields.pop("scores")
                if all(getattr(scores, metric) is None for metric in METRICS):
                    without.append(f"{place} {fields['method'].label}")
                    continue
                rows += 1
                _join(entries, fields, scores)
            except ValidationError as error:
                problems += [f"{place}: {problem['msg']}" for problem in error.errors()]
            except (ValueError, ResultError) as error:
                problems.append(f"{place}: {error}")
    if problems:
        raise ProblemsError(f"published numbers in {folder}", problems)
    return Import(tuple(published_entry(**fields) for fields in entries.values()), rows, tuple(without))


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            found = list(reader.fieldnames or [])
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError) as error:
        raise ResultError(f"{path} can't be read ({error}); expected a table of published numbers.") from error
    if ",".join(found) != _COLUMNS[path.name]:
        raise ResultError(f"{path}: found the columns {','.join(found)}; expected {_COLUMNS[path.name]}.")
    return rows


def _join(entries: dict[str, dict[str, Any]], fields: dict[str, Any], scores: PublishedScores) -> None:
    key = published_entry(**fields, scores=(scores,)).id
    entry = entries.setdefault(key, fields | {"scores": ()})
    if any((known.group, known.reference) == (scores.group, scores.reference) for known in entry["scores"]):
        raise ResultError(f"a second row of {fields['method'].label}, {scores.group}, against {scores.reference}")
    entry["scores"] += (scores,)
    for name in ("notes", "doubts"):
        entry[name] = tuple(dict.fromkeys((*entry[name], *fields[name])))


def _jdrl_row(row: Mapping[str, str]) -> dict[str, Any]:
    protocols = [protocol.id for protocol in list_protocols()]
    if row["protocol"] not in protocols:
        raise ResultError(unknown_name("protocol", row["protocol"], protocols))
    variant, note = None, row["note"]
    if row["source"].endswith(_ABLATION):
        variant, _, note = note.partition(" ")
    scores = _scores(row, "all", row["reference"], row["lpips"])
    return {
        "method": Method(
            name=row["method"],
            framework=row["framework"] or None,
            variant=variant,
            trained_on=row["trained_on"] or None,
        ),
        "dataset": row["dataset"],
        "protocol": row["protocol"],
        "source": Source(title=row["source"]),
        "scores": scores,
        "notes": (note,) if note else (),
        "doubts": _doubts(row["method"], row["framework"], scores),
    }


def _other_row(row: Mapping[str, str]) -> dict[str, Any]:
    if row["scope"] not in _GROUPS:
        raise ResultError(unknown_name("scope", row["scope"], _GROUPS))
    reference = row[_REFERENCE_COLUMN]
    scores = _scores(row, _GROUPS[row["scope"]], reference, row["reference"])
    return {
        "method": Method(
            name=row["method"],
            trained_on=row["trained_on"] or None,
            year=int(row["year"]) if row["year"] else None,
            venue=row["venue"] or None,
        ),
        "dataset": row["dataset"],
        "protocol": None,
        "source": Source(title=row["source"], place=row["source_ref"] or None),
        "scores": scores,
        "notes": (row["note"],) if row["note"] else (),
        "doubts": _doubts(row["method"], "", scores),
    }


def _scores(row: Mapping[str, str], group: str, reference: str, lpips: str) -> PublishedScores:
    if reference not in _REFERENCES:
        raise ResultError(unknown_name("reference", reference, _REFERENCES))
    printed = {metric: row[metric] for metric in _NUMBERS} | {"lpips": lpips}
    numbers = {metric: PrintedNumber.parse(text) for metric, text in printed.items() if text}
    return PublishedScores.model_validate({"group": group, "reference": reference} | numbers)


def _doubts(method: str, framework: str, scores: PublishedScores) -> tuple[str, ...]:
    found = {
        UNKNOWN_REFERENCE: scores.reference == "unknown",
        UNKNOWN_FLOW: scores.reference == "deformed_gt",
        TEST_SET_CHECKPOINT: framework == "jdrl",
        ROUNDED: method.startswith(_ROUNDING_METHODS),
    }
    return tuple(doubt for doubt, applies in found.items() if applies)


def write_published(found: Import, board: Path) -> list[Path]:
    """Write the entries into a leaderboard's folder; those of the same id are replaced.

    Returns:
        Published entries that are there but not among these.

    Raises:
        OutputError: if one can't be written.
    """
    paths = {entry_path(board, entry): entry for entry in found.entries}
    with file_batch() as batch:
        for path, entry in paths.items():
            batch.write_bytes(path, entry.to_json().encode())
    return [path for path in sorted((board / PUBLISHED).glob("*.json")) if path not in paths]
