"""Options that mean the same in several commands."""

from __future__ import annotations

from pathlib import Path

import click

workers = click.option("--workers", default=1, show_default=True, help="Worker processes.")
cluster = click.option(
    "--cluster", metavar="ADDRESS", help="Dask scheduler whose workers are used instead; they see the same files."
)
device = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where LPIPS and flows by networks are computed.",
)
rows_cache = click.option(
    "--cache", type=click.Path(path_type=Path), help="Folder of kept rows.  [default: the user's cache]"
)
