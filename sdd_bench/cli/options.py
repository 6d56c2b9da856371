"""Options that mean the same in several commands."""

from __future__ import annotations

from pathlib import Path

import click

pred = click.option(
    "--pred",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of predictions, one image per test pair, named like it.",
)
licence = click.option("--licence", help="What the dataset card states: a name or an address.  [default: not stated]")
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
