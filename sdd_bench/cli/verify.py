"""`sdd-bench verify`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from sdd_bench.cli import options


@click.command(name="verify")
@click.argument("dataset", type=click.Path(path_type=Path))
@options.workers
def verify(dataset: Path, workers: int) -> None:
    """Check that every file of the prepared dataset in DATASET is there, is as it was written, and that none was added.

    Reads everything, and names every file that is missing, changed, extra or unreadable; then the exit code is 1. The
    card, README.md, may be edited freely.
    """
    from sdd_bench.datasets.verify import verify_dataset

    found = verify_dataset(dataset, workers=workers)
    for kind in ("missing", "changed", "extra", "unreadable"):
        for name in getattr(found, kind):
            click.echo(f"{kind:<10}  {name}")
    if found.sound:
        click.echo(f"{dataset}: all {found.files} files are as they were written.")
    else:
        counts = (f"{len(getattr(found, kind))} {kind}" for kind in ("missing", "changed", "extra", "unreadable"))
        click.echo(f"{dataset}: {', '.join(counts)}, of {found.files} files.")
    click.echo(f"manifest hash  {found.manifest_hash}")
    if not found.sound:
        sys.exit(1)
