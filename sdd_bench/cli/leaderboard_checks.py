"""`sdd-bench leaderboard verify` and `sdd-bench leaderboard diff`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from sdd_bench.cli import options

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from sdd_bench.leaderboard.diff import LeaderboardDiff
    from sdd_bench.leaderboard.verify import Verification


@click.command()
@click.argument("entry", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@options.pred
@click.option(
    "--dataset",
    type=click.Path(path_type=Path),
    help="The dataset that the entry names. Without it only the files are compared, and nothing is computed.",
)
@click.option("--write", is_flag=True, help="If all agrees, mark the entry as verified: when, and with what.")
@click.option(
    "--cache",
    type=click.Path(path_type=Path),
    help="Folder of kept references and rows.  [default: none; everything is computed afresh]",
)
@options.workers
@options.device
def verify(
    entry: Path,
    pred: Path,
    dataset: Path | None,
    write: bool,
    cache: Path | None,
    workers: int,
    device: Literal["auto", "cpu", "cuda"],
) -> None:
    """Compute the entry in the file ENTRY again from its predictions, and compare it row by row.

    Prints which images differ, and by how much; then the exit code is 1. Numbers may differ as far as processors do:
    the tolerance is printed.
    """
    from rich.console import Console

    from sdd_bench.io.atomic import write_text
    from sdd_bench.leaderboard.folder import read_entry
    from sdd_bench.leaderboard.verify import compare_files
    from sdd_bench.leaderboard.verify import verify as verify_entry

    if write and dataset is None:
        raise click.UsageError("--write needs --dataset: an entry is verified by computing it again.")
    read = read_entry(entry)
    if dataset is None:
        done = compare_files(read, pred)
    else:
        done = verify_entry(read, pred, dataset, cache=cache, workers=workers, device=device)
    console = Console()
    _print_verification(console, done)
    if not done.holds:
        sys.exit(1)
    if write:
        write_text(entry, done.verified.to_json())
        _say(console, f"Wrote {entry}: verified")


def _print_verification(console: Console, done: Verification) -> None:
    from sdd_bench.leaderboard.verify import TOLERANCES

    label, images = done.entry.method.label, len(done.entry.result.images)
    if done.again is not None:
        run = done.again.run
        versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
        _say(console, f"Computed again: {run.started}, {run.machine.get('system')}, {run.device}; {versions}")
    if not done.holds:
        stems = dict.fromkeys(difference.stem for difference in done.differences)
        console.print(_differences_table(done))
        _say(console, f"{label}: {len(stems)} of {images} images differ: {', '.join(stems)}")
        if done.again is not None:
            claimed = done.entry.result.run.versions
            for name, version in done.again.run.versions.items():
                if claimed.get(name, version) != version:
                    _say(console, f"  {name}: {claimed[name]} in the entry, {version} here")
        return
    if done.again is None:
        _say(
            console,
            f"{label}: the files of all {images} images are those of the entry. Nothing was computed: --dataset",
        )
        return
    _say(console, f"{label}: all {images} images agree. Largest difference (tolerance):")
    for name, largest in done.largest.items():
        if largest:
            _say(console, f"  {name} {largest:.1e} ({TOLERANCES[name]:g})")
    if not any(done.largest.values()):
        _say(console, "  none: every number is the same to the last bit")


def _differences_table(done: Verification) -> Table:
    from rich.table import Table
    from rich.text import Text

    from sdd_bench.leaderboard.verify import PREDICTION

    table = Table(title=Text(f"{done.entry.method.label}: what differs"))
    for title in ("image", "what"):
        table.add_column(title, overflow="fold")
    for title in ("entry", "here", "difference", "tolerance"):
        table.add_column(title, justify="right")
    for one in done.differences:
        difference = "" if one.by is None else f"{one.by:+.1e}"
        tolerance = "" if one.tolerance is None else f"{one.tolerance:g}"
        name = "file" if one.name == PREDICTION else one.name
        shown = (_value(one.entry), _value(one.found), difference, tolerance)
        table.add_row(*map(Text, (one.stem, name, *shown)))
    return table


def _value(value: float | str | bool | None) -> str:
    if isinstance(value, float):
        return f"{value:.9g}"
    return "none" if value is None else str(value)[:12] if isinstance(value, str) and len(value) == 64 else str(value)


@click.command()
@click.argument("old", type=click.Path(path_type=Path, exists=True))
@click.argument("new", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--format",
    "kind",
    type=click.Choice(["table", "markdown"]),
    default="table",
    show_default=True,
    help="For the terminal, or Markdown.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Markdown file to write.")
def diff(old: Path, new: Path, kind: str, out: Path | None) -> None:
    """Say what changed from OLD to NEW: entries added, removed and changed, numbers, ranks.

    Each is the folder of a leaderboard, or a file that `leaderboard build --format json` wrote.
    """
    from rich.console import Console

    from sdd_bench.io.atomic import write_text
    from sdd_bench.leaderboard.diff import diff as compare
    from sdd_bench.leaderboard.diff import markdown_diff
    from sdd_bench.leaderboard.snapshots import snapshot

    found = compare(snapshot(old), snapshot(new))
    if out is not None:
        write_text(out, markdown_diff(found))
        click.echo(f"Wrote {out}")
    elif kind == "markdown":
        click.echo(markdown_diff(found), nl=False)
    else:
        _print_diff(Console(), found)


def _print_diff(console: Console, found: LeaderboardDiff) -> None:
    from rich.table import Table
    from rich.text import Text

    if found.empty:
        _say(console, "No change.")
        return
    for title, kind in found.tables:
        _say(console, f"table {kind}: {title}")
    if found.entries:
        table = Table("", "method", "", title="Entries")
        for change in found.entries:
            table.add_row(*map(Text, (change.kind, change.label, change.what)))
        console.print(table)
    for name, changes in (("Ranks", found.ranks), ("Numbers", found.rows)):
        if changes:
            table = Table("table", "method", "", title=name)
            for column in ("old", "new"):
                table.add_column(column, justify="right")
            for row in changes:
                table.add_row(*map(Text, (row.table, row.label, row.column, row.old, row.new)))
            console.print(table)


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, emoji=False, highlight=False, soft_wrap=True)
