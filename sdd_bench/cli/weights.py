"""`sdd-bench weights`."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def weights() -> None:
    """Get, add and verify the weight files that some metrics and flows need."""


@weights.command(name="list")
def list_() -> None:
    """Show every known weight file, its licence, and whether it is here."""
    from rich.console import Console
    from rich.table import Table

    from sdd_bench.weights import folder, status

    table = Table(title="Weights")
    table.add_column("name", no_wrap=True)
    for title in ("used by", "licence", "hash", "here", "file"):
        table.add_column(title, overflow="fold")
    for file in status():
        known = file.entry
        here = "[green]present[/]" if file.present else "[red]missing[/]"
        table.add_row(known.name, known.used_by, known.licence, known.pinned, here, file.path.name)
    console = Console()
    console.print(table)
    console.print(f"in {folder()}", markup=False, highlight=False, soft_wrap=True)


@weights.command()
@click.argument("name")
def fetch(name: str) -> None:
    """Download the weights NAME. Their licence is shown first."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    from sdd_bench import weights as files

    known = files.entry(name)
    console = Console(stderr=True)
    console.print(f"{known.name}, for {known.used_by}: {known.citation}", markup=False, highlight=False)
    console.print(f"licence: {known.licence}", style="bold", markup=False, highlight=False)
    console.print(f"from {known.url}", markup=False, highlight=False, soft_wrap=True)
    with Progress(BarColumn(), DownloadColumn(), TimeRemainingColumn(), console=console, transient=True) as progress:
        task = progress.add_task(name, total=known.size)
        path = files.fetch(name, lambda done, total: progress.update(task, completed=done, total=total))
    _say(name, path)


@weights.command()
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path))
def add(name: str, file: Path) -> None:
    """Check FILE, or the folder of a set, and copy it into the cache as the weights NAME: without internet."""
    from sdd_bench import weights as files

    _say(name, files.add(name, file))


@weights.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
def verify(names: tuple[str, ...]) -> None:
    """Hash the weights NAME, or all that are here, and compare with what they should be."""
    from sdd_bench import weights as files

    names = names or tuple(file.entry.name for file in files.status() if file.present)
    if not names:
        click.echo("No weights are here.")
    for name in names:
        _say(name, files.folder() / files.entry(name).file)


def _say(name: str, path: Path) -> None:
    from sdd_bench import weights as files

    pinned = {
        "full": "as it should be",
        "prefix": f"begins with {files.entry(name).sha256}, as it should",
        "unverified": "its authors name no hash: compare it with another source",
    }[files.entry(name).pinned]
    click.echo(f"{name}: {path}\nSHA-256 {files.verify(name)} ({pinned})")
