"""Results on disk and in memory: one record per image, their means, and everything needed to compute them again."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, ValidationError, model_serializer

from sdd_bench.errors import ResultError
from sdd_bench.evaluation.crops import CropName
from sdd_bench.evaluation.protocol import Protocol
from sdd_bench.evaluation.references import Alignment
from sdd_bench.evaluation.statistics import Interval, mean_intervals
from sdd_bench.io.atomic import write_together
from sdd_bench.metrics.fidelity import Fidelity
from sdd_bench.models.prediction_record import Cost

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = 2
METRICS = ("psnr", "ssim", "mae", "lpips")
REFERENCES = ("gt", "deformed_gt", "aligned_gt")
Environment = Literal["indoor", "outdoor"]
GroupName = Literal["all", "indoor", "outdoor"]
GROUPS: tuple[GroupName, ...] = ("all", "indoor", "outdoor")
NEAR_LIMIT = 6.0
"""dB below the measurement limit from which on a quarter or more of the squared error, 1.2 dB, may be resampling's."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Scores(_Record):
    """One prediction against one reference.

    Attributes:
        psnr: dB; None for identical pictures, whose PSNR is infinite.
        ssim: at most 1.
        mae: in [0, 1].
        lpips: at least 0; None if its weights were not there.
        identical: whether the two pictures are equal in every pixel that counts.
    """

    psnr: float | None
    ssim: float
    mae: float
    lpips: float | None = None
    identical: bool = False

    @classmethod
    def of(cls, fidelity: Fidelity[float], lpips: float | None) -> Scores:
        """Scores from the metrics' own numbers."""
        identical = math.isinf(fidelity.psnr)
        return cls(
            psnr=None if identical else fidelity.psnr,
            ssim=fidelity.ssim,
            mae=fidelity.mae,
            lpips=lpips,
            identical=identical,
        )


class Geometry(_Record):
    """Where a prediction puts its content; the same under every protocol. Lengths in pixels.

    Attributes:
        deformation_rms: root mean square of the flow from the input to the prediction, after its best zoom and shift is
            taken out: 0 for a method that moves nothing. None where too little of the flow is determined.
        deformation_p95: 95th percentile of its length; None likewise.
        deformation_share: share of the pixels where it is determined.
        zoom: of the best similarity from the prediction to the ground truth; None if none was found with confidence.
        shift: of that similarity, (x, y).
    """

    deformation_rms: float | None
    deformation_p95: float | None
    deformation_share: float
    zoom: float | None
    shift: tuple[float, float] | None


class Measurement(_Record):
    """What was measured of one prediction.

    Attributes:
        gt: scores against the ground truth as it is.
        deformed_gt: scores against the ground truth deformed as the protocol says; None where it does not deform.
        aligned_gt: scores against the truly aligned ground truth; only synthetic scenes have one.
        alignment: how the ground truth lay.
        geometry: whether the prediction moves content.
        error: why there are no scores; None if there are.
    """

    gt: Scores | None
    deformed_gt: Scores | None
    aligned_gt: Scores | None
    alignment: Alignment
    geometry: Geometry | None = None
    error: str | None = None


class ImageResult(Measurement):
    """One test image: what was measured, and of what.

    Attributes:
        stem: of the pair.
        scene: of the pair.
        environment: of the pair.
        prediction_sha256: of the prediction file.
    """

    stem: str
    scene: str
    environment: Environment | None
    prediction_sha256: str

    @property
    def near_limit(self) -> bool:
        """Whether its score against the deformed ground truth is identical, or within `NEAR_LIMIT` of the limit."""
        if self.deformed_gt is None or self.alignment.limit is None:
            return False
        psnr = self.deformed_gt.psnr
        return psnr is None or psnr > self.alignment.limit - NEAR_LIMIT


class Intervals(_Record):
    """95 % bootstrap intervals of the means of a `Mean`: (lower, upper) bound each, as `mean_intervals` finds them.

    Attributes:
        psnr: dB; None where there is no mean, or fewer than 6 values behind it; so for the others.
        ssim: of the mean SSIM.
        mae: of the mean MAE.
        lpips: of the mean LPIPS.
    """

    psnr: Interval | None
    ssim: Interval | None
    mae: Interval | None
    lpips: Interval | None


