"""Tables on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from sdd_bench.demo.table import HEADER
from sdd_bench.evaluation.display import REFERENCE_TITLES, heading, show
from sdd_bench.evaluation.results import EvaluationResult


def result_table(result: EvaluationResult) -> Table:
    """Means of one result: a row per group of images and reference, a column per metric."""
    table = Table(
        title=escape(f"{result.method} on {result.dataset.name} ({result.dataset.split}), {result.protocol.id}")
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
        table.add_section()
    return table


def demo_table(rows: Sequence[tuple[str, list[float]]], per_prediction: str, per_pair: str) -> Table:
    """Mean PSNR of the demo's methods by every ruler."""
    table = Table(title="Mean PSNR in dB of the same predictions")
    table.add_column(HEADER[0], no_wrap=True)
    for title, protocol in zip(HEADER[1:], ("", per_prediction, per_pair, ""), strict=True):
        table.add_column(f"{title}\n{protocol}".strip(), justify="right")
    for method, values in rows:
        table.add_row(method, *(f"{value:.2f}" for value in values))
    return table
