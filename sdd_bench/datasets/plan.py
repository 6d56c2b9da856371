"""What `prepare` will make of a raw folder, and all that stands against it, found before anything is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sdd_bench.datasets.captures import confirmation_code
from sdd_bench.datasets.checks.rules import CheckRule
from sdd_bench.datasets.checks.run import Findings, check_pairs
from sdd_bench.datasets.layouts import find_pairs
from sdd_bench.datasets.manifest import Check, Kind, Split
from sdd_bench.datasets.patches import grid, kept_count
from sdd_bench.datasets.preset import Preset
from sdd_bench.datasets.resize import resize_problem
from sdd_bench.datasets.scene_labels import with_environments, with_splits
from sdd_bench.datasets.sources import SourcePair
from sdd_bench.datasets.splits import scene_count_notes, split_pairs
from sdd_bench.errors import DatasetError, ImageError
from sdd_bench.io.images import ImageInfo, image_info
from sdd_bench.parallel import WorkerPool


@dataclass(frozen=True)
class Job:
    """What becomes of one pair.

    Attributes:
        pair: the pair.
        split: its split.
        info: of all its images.
        size: (width, height) of the prepared images, pixels.
        bit_depth: bits per channel of the prepared images.
        patch_count: number of training patches that will be kept.
    """

    pair: SourcePair
    split: Split
    info: ImageInfo
    size: tuple[int, int]
    bit_depth: Literal[8, 16]
    patch_count: int


@dataclass(frozen=True)
class Plan:
    """What will be made of a raw folder.

    Attributes:
        raw: the raw folder.
        layout: name of its layout.
        preset: the parameters.
        pairs: all pairs, sorted by stem.
        jobs: what becomes of each pair that is sound by its headers, sorted by stem.
        checks: what the checks found, by stem.
        problems: all that has to be put right first.
        notes: what to know of the dataset as a whole.
        remarks: what was passed over in the raw folder, and why.
        without_environment: scenes whose environment has to be given first.
        confirmation: code of the table of pairs where it is a guess that needs a person's word; otherwise empty.
    """

    raw: Path
    layout: str
    preset: Preset
    pairs: tuple[SourcePair, ...]
    jobs: tuple[Job, ...]
    checks: Mapping[str, tuple[Check, ...]]
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    remarks: tuple[str, ...]
    without_environment: tuple[str, ...]
    confirmation: str


def plan_dataset(
    raw: Path,
    preset: Preset,
    *,
    layout: str | None = None,
    split_csv: Path | None = None,
    environment_csv: Path | None = None,
    workers: int | WorkerPool = 1,
    cluster: str | None = None,
    progress: bool = True,
) -> Plan:
    """Find, split, inspect and check the pairs of a raw folder; write nothing.

    Args:
        raw: the raw folder.
        preset: the parameters.
        layout: name of the raw folder's layout; None finds it out.
        split_csv: table with the split of every scene or pair; see `sdd_bench.datasets.scene_labels`.
        environment_csv: table with the environment of scenes or pairs, likewise; it may be missing as long as there are
            environments to ask for.
        workers: number of worker processes, or a pool of them.
        cluster: address of a Dask scheduler to use instead.
        progress: show progress on the terminal.

    Raises:
        DatasetError: if the raw folder or a table is not what it should be.
        ProblemsError: if pairs or tables are not; what images show is in the plan's problems instead.
    """
    found_layout, found = find_pairs(raw, layout)
    pairs = found.pairs if split_csv is None else with_splits(found.pairs, split_csv)
    if environment_csv is not None and environment_csv.exists():
        pairs = with_environments(pairs, environment_csv)
    missing = _without_environment(pairs) if preset.environments == "required" else ()
    if environment_csv is not None and not environment_csv.exists() and not missing:
        raise DatasetError(
            f"{environment_csv}: no such file, and no environment is missing; leave out --environment-csv."
        )
    splits = split_pairs(pairs, preset)
    jobs, problems = _inspect(raw, pairs, splits, preset)
    findings = _checked(raw, jobs, splits, preset, bool(missing), workers, cluster, progress)
    return Plan(
        raw=raw,
        layout=found_layout,
        preset=preset,
        pairs=tuple(pairs),
        jobs=tuple(jobs),
        checks=findings.checks,
        problems=(*problems, *findings.problems),
        notes=() if missing else tuple(scene_count_notes(pairs, splits, preset)),
        remarks=tuple(found.notes),
        without_environment=missing,
        confirmation=confirmation_code(pairs) if found.inferred else "",
    )


def _without_environment(pairs: Sequence[SourcePair]) -> tuple[str, ...]:
    return tuple(sorted({pair.scene for pair in pairs if pair.environment is None and not pair.is_patch}))


def _checked(
    raw: Path,
    jobs: Sequence[Job],
    splits: Mapping[str, Split],
    preset: Preset,
    split_is_open: bool,
    workers: int | WorkerPool,
    cluster: str | None,
    progress: bool,
) -> Findings:
    rules = dict(preset.checks)
    if split_is_open:  # drawn without environments, it will be drawn anew: who is on which side says nothing yet
        rules["leak"] = CheckRule(level="off", threshold=rules["leak"].threshold)
    pairs = [job.pair for job in jobs]
    return check_pairs(raw, pairs, splits, rules, workers=workers, cluster=cluster, progress=progress)


def _inspect(
    raw: Path, pairs: Sequence[SourcePair], splits: Mapping[str, Split], preset: Preset
) -> tuple[list[Job], list[str]]:
    """Read all headers and decide what each pair becomes; the jobs of sound pairs, and all that is wrong."""
    jobs: list[Job] = []
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
        own = (info.width, info.height)
        size = own if pair.is_patch else preset.size or own
        patched = splits[pair.stem] == "train" and preset.patch_size is not None
        wrong = [
            *_differences(infos),
            *(_patch_obstacles(own, preset) if pair.is_patch else _obstacles(own, size, patched, preset)),
        ]
        problems += [f"{pair.stem}: {each}" for each in wrong]
        if not wrong:
            jobs.append(
                Job(
                    pair=pair,
                    split=splits[pair.stem],
                    info=info,
                    size=size,
                    bit_depth=16 if info.bit_depth == 16 and preset.bit_depth == "keep" else 8,
                    patch_count=1 if pair.is_patch else _patch_count(size, preset) if patched else 0,
                )
            )
    return jobs, problems


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


def _obstacles(own: tuple[int, int], size: tuple[int, int], patched: bool, preset: Preset) -> list[str]:
    problems = []
    resize = resize_problem(own, size)
    if resize is not None:
        problems.append(f"resizing {resize} (parameter size; preset 'as-is' keeps sizes)")
    if patched and preset.patch_size is not None and min(size) < preset.patch_size:
        width, height = size
        problems.append(
            f"{width} x {height} is smaller than a patch of {preset.patch_size} (parameters patch_size and stride; "
            "patch_size None writes no patches)"
        )
    return problems


def _patch_obstacles(own: tuple[int, int], preset: Preset) -> list[str]:
    if preset.patch_size is None:
        return ["is a training patch, and the preset writes none (parameter patch_size)"]
    if own != (preset.patch_size, preset.patch_size):
        width, height = own
        return [f"is a patch of {width} x {height}; the preset's are {preset.patch_size} (parameter patch_size)"]
    return []


def _patch_count(size: tuple[int, int], preset: Preset) -> int:
    assert preset.patch_size is not None
    return kept_count(len(grid(*size, preset.patch_size, preset.stride)), preset.keep_share)
