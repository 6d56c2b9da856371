"""What must hold of any entry, whoever made it: known protocol, possible numbers, parts that agree."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping

from sdd_bench.datasets.frozen_scenes import benchmark_names, frozen_benchmark
from sdd_bench.errors import unknown_name
from sdd_bench.evaluation.protocol import list_protocols
from sdd_bench.evaluation.results import REFERENCES, EvaluationResult, ImageResult, Scores, group_means
from sdd_bench.leaderboard.characters import misleading, shown
from sdd_bench.leaderboard.records import ComputedEntry, PrintedNumber, PublishedEntry, PublishedScores, plain_line

# Closed bounds. PSNR and LPIPS have none above by definition: one 16-bit step in one pixel of SDD is 164 dB.
_BOUNDS = {"psnr": (0.0, 200.0), "ssim": (-1.0, 1.0), "mae": (0.0, 1.0), "lpips": (0.0, 2.0)}
# Sums of other orders and float32 pictures move the last digits only.
_SLACK_DB = 1e-3
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LPIPS_WEIGHTS = "alexnet"


def check(entry: PublishedEntry | ComputedEntry) -> list[str]:
    """Every problem of an entry by itself, one line each."""
    return list(_check_published(entry) if isinstance(entry, PublishedEntry) else _check_result(entry.result))


def _check_published(entry: PublishedEntry) -> Iterator[str]:
    if entry.protocol is not None:
        yield from _known(entry.protocol)
    rows = Counter(f"{scores.group} against {scores.reference}" for scores in entry.scores)
    yield from (f"{where}: {count} rows; expected one" for where, count in rows.items() if count > 1)
    for scores in entry.scores:
        where = f"{scores.group} against {scores.reference}"
        numbers = {metric: number for metric in _BOUNDS if (number := getattr(scores, metric)) is not None}
        if not numbers:
            yield f"{where}: no number; expected one or more"
        yield from (f"{where}: {text}" for text in _out_of_bounds({m: number.value for m, number in numbers.items()}))
        yield from (f"{where}: {text}" for text in _published_consistency(scores))


def _published_consistency(scores: PublishedScores) -> Iterator[str]:
    psnr, mae = scores.psnr, scores.mae
    if isinstance(psnr, PrintedNumber) and isinstance(mae, PrintedNumber) and 0 <= mae.value <= 1:
        # Both are rounded: take the values, within that, at which they agree best.
        lowest, _ = psnr_bounds(min(1.0, mae.value + mae.rounding))
        _, highest = psnr_bounds(max(0.0, mae.value - mae.rounding))
        yield from _inconsistent(psnr.value, lowest - psnr.rounding, highest + psnr.rounding, mae.value)


def _check_result(result: EvaluationResult) -> Iterator[str]:
    rest = result.model_dump(exclude={"notes": True, "dataset": {"name"}})  # these are looked at more closely below
    hidden = list(dict.fromkeys(text for text in _texts(rest) if misleading(text)))
    if hidden:  # no message may repeat them
        yield from (
            f"{shown(text)}: holds the character U+{ord(misleading(text)[0]):04X}; expected texts of one line without "
            "control characters"
            for text in hidden
        )
        return
    yield from _check_protocol(result)
    yield from _check_dataset(result)
    hashes = {
        "dataset.manifest_sha256": result.dataset.manifest_sha256,
        **{f"weights_sha256.{name}": digest for name, digest in result.weights_sha256.items()},
        **{f"{image.stem}: prediction_sha256": image.prediction_sha256 for image in result.images},
    }
    yield from (
        f"{name}: found {digest!r}; expected a SHA-256, 64 lower-case hexadecimal digits"
        for name, digest in hashes.items()
        if not _SHA256.fullmatch(digest)
    )
    notes = {f"note {number}": note for number, note in enumerate(result.notes, 1)}
    for name, text in {"dataset.name": result.dataset.name, **notes}.items():
        try:
            plain_line(text)
        except ValueError as error:
            yield f"{name}: {error}"
    if not result.images:
        yield "no images; expected one row per picture of the split"
        return
    yield from (
        f"{stem}: {count} rows; expected one"
        for stem, count in Counter(image.stem for image in result.images).items()
        if count > 1
    )
    for image in result.images:
        yield from (f"{image.stem}: {text}" for text in _check_image(result, image))
    if group_means(result.images) != result.means:
        yield "its means are not those of its images"


def _texts(content: object) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, Mapping):
        for key, value in content.items():
            yield from _texts(key)
            yield from _texts(value)
    elif isinstance(content, (list, tuple)):
        for value in content:
            yield from _texts(value)


def _check_protocol(result: EvaluationResult) -> Iterator[str]:
    yield from (problems := _known(result.protocol.id))
    if result.protocol.hash != result.protocol_sha256:
        yield "its protocol is not the one its hash names"
    known = {protocol.id: protocol.hash for protocol in list_protocols()}
    if not problems and known[result.protocol.id] != result.protocol_sha256:
        yield (
            f"computed by {result.protocol.id} of hash {result.protocol_sha256[:12]}, this version of sdd-bench has "
            f"{known[result.protocol.id][:12]}; evaluate again"
        )
    if not result.protocol.frozen:
        yield f"protocol {result.protocol.id} may still change; entries need a frozen one"
    flow = result.protocol.flow_weights
    if flow is not None and flow not in result.weights_sha256:
        yield f"no hash of the flow's weights {flow}; a score without it is not comparable"


def _check_dataset(result: EvaluationResult) -> Iterator[str]:
    name, found = result.dataset.name, result.dataset.manifest_sha256
    if name in benchmark_names() and found != (pinned := frozen_benchmark(name).manifest_sha256):
        yield (
            f"computed on a dataset called {name} of manifest {found[:12]}; the benchmark of this name has "
            f"{pinned[:12]}. Make it with `sdd-bench synth --benchmark {name}`"
        )


def _known(protocol: str) -> list[str]:
    known = [record.id for record in list_protocols()]
    return [] if protocol in known else [unknown_name("protocol", protocol, known)]


def _check_image(result: EvaluationResult, image: ImageResult) -> Iterator[str]:
    present = [reference for reference in REFERENCES if getattr(image, reference) is not None]
    if image.error is not None:
        if present:
            yield f"scores against {', '.join(present)} beside an error; expected none"
        return
    deforms = result.protocol.frame != "none"
    if ("deformed_gt" in present) is not deforms or "gt" not in present:
        expected = "gt and deformed_gt" if deforms else "gt, and not deformed_gt"
        yield f"scores against {', '.join(present) or 'nothing'}; protocol {result.protocol.id} gives {expected}"
    for reference in present:
        yield from (f"{reference}: {text}" for text in _check_scores(result, getattr(image, reference)))


def _check_scores(result: EvaluationResult, scores: Scores) -> Iterator[str]:
    values = {metric: value for metric in _BOUNDS if (value := getattr(scores, metric)) is not None}
    yield from _out_of_bounds(values)
    if "lpips" in values and _LPIPS_WEIGHTS not in result.weights_sha256:
        yield f"LPIPS without a hash of its weights {_LPIPS_WEIGHTS}"
    if scores.identical is not (scores.psnr is None) or (scores.identical and scores.mae != 0):
        yield (
            f"identical is {scores.identical}, PSNR {scores.psnr} and MAE {scores.mae}; "
            "identical pictures have no PSNR and an MAE of 0, all others have a PSNR"
        )
    elif scores.psnr is not None and scores.psnr >= 0 and 0 <= scores.mae <= 1:
        lowest, highest = psnr_bounds(scores.mae)
        yield from _inconsistent(scores.psnr, lowest - _SLACK_DB, highest + _SLACK_DB, scores.mae)


def psnr_bounds(mae: float) -> tuple[float, float]:
    """The PSNR that pictures in [0, 1] can have, given their MAE.

    The mean of squares is at least the square of the mean, MSE >= MAE^2 (Jensen), and at most the mean itself, because
    no error exceeds 1: MSE <= MAE. The lower bound on PSNR also holds for means over images. The upper one holds for
    them only as far as the images are alike, but it takes errors that are equal in every pixel to reach it.

    Args:
        mae: in [0, 1].

    Returns:
        (lowest, highest), dB; (inf, inf) for 0.
    """
    if mae == 0:
        return math.inf, math.inf
    return -10 * math.log10(mae), -20 * math.log10(mae)


def _out_of_bounds(values: dict[str, float]) -> Iterator[str]:
    for metric, value in values.items():
        lower, upper = _BOUNDS[metric]
        if not lower <= value <= upper:
            yield f"{metric} {value:g}; expected {lower:g} to {upper:g}"


def _inconsistent(psnr: float, lowest: float, highest: float, mae: float) -> Iterator[str]:
    if not lowest <= psnr <= highest:
        yield f"PSNR {psnr:g} dB can't go with MAE {mae:g}, which allows {lowest:.2f} to {highest:.2f} dB"