class Mean(_Record):
    """Means of per-image scores against one reference.

    Attributes:
        psnr: mean over the images that are not identical to the reference; None if there are none.
        ssim: mean over all images.
        mae: mean over all images.
        lpips: mean over all images; None if not computed.
        identical: number of images left out of the mean PSNR.
        intervals: how sure the means are.
    """

    psnr: float | None
    ssim: float
    mae: float
    lpips: float | None
    identical: int
    intervals: Intervals


class Group(_Record):
    """Means over a group of images: all, indoor or outdoor.

    Attributes:
        images: how many images have scores.
        failed: how many have none, for the reason in their row.
        deformation: mean over the images of how far the prediction moves content, RMS in pixels; None if it can't be
            told for any.
    """

    images: int
    failed: int
    deformation: float | None = None
    gt: Mean | None
    deformed_gt: Mean | None
    aligned_gt: Mean | None


class DatasetReference(_Record):
    """Which dataset was used."""

    name: str
    manifest_sha256: str
    split: str


class Run(_Record):
    """How the numbers came about; nothing here is part of them.

    Attributes:
        command: the command line, or None when called from Python.
        started: UTC, ISO 8601.
        wall_seconds: from the start of the evaluation, over all its protocols so far, to this result.
        workers: worker processes; on a cluster they are its own, and this is not their number.
        device: where LPIPS and the flow of a network were computed, if they were: ``cpu`` or ``cuda``.
        versions: of the software.
        machine: processor and operating system.
        cost: what the method takes, where `sdd_bench.predict` made the predictions and noted it.
    """

    command: str | None
    started: str
    wall_seconds: float
    workers: int
    device: str = "cpu"
    versions: dict[str, str]
    machine: dict[str, str]
    cost: Cost | None = None

    @model_serializer(mode="wrap")
    def _without_a_cost_that_nobody_knows(self, serialise: SerializerFunctionWrapHandler):  # type: ignore[no-untyped-def]
        # Results without it are written as before there was one, and entries of them keep their hash. There is no
        # return type, because it would replace the schema.
        content = serialise(self)
        if self.cost is None:
            content.pop("cost", None)
        return content


class EvaluationResult(_Record):
    """One method on one split under one protocol.

    Attributes:
        method: name for tables.
        protocol: the whole record.
        protocol_sha256: its hash.
        dataset: which dataset.
        notes: what a reader of the numbers has to know.
        crop: the rule by which the predictions, and the references with them, were cropped.
        weights: status of the weights behind the numbers, the worst of them: ``none`` were used, ``verified`` against
            a hash that their authors name, ``unverified`` because they name none, ``random`` in tests.
        weights_sha256: hash of each weight file that was used, by its name.
        images: one row per image, by stem.
        means: keys ``all``, and ``indoor`` and ``outdoor`` where there are such images.
        run: how the numbers came about.
    """

    schema_version: Literal[2] = 2
    method: str
    protocol: Protocol
    protocol_sha256: str
    dataset: DatasetReference
    notes: tuple[str, ...]
    crop: CropName = "none"
    weights: Literal["none", "verified", "unverified", "random"]
    weights_sha256: dict[str, str]
    images: tuple[ImageResult, ...]
    means: dict[GroupName, Group]
    run: Run

    def table(self) -> pd.DataFrame:
        """One row per image, indexed by stem: columns as in ``per_image.csv``."""
        import pandas as pd

        rows = [_flat(image) for image in self.images]
        frame: pd.DataFrame = pd.DataFrame(rows).set_index("stem")
        return frame

    def save(self, folder: str | Path) -> Path:
        """Write ``result.json`` and ``per_image.csv`` into a folder, each whole or not at all.

        Returns:
            The path of ``result.json``.
        """
        folder = Path(folder)
        text = io.StringIO()
        writer = csv.DictWriter(text, list(_flat(self.images[0])), lineterminator="\n")
        writer.writeheader()
        writer.writerows(_flat(image) for image in self.images)
        result = folder / "result.json"
        content = self.model_dump_json(indent=2) + "\n"
        write_together({folder / "per_image.csv": text.getvalue().encode(), result: content.encode()})
        return result

    @classmethod
    def load(cls, path: str | Path) -> EvaluationResult:
        """Read a ``result.json``.

        Raises:
            ResultError: if it is not one, of another schema version, or its parts contradict each other.
        """
        path = Path(path)
        try:
            text = path.read_text("utf-8")
            found = json.loads(text).get("schema_version")
        except (OSError, ValueError, AttributeError, RecursionError) as error:
            raise ResultError(f"{path}: not a result file ({error}).") from error
        if found != SCHEMA_VERSION:
            raise ResultError(
                f"{path}: result of schema version {found}, this version of sdd-bench reads {SCHEMA_VERSION}. "
                "Evaluate the predictions again with --overwrite, or use the version that wrote it."
            )
        try:
            result = cls.model_validate_json(text)
            means = group_means(result.images)
        except ValidationError as error:
            raise ResultError(f"{path}: not a sound result file. {error}") from error
        except OverflowError as error:
            raise ResultError(f"{path}: not a sound result file: its scores are too large to be added up.") from error
        if result.protocol.hash != result.protocol_sha256:
            raise ResultError(f"{path}: its protocol is not the one its hash names: the file was edited.")
        if means != result.means:
            raise ResultError(f"{path}: its means are not those of its images: the file was edited.")
        return result


