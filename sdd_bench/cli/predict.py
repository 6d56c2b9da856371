"""`sdd-bench predict`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

if TYPE_CHECKING:
    from rich.table import Table

    from sdd_bench.models.prediction_record import PredictionRecord

_BIT_DEPTHS: dict[str, Literal["same", 8, 16]] = {"same": "same", "8": 8, "16": 16}


class _Tile(click.ParamType[Any]):
    name = "N|auto|none"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value in ("auto", "none") or isinstance(value, int):
            return value
        try:
            side = int(value)
        except ValueError:
            side = 0
        if side < 1:
            self.fail(f"{value!r}: expected a number of pixels, auto or none", param, ctx)
        return side


@click.command()
@click.option("--model", help="A model of --list, module:Class of your own, or a file that ends in .onnx.")
@click.option("--command", metavar="'PROGRAM ... {input} {output}'", help="A program to run instead of a model.")
@click.option("--dataset", type=click.Path(path_type=Path), help="A prepared dataset.")
@click.option("--input", type=click.Path(path_type=Path), help="A folder of pictures, in place of a dataset.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the predictions and predict.json.")
@click.option(
    "--split",
    type=click.Choice(["train", "val", "test"]),
    default="test",
    show_default=True,
    help="Which part of the dataset.",
)
@click.option("--stems", help="Only these pictures: names without suffix, with commas between them.")
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="File of weights, or a name of the column `weights` of --list.  [default: the model's first there]",
)
@click.option("--random-weights", is_flag=True, help="Do without weights, for tests of plumbing; every file says so.")
@click.option("--option", "options", metavar="KEY=VALUE", multiple=True, help="Argument of the network.")
@click.option("--stride", type=click.IntRange(1), help="Sides must be multiples of it, for a network of your own.")
@click.option("--reach", type=click.IntRange(0), help="Radius of its receptive field, for a network of your own.")
@click.option(
    "--tile",
    type=_Tile(),
    default="auto",
    show_default=True,
    help="Side of tiles in pixels, overlap included; none: whole pictures; auto: as memory allows.",
)
@click.option(
    "--memory",
    type=click.FloatRange(0, min_open=True),
    metavar="GB",
    help="What --tile auto may plan with.  [default: half of what is free, 80 % on a GPU]",
)
@click.option("--ensemble", is_flag=True, help="Take the mean over the eight orientations of each picture.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--precision", type=click.Choice(["fp32", "bf16"]), default="fp32", show_default=True)
@click.option(
    "--bit-depth",
    type=click.Choice(list(_BIT_DEPTHS)),
    default="same",
    show_default=True,
    help="Bits per sample of the predictions; same: as the input has.",
)
@click.option(
    "--defocus-map", type=click.Path(path_type=Path), help="Folder for defocus maps, of models that make them."
)
@click.option("--workers", default=1, show_default=True, help="Processes, for classical methods and commands.")
@click.option("--overwrite", is_flag=True, help="Replace predictions that other settings made.")
@click.option("--list", "list_", is_flag=True, help="Show all models, what of them is here, and how to get the rest.")
def predict(
    model: str | None,
    command: str | None,
    dataset: Path | None,
    input: Path | None,
    out: Path | None,
    split: str,
    stems: str | None,
    checkpoint: Path | None,
    random_weights: bool,
    options: tuple[str, ...],
    stride: int | None,
    reach: int | None,
    tile: int | Literal["auto", "none"],
    memory: float | None,
    ensemble: bool,
    device: Literal["auto", "cpu", "cuda"],
    precision: Literal["fp32", "bf16"],
    bit_depth: str,
    defocus_map: Path | None,
    workers: int,
    overwrite: bool,
    list_: bool,
) -> None:
    """Run a model, or a program of your own, over a dataset or a folder of pictures.

    One PNG file per picture goes to --out, as `evaluate --pred` takes it, with predict.json, which says how they were
    made. A program gets {input} and {output} (folders), or {input_image} and {output_image} (run once per picture). An
    interrupted run goes on when called again.
    """
    from rich.console import Console

    console = Console()
    if list_:
        console.print(_models())
        return
    from sdd_bench.models.predict import predict as run

    record = run(
        model,
        dataset,
        out,
        input=input,
        split=split,
        stems=None if stems is None else [stem.strip() for stem in stems.split(",") if stem.strip()],
        checkpoint=checkpoint,
        options=dict(_option(text) for text in options),
        stride=stride,
        reach=reach,
        random_weights=random_weights,
        command=command,
        tile=tile,
        memory=None if memory is None else memory * 1e9,
        ensemble=ensemble,
        device=device,
        precision=precision,
        bit_depth=_BIT_DEPTHS[bit_depth],
        defocus_map=defocus_map,
        workers=workers,
        overwrite=overwrite,
    )
    folders = [folder for folder in (out, defocus_map) if folder is not None]
    for line in _lines(record, folders):
        console.print(line, markup=False, emoji=False, highlight=False, soft_wrap=True)
    if record.weights == "random":
        console.print(f"RANDOM WEIGHTS. {record.notes[0]}", style="bold red", markup=False, soft_wrap=True)


def _option(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key.isidentifier():
        raise click.BadParameter(f"{text!r}: expected KEY=VALUE", param_hint="--option")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, {"True": True, "False": False, "None": None}.get(value, value)


def _lines(record: PredictionRecord, folders: list[Path]) -> Iterator[str]:
    settings = record.settings
    what = settings.command if settings.command is not None else settings.model
    pixels = sum(row.size[0] * row.size[1] for row in record.pictures)
    seconds = sum(row.seconds for row in record.pictures)
    yield (
        f"{what}: {len(record.pictures)} pictures, {record.mean_seconds:.2f} s each, "
        f"{1e6 * seconds / pixels:.2f} s per megapixel"
    )
    if settings.kind in ("network", "map"):
        means = ", mean of 8 orientations" if settings.ensemble else ""
        yield f"  {record.device_name or settings.device}, {settings.precision}{means}"
        cut = "" if record.tile is None else f"tiles of {record.tile[0]} x {record.tile[1]}, "
        yield f"  {cut}{record.exactness}"
        digest = f", SHA-256 {settings.checkpoint_sha256}" if settings.checkpoint_sha256 else ""
        yield f"  weights: {settings.weights}{digest}"
    for folder in folders:
        yield f"  {folder}"


def _models() -> Table:
    from rich.table import Table

    from sdd_bench.models.classical import MAPS, METHODS
    from sdd_bench.models.registry import MODELS
    from sdd_bench.weights import how_to_get, status

    here = {file.entry.name: file.present for file in status()}
    table = Table(title="Models")
    table.add_column("name", no_wrap=True)
    for title in ("makes", "parameters", "weights", "how to get them"):
        table.add_column(title, overflow="fold", justify="right" if title == "parameters" else "left")
    for model in MODELS.values():
        if model.kind == "classical":
            continue
        makes = "defocus map" if model.kind == "map" else "picture"
        size = "" if model.parameters is None else f"{model.parameters:,}"
        if not model.weights:
            table.add_row(model.name, makes, size, "[red]none known[/]", f"--checkpoint FILE; authors: {model.code}")
        for number, name in enumerate(model.weights):
            found = "[green]here[/]" if here[name] else "[red]missing[/]"
            row = (model.name, makes, size) if number == 0 else ("", "", "")
            table.add_row(*row, f"{name}: {found}", "" if here[name] else how_to_get(name))
    for name in (*METHODS, *MAPS):
        table.add_row(name, "defocus map" if name in MAPS else "picture", "", "needs none", "")
    return table
