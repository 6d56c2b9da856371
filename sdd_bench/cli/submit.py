"""`sdd-bench submit`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from sdd_bench.cli import options
from sdd_bench.evaluation import DEFAULT_PROTOCOL

_CACHE = click.option(
    "--cache", type=click.Path(path_type=Path), help="Folder of kept references and rows, to reuse them."
)


@click.group()
def submit() -> None:
    """Pack predictions for a leaderboard, or check what someone packed."""


@submit.command()
@click.argument("meta", type=click.Path(path_type=Path, dir_okay=False), default=Path("meta.yaml"))
def init(meta: Path) -> None:
    """Write a META file (meta.yaml) to fill in: what the leaderboard says of your method."""
    from sdd_bench.errors import OutputError
    from sdd_bench.io.atomic import write_text
    from sdd_bench.leaderboard.submission.meta import TEMPLATE

    if meta.exists():
        raise OutputError(f"{meta} is there already. Choose another name.")
    write_text(meta, TEMPLATE)
    click.echo(f"Wrote {meta}; fill in at least the name")


@submit.command()
@options.pred
@click.option(
    "--meta",
    type=click.Path(path_type=Path),
    default=Path("meta.yaml"),
    show_default=True,
    help="What `submit init` wrote, filled in.",
)
@click.option(
    "--result", type=click.Path(path_type=Path, exists=True), help="Result of these predictions, by `evaluate`."
)
@click.option("--dataset", type=click.Path(path_type=Path), help="Evaluate them now, on this dataset, instead.")
@click.option(
    "--protocol", default=DEFAULT_PROTOCOL, show_default=True, help="With --dataset, one of `sdd-bench protocols`."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("submission.zip"),
    show_default=True,
    help="Archive to write.",
)
@click.option("--overwrite", is_flag=True, help="Replace the archive.")
@_CACHE
@options.workers
@options.device
def pack(
    pred: Path,
    meta: Path,
    result: Path | None,
    dataset: Path | None,
    protocol: str,
    out: Path,
    overwrite: bool,
    cache: Path | None,
    workers: int,
    device: Literal["auto", "cpu", "cuda"],
) -> None:
    """Write one archive of predictions, their hashes, their result and what is known of the method."""
    from sdd_bench.evaluation.results import EvaluationResult
    from sdd_bench.evaluation.run import evaluate
    from sdd_bench.leaderboard.submission.meta import read_meta
    from sdd_bench.leaderboard.submission.pack import pack as write_archive

    read_meta(meta)  # its mistakes are told before the evaluation
    if dataset is not None and result is None:
        found = evaluate(pred, dataset, protocol, method="submission", cache=cache, workers=workers, device=device)
    elif result is not None and dataset is None:
        found = EvaluationResult.load(result / "result.json" if result.is_dir() else result)
    else:
        raise click.UsageError("give either --result, of `sdd-bench evaluate`, or --dataset, to evaluate now.")
    entry = write_archive(pred, meta, found, out, overwrite=overwrite)
    click.echo(f"Wrote {out}: {entry.method.label}, {len(found.images)} images, {out.stat().st_size:,} bytes")


@submit.command()
@click.argument("archive", metavar="FILE", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--dataset",
    type=click.Path(path_type=Path),
    help="The dataset that it is of, to compute every row again. Without it the entry is self-reported.",
)
@click.option("--board", type=click.Path(path_type=Path, file_okay=False), help="Leaderboard that it has to fit into.")
@click.option("--replace", is_flag=True, help="An entry of the same method in the same table may be there.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("checked"),
    show_default=True,
    help="Folder for the entry, the text of a pull request and the unpacked files.",
)
@click.option(
    "--text",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Markdown file for the text of a pull request, written also if the submission is refused.",
)
@_CACHE
@options.workers
@options.device
def check(
    archive: Path,
    dataset: Path | None,
    board: Path | None,
    replace: bool,
    out: Path,
    text: Path | None,
    cache: Path | None,
    workers: int,
    device: Literal["auto", "cpu", "cuda"],
) -> None:
    """Unpack the archive FILE safely, compute its result again, and make an entry of it.

    Nothing is unpacked before every check of the archive passed. If something is wrong, only the text is written.
    """
    from sdd_bench.errors import SddBenchError
    from sdd_bench.io.atomic import write_text
    from sdd_bench.leaderboard.submission.check import PULL_REQUEST, check_submission
    from sdd_bench.leaderboard.submission.pull_request import refused_text

    try:
        checked = check_submission(
            archive, out, dataset=dataset, board=board, replace=replace, cache=cache, workers=workers, device=device
        )
    except SddBenchError as error:
        if text is not None:
            write_text(text, refused_text(error))
        raise
    if text is not None:
        write_text(text, (out / PULL_REQUEST).read_text("utf-8"))
    for name in checked.passed_over:
        click.echo(f"Not unpacked, a file manager's: {name}")
    click.echo(f"{checked.entry.method.label}: {checked.entry.status}")
    for path in (out / f"{checked.entry.id}.json", out / PULL_REQUEST):
        click.echo(f"Wrote {path}")
    if checked.verification is None:
        click.echo("Its numbers were not computed again; give --dataset to verify them.")
