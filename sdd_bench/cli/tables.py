"""Tables on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from sdd_bench.demo.table import HEADER
from sdd_bench.evaluation.comparison import Comparison, MetricComparison
from sdd_bench.evaluation.display import (
    FACTS,
    PLUS_MINUS,
    REFERENCE_TITLES,
    heading,
    show,
    show_difference,
    show_p,
)
from sdd_bench.evaluation.results import EvaluationResult
from sdd_bench.evaluation.statistics import SMALLEST_SAMPLE


def result_table(result: EvaluationResult) -> Table:
    """Means of one result: a row per group of images and reference, a column per metric."""
    table = Table(
        title=escape(f"{result.method} on {result.dataset.name} ({result.dataset.split}), {result.protocol.id}"),
        show_edge=False,  # with every reference and metric it fits 100 columns
        pad_edge=False,
    )
    table.add_column("images")
    table.add_column("against")
    for metric in result.protocol.metrics:
        table.add_column(heading(metric), justify="right")
    for name, group in result.means.items():
        label = f"{name} ({group.images})"
        for reference, title in REFERENCE_TITLES.items():
            mean = getattr(group, reference)
            if mean is not None:
                table.add_row(label, title, *(show(mean, metric) for metric in result.protocol.metrics))
                label = ""
        if group.deformation is not None:
            table.add_row(label, "moved", f"{group.deformation:.2f} px")
        table.add_section()
    if result.means["all"].images >= SMALLEST_SAMPLE:
        table.caption = PLUS_MINUS
    return table


def comparison_table(comparison: Comparison, by_metric: MetricComparison) -> Table:
    """Every pair of methods by one metric: how far their means are apart, and how sure that is."""
    group = "" if comparison.group == "all" else f" {comparison.group}"
    table = Table(
        title=escape(
            f"{heading(by_metric.metric)} against the {REFERENCE_TITLES[comparison.against]}: "
            f"{comparison.dataset.name} ({comparison.dataset.split}), {comparison.protocol}"
        ),
        caption=f"{by_metric.images} of {by_metric.images + len(by_metric.left_out)}{group} images compared",
    )
    table.add_column("better mean", overflow="fold")
    table.add_column("worse mean", overflow="fold")
    unit = FACTS[by_metric.metric].unit
    for title in (f"difference, {unit}".removesuffix(", "), "95 % interval", "Wilcoxon, Holm", "wins/ties/losses"):
        table.add_column(title, justify="right")
    for pair in by_metric.pairs:
        table.add_row(
            escape(pair.first),
            escape(pair.second),
            *show_difference(pair.advantage, pair.interval, by_metric.metric),
            show_p(pair.p_adjusted),
            f"{pair.wins}/{pair.ties}/{pair.losses}",
        )
    return table


def demo_table(rows: Sequence[tuple[str, list[float]]], per_prediction: str, per_pair: str) -> Table:
    """Mean PSNR of the demo's methods by every ruler."""
    table = Table(title="Mean PSNR in dB of the same predictions")
    table.add_column(HEADER[0], no_wrap=True)
    for title, protocol in zip(HEADER[1:], ("", per_prediction, "", per_pair, ""), strict=True):
        table.add_column(f"{title}\n{protocol}".strip(), justify="right")
    for method, values in rows:
        table.add_row(method, *(f"{value:.2f}" for value in values))
    return table
