"""Tables as LaTeX for papers: booktabs, best bold, second underlined."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from sdd_bench.evaluation.display import FACTS
from sdd_bench.leaderboard.boards import COLUMN_REFERENCES, Board, Cell, Column, Row
from sdd_bench.leaderboard.escape import latex_text

_HEAD = "% \\usepackage{booktabs,graphicx}; names in other scripts need XeLaTeX or LuaLaTeX\n"
_MARKS = {1: "\\textbf", 2: "\\underline"}
# As wide as it is, but no wider than the text.
_FIT = "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%"


def latex_boards(boards: Sequence[Board]) -> str:
    """All tables, each a ``table`` environment.

    Numbers with intervals are wide: then scores against one reference stand below those against another.
    """
    return _HEAD + "\n".join(map(_board, boards))


def _board(board: Board) -> str:
    trained = any(row.entry.method.trained_on is not None for row in board.rows)
    spans = [list(columns) for _, columns in groupby(board.columns, key=lambda column: column.reference)]
    wide = any(cell.interval is not None for row in board.rows for cell in row.cells)
    parts = [[span] for span in spans] if wide else [spans]
    lines = [
        "\\begin{table}",
        "\\centering",
        f"\\caption{{{latex_text(board.title)}. {latex_text(board.origin)}}}",
        "\\smallskip",  # a caption has none below it
    ]
    for number, part in enumerate(parts):
        if number:
            lines += ["", "\\medskip"]
        lines += _tabular(board, part, trained)
    if board.notes:
        notes = " ".join(f"({number}) {latex_text(note)}" for number, note in enumerate(board.notes, 1))
        lines += ["", f"\\smallskip\\raggedright\\footnotesize {notes}"]
    return "\n".join([*lines, "\\end{table}", ""])


def _tabular(board: Board, part: Sequence[Sequence[Column]], trained: bool) -> list[str]:
    names = ["Method", "Trained on"] if trained else ["Method"]
    columns = [column for span in part for column in span]
    titles, rules, start = [], [], len(names) + 1
    for span in part:
        titles.append(f"\\multicolumn{{{len(span)}}}{{c}}{{{latex_text(COLUMN_REFERENCES[span[0].reference])}}}")
        rules.append(f"\\cmidrule(lr){{{start}-{start + len(span) - 1}}}")
        start += len(span)
    headings = [
        f"{FACTS[column.metric].title} $\\{'up' if FACTS[column.metric].higher_is_better else 'down'}arrow$"
        for column in columns
    ]
    places = [board.columns.index(column) for column in columns]
    return [
        _FIT,
        f"\\begin{{tabular}}{{{'l' * len(names)}{'r' * len(columns)}}}",
        "\\toprule",
        " & ".join([*[""] * len(names), *titles]).strip() + " \\\\",
        "".join(rules),
        " & ".join([*names, *headings]) + " \\\\",
        "\\midrule",
        *(_row(row, [row.cells[place] for place in places], trained) for row in board.rows),
        "\\bottomrule",
        "\\end{tabular}}",
    ]


def _row(row: Row, scores: Sequence[Cell], trained: bool) -> str:
    notes = f"\\textsuperscript{{{','.join(map(str, row.notes))}}}" if row.notes else ""
    cells = [latex_text(row.entry.method.label) + notes]
    if trained:
        cells.append(latex_text(row.entry.method.trained_on or ""))
    return " & ".join([*cells, *map(_cell, scores)]) + " \\\\"


def _cell(cell: Cell) -> str:
    text = {"n/a": "--"}.get(cell.text, cell.text).replace("±", "$\\pm$")
    return text if cell.place is None else f"{_MARKS[cell.place]}{{{text}}}"
