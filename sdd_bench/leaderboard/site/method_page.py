"""A method's page: everything the leaderboard knows of it, entry by entry."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from sdd_bench.evaluation.display import FACTS, heading
from sdd_bench.evaluation.report_page import Panel, spread_panels
from sdd_bench.evaluation.report_ranking import MainReference, main_reference, rank
from sdd_bench.evaluation.report_tables import Column, MeansGroup, image_columns, means_groups
from sdd_bench.evaluation.results import ImageResult
from sdd_bench.leaderboard.boards import COLUMN_REFERENCES
from sdd_bench.leaderboard.folder import entry_file
from sdd_bench.leaderboard.records import ComputedEntry, Method, PrintedNumber, PublishedEntry, PublishedScores
from sdd_bench.leaderboard.site.board_page import STATUS_MEANINGS, Family
from sdd_bench.leaderboard.site.cost_columns import parameters, time

_DRAWN = ("psnr", "lpips", "ssim")  # the first two that a result has are drawn image by image


class Evaluated(NamedTuple):
    """An entry that was computed.

    Attributes:
        entry: it.
        family: its tables.
        main: the reference of its main scores.
        means: per group of images and reference.
        panels: how its scores spread over the images.
        ranked: images by PSNR, worst first; those without scores last.
        columns: of the table of images.
        meaning: what its status says.
        commands: to make the predictions, where its authors said how, and to compute it again.
        has_pictures: whether the site has pictures of it.
    """

    entry: ComputedEntry
    family: Family
    main: MainReference
    means: list[MeansGroup]
    panels: list[Panel]
    ranked: list[ImageResult]
    columns: list[Column]
    meaning: str
    commands: tuple[str, ...]
    has_pictures: bool


class Copied(NamedTuple):
    """An entry that was copied.

    Attributes:
        entry: it.
        family: its tables.
        titles: of the columns of numbers.
        rows: group, reference and numbers; an empty number where the source has none.
        meaning: what its status says.
    """

    entry: PublishedEntry
    family: Family
    titles: list[str]
    rows: list[tuple[str, str, list[str]]]
    meaning: str


class MethodPage(NamedTuple):
    """All entries of one name.

    Attributes:
        label: the name.
        about: what is known of the method in any entry: field and its values, each with how many entries have it.
        evaluated: entries that were computed.
        copied: entries that were copied.
    """

    label: str
    about: list[tuple[str, list[str]]]
    evaluated: list[Evaluated]
    copied: list[Copied]

    @property
    def quoted(self) -> str:
        """The name as a shell takes it."""
        return shlex.quote(self.label)


def method_pages(families: Sequence[Family], with_pictures: set[str]) -> list[MethodPage]:
    """One page per method's name, in the order of the names.

    Args:
        families: all tables.
        with_pictures: ids of the entries that have pictures.
    """
    found: dict[str, list[tuple[PublishedEntry | ComputedEntry, Family]]] = defaultdict(list)
    for family in families:
        entries = {row.entry.id: row.entry for board in family.boards for row in board.rows}
        for entry in entries.values():
            found[entry.method.label].append((entry, family))
    return [_page(label, members, with_pictures) for label, members in sorted(found.items())]


def _page(
    label: str, members: Sequence[tuple[PublishedEntry | ComputedEntry, Family]], with_pictures: set[str]
) -> MethodPage:
    page = MethodPage(label, _about([entry.method for entry, _ in members]), [], [])
    for entry, family in members:
        if isinstance(entry, ComputedEntry):
            page.evaluated.append(_evaluated(entry, family, entry.id in with_pictures))
        else:
            page.copied.append(_copied(entry, family))
    return page


_FIELDS = {
    "authors": "Authors",
    "paper": "Paper",
    "venue": "Venue",
    "year": "Year",
    "code": "Code",
    "framework": "Framework",
    "weights_sha256": "SHA-256 of its weights",
    "parameters": "Parameters",
    "seconds_per_megapixel": "Time",
}


def _about(methods: Sequence[Method]) -> list[tuple[str, list[str]]]:
    """What is known in any entry; what none knows is left out."""
    known = {
        title: list(dict.fromkeys(_said(method, field) for method in methods if getattr(method, field) is not None))
        for field, title in _FIELDS.items()
    }
    return [(title, values) for title, values in known.items() if values]


def _said(method: Method, field: str) -> str:
    if field == "parameters":
        return f"{method.parameters:,}" if method.parameters else parameters(method).text
    if field == "seconds_per_megapixel":
        return f"{time(method).text} s per megapixel on {method.timed_on}"
    return str(getattr(method, field))


def _evaluated(entry: ComputedEntry, family: Family, has_pictures: bool) -> Evaluated:
    result = entry.result
    main = main_reference(result)
    failed = [image for image in result.images if getattr(image, main) is None]
    scored = [image for image in result.images if getattr(image, main) is not None]
    drawn = [metric for metric in _DRAWN if any(getattr(getattr(image, main), metric) is not None for image in scored)]
    return Evaluated(
        entry=entry,
        family=family,
        main=main,
        means=means_groups(result),
        panels=spread_panels(result, main, drawn[:2]),
        ranked=rank(result.images, main) + failed,
        columns=image_columns(result, main),
        meaning=STATUS_MEANINGS[entry.status],
        commands=_commands(entry),
        has_pictures=has_pictures,
    )


def _commands(entry: ComputedEntry) -> tuple[str, ...]:
    result = entry.result
    split = "" if result.crop == "none" else f" --crop {result.crop}"
    return (
        *entry.commands,
        f"sdd-bench evaluate --pred PREDICTIONS --dataset DATASET --protocol {result.protocol.id}{split} "
        f"--method {shlex.quote(result.method)} --out results",
        f"sdd-bench leaderboard verify {entry_file(entry).as_posix()} --pred PREDICTIONS --dataset DATASET",
    )


def _copied(entry: PublishedEntry, family: Family) -> Copied:
    metrics = [metric for metric in FACTS if any(getattr(scores, metric) is not None for scores in entry.scores)]
    return Copied(
        entry=entry,
        family=family,
        titles=[heading(metric) for metric in metrics],
        rows=[
            (scores.group, COLUMN_REFERENCES[scores.reference], [_text(scores, metric) for metric in metrics])
            for scores in entry.scores
        ],
        meaning=STATUS_MEANINGS[entry.status],
    )


def _text(scores: PublishedScores, metric: str) -> str:
    number: PrintedNumber | None = getattr(scores, metric)
    return "" if number is None else number.text
