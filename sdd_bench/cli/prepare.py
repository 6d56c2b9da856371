"""`sdd-bench prepare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.table import Table

    from sdd_bench.datasets.manifest import DatasetManifest


def _width_and_height(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    try:
        return int(width), int(height)
    except ValueError as error:
        raise click.BadParameter(f"{text!r}: expected WIDTHxHEIGHT, for example 2048x1080.") from error


@click.command(name="prepare")
@click.argument("raw", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to make; absent or empty.")
@click.option(
    "--preset", default="sdd", show_default=True, help="sdd, dpdd, as-is (keeps sizes), or a JSON file of your own."
)
@click.option("--layout", help="How the raw folder is laid out: pairs.csv or sdd.  [default: found out]")
@click.option("--name", help="The dataset's name in tables.  [default: the raw folder's name]")
@click.option("--size", type=_width_and_height, metavar="WxH", help="Reduce images to this size, pixels.")
@click.option("--patch-size", type=int, help="Side of the training patches, pixels.")
@click.option("--no-patches", is_flag=True, help="Write no training patches.")
@click.option("--stride", type=int, help="Distance of neighbouring patches, pixels.")
@click.option("--keep-share", type=float, help="Share of the patches of an image to keep, the sharpest.")
@click.option("--test-share", type=float, help="Share of scenes for testing, where the raw folder names no split.")
@click.option("--test-count", type=int, help="Number of scenes for testing, instead of a share.")
@click.option("--seed", type=int, help="Seed of the split.")
@click.option("--bit-depth", type=click.Choice(["keep", "8"]), help="Bits per channel to write.")
@click.option("--workers", default=1, show_default=True, help="Worker processes.")
@click.option("--cluster", help="Address of a Dask scheduler to work on instead, for example tcp://host:8786.")
def prepare(
    raw: Path,
    out: Path,
    preset: str,
    layout: str | None,
    name: str | None,
    workers: int,
    cluster: str | None,
    no_patches: bool,
    bit_depth: str | None,
    **parameters: Any,
) -> None:
    """Make a checked, split and cropped dataset from the raw pairs in RAW.

    Options from --size to --bit-depth change single parameters of the preset. All problems of the raw folder are listed
    before anything is written; an interrupted run goes on when called again.
    """
    from rich.console import Console

    from sdd_bench.datasets.prepare import prepare as run

    changes = {key: value for key, value in parameters.items() if value is not None}
    if no_patches and "patch_size" in changes:
        raise click.UsageError("--no-patches and --patch-size can't be used together.")
    if no_patches:
        changes["patch_size"] = None
    if bit_depth is not None:
        changes["bit_depth"] = "keep" if bit_depth == "keep" else int(bit_depth)
    manifest = run(raw, out, preset, layout=layout, name=name, workers=workers, cluster=cluster, **changes)
    console = Console()
    console.print(_table(manifest))
    for warning in manifest.warnings():
        console.print(f"  warning: {warning}", style="dim", markup=False)
    console.print(f"  {out}  {manifest.manifest_hash}", markup=False, soft_wrap=True, highlight=False)


def _table(manifest: DatasetManifest) -> Table:
    from rich.markup import escape
    from rich.table import Table

    counts = manifest.counts()
    table = Table(title=escape(f"{manifest.name}: preset {manifest.preset.name}, layout {manifest.layout}"))
    table.add_column("split")
    for what in counts["train"]:
        table.add_column(what, justify="right")
    for split, numbers in counts.items():
        table.add_row(split, *(str(number) for number in numbers.values()))
    return table
