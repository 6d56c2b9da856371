"""What the checks measure on one pair.

Apart from `sdd_bench.datasets.checks.run`, because alignment and what it imports take a second to start, in every
process: a run without checks does without them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sdd_bench.alignment.similarity import estimate_similarity
from sdd_bench.datasets.checks.duplicates import look_hash
from sdd_bench.datasets.checks.measures import (
    Picture,
    clipped_share,
    corner_displacement,
    detail_gain,
    difference,
    light_ratios,
    reduced,
    reduced_view,
)
from sdd_bench.datasets.checks.run import Looked, Value
from sdd_bench.datasets.sources import SourcePair
from sdd_bench.errors import ImageError
from sdd_bench.io.images import read_samples

_VIEW_SIDE = 2048
# At more pixels coarse zooms are found less often, and displacements of interest are many pixels still.
_ALIGNED_SIDE = 768
_SMALLEST_ALIGNED = 64


def look_or_explain(raw: Path, wanted: tuple[str, ...], pair: SourcePair) -> Looked | str:
    """Measure one pair.

    Args:
        raw: the raw folder.
        wanted: names of the checks to measure; those that compare pairs are left to others.
        pair: the pair.

    Returns:
        What was measured; where a file can't be decoded, which one and why.
    """
    try:
        return _look(raw, wanted, pair)
    except ImageError as error:
        return str(error)


def _look(raw: Path, wanted: tuple[str, ...], pair: SourcePair) -> Looked:
    samples = {kind: read_samples(raw / source) for kind, source in pair.sources.items()}
    blur, sharp = samples["blur"], samples["gt"]
    values: dict[str, Value] = {}
    if "identical" in wanted:
        values["identical"] = Value(difference(blur, sharp))
    if "clipped" in wanted:
        values["clipped"] = Value(max(clipped_share(blur), clipped_share(sharp)))
    views = [reduced_view(each, _VIEW_SIDE) for each in (blur, sharp)]
    if "swapped" in wanted:
        values["swapped"] = Value(detail_gain(*views))
    if "exposure" in wanted or "colour" in wanted:
        values |= _light(*views)
    if "misaligned" in wanted:
        values["misaligned"] = _misalignment(*(reduced(view, _ALIGNED_SIDE) for view in views))
    return Looked(values, look_hash(views[1]))


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
