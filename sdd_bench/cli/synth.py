"""`sdd-bench synth`."""

from __future__ import annotations

from pathlib import Path

import click

from sdd_bench.cli import options


@click.command()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to create.")
@click.option("--test", default=8, show_default=True, help="Number of test pairs.")
@click.option("--train", default=0, show_default=True, help="Number of training pairs.")
@click.option("--seed", default=0, show_default=True, help="The same seed gives the same bytes.")
@click.option(
    "--settings",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="JSON file with scene settings that differ from the defaults (picture size, zoom, shift, blur, noise, ...).",
)
@options.workers
def synth(out: Path, test: int, train: int, seed: int, settings: Path | None, workers: int) -> None:
    """Write synthetic pairs with known truth, as a raw folder that `prepare` reads.

    Layers of real photographs at different depths, through a thin lens, with zoom, shift and parallax between the
    blurry and the sharp view. Beside both: the truly aligned sharp view, the true flow, visibility and defocus map.
    """
    from sdd_bench.datasets.synthesis import read_settings, synthesize

    folder = synthesize(
        out, test=test, train=train, seed=seed, settings=read_settings(settings) if settings else None, workers=workers
    )
    click.echo(f"{test + train} pairs in {folder}. Next: sdd-bench prepare {folder} --out DATASET --preset as-is")
