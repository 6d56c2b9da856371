"""From a raw folder of blurry/sharp pairs to a checked, split, resized and cropped dataset.

```
OUT/dataset.json                          the manifest
OUT/{train,test}/{blur,gt}/STEM.png       full images; aligned_gt/ too, for the pairs whose truly aligned image is known
OUT/train_patches/{blur,gt}/STEM_NN.png   the sharpest patches of each training image; NN is the place in the grid
```
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from sdd_bench import __version__
from sdd_bench.datasets.layouts import find_pairs
from sdd_bench.datasets.manifest import (
    Check,
    DatasetManifest,
    Kind,
    PairRecord,
    PatchPlace,
    SourceFile,
    Split,
    image_path,
    patch_path,
    write_manifest,
)
from sdd_bench.datasets.patches import Levels, gray_levels, grid, keep_sharpest, sharpness_energy
from sdd_bench.datasets.preset import Preset, load_preset
from sdd_bench.datasets.resize import resize_area, resize_problem
from sdd_bench.datasets.sources import SourcePair
from sdd_bench.datasets.splits import split_pairs
from sdd_bench.errors import ImageError, OutputError, ProblemsError
from sdd_bench.io.hashing import sha256
from sdd_bench.io.images import ImageInfo, image_info, read_samples, write_image
from sdd_bench.io.samples import to_float, to_samples
from sdd_bench.io.staging import staged_folder
from sdd_bench.parallel import map_items

_PATCHED: tuple[Kind, ...] = ("blur", "gt")
_LOSSY = Check(
    name="lossy source", level="warning", message="a raw file is a JPEG: its coding errors are in the images"
)


@dataclass(frozen=True)
class _Job:
    pair: SourcePair
    split: Split
    info: ImageInfo  # of all images of the pair
    size: tuple[int, int]
    bit_depth: Literal[8, 16]


def prepare(
    raw: str | Path,
    out: str | Path,
    preset: str | Path | Mapping[str, Any] | Preset = "sdd",
    *,
    layout: str | None = None,
    name: str | None = None,
    workers: int = 1,
    cluster: str | None = None,
    progress: bool = True,
    **changes: Any,
) -> DatasetManifest:
    """Prepare a dataset from a raw folder.

    All problems that names, tables and file headers show are found, and listed together, before anything is written.
    What only pixels show (damaged data, transparency) is listed together at the end of a run; ``out`` appears only when
    it is complete. A run that was killed is resumed by the same call, and gives the same bytes; so does any number of
    workers.

    Args:
        raw: folder with the raw pairs; see `sdd_bench.datasets.layouts`.
        out: folder to make; absent or empty.
        preset: a preset's name, a JSON file, its content, or a `Preset`.
        layout: name of the raw folder's layout; None finds it out.
        name: label of the dataset; None takes the raw folder's name.
        workers: number of worker processes; 1 works in this process.
        cluster: address of a Dask scheduler to use instead.
        progress: show progress on the terminal.
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
    found_layout, pairs = find_pairs(raw, layout)
    splits = split_pairs(pairs, parameters)
    jobs = _inspect(raw, pairs, splits, parameters)
    header = {
        "name": raw.resolve().name if name is None else name,
        "tool_version": __version__,
        "layout": found_layout,
        "preset": parameters.model_dump(mode="json"),
    }
    with staged_folder(out, {**header, "pairs": [_fingerprint(raw, job) for job in jobs]}) as stage:
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
        manifest = DatasetManifest.model_validate({**header, "pairs": [records[job.pair.stem] for job in jobs]})
        write_manifest(stage.path, manifest)
    return manifest


def _inspect(raw: Path, pairs: list[SourcePair], splits: Mapping[str, Split], preset: Preset) -> list[_Job]:
    """Read all headers, decide what each pair becomes, and report everything that stands against it."""
    jobs: list[_Job] = []
    problems: list[str] = []
    for pair in pairs:
        infos: dict[Kind, ImageInfo] = {}
        for kind, source in pair.sources.items():
            try:
                infos[kind] = image_info(raw / source)
            except ImageError as error:
                problems.append(str(error))
        if infos.keys() != pair.sources.keys():
            continue
        info = infos["gt"]
        job = _Job(
            pair=pair,
            split=splits[pair.stem],
            info=info,
            size=preset.size or (info.width, info.height),
            bit_depth=16 if info.bit_depth == 16 and preset.bit_depth == "keep" else 8,
        )
        wrong = [*_differences(infos), *_obstacles(job, preset)]
        problems += [f"{pair.stem}: {each}" for each in wrong]
        if not wrong:
            jobs.append(job)
    if problems:
        raise ProblemsError(f"{raw} can't be prepared with preset {preset.name!r}", problems)
    return jobs


