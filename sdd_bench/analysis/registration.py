"""Registering one pair: the crop that all pairs share, and the ground truth sampled where zoom and shift say it is."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sdd_bench.alignment.similarity import Similarity
from sdd_bench.alignment.warp import warp
from sdd_bench.datasets.manifest import Kind, PairRecord, SourceFile
from sdd_bench.datasets.pair_files import write_pair
from sdd_bench.datasets.patches import Levels
from sdd_bench.datasets.preset import Preset
from sdd_bench.io.images import read_samples
from sdd_bench.io.samples import to_float, to_samples

INTERPOLATION = "lanczos4"
# Taps of that kernel before and after a position, rounded down.
_BEFORE, _AFTER = 3, 4
# Of positions, pixels: a tap reached for less weighs nothing.
_ROUNDING = 1e-6
_OUTDATED = {"misaligned"}  # checks whose finding registration changes


class Margin(NamedTuple):
    """Pixels cut off left and right, and off top and bottom."""

    x: int
    y: int


@dataclass(frozen=True)
class Job:
    """A pair of a prepared dataset, and its similarity from blurry to sharp."""

    record: PairRecord
    similarity: Similarity


def common_margin(jobs: Iterable[Job]) -> Margin:
    """The narrowest margin with which every sample of every pair lies within its sharp picture, taps included.

    Args:
        jobs: the pairs.
    """
    margins = [(0, 0)]
    for job in jobs:
        zoom, shift, size = job.similarity.zoom, job.similarity.shift, job.record.size
        margins.append((_needed(zoom, shift[0], size[0]), _needed(zoom, shift[1], size[1])))
    x, y = zip(*margins, strict=True)
    return Margin(max(x), max(y))


def _needed(zoom: float, shift: float, length: int) -> int:
    """First and last pixel that stay, m and length - 1 - m, are seen at c + zoom (x - c) + shift."""
    if zoom == 1 and shift == 0:
        return 0
    centre = (length - 1) / 2
    first = centre + (_BEFORE - centre - shift) / zoom
    # Of positions below length - 4 the last tap lies within the picture.
    last = centre - (length - _AFTER - _ROUNDING - centre - shift) / zoom
    return max(0, math.ceil(first - _ROUNDING), math.ceil(last - _ROUNDING))


def cropped(size: tuple[int, int], margin: Margin) -> tuple[int, int]:
    """(width, height) without the margin."""
    return size[0] - 2 * margin.x, size[1] - 2 * margin.y


def register_pair(folder: Path, out: Path, preset: Preset, margin: Margin, job: Job) -> dict[str, Any]:
    """Write the registered images of a pair, and its patches cut anew.

    Args:
        folder: the dataset.
        out: the registered dataset in the making.
        preset: how patches are cut.
        margin: what is cut off.
        job: the pair.

    Returns:
        What is to be kept of it, as `sdd_bench.datasets.prepare_pair.prepare_pair` returns it.
    """
    pair = job.record
    images = {kind: _registered(folder / pair.image(kind), kind, margin, job) for kind in pair.sources}
    written = write_pair(out, pair.stem, pair.split, images, preset, patched=bool(pair.patches))
    record = pair.model_copy(
        update={
            "size": cropped(pair.size, margin),
            "sources": {
                kind: SourceFile(path=pair.image(kind), sha256=pair.files[pair.image(kind)]) for kind in pair.sources
            },
            "files": written.hashes,
            "patches": written.patches,
            "checks": tuple(check for check in pair.checks if check.name not in _OUTDATED),
        }
    )
    return {"record": record.model_dump(mode="json"), "view": written.view._asdict()}


def _registered(path: Path, kind: Kind, margin: Margin, job: Job) -> Levels:
    samples = read_samples(path)
    height, width = samples.shape[:2]
    window = np.s_[margin.y : height - margin.y, margin.x : width - margin.x]
    if kind != "gt":  # these are in the frame of the blurry picture already
        return to_samples(np.ascontiguousarray(samples[window]), job.record.bit_depth)
    moved = warp(to_float(samples), job.similarity.flow(samples.shape), interpolation=INTERPOLATION)
    return to_samples(np.clip(moved[window], 0, 1), job.record.bit_depth)
