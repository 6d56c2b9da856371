"""`sdd-bench evaluate`: score a folder of predictions against a dataset, under one or several protocols."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path

from sdd_bench import weights
from sdd_bench.datasets.dataset import Dataset, Pair, open_dataset
from sdd_bench.datasets.manifest import image_path
from sdd_bench.device import DeviceName, find_device
from sdd_bench.errors import ProblemsError, ResultError
from sdd_bench.evaluation import DEFAULT_PROTOCOL
from sdd_bench.evaluation.crops import CropName
from sdd_bench.evaluation.environment import machine, versions
from sdd_bench.evaluation.evaluator import FOLDERS, Job, Setting, measure
from sdd_bench.evaluation.notes import LPIPS_WEIGHTS, notes, weights_status
from sdd_bench.evaluation.predictions import Prediction, check_predictions, recorded_cost
from sdd_bench.evaluation.protocol import Protocol, get_protocol
from sdd_bench.evaluation.report import REPORT_NAME, write_report
from sdd_bench.evaluation.results import DatasetReference, EvaluationResult, ImageResult, Run, group_means
from sdd_bench.io.atomic import TEMPORARY_PREFIX, make_folder, output_errors, remove_leftovers
from sdd_bench.io.hashing import sha256
from sdd_bench.parallel import map_items

SMALLEST_SIDE = 64  # what similarity and flow ask for


def evaluate(
    pred: str | Path,
    dataset: str | Path | Dataset,
    protocol: str = DEFAULT_PROTOCOL,
    *,
    method: str | None = None,
    crop: CropName | None = None,
    bit_depth: int | None = None,
    cache: str | Path | None = None,
    workers: int = 1,
    cluster: str | None = None,
    device: DeviceName = "auto",
    progress: bool = True,
) -> EvaluationResult:
    """Score a folder of predictions under one protocol; `evaluate_all` takes several at once.

    Args:
        pred: folder with one image per test pair, matched by stem.
        dataset: a prepared dataset, or its folder (then its test split).
        protocol: id of the protocol.
        method: name of the method for tables; None takes the folder's name.
        crop: the rule by which the predictions were cropped, where the protocol allows it; None finds it out.
        bit_depth: 8 or 16 takes the protocol's variant for such files; None takes the protocol itself.
        cache: folder for aligned references and finished rows, shared by all evaluations; None takes the user's cache.
        workers: worker processes.
        cluster: address of a Dask scheduler whose workers are used instead; they must see the same files.
        device: where LPIPS and the flow of a network are computed; ``auto`` takes CUDA where there is a device.
        progress: show progress on the terminal.

    Raises:
        ProblemsError: with all problems of the predictions, or of the dataset's files, in one report.
        ProtocolError: for an unknown protocol, or a crop or bit depth it does not have.
        WeightsError: if the weights of the protocol's flow are missing.
        DeviceError: if there is no such device.
    """
    (result,) = evaluate_all(
        pred,
        dataset,
        [protocol],
        method=method,
        crop=crop,
        bit_depth=bit_depth,
        cache=cache,
        workers=workers,
        cluster=cluster,
        device=device,
        progress=progress,
    )
    return result


def evaluate_all(
    pred: str | Path,
    dataset: str | Path | Dataset,
    protocols: Sequence[str],
    *,
    method: str | None = None,
    out: str | Path | None = None,
    report: bool = False,
    overwrite: bool = False,
    require: Sequence[str] = (),
    crop: CropName | None = None,
    bit_depth: int | None = None,
    cache: str | Path | None = None,
    workers: int = 1,
    cluster: str | None = None,
    device: DeviceName = "auto",
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
        report: save a page with pictures, ``report.html``, beside each result.
        overwrite: replace results in ``out`` that are of other predictions or another dataset.
        require: metrics that must not be missing; ``lpips`` makes missing weights an error.
        crop: as for `evaluate`.
        bit_depth: as for `evaluate`, for each of the protocols.
        cache: as for `evaluate`.
        workers: as for `evaluate`.
        cluster: as for `evaluate`.
        device: as for `evaluate`.
        progress: as for `evaluate`.
        command: the command line, for the record.

    Raises:
        ProblemsError: as for `evaluate`.
        ProtocolError: as for `evaluate`.
        ResultError: if the method's name can't name a folder, or ``out`` has a result of that name of something else.
        OutputError: if ``out`` or the cache can't be written.
        WeightsError: if the weights of a protocol's flow, or of a required metric, are missing.
        DeviceError: as for `evaluate`.
        WorkerError: if the cluster can't be reached.
    """
    records = list({found.id: found for found in (get_protocol(name, bit_depth) for name in protocols)}.values())
    opened = dataset if isinstance(dataset, Dataset) else open_dataset(dataset)
    method = method or Path(pred).resolve().name
    if not method.strip() or not method.isprintable() or set(method) & set("/\\") or method in {".", ".."}:
        raise ResultError(
            f"method name {method!r}: it names a folder of results; give one without slashes. Use --method."
        )
    weights_sha256 = _weights(records, require)
    if device == "auto" and not weights_sha256:
        device = "cpu"  # nothing needs another, and to look for one takes seconds
    # On a cluster it is its workers that have to have it.
    ((_, device_found),) = map_items(
        find_device, [device], cluster=None if device == "cpu" else cluster, progress=False
    )
    store = Path(cache) if cache is not None else weights.cache_folder()
    if cluster is not None:  # its workers run in other folders
        pred, store = Path(pred).absolute(), store.absolute()
        opened = Dataset(opened.path.absolute(), opened.split, opened.manifest)
    started, clock = datetime.now(timezone.utc), time.perf_counter()
    predictions = check_predictions(
        pred, opened, records, crop=crop, workers=workers, cluster=cluster, progress=progress
    )
    cost = recorded_cost(Path(pred), predictions)
    hashes = check_inputs(opened)
    folders = {protocol.id: Path(out) / method / protocol.id for protocol in records} if out is not None else {}
    if not overwrite:
        _refuse_to_replace(folders.values(), opened, predictions)
    for folder in (store, *folders.values()):
        _require_writable(folder)
    kept = (store / name for name in FOLDERS)
    for folder in (*kept, *folders.values()):
        remove_leftovers(folder)
    settings = [_setting(protocol, store, device_found, weights_sha256) for protocol in records]
    jobs = [Job(setting, pair, hashes[pair.stem], predictions[pair.stem]) for setting in settings for pair in opened]
    # One pass over all protocols, protocol by protocol: worker processes are started once.
    measured = map_items(
        measure,
        jobs,
        workers=workers,
        cluster=cluster,
        describe=f"scoring {method}",
        progress=progress,
        label=_label,
    )
    results = []
    for setting in settings:
        protocol, used = setting.protocol, dict(setting.weights_sha256)
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
            notes=notes(protocol, images, predictions, opened, used),
            crop=next(iter(predictions.values())).crop,
            weights="random" if any(found.random for found in predictions.values()) else weights_status(used),
            weights_sha256=used,
            images=images,
            means=group_means(images),
            run=Run(
                command=command,
                started=started.isoformat(timespec="seconds"),
                wall_seconds=round(time.perf_counter() - clock, 3),
                workers=workers,
                device=device_found,
                versions=versions(),
                machine=machine(),
                cost=cost,
            ),
        )
        if out is not None:
            (folders[protocol.id] / REPORT_NAME).unlink(missing_ok=True)  # it may be of another result
            result.save(folders[protocol.id])
        results.append(result)
    next(measured, None)  # ends the worker processes and the display of progress
    if out is not None and report:
        for result, setting in zip(results, settings, strict=True):
            write_report(
                result,
                [job for job in jobs if job.setting is setting],
                folders[result.protocol.id] / REPORT_NAME,
                cluster=cluster,
                progress=progress,
            )
    return results


