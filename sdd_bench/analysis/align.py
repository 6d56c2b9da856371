"""`sdd-bench align`: the dataset with every ground truth registered by its zoom and shift.

```
OUT/...                what `prepare` writes: manifest, images, patches cut anew, checksums, report
OUT/alignment.json     the dataset it was made from, the crop, and per pair the similarity and what it leaves
```

The blurry image stays as it is but for the crop. The sharp one is sampled by Lanczos-4 where the similarity says its
content is, and rounded to the bits per channel of its file. One margin is cut off left and right, and one off top and
bottom: the narrowest with which no sample of any pair reaches beyond its sharp image. So pictures of equal size stay of
equal size, in all splits.
"""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from sdd_bench import __version__
from sdd_bench.analysis.pair import ARITHMETIC
from sdd_bench.analysis.records import AnalysisResult
from sdd_bench.analysis.registration import INTERPOLATION, Job, Margin, common_margin, cropped, register_pair
from sdd_bench.analysis.run import analyze
from sdd_bench.datasets.card import NO_LICENCE
from sdd_bench.datasets.checksums import read_checksums, write_checksums
from sdd_bench.datasets.manifest import DatasetManifest, image_path, read_manifest, write_manifest
from sdd_bench.datasets.pack import PACK_NAME
from sdd_bench.datasets.prepare_report import PairView
from sdd_bench.datasets.preset import Preset
from sdd_bench.datasets.sidecars import write_sidecars
from sdd_bench.errors import DatasetError, OutputError, ProblemsError
from sdd_bench.io.atomic import write_json
from sdd_bench.io.hashing import sha256
from sdd_bench.io.staging import refuse_occupied, staged_folder
from sdd_bench.parallel import map_items

ALIGNMENT_NAME = "alignment.json"
SCHEMA_VERSION = 1
# What is left of a side has to be at least so many pixels: the analysis asks for them.
_SMALLEST = 64


class Aligned(NamedTuple):
    """What came of it.

    Attributes:
        manifest: of the registered dataset.
        margin: what was cut off.
        before: the analysis of the pairs as they were.
        after: of the registered ones, zoom and shift estimated again.
        left_out: stems of pairs without zoom and shift, with the reason.
    """

    manifest: DatasetManifest
    margin: Margin
    before: AnalysisResult
    after: AnalysisResult
    left_out: dict[str, str]


def align(
    dataset: str | Path,
    out: str | Path,
    *,
    skip_unconverged: bool = False,
    licence: str = NO_LICENCE,
    cache: str | Path | None = None,
    workers: int = 1,
    cluster: str | None = None,
    progress: bool = True,
) -> Aligned:
    """Write a dataset registered by its similarities, all splits.

    ``out`` appears only when it is complete. A run that was killed is resumed by the same call.

    Args:
        dataset: a prepared dataset's folder.
        out: folder to make; absent or empty.
        skip_unconverged: leave pairs out whose zoom and shift can't be found, instead of refusing the dataset.
        licence: what the dataset card states, a name or an address.
        cache: folder of kept measurements; None takes the user's cache.
        workers: number of worker processes.
        cluster: address of a Dask scheduler to use instead.
        progress: show progress on the terminal.

    Raises:
        ProblemsError: naming every pair whose zoom and shift can't be found.
        DatasetError: if the folder is no prepared dataset, a file was changed, it was prepared from patches, or the
            pairs have too little in common.
        OutputError: if ``out`` is not empty, lies inside the dataset, or can't be written.
    """
    folder, out = Path(dataset).absolute(), Path(out)
    source = read_manifest(folder)
    if out.resolve().is_relative_to(folder.resolve()):
        raise OutputError(f"{out} lies inside the dataset {folder}; choose a place outside it.")
    refuse_occupied(out)
    if any(image_path(pair.split, "gt", pair.stem) not in pair.files for pair in source.pairs):
        raise DatasetError(f"{folder} was prepared from patches; align the dataset of the whole images.")
    before = analyze(folder, cache=cache, workers=workers, cluster=cluster, progress=progress)
    left_out = {pair.stem: pair.reason for pair in before.pairs if pair.similarity is None}
    if left_out and not skip_unconverged:
        raise ProblemsError(
            f"{folder} has pairs whose zoom and shift can't be found; --skip-unconverged leaves them out",
            [f"{stem}: {reason}" for stem, reason in left_out.items()],
        )
    similarities = {pair.stem: pair.similarity.similarity for pair in before.pairs if pair.similarity is not None}
    if not similarities:
        raise DatasetError(f"{folder} has no pair whose zoom and shift can be found.")
    jobs = [Job(pair, similarities[pair.stem]) for pair in source.pairs if pair.stem in similarities]
    margin = common_margin(jobs)
    _require_room(folder, source.preset, jobs, margin)
    preset = source.preset.model_copy(update={"name": f"{source.preset.name}, registered", "size": None})
    packed = (folder / PACK_NAME).is_file()
    plan = {
        "align": SCHEMA_VERSION,
        "arithmetic": ARITHMETIC,
        "tool_version": __version__,
        "source": source.manifest_hash,
        "margin": margin,
        "pack": packed,
        "licence": licence,
        "pairs": {job.record.stem: [job.similarity.zoom, *job.similarity.shift] for job in jobs},
    }
    with staged_folder(out, plan) as stage:
        kept = {job.record.stem: found for job in jobs if (found := stage.done(job.record.stem)) is not None}
        for job, result in map_items(
            partial(register_pair, folder, stage.path, preset, margin),
            [job for job in jobs if job.record.stem not in kept],
            workers=workers,
            cluster=cluster,
            describe="registering",
            progress=progress,
            label=_label,
        ):
            stage.finish(job.record.stem, result)
            kept[job.record.stem] = result
        manifest = DatasetManifest.model_validate(
            {
                "name": f"{source.name}, registered",
                "tool_version": __version__,
                "layout": f"registered from a dataset of layout {source.layout}",
                "preset": preset.model_dump(mode="json"),
                "pairs": [kept[job.record.stem]["record"] for job in jobs],
                "notes": [*source.notes, *_notes(source, margin, left_out)],
            }
        )
        write_manifest(stage.path, manifest)
        after = analyze(stage.path, cache=cache, workers=workers, cluster=cluster, progress=progress)
        write_json(stage.path / ALIGNMENT_NAME, _parameters(source, margin, before, after, left_out))
        views = {stem: PairView(**found["view"]) for stem, found in kept.items()}
        rest = 1 if cluster else workers
        write_sidecars(stage, manifest, views, licence=licence, pack=packed, workers=rest, progress=progress)
        sums = read_checksums(stage.path)
        write_checksums(stage.path, sums | {ALIGNMENT_NAME: sha256(stage.path / ALIGNMENT_NAME)})
    return Aligned(manifest, margin, before, after, left_out)


