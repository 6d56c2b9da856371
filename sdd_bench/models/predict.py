"""`sdd-bench predict`: run a method over a dataset or a folder, so that the result can be scored and made again."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdd_bench.datasets.dataset import Dataset, open_dataset
from sdd_bench.device import DeviceName
from sdd_bench.errors import PredictionError
from sdd_bench.io.atomic import make_folder, output_errors, remove_leftovers
from sdd_bench.models.external import Command, PerImage, run_on_folder
from sdd_bench.models.inference import Precision, TileRequest
from sdd_bench.models.making import BitDepth, Making
from sdd_bench.models.prediction_folder import finished, record_folder
from sdd_bench.models.prediction_inputs import Picture, choose, of_dataset, of_folder
from sdd_bench.models.prediction_plan import Plan, Request, make_plan
from sdd_bench.models.prediction_record import (
    PictureRecord,
    PredictionRecord,
    Source,
    Timing,
    read_record,
)
from sdd_bench.parallel import map_items

if TYPE_CHECKING:
    from torch import nn

_SAVE_SECONDS = 1.0  # at least between two savings of the record: a folder may hold thousands of pictures


def predict(
    model: str | nn.Module | None,
    dataset: str | Path | Dataset | None = None,
    out: str | Path | None = None,
    *,
    input: str | Path | None = None,
    split: str = "test",
    stems: Sequence[str] | None = None,
    checkpoint: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
    stride: int | None = None,
    reach: int | None = None,
    random_weights: bool = False,
    command: str | None = None,
    tile: TileRequest = "auto",
    memory: float | None = None,
    ensemble: bool = False,
    device: DeviceName = "auto",
    precision: Precision = "fp32",
    bit_depth: BitDepth = "same",
    defocus_map: str | Path | None = None,
    workers: int = 1,
    overwrite: bool = False,
    progress: bool = True,
) -> PredictionRecord:
    """Run a method over pictures and write one PNG file each, and ``predict.json``, which says how they were made.

    Pictures that an earlier run of the same settings made are kept: a run that was stopped goes on.

    Args:
        model: a method of the zoo (a network or a classical one), ``module:Class``, a ``.onnx`` file, or a network (a
            torch module, which is put into eval mode); None where there is a command.
        dataset: a prepared dataset's folder, or one split of it that was opened.
        out: folder of predictions, as `sdd_bench.evaluate` takes it; None for a model that only makes defocus maps.
        input: a folder of pictures, in place of a dataset.
        split: of the dataset, where its folder is given.
        stems: work on these pictures only.
        checkpoint: file of weights, or the name of released ones; None takes the model's default ones of these.
        options: arguments of the network.
        stride: sides must be multiples of it, pixels; for networks of one's own that don't say it.
        reach: radius of the receptive field, pixels; likewise.
        random_weights: do without weights: for tests of plumbing. Every file says so.
        command: a program to run instead: ``{input}`` and ``{output}`` stand for folders, ``{input_image}`` and
            ``{output_image}`` for files, once per picture.
        tile: side of tiles in pixels, overlap included; ``none`` for whole pictures; ``auto`` for what memory allows.
        memory: bytes that ``auto`` may plan with; None takes a share of what is free.
        ensemble: take the mean over the eight orientations of each picture.
        device: ``auto`` takes CUDA where there is a device.
        precision: ``bf16`` computes convolutions and products in bfloat16.
        bit_depth: bits per sample of the predictions; "same" as those of the pictures.
        defocus_map: folder of defocus maps, for methods that estimate them.
        workers: worker processes, for classical methods and commands that run once per picture.
        overwrite: replace pictures that other settings made.
        progress: show progress on the terminal.

    Raises:
        ModelError: unknown model or option, or a checkpoint of something else.
        WeightsError: no weights; the message says how to get or give them.
        PredictionError: options that don't go together, out of memory, or what the method made is no picture.
        ProblemsError: with all pictures that can't be read, or that a command did not write.
        DatasetError: no such dataset, split, folder or stem.
        OutputError: files can't be written, or are those of other settings.
        DeviceError: no such device.
    """
    if (model is None) is (command is None):
        raise PredictionError("expected a model or a command, and not both: give --model or --command.")
    pictures, source = _pictures(dataset, input, split, stems)
    home = record_folder(out, defocus_map, pictures, dataset)
    earlier = None if overwrite else read_record(home)
    request = Request(
        checkpoint=None if checkpoint is None else Path(checkpoint),
        option=options or {},
        stride=stride,
        reach=reach,
        random_weights=random_weights,
        tile=tile,
        memory=memory,
        ensemble=ensemble,
        device=device,
        precision=precision,
        bit_depth=bit_depth,
        out=None if out is None else Path(out),
        defocus_map=None if defocus_map is None else Path(defocus_map),
        workers=workers,
    )
    largest = max(picture.size[0] for picture in pictures), max(picture.size[1] for picture in pictures)
    plan = make_plan(model, command, request, source, largest, None if earlier is None else earlier.settings)
    maps = request.defocus_map
    done = finished(home, maps, earlier, plan.settings, pictures, overwrite)
    _prepare(home, maps)
    left = [picture for picture in pictures if picture.stem not in done]
    save = partial(_save, home, plan, _timing(plan, earlier if done else None, bool(left)))
    save(done, complete=False)
    saved = time.monotonic()
    try:
        for picture, row in _rows(plan, left, request, progress):
            done[picture.stem] = row
            if time.monotonic() - saved > _SAVE_SECONDS:
                save(done, complete=False)
                saved = time.monotonic()
    except BaseException:
        save(done, complete=False)  # also after Ctrl-C: the next run goes on from here
        raise
    return save(done, complete=True)


def _pictures(
    dataset: str | Path | Dataset | None, folder: str | Path | None, split: str, stems: Sequence[str] | None
) -> tuple[list[Picture], Source | None]:
    if folder is not None and dataset is None:
        return choose(of_folder(Path(folder)), stems), None
    if dataset is None or folder is not None:
        raise PredictionError("expected a dataset or a folder of pictures, and not both: give --dataset or --input.")
    opened = dataset if isinstance(dataset, Dataset) else open_dataset(dataset, split)
    source = Source(name=opened.manifest.name, manifest_sha256=opened.hash, split=opened.split)
    return choose(of_dataset(opened), stems), source


def _prepare(home: Path, maps: Path | None) -> None:
    for folder in {home, *([] if maps is None else [maps])}:
        with output_errors(folder):
            make_folder(folder)
        remove_leftovers(folder)


def _rows(
    plan: Plan, pictures: Sequence[Picture], request: Request, progress: bool
) -> Iterator[tuple[Picture, PictureRecord]]:
    method, out = plan.method, request.out
    work: PerImage | Making
    if not isinstance(method, Command):
        random = plan.settings.weights == "random"
        work = Making(method, out, request.defocus_map, plan.settings.bit_depth, random)
    elif out is None or not pictures:
        return iter(())
    elif method.per_image:
        work = PerImage(method, out)
    else:
        return run_on_folder(method, pictures, out, progress)
    return map_items(work, pictures, workers=request.workers, describe="predicting", progress=progress, label=_stem)


def _stem(picture: Picture) -> str:
    return picture.stem


def _timing(plan: Plan, earlier: PredictionRecord | None, more: bool) -> Timing | None:
    """What all times are taken on: those that an earlier run took, and those of this run, if there will be more."""
    if earlier is None:
        return plan.timing
    return earlier.timing if not more or earlier.timing == plan.timing else None


def _save(
    home: Path, plan: Plan, timing: Timing | None, done: Mapping[str, PictureRecord], *, complete: bool
) -> PredictionRecord:
    rows = tuple(done[stem] for stem in sorted(done))
    record = PredictionRecord(
        settings=plan.settings,
        complete=complete,
        weights=plan.settings.weights,
        tile=plan.tile,
        overlap=plan.overlap,
        exactness=plan.exactness,
        notes=plan.notes,
        mean_seconds=round(sum(row.seconds for row in rows) / len(rows), 3) if rows else 0.0,
        threads=plan.threads,
        device_name=plan.device_name,
        parameters=plan.parameters,
        timing=timing,
        versions=plan.versions,
        pictures=rows,
    )
    record.save(home)
    return record