def _differences(infos: Mapping[Kind, ImageInfo]) -> list[str]:
    gt = infos["gt"]
    problems = []
    for kind in ("blur", "aligned_gt"):
        other = infos.get(kind, gt)
        if (other.width, other.height) != (gt.width, gt.height):
            problems.append(f"{kind} is {other.width} x {other.height}, gt is {gt.width} x {gt.height}")
        if other.bit_depth != gt.bit_depth:
            problems.append(f"{kind} has {other.bit_depth} bits per channel, gt has {gt.bit_depth}")
    return problems


def _obstacles(job: _Job, preset: Preset) -> list[str]:
    problems = []
    resize = resize_problem((job.info.width, job.info.height), job.size)
    if resize is not None:
        problems.append(f"resizing {resize} (parameter size; preset 'as-is' keeps sizes)")
    if job.split == "train" and preset.patch_size is not None and min(job.size) < preset.patch_size:
        width, height = job.size
        problems.append(
            f"{width} x {height} is smaller than a patch of {preset.patch_size} (parameters patch_size and stride; "
            "patch_size None writes no patches)"
        )
    return problems


def _fingerprint(raw: Path, job: _Job) -> dict[str, Any]:
    """What decides the output of one pair; a raw file counts as the same while its size and time of change are."""
    stats = {kind: (raw / source).stat() for kind, source in job.pair.sources.items()}
    return {
        "stem": job.pair.stem,
        "scene": job.pair.scene,
        "environment": job.pair.environment,
        "split": job.split,
        "sources": {kind: [job.pair.sources[kind], stat.st_size, stat.st_mtime_ns] for kind, stat in stats.items()},
    }


def _prepare_or_explain(raw: Path, folder: Path, preset: Preset, job: _Job) -> dict[str, Any] | str:
    try:
        return _prepare_pair(raw, folder, preset, job)
    except ImageError as error:
        return str(error)


def _prepare_pair(raw: Path, folder: Path, preset: Preset, job: _Job) -> dict[str, Any]:
    pair = job.pair
    images = {kind: _prepare_image(raw / source, job.size, job.bit_depth) for kind, source in pair.sources.items()}
    written = {image_path(job.split, kind, pair.stem): image for kind, image in images.items()}
    patches: list[PatchPlace] = []
    if job.split == "train" and preset.patch_size is not None:
        side = preset.patch_size
        patches = _sharpest_patches(images["gt"], side, preset)
        for patch in patches:
            window = np.s_[patch.y : patch.y + side, patch.x : patch.x + side]
            written |= {patch_path(kind, pair.stem, patch.index): images[kind][window] for kind in _PATCHED}
    for path, image in written.items():
        write_image(folder / path, image, bit_depth=job.bit_depth)
    record = PairRecord(
        stem=pair.stem,
        scene=pair.scene,
        environment=pair.environment,
        split=job.split,
        size=job.size,
        bit_depth=job.bit_depth,
        sources={kind: SourceFile(path=source, sha256=sha256(raw / source)) for kind, source in pair.sources.items()},
        files={path: sha256(folder / path) for path in written},
        patches=tuple(patches),
        checks=(_LOSSY,) if job.info.format == "jpeg" else (),
    )
    return record.model_dump(mode="json")


def _prepare_image(path: Path, size: tuple[int, int], bit_depth: Literal[8, 16]) -> Levels:
    samples = read_samples(path)
    if (samples.shape[1], samples.shape[0]) == size and samples.dtype.itemsize * 8 == bit_depth:
        return to_samples(samples, bit_depth)
    # Averages of numbers in [0, 1] leave that range by float rounding only.
    return to_samples(np.clip(resize_area(to_float(samples), size), 0, 1), bit_depth)


def _sharpest_patches(gt: Levels, size: int, preset: Preset) -> list[PatchPlace]:
    places = grid(gt.shape[1], gt.shape[0], size, preset.stride)
    kept = keep_sharpest(sharpness_energy(gray_levels(gt), size, preset.stride), preset.keep_share)
    return [PatchPlace(index=i, x=places[i][0], y=places[i][1]) for i in kept]
