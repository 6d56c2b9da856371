"""`sdd-bench leaderboard`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sdd_bench.cli.leaderboard_checks import diff, verify

if TYPE_CHECKING:
    from sdd_bench.leaderboard.boards import Board

_BOARD = click.option(
    "--board",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("leaderboards"),
    show_default=True,
    help="Folder of the leaderboard.",
)


@click.group()
def leaderboard() -> None:
    """Keep entries, check them, and make tables of them or of result files."""


leaderboard.add_command(verify)
leaderboard.add_command(diff)


@leaderboard.command()
@click.argument("folder", metavar="RESULTS", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--format",
    "kind",
    type=click.Choice(["markdown", "csv", "latex", "json"]),
    default="markdown",
    show_default=True,
    help="CSV: one file per table.",
)
@click.option("--dataset", help="Only the tables of this dataset.")
@click.option("--protocol", help="Only the tables of this protocol.")
@click.option("--table", help="Only the table of this title, as Markdown shows it.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="File to write; for CSV a folder.  [default: the terminal]"
)
@click.option(
    "--site",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write a web page of all tables into this folder instead: static files that load nothing from elsewhere.",
)
@click.option(
    "--predictions",
    multiple=True,
    metavar="ENTRY=FOLDER",
    help="With --site: draw pictures of an entry's predictions, to compare; again for each entry.",
)
@click.option(
    "--dataset-folder",
    "datasets",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="With --predictions: their prepared dataset; again for each dataset.",
)
@click.option(
    "--side",
    type=click.IntRange(256, 8192),
    default=1024,
    show_default=True,
    help="With --predictions: longest side of the pictures, pixels.",
)
@click.option("--workers", default=1, show_default=True, help="With --predictions: worker processes.")
def build(
    folder: Path,
    kind: str,
    dataset: str | None,
    protocol: str | None,
    table: str | None,
    out: Path | None,
    site: Path | None,
    predictions: tuple[str, ...],
    datasets: tuple[Path, ...],
    side: int,
    workers: int,
) -> None:
    """Make tables from every result.json below RESULTS, or from the entries of a leaderboard.

    Never two protocols, datasets or sources in one table; the same folder gives the same bytes.
    """
    from sdd_bench.cli.leaderboard_site import make_site

    if site is not None:
        if (dataset, protocol, table, out) != (None, None, None, None) or kind != "markdown":
            raise click.UsageError(
                "--site has all tables: leave out --format, --dataset, --protocol, --table and --out."
            )
        make_site(folder, site, predictions, datasets, side, workers)
        return
    if predictions or datasets:
        raise click.UsageError("--predictions and --dataset-folder are for --site DIR.")
    from sdd_bench.io.atomic import write_text
    from sdd_bench.leaderboard.boards_data import csv_board, file_name, json_boards
    from sdd_bench.leaderboard.boards_latex import latex_boards
    from sdd_bench.leaderboard.boards_markdown import markdown_boards
    from sdd_bench.leaderboard.disagreements import disagreements, markdown_disagreements
    from sdd_bench.leaderboard.selection import holds_results, only_table, select
    from sdd_bench.leaderboard.table import collect, markdown

    has_results = holds_results(folder)
    if has_results and kind == "markdown" and (dataset, protocol, table) == (None, None, None):
        text = markdown(collect(folder))
    else:
        boards = select(_boards(folder, has_results), dataset, protocol, table)
        if kind == "csv" and out is not None:
            for board in boards:
                write_text(out / f"{file_name(board)}.csv", csv_board(board))
            click.echo(f"Wrote {len(boards)} tables into {out}")
            return
        found = disagreements([row.entry for board in boards for row in board.rows if board.group == "all"])
        if kind == "markdown":
            text = markdown_boards(boards) + markdown_disagreements(found)
        elif kind == "json":
            text = json_boards(boards, found)
        else:
            text = latex_boards(boards) if kind == "latex" else csv_board(only_table(boards))
    if out is None:
        click.echo(text, nl=False)
    else:
        write_text(out, text)
        click.echo(f"Wrote {out}")


def _boards(folder: Path, has_results: bool) -> list[Board]:
    from sdd_bench.leaderboard.boards import make_boards
    from sdd_bench.leaderboard.folder import load
    from sdd_bench.leaderboard.selection import entries_of_results
    from sdd_bench.leaderboard.table import collect

    return make_boards(entries_of_results(collect(folder)) if has_results else load(folder))


@leaderboard.command()
@click.argument("result_dir", type=click.Path(path_type=Path, exists=True))
@_BOARD
@click.option("--name", help="Name of the method.  [default: as in the result]")
@click.option("--framework", help="By which a known network was trained, for example jdrl.")
@click.option("--variant", help="Which of several of the same name.")
@click.option("--trained-on", help="Training data.")
@click.option("--authors", help="Of the method.")
@click.option("--paper", help="Title, DOI or address.")
@click.option("--code", help="Address.")
@click.option("--year", type=click.IntRange(1900, 2100), help="Of the paper.")
@click.option("--venue", help="Of the paper.")
@click.option(
    "--weights",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The method's weight file, whose SHA-256 is noted.",
)
@click.option(
    "--parameters",
    type=click.IntRange(0),
    help="How many the network has; 0 if it has none.  [default: as `predict` counted, if it made the predictions]",
)
@click.option(
    "--seconds-per-megapixel",
    type=click.FloatRange(0, min_open=True),
    help="Without reading and writing; with --machine.  [default: as `predict` measured]",
)
@click.option("--machine", help="What the time was measured on: the processor or the GPU by its name.")
@click.option("--threads", type=click.IntRange(1), help="Of the processor, where the time was measured on one.")
@click.option(
    "--command", "commands", multiple=True, help="Command by which the predictions were made; again for each, in order."
)
@click.option("--replace", is_flag=True, help="Replace an entry of the same method in the same table.")
def add(
    result_dir: Path,
    board: Path,
    weights: Path | None,
    commands: tuple[str, ...],
    replace: bool,
    **about: str | float | None,
) -> None:
    """Add the result in RESULT_DIR as a self-reported entry, if it holds against every check."""
    from sdd_bench.leaderboard.add import add_result

    path = add_result(result_dir, board, about, weights, replace=replace, commands=commands)
    click.echo(f"Wrote {path}")


@leaderboard.command()
@click.argument("board", type=click.Path(path_type=Path, exists=True, file_okay=False), default=Path("leaderboards"))
def validate(board: Path) -> None:
    """Check every entry of BOARD and name all problems: schema, hashes, protocols, bounds, duplicates."""
    from sdd_bench.leaderboard.validate import validate_board

    count = validate_board(board)
    click.echo(f"{board}: {count} entries, no problem")


@leaderboard.command("import-published")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@_BOARD
def import_published(folder: Path, board: Path) -> None:
    """Write an entry for each method in the tables of published numbers in FOLDER, with its source and its doubts."""
    from sdd_bench.leaderboard.published import read_published, write_published

    found = read_published(folder)
    stale = write_published(found, board)
    click.echo(f"Wrote {len(found.entries)} entries with {found.rows} rows into {board}")
    for row in found.without_scores:
        click.echo(f"Left out, none of the metrics is given: {row}")
    for path in stale:
        click.echo(f"Not among these tables, delete it if it is out of date: {path}")


@leaderboard.command()
@click.option("--out", type=click.Path(path_type=Path), help="JSON file to write.  [default: the terminal]")
def schema(out: Path | None) -> None:
    """Print the JSON Schema of an entry."""
    import json

    from sdd_bench.io.atomic import write_json
    from sdd_bench.leaderboard.records import json_schema

    if out is None:
        click.echo(json.dumps(json_schema(), indent=2))
    else:
        write_json(out, json_schema())
        click.echo(f"Wrote {out}")
