"""`sdd-bench compare`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("results", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    default=["psnr"],
    show_default=True,
    help="psnr, ssim, mae or lpips; may be given several times.",
)
@click.option(
    "--against",
    type=click.Choice(["gt", "deformed_gt", "aligned_gt"]),
    help="Reference of the scores.  [default: deformed_gt, or gt where the protocol has no deformed one]",
)
@click.option(
    "--group",
    type=click.Choice(["all", "indoor", "outdoor"]),
    default="all",
    show_default=True,
    help="Images compared.",
)
@click.option("--protocol", help="Leave out results of other protocols.")
@click.option("--json", "out", type=click.Path(path_type=Path), help="Write the comparison to this JSON file too.")
def compare(
    results: tuple[Path, ...],
    metrics: tuple[str, ...],
    against: str | None,
    group: str,
    protocol: str | None,
    out: Path | None,
) -> None:
    """Say which methods are better than which, and which can't be told apart.

    RESULTS are result.json files, or folders with such files below. All must be of one dataset, split and protocol.
    Images are paired by stem; those that lack a score of one method are left out for all.
    """
    from rich.console import Console

    from sdd_bench.cli.tables import comparison_table
    from sdd_bench.errors import ResultError, unknown_name
    from sdd_bench.evaluation.comparison import compare as compare_results
    from sdd_bench.evaluation.comparison import sentence
    from sdd_bench.evaluation.results import EvaluationResult
    from sdd_bench.io.atomic import write_text
    from sdd_bench.leaderboard.table import collect

    loaded = [
        result for path in results for result in (collect(path) if path.is_dir() else [EvaluationResult.load(path)])
    ]
    chosen = [result for result in loaded if protocol in (None, result.protocol.id)]
    if not chosen and protocol is not None:
        raise ResultError(unknown_name("protocol", protocol, {result.protocol.id for result in loaded}))
    comparison = compare_results(chosen, metrics=metrics, against=against, group=group)
    console = Console()
    for by_metric in comparison.metrics:
        console.print(comparison_table(comparison, by_metric))
        for stem, reason in by_metric.left_out.items():
            console.print(f"  left out: {stem} ({reason})", style="dim", markup=False, emoji=False, soft_wrap=True)
        for pair in by_metric.pairs:
            said = sentence(by_metric, pair, comparison.group)
            console.print(said, markup=False, emoji=False, highlight=False, soft_wrap=True)
    if out is not None:
        write_text(out, comparison.model_dump_json(indent=2) + "\n")
        console.print(f"Wrote {out}", markup=False, emoji=False, highlight=False, soft_wrap=True)
