"""`sdd-bench demo`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default="sdd-bench-demo",
    show_default=True,
    help="Folder to work in; an earlier demo's is used again.",
)
@click.option("--workers", default=2, show_default=True, help="Worker processes.")
def demo(out: Path, workers: int) -> None:
    """Make a small dataset with known truth, score five methods and show what the scores are worth."""
    from rich.console import Console

    from sdd_bench.cli.tables import demo_table
    from sdd_bench.demo.run import PER_PAIR, PER_PREDICTION, run_demo
    from sdd_bench.demo.table import demo_rows, what_to_see

    console = Console()
    result = run_demo(out, workers=workers)
    rows = demo_rows(result.results, PER_PREDICTION, PER_PAIR)
    console.print(demo_table(rows, PER_PREDICTION, PER_PAIR))
    console.print(what_to_see(rows), markup=False)
    for title, path in (
        ("picture", result.picture),
        ("table", result.table),
        ("leaderboard", result.leaderboard),
        ("page", result.site),
    ):
        console.print(f"{title:12s} {path}", markup=False, soft_wrap=True, highlight=False)
