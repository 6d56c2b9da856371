"""One pair: its zoom and shift, what they leave, and what earlier runs already know of it."""

from __future__ import annotations

import hashlib
import itertools
import json
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np

from sdd_bench.alignment.misalignment import misalignment
from sdd_bench.alignment.residual import BLUR, FLOW, Residual, residual
from sdd_bench.alignment.similarity import estimate_similarity
from sdd_bench.analysis.records import BinRecord, Field, PairMeasurement, ResidualRecord, SimilarityRecord
from sdd_bench.datasets.dataset import Pair
from sdd_bench.errors import AlignmentError, DatasetError
from sdd_bench.evaluation.references import LIBRARIES
from sdd_bench.evaluation.rows import RowStore
from sdd_bench.io.hashing import sha256

ARITHMETIC = 2
"""Raised with every change that changes a number, so that kept numbers of another arithmetic are not used."""
ROWS_FOLDER = "analysis"

_COLUMNS = 16
# Least share of a cell of the field that has to be valid.
_LEAST_OF_CELL = 0.25


@dataclass(frozen=True)
class Job:
    """One pair to measure.

    Attributes:
        pair: the pair.
        blur_sha256: of the blurry picture, as the manifest says.
        gt_sha256: of the sharp picture, likewise.
        store: folder of kept measurements.
    """

    pair: Pair
    blur_sha256: str
    gt_sha256: str
    store: Path


def measure(job: Job) -> PairMeasurement:
    """Measure one pair, or take what an earlier run kept of it.

    Raises:
        DatasetError: if a file is not what the manifest says.
    """
    pair = job.pair
    for path, stated in ((pair.blur_path, job.blur_sha256), (pair.gt_path, job.gt_sha256)):
        if sha256(path) != stated:
            raise DatasetError(
                f"{path} changed since the dataset was prepared. `sdd-bench verify` lists all such files; prepare "
                "the dataset again."
            )
    rows = RowStore(job.store / ROWS_FOLDER, PairMeasurement)
    key = _key(job)
    kept = rows.load(key)
    if kept is None:
        kept = _measured(pair)
        rows.save(key, kept)
    return kept


def _measured(pair: Pair) -> PairMeasurement:
    blurry, sharp = pair.blur(), pair.gt()
    try:
        found = estimate_similarity(blurry, sharp)
    except AlignmentError as error:  # too small, for example: this pair's fate, not the dataset's
        return PairMeasurement(similarity=None, residual=None, reason=str(error))
    if not found.converged:
        return PairMeasurement(similarity=None, residual=None, reason=found.reason)
    moved = misalignment(found, blurry.shape)
    similarity = SimilarityRecord(
        zoom=found.zoom,
        shift=found.shift,
        covariance=None if found.covariance is None else found.covariance.tolist(),
        inlier_share=found.inlier_share,
        corner=moved.corner,
        corner_sd=moved.corner_sd,
        zoom_rms=moved.zoom_rms,
        dominant=moved.dominant,
    )
    try:
        left = residual(blurry, sharp, found)
    except AlignmentError as error:
        return PairMeasurement(similarity=similarity, residual=None, reason=str(error))
    numbers = {name: value for name, value in left._asdict().items() if name in ResidualRecord.model_fields}
    bins = {name: [BinRecord(**part._asdict()) for part in numbers[name]] for name in ("by_radius", "by_blur")}
    record = ResidualRecord.model_validate(numbers | bins)
    return PairMeasurement(similarity=similarity, residual=record, field=_field(left))


def _field(left: Residual) -> Field:
    height, width = left.valid.shape
    rows = max(1, round(_COLUMNS * height / width))
    vertical, horizontal = (np.linspace(0, n, k + 1).astype(int) for n, k in ((height, rows), (width, _COLUMNS)))
    flow: list[tuple[float, float] | None] = []
    for top, bottom in itertools.pairwise(vertical):
        for start, stop in itertools.pairwise(horizontal):
            cell = (slice(top, bottom), slice(start, stop))
            valid = left.valid[cell]
            if valid.mean() < _LEAST_OF_CELL:
                flow.append(None)
                continue
            x, y = left.flow[cell][valid].mean(axis=0, dtype=np.float64)
            flow.append((round(float(x), 4), round(float(y), 4)))
    return Field(columns=_COLUMNS, rows=rows, flow=tuple(flow))


def _key(job: Job) -> str:
    """Names all that a kept measurement depends on."""
    how = json.dumps([FLOW.model_dump(mode="json"), BLUR.model_dump(mode="json")], sort_keys=True)
    parts = ["analysis", ARITHMETIC, LIBRARIES, metadata.version("scipy"), how, job.blur_sha256, job.gt_sha256]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
