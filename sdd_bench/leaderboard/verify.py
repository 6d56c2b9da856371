"""Computing an entry again from its predictions, and holding it against what it says."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sdd_bench import weights
from sdd_bench.datasets.dataset import Dataset, open_dataset
from sdd_bench.device import DeviceName
from sdd_bench.errors import ProblemsError, ResultError
from sdd_bench.evaluation.display import FACTS
from sdd_bench.evaluation.notes import LPIPS_WEIGHTS
from sdd_bench.evaluation.results import EvaluationResult, ImageResult
from sdd_bench.evaluation.run import evaluate
from sdd_bench.leaderboard.checks import check
from sdd_bench.leaderboard.prediction_files import other_files, prediction_files
from sdd_bench.leaderboard.records import ComputedEntry, PublishedEntry, computed_entry

TOLERANCES = {
    **{metric: 0.5 * 10**-facts.decimals for metric, facts in FACTS.items()},
    "zoom": 1e-5,
    "shift": 1e-2,
    "mean_flow": 1e-2,
    "forward_backward_error": 1e-2,
    "left_out": 1e-3,
    "limit": 1e-2,
    "deformation_rms": 1e-2,
    "deformation_p95": 2e-2,
    "deformation_share": 1e-3,
}
"""How far a number may lie from the one computed again, in its own unit.

