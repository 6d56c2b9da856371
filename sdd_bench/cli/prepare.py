"""`sdd-bench prepare`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sdd_bench.cli import options

if TYPE_CHECKING:
    from rich.console import Console
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
@click.option("--out", type=click.Path(path_type=Path), help="Folder to make; absent or empty.")
@click.option("--plan", "plan_only", is_flag=True, help="Show what would be done, and write nothing; needs no --out.")
@click.option(
    "--preset", default="sdd", show_default=True, help="sdd, dpdd, as-is (keeps sizes), or a JSON file of your own."
)
@click.option("--layout", help="How the raw folder is laid out: pairs.csv, sdd, dpdd, ...  [default: found out]")
@click.option("--accept-pairs", metavar="CODE", help="Confirm the pairs of layout captures as --plan showed them.")
@click.option("--save-pairs", type=click.Path(path_type=Path), help="Write the pairs found as FOLDER/pairs.csv.")
@click.option("--split-csv", type=click.Path(path_type=Path), help="CSV with the split of every scene or stem.")
@click.option(
    "--environment-csv",
    type=click.Path(path_type=Path),
    help="CSV with the environment of scenes or stems; written, to be filled in, where it is needed and missing.",
)
@click.option("--no-environments", is_flag=True, help="Do without the environments that the preset asks for.")
@click.option(
    "--check",
    "checks",
    multiple=True,
    metavar="NAME=VALUE",
    help="Change a check: off, warn or error, or its threshold. Name 'all' stands for all. May be repeated.",
)
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
@click.option("--pack", is_flag=True, help="Write the training patches into one HDF5 file too, train_patches.h5.")
@options.licence
@options.workers
@options.cluster
def prepare(
    raw: Path,
    out: Path | None,
    plan_only: bool,
    preset: str,
    layout: str | None,
    accept_pairs: str | None,
    save_pairs: Path | None,
    split_csv: Path | None,
    environment_csv: Path | None,
    no_environments: bool,
    checks: tuple[str, ...],
    name: str | None,
    workers: int,
    cluster: str | None,
    no_patches: bool,
    pack: bool,
    licence: str | None,
    bit_depth: str | None,
    **parameters: Any,
) -> None:
    """Make a checked, split and cropped dataset from the raw pairs in RAW.

    Options from --check to --bit-depth change single parameters of the preset. All problems of the raw folder are
    listed before anything is written; an interrupted run goes on when called again.
    """
    from rich.console import Console

    if out is None and not plan_only and save_pairs is None:
        raise click.UsageError("Missing option '--out' (or --plan, to see what would be done).")
    changes = {key: value for key, value in parameters.items() if value is not None}
    if no_patches and "patch_size" in changes:
        raise click.UsageError("--no-patches and --patch-size can't be used together.")
    if no_patches:
        changes["patch_size"] = None
    if bit_depth is not None:
        changes["bit_depth"] = "keep" if bit_depth == "keep" else int(bit_depth)
    if no_environments:
        changes["environments"] = "optional"
    if checks:
        changes["checks"] = _check_changes(checks)
    console = Console()
    if out is None or plan_only or save_pairs is not None:
        _look(
            raw,
            preset,
            changes,
            console,
            layout=layout,
            split_csv=split_csv,
            environment_csv=environment_csv,
            save_pairs=save_pairs,
            plan_only=plan_only,
            workers=workers,
            cluster=cluster,
        )
        return
    from sdd_bench.datasets.card import NO_LICENCE
    from sdd_bench.datasets.prepare import prepare as run

    manifest = run(
        raw,
        out,
        preset,
        layout=layout,
        split_csv=split_csv,
        environment_csv=environment_csv,
        accept_pairs=accept_pairs,
        name=name,
        workers=workers,
        cluster=cluster,
        pack=pack,
        licence=licence or NO_LICENCE,
        **changes,
    )
    console.print(_table(manifest))
    for warning in manifest.warnings():
        console.print(f"  warning: {warning}", style="dim", markup=False)
    console.print(f"  {out}  {manifest.manifest_hash}", markup=False, soft_wrap=True, highlight=False)


def _look(
    raw: Path,
    preset: str,
    changes: dict[str, Any],
    console: Console,
    *,
    plan_only: bool,
    layout: str | None,
    split_csv: Path | None,
    environment_csv: Path | None,
    save_pairs: Path | None,
    workers: int,
    cluster: str | None,
) -> None:
    """Show the plan, or save the pairs, or both."""
    from sdd_bench.datasets.layouts import find_pairs

    if save_pairs is not None:
        from sdd_bench.datasets.pairs_table import save_pairs as save

        save(save_pairs, raw, find_pairs(raw, layout)[1].pairs)
        console.print(f"{save_pairs}: correct it, then: sdd-bench prepare {save_pairs.parent} ...", markup=False)
    if plan_only:
        from sdd_bench.cli.plan_view import print_plan
        from sdd_bench.datasets.plan import plan_dataset
        from sdd_bench.datasets.preset import load_preset

        plan = plan_dataset(
            raw,
            load_preset(preset, changes),
            layout=layout,
            split_csv=split_csv,
            environment_csv=environment_csv,
            workers=workers,
            cluster=cluster,
        )
        print_plan(plan, console)
        if save_pairs is None:
            console.print("Nothing was written.")
        if plan.problems:
            sys.exit(1)


def _check_changes(options: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    from sdd_bench.datasets.checks.rules import read_check_option

    changes: dict[str, dict[str, Any]] = {}
    for text in options:
        name, rule = read_check_option(text)
        changes.setdefault(name, {}).update(rule)
    return changes


def _table(manifest: DatasetManifest) -> Table:
    from rich.markup import escape
    from rich.table import Table

    counts = manifest.counts()
    table = Table(title=escape(f"{manifest.name}: preset {manifest.preset.name}, layout {manifest.layout}"))
    table.add_column("split")
    for what in counts["train"]:
        table.add_column(what, justify="right")
    for split, numbers in counts.items():
        if split == "val" and not numbers["pairs"]:
            continue
        table.add_row(split, *(str(number) for number in numbers.values()))
    return table
