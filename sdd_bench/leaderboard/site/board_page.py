"""A table's page: what each row, column and number shows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from sdd_bench.evaluation.display import FACTS, heading
from sdd_bench.evaluation.report_charts import Axis, round_axis
from sdd_bench.leaderboard.boards import COLUMN_REFERENCES, ORDERING, Board, Cell, Column, Row
from sdd_bench.leaderboard.escape import latex_text
from sdd_bench.leaderboard.folder import entry_file
from sdd_bench.leaderboard.records import ComputedEntry
from sdd_bench.leaderboard.site.cost_columns import PARAMETERS, TIME, Said, parameters, time

STATUS_MEANINGS = {
    "verified": "computed again from the predictions by those who keep this leaderboard",
    "self-reported": "computed by whoever handed it in, and not computed again",
    "published": "copied from a source, and not computed here",
}
DEFORMATION = "deformation"
PAGE_SIZE = 100
"""Rows of a table that are shown before a reader scrolls on: a browser lays out 500 at once only slowly."""
_WIDEST = 8  # columns of numbers that are shown before a reader chooses


class Heading(NamedTuple):
    """A column of numbers.

    Attributes:
        key: as in CSV.
        title: the metric, with an arrow to where better is.
        against: the reference; empty for none.
        unit: of its numbers.
        latex: the metric's title in LaTeX.
        span: the reference's title in LaTeX.
        lower_is_better: as the metric has it.
        shown: whether the column is there before a reader chooses.
        axis: of the small bars; None where no number can be drawn.
        log: how ticks of a logarithmic axis are written, ``count`` or ``plain``; empty for a linear one.
        apart: whether numbers are comparable only among those of one machine.
    """

    key: str
    title: str
    against: str
    unit: str
    latex: str
    span: str
    lower_is_better: bool
    shown: bool
    axis: Axis | None
    log: str = ""
    apart: bool = False


class Figure(NamedTuple):
    """A number in a row.

    Attributes:
        text: the number.
        margin: half the width of its interval, with a plus-minus sign; empty where it has none.
        value: the number in full, as a program writes it; ``inf`` for identical predictions, empty for none.
        interval: its ends in full, apart by a space; empty for none.
        place: 1, 2 or None, as in the tables.
        at: per cent of the axis; None where there is nothing to draw.
        left: of the interval, per cent; None where there is none.
        width: of the interval, per cent; None likewise.
        note: what else a reader has to know.
        among: what it is comparable in: numbers of one column are, where this is the same.
    """

    text: str
    margin: str
    value: str
    interval: str
    place: int | None
    at: float | None
    left: float | None
    width: float | None
    note: str = ""
    among: str = ""


class Line(NamedTuple):
    """A row of the page's table.

    Attributes:
        row: of the board.
        figures: one per heading.
        origin: where its numbers come from, in words.
        latex: the name in LaTeX.
    """

    row: Row
    figures: tuple[Figure, ...]
    origin: str
    latex: str


class Family(NamedTuple):
    """The tables of one dataset, split and protocol, or of one source: of all images, and of parts of them."""

    boards: tuple[Board, ...]

    @property
    def main(self) -> Board:
        """The table of all images; of a part, where a source has numbers of no other."""
        return self.boards[0]

    @property
    def computed(self) -> bool:
        """Whether its numbers were computed, so that its images can be compared one by one."""
        return self.main.source is None

    @property
    def best(self) -> tuple[list[str], Column, str] | None:
        """The methods that share the first place of the ordering column, that column, and its best number."""
        column = ordering_column(self.main)
        at = self.main.columns.index(column)
        first = [row for row in self.main.rows if row.cells[at].place == 1]
        return ([row.entry.method.label for row in first], column, first[0].cells[at].text) if first else None


def families(boards: Sequence[Board]) -> list[Family]:
    """Tables that differ in the group of images only, together; in their order."""
    found: dict[tuple[str, ...], list[Board]] = defaultdict(list)
    for board in boards:
        found[board.rows[0].entry.board_key].append(board)
    return [Family(tuple(members)) for members in found.values()]


def ordering_column(board: Board) -> Column:
    """The column by which a table's rows are ordered: PSNR, where it has that."""
    keys = {column: column for column in board.columns}
    wanted = (Column(reference, metric) for metric in ("psnr", "ssim", "lpips", "mae") for reference in ORDERING)
    return next(keys[column] for column in wanted if column in keys)


