"""Are two methods different, or were the images kind to one? Paired comparisons of results on the same images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from sdd_bench.errors import ProblemsError, ResultError, unknown_name
from sdd_bench.evaluation.display import FACTS, REFERENCE_TITLES, show_difference, show_p
from sdd_bench.evaluation.results import (
    GROUPS,
    METRICS,
    REFERENCES,
    DatasetReference,
    EvaluationResult,
    GroupName,
    ImageResult,
    Scores,
)
from sdd_bench.evaluation.statistics import (
    LEVEL,
    SMALLEST_SAMPLE,
    Interval,
    holm,
    mean_intervals,
    signed_rank_test,
)


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PairComparison(_Record):
    """Two methods, image by image, by one metric.

    Attributes:
        first: the method whose mean is better, or of equal means the one given first.
        second: the other.
        advantage: mean over the images of how much better the first is, in the metric's unit; at least 0, also where
            lower values are better.
        interval: 95 % bootstrap interval of that mean, from resampled images; None for fewer than 6.
        p_value: of Wilcoxon's signed-rank test, two-sided.
        p_adjusted: the same after Holm's correction for the number of pairs.
        wins: images on which the first is better.
        ties: images on which both are equal.
        losses: images on which the second is better.
    """

    first: str
    second: str
    advantage: float
    interval: Interval | None
    p_value: float
    p_adjusted: float
    wins: int
    ties: int
    losses: int

    @property
    def interval_excludes_zero(self) -> bool:
        """Whether the bootstrap tells the two apart."""
        return self.interval is not None and not self.interval[0] <= 0 <= self.interval[1]

    @property
    def significant(self) -> bool:
        """Whether the corrected test tells the two apart."""
        return self.p_adjusted < 1 - LEVEL


class MetricComparison(_Record):
    """All pairs of methods by one metric, on the images on which every method has a score.

    Attributes:
        metric: its name.
        images: how many are compared.
        left_out: the other images of the group, by stem, each with the reason.
        pairs: every pair of methods, best means first.
    """

    metric: str
    images: int
    left_out: dict[str, str]
    pairs: tuple[PairComparison, ...]


class Comparison(_Record):
    """Several methods on one split under one protocol.

    Attributes:
        protocol: its id.
        protocol_sha256: its hash.
        dataset: which dataset.
        against: the reference of the scores.
        group: the images looked at.
        methods: in the order given.
        metrics: one comparison each.
    """

    schema_version: Literal[1] = 1
    protocol: str
    protocol_sha256: str
    dataset: DatasetReference
    against: str
    group: GroupName
    methods: tuple[str, ...]
    metrics: tuple[MetricComparison, ...]


def compare(
    results: Sequence[EvaluationResult],
    *,
    metrics: Sequence[str] = ("psnr",),
    against: str | None = None,
    group: str = "all",
) -> Comparison:
    """Compare methods pair by pair on the images that all of them have scores of.

    The images are the sample: differences are resampled image by image (the same resamples for all pairs) and tested by
    Wilcoxon's signed-rank test, with Holm's correction over all pairs of one metric.

    Args:
        results: of two or more methods, of one dataset, split and protocol.
        metrics: names of metrics.
        against: the reference of the scores, ``gt``, ``deformed_gt`` or ``aligned_gt``; None takes the deformed ground
            truth, or the ground truth as it is where the protocol has no deformed one.
        group: ``all``, ``indoor`` or ``outdoor``.

    Raises:
        ProblemsError: naming everything in which the results differ that have to agree.
        ResultError: for an unknown name, fewer than two results, or if no image has a score of every method.
    """
    for kind, names, known in (
        ("metric", metrics, METRICS),
        ("reference", () if against is None else (against,), REFERENCES),
        ("group", (group,), GROUPS),
    ):
        for name in names:
            if name not in known:
                raise ResultError(unknown_name(kind, name, known))
    if len(results) < 2:
        raise ResultError(
            f"a comparison takes the results of two methods or more; found {len(results)}. Give their result files."
        )
    problems = _problems(results)
    if problems:
        raise ProblemsError("these results can't be compared; take those of one dataset, split and protocol", problems)
    if against is None:
        against = "gt" if all(result.means["all"].deformed_gt is None for result in results) else "deformed_gt"
    first = results[0]
    return Comparison(
        protocol=first.protocol.id,
        protocol_sha256=first.protocol_sha256,
        dataset=first.dataset,
        against=against,
        group=next(name for name in GROUPS if name == group),
        methods=tuple(result.method for result in results),
        metrics=tuple(_compare(results, metric, against, group) for metric in dict.fromkeys(metrics)),
    )


def sentence(comparison: MetricComparison, pair: PairComparison, group: GroupName = "all") -> str:
    """What the comparison says of one pair, in words.

    One method is called better only if the interval excludes 0 and the corrected test agrees.
    """
    facts = FACTS[comparison.metric]
    difference, interval = show_difference(pair.advantage, pair.interval, comparison.metric)
    difference = f"{difference} {facts.unit or f'in {facts.title}'}"
    kind = "" if group == "all" else f"{group} "
    images = f"On {comparison.images} {kind}image{'' if comparison.images == 1 else 's'}"
    if pair.interval_excludes_zero and pair.significant:
        return f"{images} {pair.first} is better than {pair.second} by {difference} (95 % interval {interval})."
    text = f"{images} {pair.first} and {pair.second} can't be told apart: difference {difference}"
    if pair.interval is None:
        return f"{text}, without an interval, which takes {SMALLEST_SAMPLE} images or more."
    text += f", 95 % interval {interval}"
    if pair.interval_excludes_zero != pair.significant:
        correction = f", corrected for {len(comparison.pairs)} pairs," if len(comparison.pairs) > 1 else ""
        text += f", but the signed-rank test{correction} gives {show_p(pair.p_adjusted)}"
    return f"{text}."


def _problems(results: Sequence[EvaluationResult]) -> list[str]:
    """What keeps results from being compared, one line each."""
    stated = [
        *(("protocols", r.protocol_sha256, r.protocol.id, r.method) for r in results),
        *(("datasets", r.dataset.manifest_sha256, r.dataset.name, r.method) for r in results),
        *(("splits", r.dataset.split, "", r.method) for r in results),
        *((f"weights {name}", sha256, "", r.method) for r in results for name, sha256 in r.weights_sha256.items()),
    ]
    aspects: dict[str, dict[str, list[str]]] = {}
    titles: dict[str, str] = {}
    for aspect, value, title, method in stated:
        aspects.setdefault(aspect, {}).setdefault(value, []).append(method)
        titles.setdefault(value, f"{title} {value[:12]}".strip())
    problems = [
        f"different {aspect}: " + "; ".join(f"{titles[value]} of {', '.join(of)}" for value, of in methods.items())
        for aspect, methods in aspects.items()
        if len(methods) > 1
    ]
    names = [result.method for result in results]
    if not problems:  # else the two may be of one method under two protocols, which is said already
        problems += [
            f"{method} has {names.count(method)} results; keep one, or name them apart with `evaluate --method`"
            for method in dict.fromkeys(names)
            if names.count(method) > 1
        ]
    problems += [
        f"{r.method}: computed with random weights, which say nothing" for r in results if r.weights == "random"
    ]
    return problems


def _compare(results: Sequence[EvaluationResult], metric: str, against: str, group: str) -> MetricComparison:
    rows = [{image.stem: image for image in result.images} for result in results]
    stems = dict.fromkeys(
        image.stem for result in results for image in result.images if group in ("all", image.environment)
    )
    scores: list[list[float]] = []
    left_out: dict[str, str] = {}
    for stem in stems:
        found = [_score(of.get(stem), metric, against) for of in rows]
        lacking = [
            f"{result.method}: {score}" for result, score in zip(results, found, strict=True) if isinstance(score, str)
        ]
        if lacking:
            left_out[stem] = "; ".join(lacking)
        else:
            scores.append([score for score in found if not isinstance(score, str)])
    if not scores:
        example = next((f" {stem}: {reason}." for stem, reason in left_out.items()), "")
        raise ResultError(
            f"no image of group {group!r} has {FACTS[metric].title} against the {REFERENCE_TITLES[against]} "
            f"for every method, so there is nothing to compare.{example}"
        )
    higher_is_better = np.array(scores).T * (1 if FACTS[metric].higher_is_better else -1)
    order = sorted(range(len(results)), key=lambda index: -math.fsum(higher_is_better[index]))
    indices = list(combinations(order, 2))
    differences = np.array([higher_is_better[one] - higher_is_better[other] for one, other in indices])
    p_values = [signed_rank_test(row.tolist()) for row in differences]
    return MetricComparison(
        metric=metric,
        images=len(scores),
        left_out=left_out,
        pairs=tuple(
            PairComparison(
                first=results[one].method,
                second=results[other].method,
                advantage=math.fsum(row) / len(row),
                interval=interval,
                p_value=p_value,
                p_adjusted=p_adjusted,
                wins=int((row > 0).sum()),
                ties=int((row == 0).sum()),
                losses=int((row < 0).sum()),
            )
            for (one, other), row, interval, p_value, p_adjusted in zip(
                indices, differences, mean_intervals(differences), p_values, holm(p_values), strict=True
            )
        ),
    )


def _score(image: ImageResult | None, metric: str, against: str) -> float | str:
    """The score, or the reason why there is none."""
    if image is None:
        return "no row"
    if image.error is not None:
        return image.error
    scores: Scores | None = getattr(image, against)
    if scores is None:
        return f"no {REFERENCE_TITLES[against]}"
    if metric == "psnr" and scores.identical:
        return f"identical to the {REFERENCE_TITLES[against]}, an infinite PSNR"
    value: float | None = getattr(scores, metric)
    return f"no {FACTS[metric].title}" if value is None else value
