"""What is told of a dataset: quantiles over its pairs, which type of misalignment dominates, and what failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from sdd_bench.analysis.records import AnalysisResult, PairAnalysis, ResidualRecord, SimilarityRecord

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
QUANTILE_TITLES = ("5 %", "25 %", "median", "75 %", "95 %", "largest")


class Quantity(NamedTuple):
    """Something measured of every pair.

    Attributes:
        title: for tables.
        unit: of the values.
        decimals: to show.
        of: its value for a pair; None where it is missing.
        meaning: one clause.
    """

    title: str
    unit: str
    decimals: int
    of: Callable[[PairAnalysis], float | None]
    meaning: str


def _found(value: Callable[[SimilarityRecord], float | None]) -> Callable[[PairAnalysis], float | None]:
    return lambda pair: None if pair.similarity is None else value(pair.similarity)


def _left(value: Callable[[ResidualRecord], float | None]) -> Callable[[PairAnalysis], float | None]:
    return lambda pair: None if pair.residual is None else value(pair.residual)


QUANTITIES: dict[str, Quantity] = {
    "zoom": Quantity("zoom", "%", 3, _found(lambda s: 100 * abs(s.zoom - 1)), "difference in size"),
    "shift": Quantity("shift", "px", 2, _found(lambda s: float(np.hypot(*s.shift))), "length of the shift"),
    "corner": Quantity("corner", "px", 2, _found(lambda s: s.corner), "largest displacement of a corner by both"),
    "residual_rms": Quantity("residual, RMS", "px", 3, _left(lambda r: r.rms), "flow that zoom and shift leave"),
    "residual_p95": Quantity("residual, 95 %", "px", 3, _left(lambda r: r.p95), "95th percentile of its length"),
    "lens": Quantity("lens part, RMS", "px", 3, _left(lambda r: r.lens_rms), "its radial part beyond zoom"),
    "parallax": Quantity(
        "parallax, RMS", "px", 3, _left(lambda r: r.parallax_rms), "its part unlike the rest of the picture"
    ),
    "exposure": Quantity(
        "exposure", "stops", 3, _left(lambda r: r.exposure), "above zero if the blurry one is brighter"
    ),
}


def values(pairs: Sequence[PairAnalysis], quantity: Quantity) -> list[float]:
    """Of the pairs that have one, in order."""
    return [value for pair in pairs if (value := quantity.of(pair)) is not None]


def quantiles(pairs: Sequence[PairAnalysis], quantity: Quantity) -> list[float] | None:
    """At `QUANTILES`, interpolated linearly; None if no pair has a value."""
    found = values(pairs, quantity)
    return np.quantile(found, QUANTILES).tolist() if found else None


class Outcome(NamedTuple):
    """What became of the pairs.

    Attributes:
        pairs: how many there are.
        aligned: how many have zoom and shift.
        zoom_dominates: share of these in which the zoom moves the frame more than the shift; None without any.
        reasons: why the others have none, most frequent first, with the stems.
        unmeasured: pairs with zoom and shift but without a residual, with the reason.
    """

    pairs: int
    aligned: int
    zoom_dominates: float | None
    reasons: list[tuple[str, list[str]]]
    unmeasured: list[tuple[str, str]]


def outcome(pairs: Sequence[PairAnalysis]) -> Outcome:
    """Count the pairs by what became of them."""
    aligned = [pair for pair in pairs if pair.similarity is not None]
    kinds = Counter(pair.similarity.dominant for pair in aligned if pair.similarity is not None)
    lost: dict[str, list[str]] = {}
    for pair in pairs:
        if pair.similarity is None:
            lost.setdefault(pair.reason, []).append(pair.stem)
    return Outcome(
        pairs=len(pairs),
        aligned=len(aligned),
        zoom_dominates=kinds["zoom"] / len(aligned) if aligned else None,
        reasons=sorted(lost.items(), key=lambda item: (-len(item[1]), item[0])),
        unmeasured=[(pair.stem, pair.reason) for pair in aligned if pair.residual is None],
    )


def groups(result: AnalysisResult) -> dict[str, tuple[PairAnalysis, ...]]:
    """All pairs, and where there are both, those indoors and outdoors."""
    found = {"all": result.pairs}
    for name in ("indoor", "outdoor"):
        members = tuple(pair for pair in result.pairs if pair.environment == name)
        if members and len(members) < len(result.pairs):
            found[name] = members
    return found
