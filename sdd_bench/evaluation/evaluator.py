"""One image: its references, its scores, and what earlier runs already know of both."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sdd_bench.datasets.dataset import Pair
from sdd_bench.errors import AlignmentError, ImageError, MetricError, ResultError
from sdd_bench.evaluation.predictions import Prediction
from sdd_bench.evaluation.protocol import Protocol
from sdd_bench.evaluation.references import LIBRARIES, AlignedReference, ReferenceStore, align_reference
from sdd_bench.evaluation.results import Measurement, Scores
from sdd_bench.evaluation.rows import RowStore
from sdd_bench.io.hashing import sha256
from sdd_bench.io.images import read_image
from sdd_bench.metrics.fidelity import fidelity

if TYPE_CHECKING:
    from sdd_bench.metrics.perceptual import LPIPS

Image = NDArray[np.float32]


@dataclass(frozen=True)
class Setting:
    """What is the same for all images under one protocol.

    Attributes:
        protocol: the arithmetic.
        store: folder of kept references and rows.
        lpips_weights: file of the AlexNet weights, or None to leave LPIPS out.
        lpips_sha256: its hash.
    """

    protocol: Protocol
    store: Path
    lpips_weights: Path | None = None
    lpips_sha256: str | None = None


@dataclass(frozen=True)
class Job:
    """One image to score.

    Attributes:
        setting: what is the same for all images under one protocol.
        pair: the pair.
        sha256: of the pair's files as they are now, by role (``blur``, ``gt``, ``aligned_gt``).
        prediction: the prediction.
    """

    setting: Setting
    pair: Pair
    sha256: dict[str, str]
    prediction: Prediction


def measure(job: Job) -> Measurement:
    """Measure one prediction, or take what an earlier run kept of it.

    Raises:
        SddBenchError: naming the pair, if a file changed since it was checked or the pictures can't be measured.
    """
    try:
        return _measure(job)
    except (AlignmentError, MetricError, ImageError) as error:
        raise type(error)(f"{job.pair.stem}: {error}") from error


def _measure(job: Job) -> Measurement:
    setting, protocol, pair = job.setting, job.setting.protocol, job.pair
    reference_key = _key(LIBRARIES, protocol.hash, job.sha256["blur"], job.sha256["gt"])
    rows = RowStore(setting.store / "rows")
    row_key = _key(reference_key, job.prediction.sha256, job.sha256.get("aligned_gt"), setting.lpips_sha256)
    kept = rows.load(row_key)
    if kept is not None:
        return kept
    prediction = _read(job.prediction.path, job.prediction.sha256)
    gt = _read(pair.gt_path, job.sha256["gt"])
    aligned_gt = None if pair.aligned_gt_path is None else _read(pair.aligned_gt_path, job.sha256["aligned_gt"])
    if protocol.frame == "prediction":
        reference = align_reference(protocol, prediction, gt)
    else:
        references = ReferenceStore(setting.store / "references")
        stored = references.load(reference_key)
        reference = stored or align_reference(protocol, _read(pair.blur_path, job.sha256["blur"]), gt)
        if stored is None:
            references.save(reference_key, reference)
    measurement = _score(setting, prediction, gt, reference, aligned_gt)
    rows.save(row_key, measurement)
    return measurement


def _read(path: Path, expected: str) -> Image:
    # Hashed after reading: what was kept under a hash must come from the very file that has it.
    image = read_image(path)
    if sha256(path) != expected:
        raise ResultError(f"{path} changed while it was scored. Leave the files alone and run the command again.")
    return image


def _score(
    setting: Setting, prediction: Image, gt: Image, reference: AlignedReference, aligned_gt: Image | None
) -> Measurement:
    mask, left_out = setting.protocol.mask, reference.alignment.left_out
    if mask is not None and left_out > mask.error_share:
        error = (
            f"{left_out:.0%} of the pixels have no counterpart in the ground truth (limit {mask.error_share:.0%}): "
            "the pair does not show the same scene, or the flow was lost"
        )
        return Measurement(gt=None, deformed_gt=None, aligned_gt=None, alignment=reference.alignment, error=error)
    scores = score_image(prediction, gt, reference, aligned_gt, setting.lpips_weights)
    return Measurement(**scores, alignment=reference.alignment)


def score_image(
    prediction: Image, gt: Image, reference: AlignedReference, aligned_gt: Image | None, lpips_weights: Path | None
) -> dict[str, Scores | None]:
    """Scores of one prediction against every reference of its pair.

    The ground truth as it is and the deformed one are compared over the same pixels, those that count under the
    protocol; the truly aligned one of synthetic scenes over all pixels, whatever the protocol. LPIPS has no mask: there
    the pixels that do not count are made equal in both pictures.

    Args:
        prediction: H x W x 3 float32 in [0, 1].
        gt: H x W x 3 float32 in [0, 1].
        reference: the ground truth as the protocol deforms it.
        aligned_gt: H x W x 3 float32 in [0, 1], or None.
        lpips_weights: file of the AlexNet weights, or None to leave LPIPS out.

    Returns:
        Keys ``gt``, ``deformed_gt``, ``aligned_gt``; the last is None where there is no such picture.
    """
    pictures = {"gt": gt, "deformed_gt": reference.deformed}
    if aligned_gt is not None:
        pictures["aligned_gt"] = aligned_gt
    distances: dict[str, float] = {}
    if lpips_weights is not None:
        filled = [
            picture if name == "aligned_gt" else np.where(reference.valid[..., None], picture, prediction)
            for name, picture in pictures.items()
        ]
        distances = dict(zip(pictures, _lpips(lpips_weights)(prediction, *filled), strict=True))
    scores: dict[str, Scores | None] = {"aligned_gt": None}
    for name, picture in pictures.items():
        mask = None if name == "aligned_gt" or reference.valid.all() else reference.valid
        scores[name] = Scores.of(fidelity(prediction, picture, mask), distances.get(name))
    return scores


@lru_cache(maxsize=1)
def _lpips(weights: Path) -> LPIPS:
    from sdd_bench.metrics.perceptual import LPIPS

    return LPIPS(net="alex", weights=weights)


def _key(*parts: str | None) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
