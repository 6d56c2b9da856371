"""Tables as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from sdd_bench.evaluation.display import PLUS_MINUS
from sdd_bench.leaderboard.boards import Board, Cell, Row
from sdd_bench.leaderboard.escape import markdown_text

_LEGEND = (
    "**Bold**: the best of its column and all that can't be told from it (the 95 % interval of the difference, image "
    "by image, holds zero; published numbers and fewer than 6 images: equal); *italic*: the second likewise. "
)


def markdown_boards(boards: Sequence[Board]) -> str:
    """All tables as one Markdown text."""
    legend = _LEGEND + (
        f"{PLUS_MINUS}." if any(cell.interval for b in boards for row in b.rows for cell in row.cells) else ""
    )
    return "\n".join([legend.strip(), "", *map(_board, boards)])


def _board(board: Board) -> str:
    computed = any(row.images is not None for row in board.rows)
    trained = any(row.entry.method.trained_on is not None for row in board.rows)
    deformed = any(row.deformation is not None for row in board.rows)
    titles = ["method", *(["trained on"] if trained else []), *(["status", "images"] if computed else [])]
    numbers = [column.title for column in board.columns] + (["deformation ↓, px"] if deformed else [])
    lines = [
        f"## {markdown_text(board.title)}",
        "",
        markdown_text(board.origin),
        "",
        f"| {' | '.join([*titles, *numbers])} |",
        "|" + "---|" * len(titles) + "---:|" * len(numbers),
    ]
    for row in board.rows:
        cells = [_method(row)]
        if trained:
            cells.append(markdown_text(row.entry.method.trained_on or ""))
        if computed:
            cells += [row.entry.status, row.images_text]
        cells += [_cell(cell) for cell in row.cells]
        if deformed:
            cells.append("n/a" if row.deformation is None else f"{row.deformation:.2f}")
        lines.append(f"| {' | '.join(cells)} |")
    if board.notes:
        lines += ["", *(f"{number}. {markdown_text(note)}" for number, note in enumerate(board.notes, 1))]
    return "\n".join([*lines, ""])


def _method(row: Row) -> str:
    notes = f" <sup>{', '.join(map(str, row.notes))}</sup>" if row.notes else ""
    return markdown_text(row.entry.method.label) + notes


def _cell(cell: Cell) -> str:
    mark = {1: "**", 2: "*"}.get(cell.place or 0, "")
    return f"{mark}{cell.text}{mark}"
