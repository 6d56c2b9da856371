"""From a raw folder of blurry/sharp pairs to a checked, split, resized and cropped dataset.

```
OUT/dataset.json                          the manifest
OUT/{train,test}/{blur,gt}/STEM.png       full images; aligned_gt/ too, for the pairs whose truly aligned image is known
OUT/train_patches/{blur,gt}/STEM_NN.png   the sharpest patches of each training image; NN is the place in the grid
```
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from sdd_bench import __version__
from sdd_bench.datasets.card import NO_LICENCE
from sdd_bench.datasets.environment_request import request_environments
from sdd_bench.datasets.existing import refuse_existing
from sdd_bench.datasets.manifest import (
    Check,
    DatasetManifest,
    Kind,
    PairRecord,
    PatchPlace,
    SourceFile,
    image_path,
    patch_path,
    write_manifest,
)
from sdd_bench.datasets.pack import pack_problem
from sdd_bench.datasets.patches import Levels, gray_levels, grid
from sdd_bench.datasets.plan import Job, Plan, plan_dataset
from sdd_bench.datasets.preset import Preset, load_preset
from sdd_bench.datasets.resize import resize_area
from sdd_bench.datasets.sharpest_patches import sharpest_patches
from sdd_bench.datasets.sidecars import write_sidecars
from sdd_bench.errors import DatasetError, ImageError, OutputError, ProblemsError
from sdd_bench.io.atomic import file_batch
from sdd_bench.io.hashing import sha256
from sdd_bench.io.images import encode_image, read_samples
from sdd_bench.io.samples import to_samples
from sdd_bench.io.staging import staged_folder
from sdd_bench.parallel import map_items

_PATCHED: tuple[Kind, ...] = ("blur", "gt")
_LOSSY = Check(
    name="lossy source", level="warning", message="a raw file is a JPEG: its coding errors are in the images"
)


def prepare(
    raw: str | Path,
    out: str | Path,
    preset: str | Path | Mapping[str, Any] | Preset = "sdd",
    *,
    layout: str | None = None,
    split_csv: str | Path | None = None,
    environment_csv: str | Path | None = None,
    accept_pairs: str | None = None,
    name: str | None = None,
    workers: int = 1,
    cluster: str | None = None,
    progress: bool = True,
    pack: bool = False,
    licence: str = NO_LICENCE,
    **changes: Any,
) -> DatasetManifest:
    """Prepare a dataset from a raw folder.

    All problems are found before anything is written, and listed together: first those of names and tables, then those
    of images, for which every file is read once. ``out`` appears only when it is complete. A run that was killed is
    resumed by the same call, and gives the same bytes; so does any number of workers.

    Args:
        raw: folder with the raw pairs; see `sdd_bench.datasets.layouts`.
        out: folder to make; absent or empty.
        preset: a preset's name, a JSON file, its content, or a `Preset`.
        layout: name of the raw folder's layout; None finds it out.
        split_csv: table with the split of every scene or pair; see `sdd_bench.datasets.scene_labels`.
        environment_csv: table with the environment of scenes or pairs, likewise. Where environments are required and
            missing, it is written for a person to fill in; without a name, beside ``out``.
        accept_pairs: code by which a person confirms pairs that are a guess, from `Plan.confirmation`.
        name: label of the dataset; None takes the raw folder's name.
        workers: number of worker processes; 1 works in this process.
        cluster: address of a Dask scheduler to use instead.
        progress: show progress on the terminal.
        pack: write ``train_patches.h5`` too; see `sdd_bench.datasets.patch_data`.
        licence: what the dataset card states, a name or an address.
        **changes: fields of `Preset` to change, for example ``patch_size=256, stride=128``.

    Returns:
        The manifest, which is also written to ``out/dataset.json``.

    Raises:
        DatasetError: if the preset or the raw folder is not what it should be.
        ProblemsError: if any pairs are not; it lists all that are wrong.
        OutputError: if ``out`` is not empty, lies inside ``raw``, or can't be written.
    """
    raw, out = Path(raw), Path(out)
    parameters = load_preset(preset, changes)
    if out.resolve().is_relative_to(raw.resolve()):
        raise OutputError(f"{out} lies inside the raw folder {raw}; choose a place outside it.")
    asked = {
        "name": raw.resolve().name if name is None else name,
        "tool_version": __version__,
        "preset": parameters.model_dump(mode="json"),
    }
    refuse_existing(out, raw, layout, asked)
    table = None if environment_csv is None else Path(environment_csv)
    plan = plan_dataset(
        raw,
        parameters,
        layout=layout,
        split_csv=None if split_csv is None else Path(split_csv),
        environment_csv=table,
        workers=workers,
        cluster=cluster,
        progress=progress,
    )
    jobs = list(plan.jobs)
    problems = [*plan.problems, *_unconfirmed(plan, accept_pairs)]
    if plan.without_environment:
        beside = out.with_name(f"{out.name}-environments.csv")
        problems.append(
            request_environments(table or beside, raw, plan.pairs, workers=workers, cluster=cluster, progress=progress)
        )
    if problems:
        raise ProblemsError(f"{raw} can't be prepared with preset {parameters.name!r}", problems)
    if pack and (problem := pack_problem(_packed_depths(jobs, parameters))):
        raise DatasetError(f"{raw}: {problem}.")
    header = {**asked, "layout": plan.layout, "notes": plan.notes}
    options = {"pack": pack, "licence": licence}
    with staged_folder(out, {**header, **options, "pairs": [_fingerprint(raw, job) for job in jobs]}) as stage:
        records = {job.pair.stem: record for job in jobs if (record := stage.done(job.pair.stem)) is not None}
        unreadable: list[str] = []
        for job, result in map_items(
            partial(_prepare_or_explain, raw, stage.path, parameters),
            [job for job in jobs if job.pair.stem not in records],
            workers=workers,
            cluster=cluster,
            describe="preparing",
            progress=progress,
            label=lambda job: job.pair.stem,
        ):
            if isinstance(result, str):
                unreadable.append(result)
            else:
                stage.finish(job.pair.stem, result)
                records[job.pair.stem] = result
        if unreadable:
            raise ProblemsError(f"{raw}: raw files that can't be decoded; replace them and start again", unreadable)
        manifest = DatasetManifest.model_validate(
            {**header, "pairs": [_with_checks(records[job.pair.stem], job, plan) for job in jobs]}
        )
        write_manifest(stage.path, manifest)
        write_sidecars(stage, manifest, licence=licence, pack=pack, workers=workers, cluster=cluster, progress=progress)
    return manifest


def _packed_depths(jobs: list[Job], preset: Preset) -> list[int]:
    return [job.bit_depth for job in jobs if job.split == "train" and preset.patch_size is not None]


def _unconfirmed(plan: Plan, accepted: str | None) -> list[str]:
    if plan.confirmation in ("", accepted):
        return []
    wrong = "" if accepted is None else f" ({accepted!r} is the code of another table: files have changed since)"
    return [
        "the pairs are a guess from what the camera noted, and need your word: look at the table that --plan prints, "
        f"and give the code below it with --accept-pairs{wrong}; or save the table with --save-pairs and correct it"
    ]


def _with_checks(record: dict[str, Any], job: Job, plan: Plan) -> dict[str, Any]:
    # Not part of what is kept of a finished pair: whether it is like another depends on all pairs.
    return {**record, "checks": [*record["checks"], *(check.model_dump() for check in plan.checks[job.pair.stem])]}


def _fingerprint(raw: Path, job: Job) -> dict[str, Any]:
    """What decides the output of one pair; a raw file counts as the same while its size and time of change are."""
    stats = {kind: (raw / source).stat() for kind, source in job.pair.sources.items()}
    return {
        "stem": job.pair.stem,
        "scene": job.pair.scene,
        "environment": job.pair.environment,
        "split": job.split,
        "sources": {kind: [job.pair.sources[kind], stat.st_size, stat.st_mtime_ns] for kind, stat in stats.items()},
    }


def _prepare_or_explain(raw: Path, folder: Path, preset: Preset, job: Job) -> dict[str, Any] | str:
    try:
        return _prepare_pair(raw, folder, preset, job)
    except ImageError as error:
        return str(error)


def _prepare_pair(raw: Path, folder: Path, preset: Preset, job: Job) -> dict[str, Any]:
    pair = job.pair
    images = {kind: _prepare_image(raw / source, job.size, job.bit_depth) for kind, source in pair.sources.items()}
    written: dict[str, Levels] = {}
    if not pair.is_patch:
        written |= {image_path(job.split, kind, pair.stem): image for kind, image in images.items()}
    patches: list[PatchPlace] = []
    if job.patch_count and preset.patch_size is not None:
        side = preset.patch_size
        patches = [PatchPlace(index=0, x=0, y=0)] if pair.is_patch else _sharpest_patches(images["gt"], side, preset)
        for patch in patches:
            window = np.s_[patch.y : patch.y + side, patch.x : patch.x + side]
            written |= {patch_path(kind, pair.stem, patch.index): images[kind][window] for kind in _PATCHED}
    hashes: dict[str, str] = {}
    with file_batch() as batch:
        for path, image in written.items():
            data = encode_image(folder / path, image, job.bit_depth)
            batch.write_bytes(folder / path, data)
            hashes[path] = hashlib.sha256(data).hexdigest()
    record = PairRecord(
        stem=pair.stem,
        scene=pair.scene,
        environment=pair.environment,
        split=job.split,
        size=job.size,
        bit_depth=job.bit_depth,
        sources={kind: SourceFile(path=source, sha256=sha256(raw / source)) for kind, source in pair.sources.items()},
        files=hashes,
        patches=tuple(patches),
        checks=(_LOSSY,) if job.info.format == "jpeg" else (),
    )
    return record.model_dump(mode="json")


def _prepare_image(path: Path, size: tuple[int, int], bit_depth: Literal[8, 16]) -> Levels:
    samples = read_samples(path)
    if (samples.shape[1], samples.shape[0]) == size and samples.dtype.itemsize * 8 == bit_depth:
        return to_samples(samples, bit_depth)
    # Of whole levels: sums of them are exact in float32, so that halves are halves and round to even.
    peak = 2**bit_depth - 1
    reduced = resize_area(samples.astype(np.float32), size)
    reduced *= np.float32(peak / (2 ** (8 * samples.itemsize) - 1))
    levels = np.rint(reduced, out=reduced).clip(0, peak, out=reduced)
    return levels.astype(np.uint8) if bit_depth == 8 else levels.astype(np.uint16)


def _sharpest_patches(gt: Levels, size: int, preset: Preset) -> list[PatchPlace]:
    places = grid(gt.shape[1], gt.shape[0], size, preset.stride)
    kept = sharpest_patches(gray_levels(gt), size, preset.stride, preset.keep_share)
    return [PatchPlace(index=i, x=places[i][0], y=places[i][1]) for i in kept]