def group_means(images: Sequence[ImageResult]) -> dict[GroupName, Group]:
    """Means over all images, and over the indoor and the outdoor ones where there are any."""
    groups: dict[GroupName, Group] = {"all": _group(images)}
    environments: tuple[Environment, ...] = ("indoor", "outdoor")
    for environment in environments:
        members = [image for image in images if image.environment == environment]
        if members:
            groups[environment] = _group(members)
    return groups


def _group(images: Sequence[ImageResult]) -> Group:
    scored = [image for image in images if image.error is None]
    geometries = [image.geometry for image in scored if image.geometry is not None]
    moved = [geometry.deformation_rms for geometry in geometries if geometry.deformation_rms is not None]
    return Group(
        images=len(scored),
        failed=len(images) - len(scored),
        deformation=math.fsum(moved) / len(moved) if moved else None,
        gt=_mean(image.gt for image in scored),
        deformed_gt=_mean(image.deformed_gt for image in scored),
        aligned_gt=_mean(image.aligned_gt for image in scored),
    )


def _mean(scores: Iterable[Scores | None]) -> Mean | None:
    present = [score for score in scores if score is not None]
    if not present:
        return None
    values = {
        metric: [value for score in present if (value := getattr(score, metric)) is not None] for metric in METRICS
    }
    # An infinite PSNR is left out; a mean of LPIPS over some of the images only would mislead.
    if len(values["lpips"]) < len(present):
        values["lpips"] = []
    means = {metric: math.fsum(of) / len(of) if of else None for metric, of in values.items()}
    return Mean(**means, identical=len(present) - len(values["psnr"]), intervals=_intervals(values))


def _intervals(values: Mapping[str, Sequence[float]]) -> Intervals:
    found: dict[str, Interval | None] = {}
    for size in {len(of) for of in values.values()}:
        metrics = [metric for metric, of in values.items() if len(of) == size]
        samples = np.array([values[metric] for metric in metrics], np.float64)
        found |= zip(metrics, mean_intervals(samples), strict=True)
    return Intervals(**found)


def _flat(image: ImageResult) -> dict[str, Any]:
    """One row of a table: the scores as ``METRIC_REFERENCE``, then the prediction's geometry, then the alignment."""
    row: dict[str, Any] = {"stem": image.stem, "scene": image.scene, "environment": image.environment}
    for reference in REFERENCES:
        scores: Scores | None = getattr(image, reference)
        for metric in METRICS:
            row[f"{metric}_{reference}"] = None if scores is None else getattr(scores, metric)
        if scores is not None and scores.identical:
            row[f"psnr_{reference}"] = math.inf
    geometry = {} if image.geometry is None else image.geometry.model_dump()
    for name in ("deformation_rms", "deformation_p95", "deformation_share"):
        row[name] = geometry.get(name)
    row["prediction_zoom"] = geometry.get("zoom")
    row["prediction_shift_x"], row["prediction_shift_y"] = geometry.get("shift") or (None, None)
    alignment = image.alignment
    return row | {
        "zoom": alignment.zoom,
        "shift_x": None if alignment.shift is None else alignment.shift[0],
        "shift_y": None if alignment.shift is None else alignment.shift[1],
        "mean_flow": alignment.mean_flow,
        "left_out": alignment.left_out,
        "limit": alignment.limit,
        "near_limit": image.near_limit,
        "error": image.error,
        "prediction_sha256": image.prediction_sha256,
    }
