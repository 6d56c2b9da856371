"""`sdd-bench evaluate`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click


@click.command()
@click.option(
    "--pred",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of predictions, one image per test pair, named like it.",
)
@click.option("--dataset", type=click.Path(path_type=Path), required=True, help="A prepared dataset.")
@click.option(
    "--protocol",
    multiple=True,
    default=["sdd-v1.dev"],
    show_default=True,
    help="Evaluation protocol; may be given several times.",
)
@click.option("--method", help="Name of the method in tables.  [default: the name of the folder of predictions]")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default="results",
    show_default=True,
    help="Folder of results, one per method and protocol.",
)
@click.option("--overwrite", is_flag=True, help="Replace a result of the same name of other predictions or data.")
@click.option("--require", multiple=True, type=click.Choice(["lpips"]), help="Fail if this metric can't be computed.")
@click.option(
    "--cache", type=click.Path(path_type=Path), help="Folder of kept references and rows.  [default: the user's cache]"
)
@click.option("--workers", default=1, show_default=True, help="Worker processes.")
def evaluate(
    pred: Path,
    dataset: Path,
    protocol: tuple[str, ...],
    method: str | None,
    out: Path,
    overwrite: bool,
    require: tuple[str, ...],
    cache: Path | None,
    workers: int,
) -> None:
    """Score a folder of predictions against the ground truth, as it is and deformed.

    All problems of the predictions are found and listed before anything is computed. An interrupted run goes on when
    called again.
    """
    from rich.console import Console

    from sdd_bench.cli.tables import result_table
    from sdd_bench.evaluation.run import evaluate_all

    console = Console()
    results = evaluate_all(
        pred,
        dataset,
        protocol,
        method=method,
        out=out,
        overwrite=overwrite,
        require=require,
        cache=cache,
        workers=workers,
        command=shlex.join(["sdd-bench", *sys.argv[1:]]),
    )
    for result in results:
        console.print(result_table(result))
        for note in result.notes:
            console.print(f"  {note}", style="dim", markup=False, emoji=False)
        console.print(
            f"  {out / result.method / result.protocol.id / 'result.json'}", markup=False, emoji=False, soft_wrap=True
        )
