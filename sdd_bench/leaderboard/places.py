"""First and second place in a column, shared by all that can't be told apart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from sdd_bench.evaluation.statistics import mean_intervals


@dataclass(frozen=True)
class Candidate:
    """One method in one column.

    Attributes:
        value: its mean; None if it has none.
        images: its score of each image, by stem; empty for a published number.
        identical: whether every prediction is identical to the reference, and the PSNR infinite.
    """

    value: float | None
    images: Mapping[str, float] = field(default_factory=dict)
    identical: bool = False

    @property
    def exists(self) -> bool:
        """Whether there is anything to place."""
        return self.value is not None or self.identical

    def sort_key(self, higher_is_better: bool) -> float:
        """Ascending from the best; those without a value come last."""
        if self.identical:
            return -math.inf
        if self.value is None:
            return math.inf
        return -self.value if higher_is_better else self.value


def places(candidates: Sequence[Candidate], higher_is_better: bool) -> list[int | None]:
    """Who is first and who second.

    First are the best mean and all that can't be told from it; second the best of the rest and all of the rest that
    can't be told from that. Computed scores can't be told apart if the 95 % interval of their mean difference, image by
    image, holds zero: the images are shared, so this is sharper than whether two intervals overlap. Published numbers,
    and means of fewer than 6 images, can be told apart if they differ.

    Args:
        candidates: of one column.
        higher_is_better: as the metric has it.

    Returns:
        1, 2 or None for each.
    """
    found: list[int | None] = [None] * len(candidates)
    rest = sorted(
        (index for index, candidate in enumerate(candidates) if candidate.exists),
        key=lambda index: candidates[index].sort_key(higher_is_better),
    )
    for place in (1, 2):
        if rest:
            tied = _tied(candidates[rest[0]], [candidates[index] for index in rest])
            for index, is_tied in zip(rest, tied, strict=True):
                found[index] = place if is_tied else None
            rest = [index for index, is_tied in zip(rest, tied, strict=True) if not is_tied]
    return found


def _tied(best: Candidate, others: Sequence[Candidate]) -> list[bool]:
    tied = [(best.value, best.identical) == (other.value, other.identical) for other in others]
    # Differences over the same images share their resamples: together they take little longer than one.
    batches: dict[tuple[str, ...], list[int]] = {}
    for index, other in enumerate(others):
        if not tied[index] and not best.identical:
            batches.setdefault(tuple(sorted(best.images.keys() & other.images.keys())), []).append(index)
    for stems, indices in batches.items():
        if not stems:
            continue
        differences = np.array([[best.images[s] - others[index].images[s] for s in stems] for index in indices])
        # Differences of one sign have resampled means of that sign only: they need no resampling.
        mixed = (differences.min(axis=1) <= 0) & (differences.max(axis=1) >= 0)
        open_indices = [index for index, is_mixed in zip(indices, mixed, strict=True) if is_mixed]
        if open_indices:
            for index, interval in zip(open_indices, mean_intervals(differences[mixed]), strict=True):
                tied[index] = interval is not None and interval[0] <= 0 <= interval[1]
    return tied
