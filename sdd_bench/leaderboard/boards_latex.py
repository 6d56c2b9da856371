"""Tables as LaTeX for papers: booktabs, best bold, second underlined."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from sdd_bench.evaluation.display import FACTS
from sdd_bench.leaderboard.boards import COLUMN_REFERENCES, Board, Cell, Row
from sdd_bench.leaderboard.escape import latex_text

_HEAD = "% \\usepackage{booktabs}; names in other scripts need XeLaTeX or LuaLaTeX\n"
_MARKS = {1: "\\textbf", 2: "\\underline"}


def latex_boards(boards: Sequence[Board]) -> str:
    """All tables, each a ``table`` environment."""
    return _HEAD + "\n".join(map(_board, boards))


def _board(board: Board) -> str:
    trained = any(row.entry.method.trained_on is not None for row in board.rows)
    names = ["Method", "Trained on"] if trained else ["Method"]
    spans, rules, start = [], [], len(names) + 1
    for reference, columns in groupby(board.columns, key=lambda column: column.reference):
        width = len(list(columns))
        spans.append(f"\\multicolumn{{{width}}}{{c}}{{{latex_text(COLUMN_REFERENCES[reference])}}}")
        rules.append(f"\\cmidrule(lr){{{start}-{start + width - 1}}}")
        start += width
    headings = [
        f"{FACTS[column.metric].title} $\\{'up' if FACTS[column.metric].higher_is_better else 'down'}arrow$"
        for column in board.columns
    ]
    lines = [
        "\\begin{table}",
        "\\centering",
        f"\\caption{{{latex_text(board.title)}. {latex_text(board.origin)}}}",
        f"\\begin{{tabular}}{{{'l' * len(names)}{'r' * len(board.columns)}}}",
        "\\toprule",
        " & ".join([*[""] * len(names), *spans]).strip() + " \\\\",
        "".join(rules),
        " & ".join([*names, *headings]) + " \\\\",
        "\\midrule",
        *(_row(row, trained) for row in board.rows),
        "\\bottomrule",
        "\\end{tabular}",
    ]
    if board.notes:
        notes = " ".join(f"({number}) {latex_text(note)}" for number, note in enumerate(board.notes, 1))
        lines += ["", f"\\footnotesize {notes}"]
    return "\n".join([*lines, "\\end{table}", ""])


def _row(row: Row, trained: bool) -> str:
    notes = f"\\textsuperscript{{{','.join(map(str, row.notes))}}}" if row.notes else ""
    cells = [latex_text(row.entry.method.label) + notes]
    if trained:
        cells.append(latex_text(row.entry.method.trained_on or ""))
    return " & ".join([*cells, *map(_cell, row.cells)]) + " \\\\"


def _cell(cell: Cell) -> str:
    text = {"n/a": "--"}.get(cell.text, cell.text).replace("±", "$\\pm$")
    return text if cell.place is None else f"{_MARKS[cell.place]}{{{text}}}"
