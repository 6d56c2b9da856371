"""Run the checks on all pairs of a raw folder before anything is made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sdd_bench.alignment.similarity import estimate_similarity
from sdd_bench.datasets.checks.duplicates import look_hash, nearest
from sdd_bench.datasets.checks.measures import (
    Picture,
    clipped_share,
    corner_displacement,
    detail_gain,
    difference,
    light_ratios,
    reduced,
)
from sdd_bench.datasets.checks.rules import CHECKS, CheckKind, CheckRule
from sdd_bench.datasets.manifest import Check, Split
from sdd_bench.datasets.sources import SourcePair
from sdd_bench.errors import ImageError
from sdd_bench.io.images import read_samples
from sdd_bench.io.samples import to_float
from sdd_bench.parallel import map_items

_SIMILAR = ("duplicate", "leak")
_VIEW_SIDE = 2048
# At more pixels coarse zooms are found less often, and displacements of interest are many pixels still.
_ALIGNED_SIDE = 768
_SMALLEST_ALIGNED = 64
_DIGITS = 4  # of values: what is beyond may depend on the number of threads


class Value(NamedTuple):
    """What a check measured on a pair; no value where it can't be told."""

    value: float | None
    detail: str = ""


@dataclass(frozen=True)
class Findings:
    """What the checks found.

    Attributes:
        checks: by stem, a row per check that is not off, without those that are errors.
        problems: one line per pair and check that is an error, and per file that can't be read.
    """

    checks: dict[str, tuple[Check, ...]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


class _Looked(NamedTuple):
    values: dict[str, Value]
    look: bytes


def check_pairs(
    raw: Path,
    pairs: Sequence[SourcePair],
    splits: Mapping[str, Split],
    rules: Mapping[str, CheckRule],
    *,
    workers: int = 1,
    cluster: str | None = None,
    progress: bool = True,
) -> Findings:
    """Measure all pairs and hold them against the rules.

    Every file is decoded once; where all checks are off, none is.

    Args:
        raw: the raw folder.
        pairs: pairs whose images agree in size and bit depth.
        splits: split by stem.
        rules: rule by check, all of them.
        workers: number of worker processes.
        cluster: address of a Dask scheduler to use instead.
        progress: show progress on the terminal.
    """
    wanted = tuple(name for name, rule in rules.items() if rule.level != "off")
    if not wanted:
        return Findings({pair.stem: () for pair in pairs})
    looked: dict[str, _Looked] = {}
    problems: list[str] = []
    for pair, result in map_items(
        partial(_look_or_explain, raw, wanted),
        pairs,
        workers=workers,
        cluster=cluster,
        describe="checking",
        progress=progress,
        label=lambda pair: pair.stem,
    ):
        if isinstance(result, str):
            problems.append(result)
        else:
            looked[pair.stem] = result
    _compare_scenes([pair for pair in pairs if pair.stem in looked], looked, splits, wanted)
    checks: dict[str, tuple[Check, ...]] = {}
    for stem, result in looked.items():
        rows = []
        for name in wanted:
            kind, rule, value = CHECKS[name], rules[name], result.values[name]
            passes = _passes(kind, rule, value)
            if not passes and rule.level == "error":
                problems.append(f"{stem}: {_complaint(name, kind, rule, value)}")
            else:
                rows.append(_row(name, kind, rule, value, passes))
        checks[stem] = tuple(rows)
    return Findings(checks, problems)


def _look_or_explain(raw: Path, wanted: tuple[str, ...], pair: SourcePair) -> _Looked | str:
    try:
        return _look(raw, wanted, pair)
    except ImageError as error:
        return str(error)


def _look(raw: Path, wanted: tuple[str, ...], pair: SourcePair) -> _Looked:
    samples = {kind: read_samples(raw / source) for kind, source in pair.sources.items()}
    blur, sharp = samples["blur"], samples["gt"]
    values: dict[str, Value] = {}
    if "identical" in wanted:
        values["identical"] = Value(difference(blur, sharp))
    if "clipped" in wanted:
        values["clipped"] = Value(max(clipped_share(blur), clipped_share(sharp)))
    views = [reduced(to_float(each), _VIEW_SIDE) for each in (blur, sharp)]
    if "swapped" in wanted:
        values["swapped"] = Value(detail_gain(*views))
    if "exposure" in wanted or "colour" in wanted:
        values |= _light(*views)
    if "misaligned" in wanted:
        values["misaligned"] = _misalignment(*(reduced(view, _ALIGNED_SIDE) for view in views))
    return _Looked(values, look_hash(views[1]))


def _light(blur: Picture, sharp: Picture) -> dict[str, Value]:
    stops = light_ratios(blur, sharp)
    if stops is None:
        return dict.fromkeys(("exposure", "colour"), Value(None, "too much of the pictures is black or clipped"))
    detail = f"red {stops[0]:+.2f}, green {stops[1]:+.2f}, blue {stops[2]:+.2f} stops"
    return {
        "exposure": Value(abs(float(np.mean(stops))), detail),
        "colour": Value(float(stops.max() - stops.min()), detail),
    }


def _misalignment(blur: Picture, sharp: Picture) -> Value:
    if min(blur.shape[:2]) < _SMALLEST_ALIGNED:
        return Value(None, f"pictures with a side below {_SMALLEST_ALIGNED} pixels can't be aligned")
    found = estimate_similarity(blur, sharp)
    if not found.converged:
        return Value(None, found.reason)
    x, y = (100 * shift / max(blur.shape[:2]) for shift in found.shift)
    return Value(corner_displacement(found, blur.shape), f"zoom {found.zoom:.4f}, shift {x:+.2f} % and {y:+.2f} %")


def _compare_scenes(
    pairs: Sequence[SourcePair], looked: Mapping[str, _Looked], splits: Mapping[str, Split], wanted: Sequence[str]
) -> None:
    if not pairs:
        return
    hashes = [looked[pair.stem].look for pair in pairs]
    scenes, of_pairs = [pair.scene for pair in pairs], [splits[pair.stem] for pair in pairs]
    for name in _SIMILAR:
        if name not in wanted:
            continue
        for pair, found in zip(pairs, nearest(hashes, scenes, of_pairs, same_split=name == "duplicate"), strict=True):
            other = None if found is None else pairs[found.place]
            looked[pair.stem].values[name] = (
                Value(None, "no other scene to compare with")
                if found is None or other is None
                else Value(found.difference, f"{other.stem} ({splits[other.stem]})")
            )


def _passes(kind: CheckKind, rule: CheckRule, measured: Value) -> bool:
    if measured.value is None:
        return kind.unknown_passes
    if kind.passes == "at most":
        return measured.value <= rule.threshold
    return measured.value > rule.threshold


def _complaint(name: str, kind: CheckKind, rule: CheckRule, measured: Value) -> str:
    detail = f": {measured.detail}" if measured.detail else ""
    value = "" if measured.value is None else f" ({measured.value:.3g} {kind.unit}, expected {_expected(kind, rule)})"
    return f"{kind.message}{detail}{value}; {kind.advice}, or --check {name}=warn"


def _expected(kind: CheckKind, rule: CheckRule) -> str:
    return f"{'more than' if kind.passes == 'above' else 'at most'} {rule.threshold:g}"


def _row(name: str, kind: CheckKind, rule: CheckRule, measured: Value, passes: bool) -> Check:
    return Check(
        name=name,
        level="info" if passes else "warning",
        message=kind.measures if passes else kind.message,
        value=None if measured.value is None else round(measured.value, _DIGITS),
        threshold=rule.threshold,
        unit=kind.unit,
        detail=measured.detail,
    )
