"""From a raw folder of blurry/sharp pairs to a checked, split, resized and cropped dataset.

```
OUT/dataset.json                          the manifest
OUT/{train,test}/{blur,gt}/STEM.png       full images; aligned_gt/ too, for the pairs whose truly aligned image is known
OUT/train_patches/{blur,gt}/STEM_NN.png   the sharpest patches of each training image; NN is the place in the grid
```
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from sdd_bench import __version__
from sdd_bench.datasets.card import NO_LICENCE
from sdd_bench.datasets.environment_request import request_environments
from sdd_bench.datasets.existing import refuse_existing
from sdd_bench.datasets.manifest import DatasetManifest, write_manifest
from sdd_bench.datasets.pack import pack_problem
from sdd_bench.datasets.plan import Job, Plan, plan_dataset
from sdd_bench.datasets.prepare_pair import prepare_pair
from sdd_bench.datasets.prepare_report import PairView
from sdd_bench.datasets.preset import Preset, load_preset
from sdd_bench.datasets.sidecars import write_sidecars
from sdd_bench.errors import DatasetError, OutputError, ProblemsError
from sdd_bench.io.staging import StagedFolder, staged_folder
from sdd_bench.parallel import WorkerPool, map_items, worker_pool

_FORM = 2  # of what an unfinished run keeps of a pair; changes with it, and with the bytes that are written


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
    with worker_pool(workers) as pool:
        plan = plan_dataset(
            raw,
            parameters,
            layout=layout,
            split_csv=None if split_csv is None else Path(split_csv),
            environment_csv=table,
            workers=pool,
            cluster=cluster,
            progress=progress,
        )
        problems = [*plan.problems, *_unconfirmed(plan, accept_pairs)]
        if plan.without_environment:
            asked_for = table or out.with_name(f"{out.name}-environments.csv")
            problems.append(
                request_environments(asked_for, raw, plan.pairs, workers=pool, cluster=cluster, progress=progress)
            )
        if problems:
            raise ProblemsError(f"{raw} can't be prepared with preset {parameters.name!r}", problems)
        if pack and (problem := pack_problem(_packed_depths(plan))):
            raise DatasetError(f"{raw}: {problem}.")
        header = {**asked, "layout": plan.layout, "notes": plan.notes}
        fingerprints = [_fingerprint(raw, job) for job in plan.jobs]
        options = {"form": _FORM, "pack": pack, "licence": licence}
        with staged_folder(out, {**header, **options, "pairs": fingerprints}) as stage:
            done = _prepare_pairs(plan, stage, pool, cluster, progress)
            pairs = [_with_checks(done[job.pair.stem]["record"], job, plan) for job in plan.jobs]
            manifest = DatasetManifest.model_validate({**header, "pairs": pairs})
            write_manifest(stage.path, manifest)
            views = {stem: PairView(**kept["view"]) for stem, kept in done.items()}
            rest = 1 if cluster else pool
            write_sidecars(stage, manifest, views, licence=licence, pack=pack, workers=rest, progress=progress)
    return manifest


def _prepare_pairs(
    plan: Plan, stage: StagedFolder, pool: WorkerPool, cluster: str | None, progress: bool
) -> dict[str, dict[str, Any]]:
    """What is kept of every pair, by stem: of those that an earlier run finished, as it noted it."""
    kept = {job.pair.stem: found for job in plan.jobs if (found := stage.done(job.pair.stem)) is not None}
    unreadable: list[str] = []
    for job, result in map_items(
        partial(prepare_pair, plan.raw, stage.path, plan.preset),
        [job for job in plan.jobs if job.pair.stem not in kept],
        workers=pool,
        cluster=cluster,
        describe="preparing",
        progress=progress,
        label=lambda job: job.pair.stem,
    ):
        if isinstance(result, str):
            unreadable.append(result)
        else:
            stage.finish(job.pair.stem, result)
            kept[job.pair.stem] = result
    if unreadable:
        raise ProblemsError(f"{plan.raw}: raw files that can't be decoded; replace them and start again", unreadable)
    return kept


def _packed_depths(plan: Plan) -> list[int]:
    return [job.bit_depth for job in plan.jobs if job.split == "train" and plan.preset.patch_size is not None]


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
