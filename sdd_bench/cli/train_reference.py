"""`sdd-bench train-reference`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import click


@click.command("train-reference")
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to train in.")
@click.option(
    "--model", default="unet", show_default=True, help="A network of `predict --list`, or module:Class of your own."
)
@click.option(
    "--method", default="jdrl", show_default=True, help="plain, jdrl or rgl; or a recipe of --list, as an ablation."
)
@click.option("--recipe", help="A recipe of --list, or your own .yaml file, in place of the method's.")
@click.option("--set", "changes", metavar="NAME=VALUE", multiple=True, help="A setting: --set optimiser.epochs=20.")
@click.option("--option", "options", metavar="NAME=VALUE", multiple=True, help="Of the network: --option width=16.")
@click.option("--flow", help="Optical flow, short for --set objective.flow.name=...")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of all that is random.")
@click.option("--start-from", type=click.Path(path_type=Path), help="Weights to begin with.  [default: random]")
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True, help="Where to train."
)
@click.option("--devices", default=1, show_default=True, type=click.IntRange(1), help="How many to train on.")
@click.option(
    "--precision",
    type=click.Choice(["32-true", "bf16-mixed"]),
    default="32-true",
    show_default=True,
    help="Of the arithmetic; bf16-mixed is faster on a GPU.",
)
@click.option("--fused-reblurring", is_flag=True, help="Reblur by kernels written for GPUs; the same but for rounding.")
@click.option("--loaders", default=0, show_default=True, type=click.IntRange(0), help="Processes that load crops.")
@click.option("--workers", default=1, show_default=True, help="Processes that score the test split.")
@click.option("--strips-every", default=10, show_default=True, type=click.IntRange(0), help="Epochs; 0 draws none.")
@click.option("--evaluate/--no-evaluate", default=True, show_default=True, help="Score the test split in the end.")
@click.option(
    "--list",
    "list_",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda *a: _list(*a),
    help="List recipes.",
)
def train_reference(
    dataset: Path,
    out: Path,
    model: str,
    method: str,
    recipe: str | None,
    changes: tuple[str, ...],
    options: tuple[str, ...],
    flow: str | None,
    seed: int,
    start_from: Path | None,
    device: Literal["auto", "cpu", "cuda"],
    devices: int,
    precision: Literal["32-true", "bf16-mixed"],
    fused_reblurring: bool,
    loaders: int,
    workers: int,
    strips_every: int,
    evaluate: bool,
) -> None:
    """Train a network with the misaligned pairs of DATASET, then score it and make its leaderboard entry.

    The test split is read for the final scores alone. Ctrl-C finishes the step and saves; the same command goes on.
    """
    from rich.console import Console

    from sdd_bench.cli.tables import result_table
    from sdd_bench.leaderboard.reference import train_reference as run

    given = dict(_setting(text, "--set") for text in changes)
    if flow is not None:
        given["objective.flow.name"] = flow
    result = run(
        dataset,
        out,
        model=model,
        method=method,
        recipe=recipe,
        options=dict(_setting(text, "--option") for text in options),
        changes=given,
        seed=seed,
        start_from=start_from,
        device=device,
        devices=devices,
        precision=precision,
        loaders=loaders,
        workers=workers,
        strips_every=strips_every,
        evaluate=evaluate,
        fused_reblurring=fused_reblurring,
    )
    console = Console()
    training = result.training
    console.print(
        f"{len(training.log)} epochs; the best is {training.best_epoch}, "
        f"validation PSNR {training.validation_psnr:.3f} dB",
        highlight=False,
    )
    if result.evaluation is not None:
        console.print(result_table(result.evaluation))
        for note in result.evaluation.notes:
            console.print(f"  {note}", style="dim", markup=False, emoji=False)
    for path in (training.weights, result.entry):
        if path is not None:
            console.print(f"  {path}", markup=False, emoji=False, soft_wrap=True)


def _setting(text: str, option: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise click.BadParameter(f"{text!r}: expected NAME=VALUE", param_hint=option)
    try:
        return name, json.loads(value)
    except ValueError:
        return name, {"True": True, "False": False, "None": None}.get(value, value)


def _list(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    """Print all recipes; before the arguments are asked for."""
    if not value or ctx.resilient_parsing:
        return
    from rich.console import Console
    from rich.table import Table

    from sdd_bench.training.recipe import METHODS, get_recipe, recipe_names

    table = Table("recipe", "what it is", title="Recipes", show_edge=False, pad_edge=False)
    methods = {recipe: method for method, recipe in METHODS.items() if method != recipe}
    for name in recipe_names():
        also = f" (method {methods[name]})" if name in methods else ""
        table.add_row(f"{name}{also}", get_recipe(name).description)
    Console().print(table)
    ctx.exit()
