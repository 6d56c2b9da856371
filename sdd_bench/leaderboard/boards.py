"""Tables as data: which entries share one, which columns it has, and who is first and second in each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sdd_bench.evaluation.display import FACTS, REFERENCE_TITLES, heading, show
from sdd_bench.evaluation.results import GROUPS, METRICS, GroupName, Mean
from sdd_bench.evaluation.statistics import Interval
from sdd_bench.leaderboard.places import Candidate, places
from sdd_bench.leaderboard.records import ComputedEntry, PrintedNumber, PublishedEntry, Source

COLUMN_REFERENCES = REFERENCE_TITLES | {"unknown": "reference unknown"}
"""Titles of what scores in tables are against, in the order of the columns."""
ORDERING = ("deformed_gt", "gt", "unknown", "aligned_gt")
"""Against which reference methods are ordered, where a table has several: the first that it has."""


@dataclass(frozen=True)
class Column:
    """One metric against one reference.

    Attributes:
        reference: ``gt``, ``deformed_gt``, ``aligned_gt`` or ``unknown``.
        metric: its name.
    """

    reference: str
    metric: str

    @property
    def key(self) -> str:
        """Its name in CSV and JSON, as in ``per_image.csv``."""
        return f"{self.metric}_{self.reference}"

    @property
    def title(self) -> str:
        """Its heading."""
        return f"{heading(self.metric)}, {COLUMN_REFERENCES[self.reference]}"


@dataclass(frozen=True)
class Cell:
    """One number of a table.

    Attributes:
        text: as shown.
        value: None where there is none, and for predictions that are identical to the reference.
        interval: 95 % interval of the mean; None for published numbers and fewer than 6 images.
        place: 1 for the best and those that can't be told from it, 2 for the best of the rest and those that can't be
            told from that; None for all others.
    """

    text: str
    value: float | None
    interval: Interval | None
    place: int | None


@dataclass(frozen=True)
class Row:
    """One entry in a table.

    Attributes:
        entry: it.
        images: how many have scores; None for published numbers.
        failed: how many have none.
        deformation: how far the predictions move content, RMS in pixels; None if that is not known.
        cells: one per column.
        notes: numbers of the table's notes about it.
    """

    entry: PublishedEntry | ComputedEntry
    images: int | None
    failed: int
    deformation: float | None
    cells: tuple[Cell, ...]
    notes: tuple[int, ...]

    @property
    def images_text(self) -> str:
        """How many images have scores, and of how many where some have none; empty for published numbers."""
        if self.images is None:
            return ""
        return f"{self.images} of {self.images + self.failed}" if self.failed else str(self.images)


@dataclass(frozen=True)
class Board:
    """One table.

    Attributes:
        dataset: name of the dataset; a dataset that goes by several names has the first of them in the alphabet.
        split: of the dataset; None for published numbers.
        group: which of the images.
        protocol: id; None where a source's protocol is not known.
        origin: what all rows share, in words: the hashes, or the source.
        source: where published numbers were copied from; None for computed ones.
        columns: without the methods'.
        rows: by PSNR against the deformed GT (the GT, where there is none), best first.
        notes: what a reader has to know, numbered from 1 in the rows.
    """

    dataset: str
    split: str | None
    group: GroupName
    protocol: str | None
    origin: str
    source: Source | None
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]

    @property
    def title(self) -> str:
        """Its heading, for example ``SDD (test), indoor, jdrl2022``; published numbers have their source in it."""
        split = "" if self.split is None else f" ({self.split})"
        group = "" if self.group == "all" else f", {self.group}"
        return f"{self.dataset}{split}{group}, {self.protocol if self.source is None else self.source.title}"


def make_boards(entries: Sequence[PublishedEntry | ComputedEntry]) -> list[Board]:
    """Every table that can be made of entries; the same for any order of them.

    Only entries with one `board_key` share a table: computed ones of one dataset, split and protocol by hash; published
    ones of one source.
    """
    groups: dict[tuple[str, ...], list[PublishedEntry | ComputedEntry]] = defaultdict(list)
    for entry in sorted(entries, key=lambda entry: entry.id):
        groups[entry.board_key].append(entry)
    boards = [board for members in groups.values() for group in GROUPS if (board := _board(members, group))]
    order = {group: place for place, group in enumerate(GROUPS)}
    # Computed tables first: theirs are the numbers that anyone can check.
    return sorted(boards, key=lambda board: (*_sort_key(board), order[board.group]))


def _sort_key(board: Board) -> tuple[bool, str, str, str, str]:
    return board.source is not None, board.dataset, board.split or "", board.protocol or "", board.origin


def _board(members: Sequence[PublishedEntry | ComputedEntry], group: GroupName) -> Board | None:
    present = [entry for entry in members if _has(entry, group)]
    if not present or all(_is_all(entry, group) for entry in present):  # the same table again
        return None
    candidates: dict[Column, list[Candidate]] = {}
    for reference in COLUMN_REFERENCES:
        for metric in METRICS:
            column = Column(reference, metric)
            found = [_candidate(entry, group, column) for entry in present]
            if any(candidate.exists for candidate in found):
                candidates[column] = found
    columns = tuple(candidates)
    placed = {column: places(found, FACTS[column.metric].higher_is_better) for column, found in candidates.items()}
    notes = tuple(dict.fromkeys(note for entry in present for note in _notes(entry)))
    ranked = sorted(range(len(present)), key=lambda i: _rank(present[i], {c: candidates[c][i] for c in columns}))
    rows = []
    for index in ranked:
        entry = present[index]
        cells = tuple(
            Cell(
                text=_text(entry, group, column),
                value=candidates[column][index].value,
                interval=_interval(entry, group, column),
                place=placed[column][index],
            )
            for column in columns
        )
        images, failed, deformation = _counts(entry, group)
        numbers = tuple(notes.index(note) + 1 for note in _notes(entry))
        rows.append(Row(entry, images, failed, deformation, cells, numbers))
    first = present[0]
    return Board(
        dataset=min(entry.dataset_name for entry in present),
        split=first.result.dataset.split if isinstance(first, ComputedEntry) else None,
        group=group,
        protocol=first.result.protocol.id if isinstance(first, ComputedEntry) else first.protocol,
        origin=_origin(first),
        source=first.source if isinstance(first, PublishedEntry) else None,
        columns=columns,
        rows=tuple(rows),
        notes=notes,
    )


def _has(entry: PublishedEntry | ComputedEntry, group: GroupName) -> bool:
    if isinstance(entry, ComputedEntry):
        return group in entry.result.means
    return any(scores.group == group for scores in entry.scores)


def _is_all(entry: PublishedEntry | ComputedEntry, group: GroupName) -> bool:
    if group == "all" or isinstance(entry, PublishedEntry):
        return False
    part, whole = entry.result.means[group], entry.result.means["all"]
    return part.images + part.failed == whole.images + whole.failed


def _candidate(entry: PublishedEntry | ComputedEntry, group: GroupName, column: Column) -> Candidate:
    if isinstance(entry, PublishedEntry):
        number = _printed(entry, group, column)
        return Candidate(value=None if number is None else number.value)
    mean = _mean(entry, group, column)
    value = None if mean is None else getattr(mean, column.metric)
    images = {}
    for image in entry.result.images:
        scores = getattr(image, column.reference, None)
        if group in ("all", image.environment) and scores is not None:
            score = getattr(scores, column.metric)
            if score is not None:
                images[image.stem] = score
    identical = column.metric == "psnr" and mean is not None and value is None
    return Candidate(value=value, images=images, identical=identical)


def _text(entry: PublishedEntry | ComputedEntry, group: GroupName, column: Column) -> str:
    if isinstance(entry, ComputedEntry):
        return show(_mean(entry, group, column), column.metric)
    number = _printed(entry, group, column)
    return "n/a" if number is None else number.text


def _interval(entry: PublishedEntry | ComputedEntry, group: GroupName, column: Column) -> Interval | None:
    mean = _mean(entry, group, column) if isinstance(entry, ComputedEntry) else None
    interval: Interval | None = None if mean is None else getattr(mean.intervals, column.metric)
    return interval


def _mean(entry: ComputedEntry, group: GroupName, column: Column) -> Mean | None:
    mean: Mean | None = getattr(entry.result.means[group], column.reference, None)
    return mean


def _printed(entry: PublishedEntry, group: GroupName, column: Column) -> PrintedNumber | None:
    for scores in entry.scores:
        if (scores.group, scores.reference) == (group, column.reference):
            number: PrintedNumber | None = getattr(scores, column.metric)
            return number
    return None


def _counts(entry: PublishedEntry | ComputedEntry, group: GroupName) -> tuple[int | None, int, float | None]:
    if isinstance(entry, PublishedEntry):
        return None, 0, None
    means = entry.result.means[group]
    return means.images, means.failed, means.deformation


def _notes(entry: PublishedEntry | ComputedEntry) -> tuple[str, ...]:
    return entry.result.notes if isinstance(entry, ComputedEntry) else (*entry.doubts, *entry.notes)


def _origin(entry: PublishedEntry | ComputedEntry) -> str:
    if isinstance(entry, ComputedEntry):
        result = entry.result
        return f"Dataset {result.dataset.manifest_sha256[:12]}, protocol {result.protocol_sha256[:12]}."
    place = "" if entry.source.place is None else f" ({entry.source.place})"
    protocol = "not known" if entry.protocol is None else f"taken to be that of {entry.protocol}"
    return (
        f"Copied from {entry.source.title}{place}, not computed here; arithmetic {protocol}. "
        "Not comparable with the numbers of other tables."
    )


def _rank(entry: PublishedEntry | ComputedEntry, candidates: dict[Column, Candidate]) -> tuple[float | str, ...]:
    columns = [Column(reference, metric) for metric in ("psnr", "ssim", "lpips") for reference in ORDERING]
    keys = [candidates[c].sort_key(FACTS[c.metric].higher_is_better) for c in columns if c in candidates]
    return (*keys, entry.method.label, entry.id)
