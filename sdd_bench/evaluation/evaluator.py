"""One image: its references, its scores, and what earlier runs already know of both."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sdd_bench.alignment.similarity import estimate_similarity
from sdd_bench.alignment.similarity_depth import FROZEN
from sdd_bench.datasets.dataset import Pair
from sdd_bench.errors import AlignmentError, ImageError, MetricError, ResultError, WeightsError
from sdd_bench.evaluation.crops import crop_box
from sdd_bench.evaluation.kept_features import KeptLPIPS
from sdd_bench.evaluation.predictions import Prediction
from sdd_bench.evaluation.protocol import Protocol
from sdd_bench.evaluation.references import (
    LIBRARIES,
    AlignedReference,
    ReferenceStore,
    align_reference,
    find_alignment,
)
from sdd_bench.evaluation.results import REFERENCES, Geometry, Measurement, Scores
from sdd_bench.evaluation.rows import RowStore
from sdd_bench.io.hashing import sha256
from sdd_bench.io.images import read_samples
from sdd_bench.io.samples import to_float, to_samples
from sdd_bench.metrics.deformation import ARITHMETIC as DEFORMATION_ARITHMETIC
from sdd_bench.metrics.deformation import deformation
from sdd_bench.metrics.fidelity import fidelity

if TYPE_CHECKING:
    from sdd_bench.metrics.perceptual import LPIPS

Image = NDArray[np.float32]
Distances = Callable[..., tuple[float, ...]]  # of a prediction to each of several references, as LPIPS
ROWS_FOLDER, REFERENCES_FOLDER, FEATURES_FOLDER, GEOMETRY_FOLDER = "rows", "references", "features", "geometry"
FOLDERS = (ROWS_FOLDER, REFERENCES_FOLDER, FEATURES_FOLDER, GEOMETRY_FOLDER)


@dataclass(frozen=True)
class Setting:
    """What is the same for all images under one protocol.

    Attributes:
        protocol: the arithmetic.
        store: folder of kept references and rows.
        device: where a flow by a network and LPIPS are computed, ``cpu`` or ``cuda``.
        lpips_weights: file of the AlexNet weights, or None to leave LPIPS out.
        weights_sha256: hash of every weight file that is used, by its name.
    """

    protocol: Protocol
    store: Path
    device: str = "cpu"
    lpips_weights: Path | None = None
    weights_sha256: Mapping[str, str] = field(default_factory=dict)


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


class Pictures(NamedTuple):
    """What one image is measured from; H x W x 3 float32 in [0, 1].

    Attributes:
        blur: the input.
        prediction: the prediction.
        gt: the ground truth as it is.
        reference: the ground truth as the protocol deforms it; None if it does not.
    """

    blur: Image
    prediction: Image
    gt: Image
    reference: AlignedReference | None


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
    setting = job.setting
    reference_key = _reference_key(job)
    device = setting.device if setting.weights_sha256 else None
    row_key = _key(
        reference_key,
        job.prediction.sha256,
        job.sha256.get("aligned_gt"),
        json.dumps(setting.weights_sha256, sort_keys=True),
        device,
        f"deformation {DEFORMATION_ARITHMETIC}",
    )
    rows = RowStore(setting.store / ROWS_FOLDER, Measurement)
    kept = rows.load(row_key)
    if kept is None:
        kept = _compute(job, reference_key)
        rows.save(row_key, kept)
    return kept


def _compute(job: Job, reference_key: str) -> Measurement:
    setting, protocol, pair = job.setting, job.setting.protocol, job.pair
    prediction = _read(job.prediction.path, job.prediction.sha256, protocol.bit_depth)
    gt = _of_pair(job, "gt", pair.gt_path)
    reference = _reference(job, reference_key, prediction, gt)
    alignment = find_alignment(prediction, gt) if reference is None else reference.alignment
    geometry = _geometry(job, prediction, gt)
    mask = protocol.mask
    if mask is not None and alignment.left_out > mask.error_share:
        error = (
            f"{alignment.left_out:.0%} of the pixels have no counterpart in the ground truth "
            f"(limit {mask.error_share:.0%}): the pair does not show the same scene, or the flow was lost"
        )
        return Measurement(
            gt=None, deformed_gt=None, aligned_gt=None, alignment=alignment, geometry=geometry, error=error
        )
    scores = score_image(
        prediction,
        gt,
        reference,
        None if pair.aligned_gt_path is None else _of_pair(job, "aligned_gt", pair.aligned_gt_path),
        lpips=_lpips_of(setting),
        fill=None if mask is None or setting.lpips_weights is None else _of_pair(job, "blur", pair.blur_path),
    )
    return Measurement(**scores, alignment=alignment, geometry=geometry)


def _geometry(job: Job, prediction: Image, gt: Image) -> Geometry:
    """Whether the prediction moves content: a matter of the pictures alone, so all protocols share it."""
    store = RowStore(job.setting.store / GEOMETRY_FOLDER, Geometry)
    files = (job.sha256["blur"], job.sha256["gt"], job.prediction.sha256)
    rounded = "rounded" if job.setting.protocol.bit_depth == 8 and job.pair.bit_depth > 8 else None
    key = _key(f"deformation {DEFORMATION_ARITHMETIC}", LIBRARIES, *files, job.prediction.crop, rounded)
    kept = store.load(key)
    if kept is None:
        found = deformation(_of_pair(job, "blur", job.pair.blur_path), prediction)
        similarity = estimate_similarity(prediction, gt, edition=FROZEN)
        kept = Geometry(
            deformation_rms=found.rms,
            deformation_p95=found.p95,
            deformation_share=found.share,
            zoom=similarity.zoom if similarity.converged else None,
            shift=similarity.shift if similarity.converged else None,
        )
        store.save(key, kept)
    return kept


def _reference(job: Job, key: str, prediction: Image, gt: Image) -> AlignedReference | None:
    """The ground truth as the protocol deforms it, kept where it serves other predictions too; None if it does not."""
    protocol = job.setting.protocol.on(job.setting.device)
    if protocol.frame == "none":
        return None
    _require_weights(job.setting)
    if protocol.frame == "prediction":
        return align_reference(protocol, prediction, gt)
    store = ReferenceStore(job.setting.store / REFERENCES_FOLDER)
    reference = store.load(key)
    if reference is None:
        reference = align_reference(protocol, _of_pair(job, "blur", job.pair.blur_path), gt)
        store.save(key, reference)
    return reference


def _require_weights(setting: Setting) -> None:
    """See that this process has the weights that the row will name: a cluster's workers may have others."""
    flow, name = setting.protocol.flow, setting.protocol.flow_weights
    if flow is not None and name is not None and flow.weights_sha256 != setting.weights_sha256[name]:
        raise WeightsError(
            f"the weights {name} have SHA-256 {flow.weights_sha256} here, and the evaluation began with "
            f"{setting.weights_sha256[name]}. Leave them alone while it runs; all workers of a cluster need the same."
        )