def _require_room(folder: Path, preset: Preset, jobs: list[Job], margin: Margin) -> None:
    sizes = {job.record.stem: cropped(job.record.size, margin) for job in jobs}
    smallest = min(sizes, key=lambda stem: min(sizes[stem]))
    least = max(_SMALLEST, preset.patch_size or 0)
    if min(sizes[smallest]) < least:
        width, height = sizes[smallest]
        worst = max(jobs, key=lambda job: abs(job.similarity.zoom - 1) + math.hypot(*job.similarity.shift))
        raise DatasetError(
            f"{folder}: what all pairs show is too small: of {smallest}, {width} x {height} pixels would be left, and "
            f"at least {least} a side are needed (patches are of {preset.patch_size}). "
            f"{worst.record.stem} is misaligned most; prepare the dataset without it, or with smaller patches."
        )


def _notes(source: DatasetManifest, margin: Margin, left_out: dict[str, str]) -> list[str]:
    notes = [
        f"registered from the dataset with manifest {source.manifest_hash}: each ground truth was moved by its zoom "
        f"and shift ({INTERPOLATION}), and {margin.x} pixels were cut off all images left and right, {margin.y} at the "
        f"top and bottom; the parameters of every pair are in {ALIGNMENT_NAME}"
    ]
    if left_out:
        notes.append(f"left out, because zoom and shift could not be found: {', '.join(left_out)}")
    return notes


def _parameters(
    source: DatasetManifest,
    margin: Margin,
    before: AnalysisResult,
    after: AnalysisResult,
    left_out: dict[str, str],
) -> dict[str, Any]:
    pairs: dict[str, dict[str, Any]] = {}
    for when, result in (("before", before), ("after", after)):
        for pair in result.pairs:
            if pair.stem not in left_out:
                measured = pair.model_dump(mode="json", include={"similarity", "reason"})
                residual_rms = None if pair.residual is None else pair.residual.rms
                pairs.setdefault(pair.stem, {})[when] = {**measured, "residual_rms": residual_rms}
    return {
        "schema_version": SCHEMA_VERSION,
        "tool_version": __version__,
        "arithmetic": ARITHMETIC,
        "source": {"name": source.name, "manifest_sha256": source.manifest_hash},
        "interpolation": INTERPOLATION,
        "margin": {"x": margin.x, "y": margin.y},
        "pairs": pairs,
        "left_out": left_out,
    }


def _label(job: Job) -> str:
    return job.record.stem
