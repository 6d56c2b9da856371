"""`sdd-bench synth`."""

from __future__ import annotations

from pathlib import Path

import click
from click.core import ParameterSource

from sdd_bench.cli import options

_OF_NEW_SCENES = ("test", "train", "seed", "settings")


@click.command()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to create.")
@click.option(
    "--benchmark",
    metavar="NAME",
    help="Make a frozen benchmark, synth-v1, in place of new scenes: raw scenes in OUT/raw, the prepared dataset in "
    "OUT/dataset, which is then held against the benchmark's hash.",
)
@click.option("--test", default=8, show_default=True, help="Number of test pairs.")
@click.option("--train", default=0, show_default=True, help="Number of training pairs.")
@click.option("--seed", default=0, show_default=True, help="The same seed gives the same bytes.")
@click.option(
    "--settings",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="JSON file with scene settings that differ from the defaults (picture size, zoom, shift, blur, noise, ...).",
)
@options.workers
@click.pass_context
def synth(
    context: click.Context,
    out: Path,
    benchmark: str | None,
    test: int,
    train: int,
    seed: int,
    settings: Path | None,
    workers: int,
) -> None:
    """Write synthetic pairs with known truth, as a raw folder that `prepare` reads.

    Layers of real photographs at different depths, through a thin lens, with zoom, shift and parallax between the
    blurry and the sharp view. Beside both: the truly aligned sharp view, the true flow, visibility and defocus map.
    """
    if benchmark is not None:
        given = [name for name in _OF_NEW_SCENES if context.get_parameter_source(name) is not ParameterSource.DEFAULT]
        if given:
            raise click.UsageError(f"--benchmark is frozen: leave out {', '.join(f'--{name}' for name in given)}.")
        _make_benchmark(benchmark, out, workers)
        return
    from sdd_bench.datasets.synthesis import read_settings, synthesize

    folder = synthesize(
        out, test=test, train=train, seed=seed, settings=read_settings(settings) if settings else None, workers=workers
    )
    click.echo(f"{test + train} pairs in {folder}. Next: sdd-bench prepare {folder} --out DATASET --preset as-is")


def _make_benchmark(name: str, out: Path, workers: int) -> None:
    from sdd_bench.datasets.benchmark import make_benchmark

    manifest = make_benchmark(name, out, workers=workers)
    counts = manifest.counts()
    click.echo(
        f"{name}: {counts['train']['pairs']} training and {counts['test']['pairs']} test pairs in {out / 'dataset'}, "
        f"the truth behind them in {out / 'raw'}"
    )
    click.echo(f"manifest {manifest.manifest_hash}: as pinned")