def load_pictures(job: Job) -> Pictures:
    """The pictures that one image was measured from, as its protocol reads, crops and deforms them.

    Raises:
        ResultError: if a file changed since it was checked.
    """
    prediction = _read(job.prediction.path, job.prediction.sha256, job.setting.protocol.bit_depth)
    gt = _of_pair(job, "gt", job.pair.gt_path)
    reference = _reference(job, _reference_key(job), prediction, gt)
    return Pictures(_of_pair(job, "blur", job.pair.blur_path), prediction, gt, reference)


def _of_pair(job: Job, role: str, path: Path) -> Image:
    box = crop_box(job.prediction.crop, job.pair.size)
    return box.of(_read(path, job.sha256[role], job.setting.protocol.bit_depth))


def _read(path: Path, expected: str, bit_depth: int | None) -> Image:
    # Hashed after reading: what was kept under a hash must come from the very file that has it.
    samples = read_samples(path)
    if sha256(path) != expected:
        raise ResultError(f"{path} changed while it was scored. Leave the files alone and run the command again.")
    image = to_float(samples)
    if bit_depth == 8 and samples.dtype == np.uint16:
        return to_float(to_samples(image, 8))
    return image


def score_image(
    prediction: Image,
    gt: Image,
    reference: AlignedReference | None,
    aligned_gt: Image | None = None,
    *,
    lpips: Distances | None = None,
    fill: Image | None = None,
) -> dict[str, Scores | None]:
    """Scores of one prediction against every reference of its pair.

    All are compared over the same pixels, those that count under the protocol, so the distance of the score against the
    deformed ground truth from that against the truly aligned one is the protocol's error. LPIPS has no mask: for it the
    pixels that do not count are filled alike in the prediction and its references.

    Args:
        prediction: H x W x 3 float32 in [0, 1].
        gt: H x W x 3 float32 in [0, 1].
        reference: the ground truth as the protocol deforms it; None if it does not.
        aligned_gt: H x W x 3 float32 in [0, 1], or None.
        lpips: the metric, or None to leave it out.
        fill: H x W x 3 float32 in [0, 1], what pixels that do not count are filled with: the blurry input, so that
            the filled references are the same for every prediction. Needed with LPIPS where some do not count.

    Returns:
        Keys ``gt``, ``deformed_gt``, ``aligned_gt``; None where there is no such picture.
    """
    pictures = {"gt": gt}
    if reference is not None:
        pictures["deformed_gt"] = reference.deformed
    if aligned_gt is not None:
        pictures["aligned_gt"] = aligned_gt
    valid = None if reference is None or reference.valid.all() else reference.valid
    distances = {} if lpips is None else _distances(lpips, prediction, pictures, valid, fill)
    scores: dict[str, Scores | None] = dict.fromkeys(REFERENCES)
    for name, picture in pictures.items():
        scores[name] = Scores.of(fidelity(prediction, picture, valid), distances.get(name))
    return scores


def _distances(
    lpips: Distances, prediction: Image, pictures: dict[str, Image], valid: NDArray[np.bool_] | None, fill: Image | None
) -> dict[str, float]:
    if valid is None:
        return dict(zip(pictures, lpips(prediction, *pictures.values()), strict=True))
    if fill is None:
        raise ValueError("LPIPS needs a picture to fill the pixels with that do not count")
    filled = [np.where(valid[..., None], picture, fill) for picture in (prediction, *pictures.values())]
    return dict(zip(pictures, lpips(*filled), strict=True))


def _lpips_of(setting: Setting) -> Distances | None:
    if setting.lpips_weights is None:
        return None
    lpips = _lpips(setting.lpips_weights, setting.device)
    # Where every prediction has a reference of its own, its features would serve no other.
    if setting.protocol.frame == "prediction":
        return lpips
    return KeptLPIPS(lpips, setting.store / FEATURES_FOLDER, LIBRARIES)


@lru_cache(maxsize=1)
def _lpips(weights: Path, device: str) -> LPIPS:
    from sdd_bench.metrics.perceptual import LPIPS

    return LPIPS(net="alex", weights=weights, device=device)


def _reference_key(job: Job) -> str:
    """Names all that a kept reference depends on; a kept row depends on that too."""
    setting = job.setting
    weights = setting.protocol.flow_weights
    flow = (None, None) if weights is None else (setting.weights_sha256[weights], setting.device)
    return _key(LIBRARIES, setting.protocol.hash, *flow, job.prediction.crop, job.sha256["blur"], job.sha256["gt"])


def _key(*parts: str | None) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