def _weights(protocols: Sequence[Protocol], require: Sequence[str]) -> dict[str, str]:
    """SHA-256 of every weight file the protocols use, by its name; that of LPIPS only if it is there or required.

    Raises:
        WeightsError: if one that is needed is missing, or not the right one.
    """
    needed = {protocol.flow_weights for protocol in protocols if protocol.flow_weights is not None}
    present = {status.entry.name for status in weights.status() if status.present}
    if "lpips" in require or (LPIPS_WEIGHTS in present and any("lpips" in protocol.metrics for protocol in protocols)):
        needed.add(LPIPS_WEIGHTS)
    return {name: weights.verify(name) for name in sorted(needed)}


def _setting(protocol: Protocol, store: Path, device: str, sha256_of: Mapping[str, str]) -> Setting:
    has_lpips = "lpips" in protocol.metrics and LPIPS_WEIGHTS in sha256_of
    used = {protocol.flow_weights, LPIPS_WEIGHTS if has_lpips else None}
    return Setting(
        protocol,
        store,
        device,
        lpips_weights=weights.folder().absolute() / weights.entry(LPIPS_WEIGHTS).file if has_lpips else None,
        weights_sha256={name: digest for name, digest in sha256_of.items() if name in used},
    )


def _require_writable(folder: Path) -> None:
    """Make a folder and see that files can be made in it: the time to learn it is before the work.

    Raises:
        OutputError: if that is not so.
    """
    with output_errors(folder):
        make_folder(folder)
        tempfile.TemporaryFile(dir=folder, prefix=TEMPORARY_PREFIX).close()


def _label(job: Job) -> str:
    return job.pair.stem


def check_inputs(dataset: Dataset) -> dict[str, dict[str, str]]:
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
        ResultError: if a folder holds a result of other predictions or another dataset, or one that can't be read.
    """
    for folder in folders:
        if not (folder / "result.json").exists():
            continue
        try:
            there = EvaluationResult.load(folder / "result.json")
        except ResultError as error:
            raise ResultError(f"{error} --overwrite replaces it; another --method or --out keeps it.") from error
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
