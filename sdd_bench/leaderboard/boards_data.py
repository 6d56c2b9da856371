"""Tables for programs: CSV, one file per table, and JSON."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sdd_bench.leaderboard.boards import Board, Cell, Row
from sdd_bench.leaderboard.disagreements import Disagreement
from sdd_bench.leaderboard.escape import slug
from sdd_bench.leaderboard.records import ComputedEntry, Method

_METHOD = tuple(Method.model_fields)


def csv_board(board: Board) -> str:
    """One table as CSV: published numbers with the digits they were printed with, computed ones with all of theirs."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    numbers = [f"{column.key}{suffix}" for column in board.columns for suffix in ("", "_lower", "_upper", "_place")]
    writer.writerow(["id", "method", *_METHOD, "status", "images", "failed", *numbers, "deformation", "notes"])
    for row in board.rows:
        method = row.entry.method
        notes = " ".join(board.notes[number - 1] for number in row.notes)
        about = [getattr(method, name) for name in _METHOD]
        values = [value for cell in row.cells for value in _values(row, cell)]
        counts = [row.images, row.failed]
        writer.writerow(
            [row.entry.id, method.label, *about, row.entry.status, *counts, *values, row.deformation, notes]
        )
    return text.getvalue()


def file_name(board: Board) -> str:
    """Name of a table's CSV file, without suffix: of its title, made unique by a hash."""
    return f"{slug(board.title, 60)}-{hashlib.sha256(f'{board.title} {board.origin}'.encode()).hexdigest()[:8]}"


def json_boards(boards: Sequence[Board], found: Sequence[Disagreement] = ()) -> str:
    """All tables, and where published numbers disagree, as one JSON text."""
    content = {
        "schema_version": 1,
        "boards": [_board(board) for board in boards],
        "disagreements": [asdict(one) for one in found],
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _board(board: Board) -> dict[str, Any]:
    return {
        "title": board.title,
        "dataset": board.dataset,
        "split": board.split,
        "group": board.group,
        "protocol": board.protocol,
        "origin": board.origin,
        "source": None if board.source is None else board.source.model_dump(mode="json"),
        "notes": list(board.notes),
        "rows": [_row(board, row) for row in board.rows],
    }


def _row(board: Board, row: Row) -> dict[str, Any]:
    entry = row.entry
    result = entry.result if isinstance(entry, ComputedEntry) else None
    return {
        "id": entry.id,
        "label": entry.method.label,
        "method": entry.method.model_dump(mode="json"),
        "status": entry.status,
        "protocol_sha256": None if result is None else result.protocol_sha256,
        "manifest_sha256": None if result is None else result.dataset.manifest_sha256,
        "images": row.images,
        "failed": row.failed,
        "deformation": row.deformation,
        "notes": list(row.notes),
        "scores": {
            column.key: {
                "text": cell.text,
                "value": cell.value,
                "interval": None if cell.interval is None else list(cell.interval),
                "place": cell.place,
            }
            for column, cell in zip(board.columns, row.cells, strict=True)
        },
    }


def _values(row: Row, cell: Cell) -> list[object]:
    if cell.value is None:
        number: object = "inf" if cell.text == "identical" else None
    else:
        number = cell.value if isinstance(row.entry, ComputedEntry) else cell.text
    return [number, *(cell.interval or (None, None)), cell.place]
