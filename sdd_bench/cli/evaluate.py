"""`sdd-bench evaluate`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Literal

import click

from sdd_bench.cli import options
from sdd_bench.evaluation import DEFAULT_PROTOCOL


@click.command()
@options.pred
@click.option("--dataset", type=click.Path(path_type=Path), required=True, help="A prepared dataset.")
@click.option(
    "--protocol",
    multiple=True,
    default=[DEFAULT_PROTOCOL],
    show_default=True,
    help="Evaluation protocol, of `sdd-bench protocols`; may be given several times.",
)
@click.option("--method", help="Name of the method in tables.  [default: the name of the folder of predictions]")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default="results",
    show_default=True,
    help="Folder of results, one per method and protocol.",
)
@click.option(
    "--report/--no-report", default=True, show_default=True, help="Write a page with charts and pictures, report.html."
)
@click.option("--overwrite", is_flag=True, help="Replace a result of the same name of other predictions or data.")
@click.option("--require", multiple=True, type=click.Choice(["lpips"]), help="Fail if this metric can't be computed.")
@click.option(
    "--crop",
    type=click.Choice(["unet16", "mprnet8", "none"]),
    help="How the predictions were cropped, for protocols that allow it.  [default: found out from their sizes]",
)
@click.option(
    "--bit-depth",
    type=click.Choice(["8", "16"]),
    help="Bits per sample of the predictions, for protocols with a variant for each.  [default: the protocol's own]",
)
@click.option(
    "--cache", type=click.Path(path_type=Path), help="Folder of kept references and rows.  [default: the user's cache]"
)
@options.workers
@options.cluster
@options.device
def evaluate(
    pred: Path,
    dataset: Path,
    protocol: tuple[str, ...],
    method: str | None,
    out: Path,
    report: bool,
    overwrite: bool,
    require: tuple[str, ...],
    crop: Literal["unet16", "mprnet8", "none"] | None,
    bit_depth: str | None,
    cache: Path | None,
    workers: int,
    cluster: str | None,
    device: Literal["auto", "cpu", "cuda"],
) -> None:
    """Score a folder of predictions against the ground truth, as it is and deformed.

    All problems of the predictions are found and listed before anything is computed. An interrupted run goes on when
    called again.
    """
    from rich.console import Console

    from sdd_bench.cli.tables import result_table
    from sdd_bench.evaluation.report import REPORT_NAME
    from sdd_bench.evaluation.run import evaluate_all

    console = Console()
    results = evaluate_all(
        pred,
        dataset,
        protocol,
        method=method,
        out=out,
        report=report,
        overwrite=overwrite,
        require=require,
        crop=crop,
        bit_depth=None if bit_depth is None else int(bit_depth),
        cache=cache,
        workers=workers,
        cluster=cluster,
        device=device,
        command=shlex.join(["sdd-bench", *sys.argv[1:]]),
    )
    for result in results:
        console.print(result_table(result))
        for note in result.notes:
            console.print(f"  {note}", style="dim", markup=False, emoji=False)
        folder = out / result.method / result.protocol.id
        for path in (folder / "result.json", folder / REPORT_NAME):
            if path.exists():
                console.print(f"  {path}", markup=False, emoji=False, soft_wrap=True)
