"""The analysis of a dataset on disk and in memory: one record per pair, and a table of quantiles."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from sdd_bench.alignment.similarity import Similarity
from sdd_bench.errors import ResultError
from sdd_bench.io.atomic import write_together

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = 1
JSON_NAME, CSV_NAME = "analysis.json", "analysis.csv"
Environment = Literal["indoor", "outdoor"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SimilarityRecord(_Record):
    """Zoom and shift from the blurry to the sharp picture, x' = c + zoom (x - c) + shift; lengths in pixels.

    Attributes:
        zoom: above 1 where the sharp picture shows things larger.
        shift: (x, y).
        covariance: 3 x 3, of (zoom, shift x, shift y); None where it is unknown.
        inlier_share: share of the information in the pictures that agrees with this motion.
        corner: largest displacement over the four corners.
        corner_sd: its standard deviation; None where it is unknown.
        zoom_rms: root mean square over the frame of the displacement by the zoom.
        dominant: which of the two moves the frame more.
    """

    zoom: float
    shift: tuple[float, float]
    covariance: tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]] | None
    inlier_share: float
    corner: float
    corner_sd: float | None
    zoom_rms: float
    dominant: Literal["zoom", "shift"]

    @property
    def similarity(self) -> Similarity:
        """As `sdd_bench.alignment` takes it."""
        covariance = None if self.covariance is None else np.array(self.covariance)
        return Similarity(self.zoom, self.shift, covariance, self.inlier_share)


class BinRecord(_Record):
    """Residual flow of the pixels of a bin: its ends, share of the valid pixels, and RMS in pixels if it has any."""

    low: float
    high: float
    share: float
    rms: float | None


class ResidualRecord(_Record):
    """What zoom and shift leave; see `sdd_bench.alignment.residual.Residual`. Lengths in pixels."""

    rms: float
    p95: float
    valid_share: float
    by_radius: tuple[BinRecord, ...]
    by_blur: tuple[BinRecord, ...]
    offset_rms: float
    lens_rms: float
    lens: tuple[float, float]
    parallax_rms: float
    exposure: float | None


class Field(_Record):
    """The residual flow averaged over the cells of a grid.

    Attributes:
        columns: number of cells across.
        rows: number of cells down.
        flow: (x, y) in pixels per cell, row by row; None where too little of a cell is valid.
    """

    columns: int
    rows: int
    flow: tuple[tuple[float, float] | None, ...]


class PairMeasurement(_Record):
    """What was measured of one pair.

    Attributes:
        similarity: None if no zoom and shift could be found with confidence.
        residual: what they leave; None without them, or if it can't be told.
        reason: why one of these is missing; empty if none is.
        field: the residual flow, coarsely; None without, and in a result that was read from a file.
    """

    similarity: SimilarityRecord | None
    residual: ResidualRecord | None
    reason: str = ""
    field: Field | None = None


class PairAnalysis(PairMeasurement):
    """One pair of a dataset, and what was measured of it.

    Attributes:
        stem: name of the pair.
        scene: of the pair.
        environment: "indoor", "outdoor", or None where it is not known.
        split: of the pair.
        size: (width, height), pixels.
    """

    stem: str
    scene: str
    environment: Environment | None
    split: Literal["train", "val", "test"]
    size: tuple[int, int]


class AnalysisResult(_Record):
    """How badly the pairs of a dataset are misaligned.

    Attributes:
        schema_version: version of this format.
        tool_version: the version of sdd-bench that measured.
        arithmetic: version of the code behind the numbers.
        dataset: the dataset's name.
        manifest_sha256: pins the dataset.
        split: which part of it was analysed, or "all".
        pairs: sorted by stem.
    """

    schema_version: Literal[1] = 1
    tool_version: str
    arithmetic: int
    dataset: str
    manifest_sha256: str
    split: Literal["train", "val", "test", "all"]
    pairs: tuple[PairAnalysis, ...]

    def table(self) -> pd.DataFrame:
        """One row per pair, indexed by stem: columns as in ``analysis.csv``."""
        import pandas as pd

        frame: pd.DataFrame = pd.DataFrame([flat(pair) for pair in self.pairs]).set_index("stem")
        return frame

    def save(self, folder: str | Path) -> Path:
        """Write ``analysis.json`` and ``analysis.csv`` into a folder, each whole or not at all.

        The same result gives the same bytes.

        Returns:
            The path of ``analysis.json``.
        """
        folder = Path(folder)
        text = io.StringIO()
        rows = [flat(pair) for pair in self.pairs]
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        path = folder / JSON_NAME
        content = self.model_dump_json(indent=2, exclude={"pairs": {"__all__": {"field"}}}) + "\n"
        write_together({folder / CSV_NAME: text.getvalue().encode(), path: content.encode()})
        return path

    @classmethod
    def load(cls, path: str | Path) -> AnalysisResult:
        """Read an ``analysis.json``.

        Raises:
            ResultError: if it is not one, or of another schema version.
        """
        path = Path(path)
        try:
            text = path.read_text("utf-8")
            version = json.loads(text).get("schema_version")
        except (OSError, ValueError, AttributeError, RecursionError) as error:
            raise ResultError(f"{path}: not an analysis ({error}). Make one with: sdd-bench analyze") from error
        if version != SCHEMA_VERSION:
            raise ResultError(
                f"{path}: analysis of schema version {version}, this version of sdd-bench reads {SCHEMA_VERSION}. "
                "Analyze the dataset again, or use the version that wrote it."
            )
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise ResultError(f"{path}: not a sound analysis. {error}") from error


def flat(pair: PairAnalysis) -> dict[str, Any]:
    """One row of ``analysis.csv``; lengths in pixels, missing values None."""
    found, left = pair.similarity, pair.residual
    deviations = (None,) * 3
    if found is not None and found.covariance is not None:
        deviations = tuple(float(np.sqrt(found.covariance[i][i])) for i in range(3))  # type: ignore[assignment]
    row: dict[str, Any] = {
        "stem": pair.stem,
        "scene": pair.scene,
        "environment": pair.environment,
        "split": pair.split,
        "width": pair.size[0],
        "height": pair.size[1],
        "converged": found is not None,
        "zoom": found and found.zoom,
        "zoom_sd": deviations[0],
        "shift_x": found and found.shift[0],
        "shift_x_sd": deviations[1],
        "shift_y": found and found.shift[1],
        "shift_y_sd": deviations[2],
        "inlier_share": found and found.inlier_share,
        "corner": found and found.corner,
        "corner_sd": found and found.corner_sd,
        "dominant": found and found.dominant,
        "residual_rms": left and left.rms,
        "residual_p95": left and left.p95,
        "valid_share": left and left.valid_share,
        "offset_rms": left and left.offset_rms,
        "lens_rms": left and left.lens_rms,
        "lens_k3": left and left.lens[0],
        "lens_k5": left and left.lens[1],
        "parallax_rms": left and left.parallax_rms,
        "exposure_stops": left and left.exposure,
    }
    return row | {"reason": pair.reason}
