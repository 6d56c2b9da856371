"""`predict.json`: what made the pictures beside it, so that they can be made again and a stopped run can go on."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sdd_bench.datasets.manifest import Sha256
from sdd_bench.errors import OutputError
from sdd_bench.io.atomic import write_text
from sdd_bench.models.loading import WeightsStatus

SCHEMA_VERSION = 1
ARITHMETIC = 1  # version of the code behind the pixels: raised where it would make others
RECORD_NAME = "predict.json"
RANDOM_NOTE = "Made with random weights, by no trained network: for tests of plumbing, not to be scored or shown."


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Source(_Record):
    """The split of a prepared dataset that the pictures are of."""

    name: str
    manifest_sha256: Sha256
    split: Literal["train", "val", "test"]


class Settings(_Record):
    """All that decides about pixels: two runs of equal settings may go on with each other's pictures.

    Attributes:
        arithmetic: version of the code.
        model: name of the model or of the network's class, or "command".
        kind: what it is.
        options: arguments of the network.
        stride: of the network, pixels.
        checkpoint_sha256: of its weights.
        weights: what they are; see `sdd_bench.models.loading.Loaded`.
        command: the command line of a program of the user's own, with its placeholders.
        source: None for a folder of pictures.
        device: ``cpu`` or ``cuda``; "own" for a command.
        precision: of the computation.
        ensemble: whether it is the mean over eight orientations.
        bit_depth: of the files; "same" as those of the input.
        blended: (height, width) of tiles and their overlap, where these decide about pixels; None where they don't.
    """

    arithmetic: int = ARITHMETIC
    model: str
    kind: Literal["network", "map", "classical", "command"]
    options: dict[str, Any] = {}
    stride: int = 1
    checkpoint_sha256: Sha256 | None = None
    weights: WeightsStatus = "none"
    command: str | None = None
    source: Source | None
    device: Literal["cpu", "cuda", "own"] = "cpu"
    precision: Literal["fp32", "bf16", "own"] = "fp32"
    ensemble: bool = False
    bit_depth: Literal["same", 8, 16] = "same"
    blended: tuple[int, int, int] | None = None

    def other_than(self, earlier: Settings) -> list[str]:
        """What differs from the settings of an earlier run, one line each."""
        return [
            f"{name}: {then if then is not None else 'none'} there, {now if now is not None else 'none'} asked for"
            for name in type(self).model_fields
            if (now := getattr(self, name)) != (then := getattr(earlier, name))
        ]


class PictureRecord(_Record):
    """One picture that was made.

    Attributes:
        stem: its name.
        input_sha256: of the file it was made from.
        size: (width, height), pixels.
        file: name of the prediction; None where only a map was made.
        sha256: of the prediction.
        map_sha256: of the defocus map, if one was made.
        seconds: without reading and writing; of a command that works on a folder, its time by the number of pictures.
    """

    stem: str
    input_sha256: Sha256
    size: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]
    file: str | None
    sha256: Sha256 | None
    map_sha256: Sha256 | None = None
    seconds: Annotated[float, Field(ge=0)]


class Timing(_Record):
    """What the pictures' times were taken on.

    Attributes:
        machine: name of the processor or of the GPU.
        threads: of the computation on the processor; None on a GPU.
    """

    machine: str
    threads: Annotated[int, Field(ge=1)] | None


class Cost(_Record):
    """What a method takes. None is what is not known.

    Attributes:
        parameters: how many it has; 0 of a method without any.
        seconds_per_megapixel: median over the pictures, without reading and writing.
        machine: what they were taken on: name of the processor or of the GPU.
        threads: of the computation on the processor; None on a GPU.
    """

    parameters: Annotated[int, Field(ge=0)] | None = None
    seconds_per_megapixel: Annotated[float, Field(gt=0)] | None = None
    machine: str | None = None
    threads: Annotated[int, Field(ge=1)] | None = None


class PredictionRecord(_Record):
    """A folder of predictions.

    Attributes:
        schema_version: version of this format.
        settings: what decides about pixels.
        complete: whether all pictures that were asked for are there.
        weights: as in the settings, for those who only look here.
        tile: (width, height) of what the network saw at once; None for whole pictures.
        overlap: of tiles, pixels: a margin that is not kept, or what is blended.
        exactness: whether tiles change the result, and why.
        notes: what to know besides, one sentence each.
        mean_seconds: per picture.
        threads: of the computation on the CPU; None where a command computed.
        device_name: of a GPU.
        parameters: of the network; 0 of a classical method, None where they can't be counted (a command, an ONNX file).
        timing: what all times were taken on; None where they are not all of one machine and as many threads, or say
            little: of a command, which runs where it likes, of several worker processes, which slow each other, and of
            a network that is asked for defocus maps beside the pictures.
        versions: of what computed.
        pictures: by stem.
    """

    schema_version: Literal[1] = 1
    settings: Settings
    complete: bool
    weights: WeightsStatus
    tile: tuple[int, int] | None
    overlap: int
    exactness: str
    notes: tuple[str, ...]
    mean_seconds: float
    threads: int | None
    device_name: str | None
    parameters: Annotated[int, Field(ge=0)] | None = None
    timing: Timing | None = None
    versions: dict[str, str]
    pictures: tuple[PictureRecord, ...]

    @property
    def cost(self) -> Cost:
        """What the method takes, as far as these pictures show it."""
        times = [1e6 * row.seconds / (row.size[0] * row.size[1]) for row in self.pictures]
        seconds = float(f"{statistics.median(times):.4g}") if times else 0.0  # more digits than these say nothing
        if self.timing is None or seconds == 0:
            return Cost(parameters=self.parameters)
        return Cost(parameters=self.parameters, seconds_per_megapixel=seconds, **dict(self.timing))

    def save(self, folder: Path) -> Path:
        """Write ``predict.json`` into a folder, whole or not at all, and give its path."""
        path = folder / RECORD_NAME
        write_text(path, self.model_dump_json(indent=2) + "\n")
        return path


def read_record(folder: Path) -> PredictionRecord | None:
    """The record of a folder; None if it has none.

    Raises:
        OutputError: it has one that can't be read.
    """
    path = folder / RECORD_NAME
    way_out = "--overwrite makes all pictures anew; another --out keeps it."
    try:
        text = path.read_text(encoding="utf-8")
        version = json.loads(text).get("schema_version")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise OutputError(f"{path} is no record of predictions ({error}). {way_out}") from error
    if version != SCHEMA_VERSION:
        raise OutputError(f"{path} has schema version {version}, expected {SCHEMA_VERSION}. {way_out}")
    try:
        return PredictionRecord.model_validate_json(text)
    except ValidationError as error:
        raise OutputError(f"{path} is no sound record of predictions: {error} {way_out}") from error
