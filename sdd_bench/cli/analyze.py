"""`sdd-bench analyze`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sdd_bench.cli import options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.table import Table

    from sdd_bench.analysis.comparison import Comparison, Ratio
    from sdd_bench.analysis.quantities import Quantity
    from sdd_bench.analysis.records import AnalysisResult

_NAMED = 5  # pairs that a line names
_SHOWN = ("5 %", "median", "95 %", "largest")  # of all quantiles: they fit 80 columns


@click.command()
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option(
    "--split",
    type=click.Choice(["train", "val", "test", "all"]),
    default="all",
    show_default=True,
    help="Which part of the dataset.",
)
@click.option("--compare", type=click.Path(path_type=Path), help="Another prepared dataset, analysed beside it.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default="analysis",
    show_default=True,
    help="Folder for analysis.json, analysis.csv and the page.",
)
@click.option(
    "--report/--no-report",
    default=True,
    show_default=True,
    help="Write a page with charts and pictures, analysis.html.",
)
@options.rows_cache
@options.workers
@options.cluster
def analyze(
    dataset: Path,
    split: str,
    compare: Path | None,
    out: Path,
    report: bool,
    cache: Path | None,
    workers: int,
    cluster: str | None,
) -> None:
    """Measure zoom and shift of every pair in DATASET, and what they leave: lens distortion, parallax, exposure.

    A pair whose zoom and shift can't be found with confidence is listed with the reason. An interrupted run goes on
    when called again.
    """
    from rich.console import Console

    from sdd_bench.analysis.comparison import compare as compare_results
    from sdd_bench.analysis.records import CSV_NAME, JSON_NAME
    from sdd_bench.analysis.run import PAGE_NAME, analyze_all

    console = Console()
    results = analyze_all(
        [dataset] if compare is None else [dataset, compare],
        split=split,
        out=out,
        report=report,
        cache=cache,
        workers=workers,
        cluster=cluster,
    )
    for result in results:
        console.print(_table(result))
        for line in _lines(result):
            console.print(f"  {line}", style="dim", markup=False, emoji=False)
    if compare is not None:
        comparison = compare_results(*results)
        console.print(_verdict(results, comparison), markup=False, emoji=False)
    for name in (JSON_NAME, CSV_NAME, *([PAGE_NAME] if report else [])):
        console.print(f"  {out / name}", markup=False, emoji=False, soft_wrap=True)


def _table(result: AnalysisResult) -> Table:
    from rich.markup import escape
    from rich.table import Table

    from sdd_bench.analysis.quantities import QUANTILE_TITLES, QUANTITIES, groups, quantiles

    shown = [QUANTILE_TITLES.index(title) for title in _SHOWN]
    table = Table(
        title=escape(f"{result.dataset} ({result.split}): {len(result.pairs)} pairs"), show_edge=False, pad_edge=False
    )
    table.add_column("", no_wrap=True)
    for title in _SHOWN:
        table.add_column(title, justify="right")
    parts = {name: pairs for name, pairs in groups(result).items() if name != "all"}
    for name in parts:
        table.add_column(f"{name}\nmedian", justify="right")
    for quantity in QUANTITIES.values():
        cells = [_cell(quantity, quantiles(result.pairs, quantity), place) for place in shown]
        middle = QUANTILE_TITLES.index("median")
        cells += [_cell(quantity, quantiles(pairs, quantity), middle) for pairs in parts.values()]
        table.add_row(f"{quantity.title}, {quantity.unit}", *cells)
    return table


def _cell(quantity: Quantity, found: list[float] | None, place: int) -> str:
    # Adding 0.0 makes a zero of negative sign a plain one.
    return "n/a" if found is None else f"{round(found[place], quantity.decimals) + 0.0:.{quantity.decimals}f}"


def _lines(result: AnalysisResult) -> Iterator[str]:
    from sdd_bench.analysis.quantities import outcome

    found = outcome(result.pairs)
    if found.zoom_dominates is not None:
        yield (
            f"zoom dominates {found.zoom_dominates:.0%} of {found.aligned} pairs, shift {1 - found.zoom_dominates:.0%}"
        )
    for reason, stems in found.reasons:
        yield f"not converged, {len(stems)}: {reason} ({_named(stems)})"
    for stem, reason in found.unmeasured:
        yield f"no residual, {stem}: {reason}"


def _named(stems: list[str]) -> str:
    more = f" and {len(stems) - _NAMED} more" if len(stems) > _NAMED else ""
    return ", ".join(stems[:_NAMED]) + more


def _verdict(results: list[AnalysisResult], comparison: Comparison | None) -> str:
    first, second = (result.dataset for result in results)
    if comparison is None:
        return f"{first} and {second} can't be compared: one of them has no displacement to compare."
    return (
        f"{first} is misaligned {_ratio(comparison.pixels)} as much as {second}, by the median displacement of the "
        f"farthest corner in pixels; {_ratio(comparison.of_diagonal)} as a share of the diagonal."
    )


def _ratio(ratio: Ratio) -> str:
    if ratio.interval is None:
        return f"{ratio.value:.2f} times"
    return f"{ratio.value:.2f} times (95 % interval {ratio.interval[0]:.2f} to {ratio.interval[1]:.2f})"