def headings(board: Board) -> list[Heading]:
    """The columns of numbers; then how far predictions move content and what methods take, where that is known."""
    main = ordering_column(board).reference
    found = []
    for place, column in enumerate(board.columns):
        facts = FACTS[column.metric]
        arrow = "up" if facts.higher_is_better else "down"
        found.append(
            Heading(
                key=column.key,
                title=heading(column.metric),
                against=COLUMN_REFERENCES[column.reference],
                unit=facts.unit,
                latex=f"{facts.title} $\\{arrow}arrow$",
                span=latex_text(COLUMN_REFERENCES[column.reference]),
                lower_is_better=not facts.higher_is_better,
                shown=len(board.columns) <= _WIDEST or column.reference == main or column.metric == "psnr",
                axis=_axis([row.cells[place] for row in board.rows]),
            )
        )
    moved = [row.deformation for row in board.rows if row.deformation is not None]
    if moved:
        found.append(
            Heading(DEFORMATION, "moved ↓", "against the input", "px", "", "", True, True, round_axis([0.0, *moved]))
        )
    methods = [row.entry.method for row in board.rows]
    if any(method.parameters is not None for method in methods):
        found.append(Heading(PARAMETERS, "parameters", "", "", "", "", True, False, None, "count"))
    if any(method.seconds_per_megapixel is not None for method in methods):
        found.append(Heading(TIME, "time ↓", "", "s/megapixel", "", "", True, False, None, "plain", True))
    return found


def lines(board: Board) -> list[Line]:
    """The rows as the page shows them."""
    columns = headings(board)
    after = {column.key: column for column in columns[len(board.columns) :]}
    found = []
    for row in board.rows:
        figures = [_figure(row, cell, column.axis) for cell, column in zip(row.cells, columns, strict=False)]
        if DEFORMATION in after:
            figures.append(_moved(row.deformation, after[DEFORMATION].axis))
        said = {PARAMETERS: parameters(row.entry.method), TIME: time(row.entry.method)}
        figures += [_said(said[key]) for key in after if key in said]
        found.append(
            Line(
                row=row,
                figures=tuple(figures),
                origin=origin(row),
                latex=latex_text(row.entry.method.label),
            )
        )
    return found


def origin(row: Row) -> str:
    """Where the numbers of a row come from, beyond what its whole table shares."""
    entry = row.entry
    place = f"File {entry_file(entry).as_posix()}."
    if not isinstance(entry, ComputedEntry):
        return f"{place} {' '.join((*entry.doubts, *entry.notes))}".strip()
    run = entry.result.run
    version = f"sdd-bench {run.versions['sdd-bench']}" if "sdd-bench" in run.versions else "sdd-bench"
    return f"{entry.status.capitalize()}: {STATUS_MEANINGS[entry.status]}. By {version} on {run.started[:10]}. {place}"


def _axis(cells: Sequence[Cell]) -> Axis | None:
    values = [value for cell in cells if cell.value is not None for value in (cell.value, *(cell.interval or ()))]
    return round_axis(values) if values else None


def _figure(row: Row, cell: Cell, axis: Axis | None) -> Figure:
    text, _, margin = cell.text.partition(" ± ")
    if cell.value is None or axis is None:
        value = "inf" if cell.text == "identical" else ""
        return Figure(text, "", value, "", cell.place, None, None, None)
    low, high = cell.interval or (cell.value, cell.value)
    left = axis.place(low)
    drawn = cell.interval is not None
    return Figure(
        text=text,
        margin=f"± {margin}" if margin else "",
        value=repr(cell.value) if isinstance(row.entry, ComputedEntry) else text,
        interval="" if cell.interval is None else f"{low!r} {high!r}",
        place=cell.place,
        at=axis.place(cell.value),
        left=left if drawn else None,
        width=axis.place(high) - left if drawn else None,
    )


def _moved(value: float | None, axis: Axis | None) -> Figure:
    if value is None or axis is None:
        return Figure("n/a", "", "", "", None, None, None, None)
    return Figure(f"{value:.2f}", "", repr(value), "", None, axis.place(value), None, None)


def _said(fact: Said) -> Figure:
    return Figure(fact.text, "", fact.value, "", None, None, None, None, fact.note, fact.among)
