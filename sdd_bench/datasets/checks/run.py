"""Run the checks on all pairs of a raw folder before anything is made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

from sdd_bench.datasets.checks.duplicates import nearest
from sdd_bench.datasets.checks.rules import CHECKS, CheckKind, CheckRule
from sdd_bench.datasets.manifest import Check, Split
from sdd_bench.datasets.sources import SourcePair
from sdd_bench.parallel import WorkerPool, map_items

_SIMILAR = ("duplicate", "leak")
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


class Looked(NamedTuple):
    """What was measured on one pair: a value by check, and the hash of how its sharp picture looks."""

    values: dict[str, Value]
    look: bytes


def check_pairs(
    raw: Path,
    pairs: Sequence[SourcePair],
    splits: Mapping[str, Split],
    rules: Mapping[str, CheckRule],
    *,
    workers: int | WorkerPool = 1,
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
        workers: number of worker processes, or a pool of them.
        cluster: address of a Dask scheduler to use instead.
        progress: show progress on the terminal.
    """
    wanted = tuple(name for name, rule in rules.items() if rule.level != "off")
    if not wanted:
        return Findings({pair.stem: () for pair in pairs})
    from sdd_bench.datasets.checks.look import look_or_explain  # alignment takes a second to import

    looked: dict[str, Looked] = {}
    problems: list[str] = []
    for pair, result in map_items(
        partial(look_or_explain, raw, wanted),
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


def _compare_scenes(
    pairs: Sequence[SourcePair], looked: Mapping[str, Looked], splits: Mapping[str, Split], wanted: Sequence[str]
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
