"""`sdd-bench evaluate`: score a folder of predictions against a dataset, under one or several protocols."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path

from sdd_bench import weights
from sdd_bench.datasets.dataset import Dataset, Pair, open_dataset
from sdd_bench.datasets.manifest import image_path
from sdd_bench.errors import ProblemsError, ResultError
from sdd_bench.evaluation.display import REFERENCE_TITLES
from sdd_bench.evaluation.environment import machine, versions
from sdd_bench.evaluation.evaluator import Job, Setting, measure
from sdd_bench.evaluation.predictions import Prediction, check_predictions
from sdd_bench.evaluation.protocol import DEFAULT_PROTOCOL, Protocol, get_protocol
from sdd_bench.evaluation.results import DatasetReference, EvaluationResult, ImageResult, Run, group_means
from sdd_bench.io.atomic import make_folder, output_errors
from sdd_bench.io.hashing import sha256
from sdd_bench.parallel import map_items

LPIPS_WEIGHTS = "alexnet"
SMALLEST_SIDE = 64  # what similarity and flow ask for


def evaluate(
    pred: str | Path,
    dataset: str | Path | Dataset,
    protocol: str = DEFAULT_PROTOCOL,
    *,
    method: str | None = None,
    cache: str | Path | None = None,
    workers: int = 1,
    progress: bool = True,
) -> EvaluationResult:
    """Score a folder of predictions under one protocol; `evaluate_all` takes several at once.

    Args:
        pred: folder with one image per test pair, matched by stem.
        dataset: a prepared dataset, or its folder (then its test split).
        protocol: id of the protocol.
        method: name of the method for tables; None takes the folder's name.
        cache: folder for aligned references and finished rows, shared by all evaluations; None takes the user's cache.
        workers: worker processes.
        progress: show progress on the terminal.

    Raises:
        ProblemsError: with all problems of the predictions, or of the dataset's files, in one report.
        ProtocolError: for an unknown protocol.
    """
    return evaluate_all(pred, dataset, [protocol], method=method, cache=cache, workers=workers, progress=progress)[0]


def evaluate_all(
    pred: str | Path,
    dataset: str | Path | Dataset,
    protocols: Sequence[str],
    *,
    method: str | None = None,
    out: str | Path | None = None,
    overwrite: bool = False,
    require: Sequence[str] = (),
    cache: str | Path | None = None,
    workers: int = 1,
    progress: bool = True,
    command: str | None = None,
) -> list[EvaluationResult]:
    """Score a folder of predictions under several protocols; their results are never merged.

    Args:
        pred: as for `evaluate`.
        dataset: as for `evaluate`.
        protocols: ids of protocols.
        method: as for `evaluate`.
        out: folder to save each result in, as ``OUT/METHOD/PROTOCOL/``, when it is complete; None saves nothing.
        overwrite: replace results in ``out`` that are of other predictions or another dataset.
        require: metrics that must not be missing; ``lpips`` makes missing weights an error.
        cache: as for `evaluate`.
        workers: as for `evaluate`.
        progress: as for `evaluate`.
        command: the command line, for the record.

    Raises:
        ProblemsError: as for `evaluate`.
        ProtocolError: for an unknown protocol.
        ResultError: if the method's name can't name a folder, or ``out`` has a result of that name of something else.
        OutputError: if ``out`` or the cache can't be written.
        WeightsError: if a required metric's weights are missing.
    """
    records = [get_protocol(name) for name in dict.fromkeys(protocols)]
    opened = dataset if isinstance(dataset, Dataset) else open_dataset(dataset)
    method = method or Path(pred).resolve().name
    if not method.strip() or not method.isprintable() or set(method) & set("/\\") or method in {".", ".."}:
        raise ResultError(
            f"method name {method!r}: it names a folder of results; give one without slashes. Use --method."
        )
    lpips = weights.path(LPIPS_WEIGHTS) if "lpips" in require else weights.find(LPIPS_WEIGHTS)
    lpips_sha256 = sha256(lpips) if lpips is not None else None
    started, clock = datetime.now(timezone.utc), time.perf_counter()
    predictions = check_predictions(pred, opened, workers=workers, progress=progress)
    hashes = _check_inputs(opened)
    store = Path(cache) if cache is not None else weights.cache_folder()
    folders = {protocol.id: Path(out) / method / protocol.id for protocol in records} if out is not None else {}
    if not overwrite:
        _refuse_to_replace(folders.values(), opened, predictions)
    for folder in (store, *folders.values()):
        with output_errors(folder):
            make_folder(folder)
    settings = [
        Setting(protocol, store, lpips, lpips_sha256) if "lpips" in protocol.metrics else Setting(protocol, store)
        for protocol in records
    ]
    jobs = [Job(setting, pair, hashes[pair.stem], predictions[pair.stem]) for setting in settings for pair in opened]
    # One pass over all protocols, protocol by protocol: worker processes are started once.
    measured = map_items(measure, jobs, workers=workers, describe=f"scoring {method}", progress=progress, label=_label)
    results = []
    for protocol, setting in zip(records, settings, strict=True):
        images = tuple(
            ImageResult(
                stem=job.pair.stem,
                scene=job.pair.scene,
                environment=job.pair.environment,
                prediction_sha256=job.prediction.sha256,
                **dict(measurement),
            )
            for job, measurement in islice(measured, len(opened))
        )
        result = EvaluationResult(
            method=method,
            protocol=protocol,
            protocol_sha256=protocol.hash,
            dataset=DatasetReference(name=opened.manifest.name, manifest_sha256=opened.hash, split=opened.split),
            notes=_notes(protocol, images, predictions, setting.lpips_weights is not None),
            weights="none" if setting.lpips_sha256 is None else "verified",
            weights_sha256={} if setting.lpips_sha256 is None else {LPIPS_WEIGHTS: setting.lpips_sha256},
            images=images,
            means=group_means(images),
            run=Run(
                command=command,
                started=started.isoformat(timespec="seconds"),
                wall_seconds=round(time.perf_counter() - clock, 3),
                workers=workers,
                versions=versions(),
                machine=machine(),
            ),
        )
        if out is not None:
            result.save(folders[protocol.id])
        results.append(result)
    return results


def _label(job: Job) -> str:
    return job.pair.stem


def _check_inputs(dataset: Dataset) -> dict[str, dict[str, str]]:
    """SHA-256 of every file of the split as it is now, by stem and role; they must be what the manifest says.

    Raises:
        ProblemsError: naming every file that changed since the dataset was prepared, or every picture too small.
    """
    small = [f"{pair.stem}: {pair.size[0]} x {pair.size[1]}" for pair in dataset if min(pair.size) < SMALLEST_SIDE]
    if small:
        raise ProblemsError(
            f"{dataset.path} has pictures with a side under {SMALLEST_SIDE} pixels, too small to align", small
        )
    stated = {record.stem: record.files for record in dataset.manifest.pairs}
    hashes = {pair.stem: _hashes(pair) for pair in dataset}
    problems = [
        f"{pair.stem}: {role} changed since the dataset was prepared"
        for pair in dataset
        for role, found in hashes[pair.stem].items()
        if found != stated[pair.stem][image_path(pair.split, role, pair.stem)]
    ]
    if problems:
        raise ProblemsError(f"{dataset.path} is not the dataset its manifest describes; prepare it again", problems)
    return hashes


def _refuse_to_replace(folders: Iterable[Path], dataset: Dataset, predictions: Mapping[str, Prediction]) -> None:
    """Results may be written again, but not lost to those of something else.

    Raises:
        ResultError: if a folder holds a result of other predictions or another dataset.
    """
    for folder in folders:
        if not (folder / "result.json").exists():
            continue
        there = EvaluationResult.load(folder / "result.json")
        hashes = {image.stem: image.prediction_sha256 for image in there.images}
        if there.dataset.manifest_sha256 != dataset.hash or there.dataset.split != dataset.split:
            what = f"of another dataset, {there.dataset.name} ({there.dataset.split})"
        elif hashes != {stem: prediction.sha256 for stem, prediction in predictions.items()}:
            what = "of other predictions"
        else:
            continue
        raise ResultError(
            f"{folder} holds a result {what}. Give another --method or --out, or --overwrite to replace it."
        )


def _hashes(pair: Pair) -> dict[str, str]:
    paths = {"blur": pair.blur_path, "gt": pair.gt_path, "aligned_gt": pair.aligned_gt_path}
    return {role: sha256(path) for role, path in paths.items() if path is not None}


def _notes(
    protocol: Protocol, images: Sequence[ImageResult], predictions: Mapping[str, Prediction], has_lpips: bool
) -> tuple[str, ...]:
    """What a reader of the numbers has to know."""
    notes = []
    if not has_lpips and "lpips" in protocol.metrics:
        notes.append(f"LPIPS n/a: its weights are missing. {weights.how_to_get(LPIPS_WEIGHTS)}")
    failed = [image.stem for image in images if image.error is not None]
    if failed:
        notes.append(f"{len(failed)} of {len(images)} images have no scores and are in no mean: {', '.join(failed)}.")
    if protocol.mask is not None:
        limit = protocol.mask.warn_share
        many = [image.stem for image in images if image.error is None and image.alignment.left_out > limit]
        if many:
            notes.append(f"Over {limit:.0%} of the pixels are left out in: {', '.join(many)}.")
    lost = [image.stem for image in images if image.alignment.zoom is None]
    if lost and protocol.equalise is not None:
        notes.append(f"Zoom and shift could not be found, and the flow had to do without them, in: {', '.join(lost)}.")
    lossy = [stem for stem, prediction in predictions.items() if prediction.lossy]
    if lossy:
        notes.append(f"{len(lossy)} predictions are JPEG files: their compression is part of the score. Use PNG.")
    for reference, title in REFERENCE_TITLES.items():
        identical = [i.stem for i in images if (scores := getattr(i, reference)) is not None and scores.identical]
        if identical:
            notes.append(f"Identical to the {title}, and not in its mean PSNR: {', '.join(identical)}.")
    return tuple(notes)
