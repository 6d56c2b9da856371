"""Where sources give one method different numbers: a reader should see it, not find it out."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sdd_bench.evaluation.display import heading
from sdd_bench.evaluation.results import METRICS
from sdd_bench.leaderboard.escape import markdown_text
from sdd_bench.leaderboard.records import ComputedEntry, PublishedEntry


@dataclass(frozen=True)
class Disagreement:
    """One method that has several numbers.

    Attributes:
        dataset: its name.
        method: its name, without marks such as ``(single)`` or ``*``.
        metric: the metric.
        numbers: the numbers as printed, largest first, each with its sources.
        spread: largest less smallest.
    """

    dataset: str
    method: str
    metric: str
    numbers: tuple[tuple[str, tuple[str, ...]], ...]
    spread: float


def disagreements(entries: Sequence[PublishedEntry | ComputedEntry]) -> list[Disagreement]:
    """Published numbers of one method on all images of one dataset that differ by more than they are rounded.

    Numbers against the deformed GT are left out, because they have to differ from the others; so are those of methods
    with a framework or a variant. Training data are named with the source, where it states them: they may differ too.
    """
    found: dict[tuple[str, str, str], list[tuple[float, float, str, str]]] = defaultdict(list)
    for entry in entries:
        if isinstance(entry, ComputedEntry) or entry.method.framework or entry.method.variant:
            continue
        name = re.sub(r"( \(single\)|\*)+$", "", entry.method.name)
        for scores in entry.scores:
            if scores.group == "all" and scores.reference != "deformed_gt":
                for metric in METRICS:
                    if (number := getattr(scores, metric)) is not None:
                        kept = (number.value, number.rounding, number.text, _source(entry))
                        found[entry.dataset, name, metric].append(kept)
    order = {metric: place for place, metric in enumerate(METRICS)}
    return [
        _disagreement(*key, numbers)
        for key, numbers in sorted(found.items(), key=lambda item: (item[0][0], order[item[0][2]], item[0][1]))
        if _differ(numbers)
    ]


def markdown_disagreements(found: Sequence[Disagreement]) -> str:
    """The disagreements as one Markdown table; empty if there are none."""
    if not found:
        return ""
    lines = ["## One method, several published numbers", ""]
    lines += ["| dataset | method | metric | numbers |", "|---|---|---|---|"]
    for one in found:
        numbers = "<br>".join(f"{text}: {'; '.join(map(markdown_text, sources))}" for text, sources in one.numbers)
        cells = (markdown_text(one.dataset), markdown_text(one.method), heading(one.metric), numbers)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(["", *lines, ""])


def _source(entry: PublishedEntry) -> str:
    trained_on = entry.method.trained_on
    return entry.source.title if trained_on is None else f"{entry.source.title}, trained on {trained_on}"


def _differ(numbers: Sequence[tuple[float, float, str, str]]) -> bool:
    # Some pair whose roundings can't meet; half a unit of each, and a little for binary fractions.
    return max(value - rounding for value, rounding, _, _ in numbers) > 1e-9 + min(
        value + rounding for value, rounding, _, _ in numbers
    )


def _disagreement(
    dataset: str, method: str, metric: str, numbers: Sequence[tuple[float, float, str, str]]
) -> Disagreement:
    sources: dict[str, set[str]] = defaultdict(set)
    for _, _, text, source in numbers:
        sources[text].add(source)
    ordered = sorted(sources, key=lambda text: (-float(text), text))
    values = [value for value, *_ in numbers]
    return Disagreement(
        dataset,
        method,
        metric,
        tuple((text, tuple(sorted(sources[text]))) for text in ordered),
        max(values) - min(values),
    )
