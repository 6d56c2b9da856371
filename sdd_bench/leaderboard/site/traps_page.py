"""Published numbers and their traps: where sources disagree, drawn, and how often each doubt applies."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from sdd_bench.evaluation.report_charts import Axis, round_axis
from sdd_bench.leaderboard.disagreements import Disagreement, disagreements
from sdd_bench.leaderboard.records import ComputedEntry, PublishedEntry


class Spot(NamedTuple):
    """One of a method's numbers: as printed, its sources, and its place on the axis in per cent."""

    text: str
    sources: tuple[str, ...]
    at: float


class Dispute(NamedTuple):
    """One method whose numbers disagree, largest number first."""

    found: Disagreement
    spots: tuple[Spot, ...]


class Chart(NamedTuple):
    """Disagreements in one metric on one dataset, on a common axis, widest first."""

    dataset: str
    metric: str
    axis: Axis
    disputes: tuple[Dispute, ...]


class Traps(NamedTuple):
    """What the page tells.

    Attributes:
        charts: by dataset and metric.
        widest: the dispute over the most decibels; None if there is none about PSNR.
        doubts: each doubt and how many entries it is noted at, most frequent first.
        published: how many entries were copied.
    """

    charts: list[Chart]
    widest: Dispute | None
    doubts: list[tuple[str, int]]
    published: int


def traps(entries: Sequence[PublishedEntry | ComputedEntry]) -> Traps:
    """What a reader of published numbers should know."""
    grouped: dict[tuple[str, str], list[Disagreement]] = defaultdict(list)
    for found in disagreements(entries):
        grouped[found.dataset, found.metric].append(found)
    charts = [_chart(*key, members) for key, members in grouped.items()]
    in_psnr = [dispute for chart in charts if chart.metric == "psnr" for dispute in chart.disputes]
    published = [entry for entry in entries if isinstance(entry, PublishedEntry)]
    counts = Counter(doubt for entry in published for doubt in entry.doubts)
    return Traps(
        charts=charts,
        widest=max(in_psnr, key=lambda dispute: dispute.found.spread, default=None),
        doubts=sorted(counts.items(), key=lambda item: (-item[1], item[0])),
        published=len(published),
    )


def _chart(dataset: str, metric: str, members: Sequence[Disagreement]) -> Chart:
    axis = round_axis([float(text) for found in members for text, _ in found.numbers])
    disputes = tuple(
        Dispute(found, tuple(Spot(text, sources, axis.place(float(text))) for text, sources in found.numbers))
        for found in sorted(members, key=lambda found: (-found.spread, found.method))
    )
    return Chart(dataset, metric, axis, disputes)
