"""`sdd-bench align`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sdd_bench.cli import options

if TYPE_CHECKING:
    from rich.table import Table

    from sdd_bench.analysis.align import Aligned

_SHOWN = ("zoom", "shift", "corner", "residual_rms", "residual_p95")


@click.command()
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to make; absent or empty.")
@click.option("--skip-unconverged", is_flag=True, help="Leave pairs out whose zoom and shift can't be found.")
@options.licence
@options.rows_cache
@options.workers
@options.cluster
def align(
    dataset: Path,
    out: Path,
    skip_unconverged: bool,
    licence: str | None,
    cache: Path | None,
    workers: int,
    cluster: str | None,
) -> None:
    """Write DATASET with every ground truth moved into the frame of its blurry image, by its zoom and shift.

    All images are cropped alike, to what every pair shows. What misalignment remains is measured on the new images.
    An interrupted run goes on when called again.
    """
    from rich.console import Console

    from sdd_bench.analysis.align import align as run
    from sdd_bench.datasets.card import NO_LICENCE

    console = Console()
    aligned = run(
        dataset,
        out,
        skip_unconverged=skip_unconverged,
        licence=licence or NO_LICENCE,
        cache=cache,
        workers=workers,
        cluster=cluster,
    )
    console.print(_table(aligned))
    lines = [
        f"cut off: {aligned.margin.x} pixels left and right, {aligned.margin.y} top and bottom",
        *(f"left out, {stem}: {reason}" for stem, reason in aligned.left_out.items()),
        *(f"not measured again, {pair.stem}: {pair.reason}" for pair in aligned.after.pairs if pair.reason),
    ]
    for line in lines:
        console.print(f"  {line}", style="dim", markup=False, emoji=False)
    console.print(f"  {out}  {aligned.manifest.manifest_hash}", markup=False, soft_wrap=True, highlight=False)


def _table(aligned: Aligned) -> Table:
    from rich.markup import escape
    from rich.table import Table

    from sdd_bench.analysis.quantities import QUANTILE_TITLES, QUANTITIES, quantiles

    table = Table(
        title=escape(f"{aligned.manifest.name}: {len(aligned.manifest.pairs)} pairs"), show_edge=False, pad_edge=False
    )
    table.add_column("", no_wrap=True)
    places = [QUANTILE_TITLES.index(title) for title in ("median", "largest")]
    for when in ("before", "remaining"):
        for place in places:
            table.add_column(f"{when}\n{QUANTILE_TITLES[place]}", justify="right")
    for name in _SHOWN:
        quantity = QUANTITIES[name]
        row = []
        for result in (aligned.before, aligned.after):
            kept = [pair for pair in result.pairs if pair.stem not in aligned.left_out]
            found = quantiles(kept, quantity)
            row += ["n/a" if found is None else f"{found[place]:.{quantity.decimals}f}" for place in places]
        table.add_row(f"{quantity.title}, {quantity.unit}", *row)
    return table