Room for processors, whose code for the same picture rounds otherwise; a file that is another one is found by its hash.
Scores have half of the last digit that tables show.
"""

PREDICTION = "prediction_sha256"
Value = float | str | bool | None


@dataclass(frozen=True)
class Difference:
    """Something that an entry says otherwise than it was found.

    Attributes:
        stem: of the image.
        name: what differs, for example ``deformed_gt.psnr``, or `PREDICTION` for the file itself.
        entry: as the entry has it.
        found: as it was found here.
        tolerance: how far apart they may be; None for what has to be equal.
    """

    stem: str
    name: str
    entry: Value
    found: Value
    tolerance: float | None = None

    @property
    def by(self) -> float | None:
        """How far what was found lies from the entry; None for what is no number."""
        if self.tolerance is None or not isinstance(self.entry, float) or not isinstance(self.found, float):
            return None
        return self.found - self.entry

    @property
    def tolerated(self) -> bool:
        """Whether they are two numbers within the tolerance."""
        return self.by is not None and self.tolerance is not None and abs(self.by) <= self.tolerance


@dataclass(frozen=True)
class Verification:
    """What came of computing an entry again.

    Attributes:
        entry: as it was.
        again: what was computed here; None if only the files were compared.
        differences: all that contradicts the entry; and of images whose file is another one, all that differs at all.
        largest: by how much numbers differ at most, by the keys of `TOLERANCES`, of images whose file is the same one.
    """

    entry: ComputedEntry
    again: EvaluationResult | None
    differences: tuple[Difference, ...]
    largest: Mapping[str, float]

    @property
    def holds(self) -> bool:
        """Whether nothing contradicts the entry."""
        return not self.differences

    @property
    def verified(self) -> ComputedEntry:
        """The entry with the numbers computed here, which say when and with what, marked as verified.

        Raises:
            ValueError: if it does not hold, or nothing was computed.
        """
        if not self.holds or self.again is None:
            raise ValueError("only what was computed again and holds is verified")
        return computed_entry(self.again, self.entry.method, "verified", self.entry.commands)


def compare_files(entry: PublishedEntry | ComputedEntry, pred: Path) -> Verification:
    """See whether the files of a folder are those that an entry scored; nothing is computed.

    Raises:
        ResultError: if the entry was copied from a source, or there is no such folder.
        ProblemsError: if the entry is not sound, or files are missing or left over.
    """
    sound = _sound(entry)
    others = other_files(prediction_files(pred, sound.result), sound.result)
    return Verification(sound, None, tuple(_other_files(sound.result, others)), {})


def verify(
    entry: PublishedEntry | ComputedEntry,
    pred: Path,
    dataset: Path,
    *,
    cache: Path | None = None,
    workers: int = 1,
    device: DeviceName = "auto",
    progress: bool = True,
) -> Verification:
    """Compute an entry again by its own protocol, and compare it row by row.

    Args:
        entry: it.
        pred: the predictions.
        dataset: a prepared dataset.
        cache: folder of kept references and rows; None computes everything afresh and keeps nothing, which is what
            verifying means: rows of the same machine that were kept are the entry's own.
        workers: worker processes.
        device: where LPIPS and the flow of a network are computed.
        progress: show progress on the terminal.

    Raises:
        ResultError: if the entry was copied from a source.
        ProblemsError: if the entry is not sound, its dataset or weights are others than those here, or the predictions
            can't be evaluated.
        WeightsError: if weights that it used are missing here.
    """
    sound = _sound(entry)
    claimed = sound.result
    opened = open_dataset(dataset, claimed.dataset.split)
    problems = [*_other_dataset(claimed, opened), *_other_weights(claimed)]
    if problems:
        raise ProblemsError("this entry can't be computed again here", problems)
    with tempfile.TemporaryDirectory(prefix="sdd-bench-verify-") as fresh:
        again = evaluate(
            pred,
            opened,
            claimed.protocol.id,
            method="verification",
            crop=claimed.crop,
            cache=cache or fresh,
            workers=workers,
            device=device,
            progress=progress,
        )
    # What it is called is not computed, and stays.
    again = again.model_copy(update={"method": claimed.method, "dataset": claimed.dataset})
    pairs, unpaired = _paired(claimed, again)
    # Weights that were missing there and are here add numbers; they contradict none.
    added = () if LPIPS_WEIGHTS in claimed.weights_sha256 else ("lpips",)
    largest = dict.fromkeys(TOLERANCES, 0.0)
    kept = list(unpaired)
    for row, found in pairs:
        differences = [difference for difference in _differences(row, found) if _key(difference.name) not in added]
        other_file = any(difference.name == PREDICTION for difference in differences)
        kept += [difference for difference in differences if other_file or not difference.tolerated]
        for difference in differences:
            if not other_file and difference.by is not None:
                key = _key(difference.name)
                largest[key] = max(largest[key], abs(difference.by))
    return Verification(sound, again, tuple(kept), largest)


def _sound(entry: PublishedEntry | ComputedEntry) -> ComputedEntry:
    if isinstance(entry, PublishedEntry):
        raise ResultError(
            f"{entry.method.label}: copied from {entry.source.title}; there are no rows to compare. Evaluate the "
            "predictions and add the result as an entry of its own."
        )
    problems = check(entry)
    if entry.result.weights == "random":
        problems.append("computed with random weights, which say nothing")
    if problems:
        raise ProblemsError(f"{entry.method.label} is no sound entry", problems)
    return entry


def _other_dataset(claimed: EvaluationResult, opened: Dataset) -> list[str]:
    if opened.hash == claimed.dataset.manifest_sha256:
        return []
    return [
        f"it is of {claimed.dataset.name} with manifest {claimed.dataset.manifest_sha256[:12]}, and {opened.path} has "
        f"{opened.hash[:12]}: give the same dataset, prepared in the same way"
    ]


def _other_weights(claimed: EvaluationResult) -> Iterator[str]:
    for name, digest in claimed.weights_sha256.items():
        found = weights.verify(name)
        if found != digest:
            yield f"it used weights {name} of SHA-256 {digest[:12]}, and those here have {found[:12]}"


def _other_files(result: EvaluationResult, others: Mapping[str, str]) -> Iterator[Difference]:
    for image in result.images:
        if image.stem in others:
            yield Difference(image.stem, PREDICTION, image.prediction_sha256, others[image.stem])


def _paired(
    claimed: EvaluationResult, again: EvaluationResult
) -> tuple[list[tuple[ImageResult, ImageResult]], list[Difference]]:
    rows = {image.stem: image for image in claimed.images}
    found = {image.stem: image for image in again.images}
    unpaired = [Difference(stem, "row", "none", "scored") for stem in found if stem not in rows]
    unpaired += [Difference(stem, "row", "scored", "no such pair in the split") for stem in rows if stem not in found]
    return [(rows[stem], found[stem]) for stem in rows if stem in found], unpaired


def _differences(row: ImageResult, found: ImageResult) -> Iterator[Difference]:
    here = dict(_flat(found))
    claims = dict(_flat(row))
    for name in dict.fromkeys([*claims, *here]):
        said, seen = claims.get(name), here.get(name)
        if said != seen:
            yield Difference(row.stem, name, said, seen, TOLERANCES.get(_key(name)))


def _key(name: str) -> str:
    return name.removesuffix(".x").removesuffix(".y").rsplit(".")[-1]


def _flat(image: ImageResult) -> Iterator[tuple[str, Value]]:
    """Everything in a row but its stem, the file first: ``gt.psnr``, ``alignment.shift.x``, ``error``."""
    content = image.model_dump(exclude={"stem"})
    yield PREDICTION, content.pop(PREDICTION)
    for name, value in content.items():
        if not isinstance(value, dict):
            yield name, value
            continue
        for inner, number in value.items():
            if isinstance(number, tuple):
                yield from ((f"{name}.{inner}.{axis}", part) for axis, part in zip("xy", number, strict=True))
            else:
                yield f"{name}.{inner}", number
