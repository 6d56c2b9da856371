"""What a training run was asked for, kept in its folder so that it is only ever resumed as what it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from sdd_bench.datasets.manifest import read_manifest
from sdd_bench.device import DeviceName
from sdd_bench.errors import TrainingError
from sdd_bench.io.atomic import remove_leftovers, write_json
from sdd_bench.training.recipe import Recipe

RUN_NAME = "run.json"
WEIGHTS_NAME = "weights.safetensors"

Precision = Literal["32-true", "bf16-mixed"]


class TrainingSettings(NamedTuple):
    """A training run as it was asked for.

    Attributes:
        dataset: the prepared dataset's folder.
        out: the run's folder.
        model: name of a network, or ``module:Class`` of one's own.
        options: of the network.
        recipe: what is computed.
        seed: of everything random.
        start_from: weights to begin with; None begins with random ones.
        device: where to compute.
        devices: how many of them.
        precision: ``32-true``, or ``bf16-mixed``: convolutions in bfloat16, losses in single precision.
        workers: processes that load crops; 0 loads them in this one.
        strips_every: epochs between sample strips; 0 draws none.
        progress: show progress on the terminal.
        fused_reblurring: see `sdd_bench.training.reblurring.isotropic_blur`.
    """

    dataset: Path
    out: Path
    model: str
    options: dict[str, Any]
    recipe: Recipe
    seed: int
    start_from: Path | None
    device: DeviceName
    devices: int
    precision: Precision
    workers: int
    strips_every: int
    progress: bool
    fused_reblurring: bool = False


class RunRecord(BaseModel):
    """``run.json``: what decides the weights that come out.

    Attributes:
        dataset: SHA-256 of the dataset's manifest.
        model: the network.
        options: of the network.
        recipe: all settings.
        seed: of everything random.
        start_from: SHA-256 of the weights it began with, None if they were random.
        precision: of the computation.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str
    model: str
    options: dict[str, Any]
    recipe: Recipe
    seed: int
    start_from: str | None
    precision: Precision


def check_run(settings: TrainingSettings) -> RunRecord:
    """What a run will record of itself, if its folder is free or of the same run.

    More epochs than before are the same run: its schedule does not depend on their number.

    Raises:
        TrainingError: the folder is of another run, or is not empty and no run at all.
        DatasetError: there is no prepared dataset.
    """
    from sdd_bench.io.hashing import sha256

    record = RunRecord(
        dataset=read_manifest(settings.dataset).manifest_hash,
        model=settings.model,
        options=settings.options,
        recipe=settings.recipe,
        seed=settings.seed,
        start_from=None if settings.start_from is None else sha256(settings.start_from),
        precision=settings.precision,
    )
    path = settings.out / RUN_NAME
    if path.is_file():
        if differing := _differences(read_run(settings.out), record):
            raise TrainingError(
                f"{settings.out} holds another training run. It differs in:\n  - "
                + "\n  - ".join(differing)
                + "\nTrain in another folder, or give the same settings to resume this one."
            )
    elif settings.out.exists() and (not settings.out.is_dir() or any(settings.out.iterdir())):
        raise TrainingError(
            f"{settings.out} exists and is no training run ({RUN_NAME} is missing). Choose another folder."
        )
    return record


def write_run(folder: Path, record: RunRecord) -> None:
    """Makes a folder that of a run, without the half-written files of a run that was killed in it.

    Raises:
        OutputError: it can't be written.
    """
    # Whatever their age: a run is written to by one call at a time.
    for place in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
        remove_leftovers(place, older_than=0)
    write_json(folder / RUN_NAME, record.model_dump(mode="json"))


def read_run(folder: Path) -> RunRecord:
    """Reads the record of a training run.

    Raises:
        TrainingError: the folder holds none, or a damaged one.
    """
    path = folder / RUN_NAME
    try:
        return RunRecord.model_validate_json(path.read_bytes())
    except OSError as error:
        raise TrainingError(f"{folder} is no training run: {RUN_NAME} can't be read ({error.strerror}).") from error
    except ValidationError as error:
        problems = [": ".join(filter(None, (".".join(map(str, e["loc"])), e["msg"]))) for e in error.errors()]
        raise TrainingError(
            "\n  - ".join([f"{path}: edited, damaged, or of another version:", *problems])
            + "\nTrain in another folder, or resume this run with the version that made it."
        ) from error


def _differences(old: RunRecord, new: RunRecord) -> list[str]:
    before, now = (_flat(record.model_dump(mode="json")) for record in (old, new))
    ignored = {"recipe.name", "recipe.description", "recipe.optimiser.epochs"}
    return [
        f"{key}: {json.dumps(before.get(key))} there, {json.dumps(now.get(key))} now"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key) and key not in ignored
    ]


def _flat(content: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in content.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) and value else {f"{prefix}{key}": value}
    return flat
