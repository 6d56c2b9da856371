"""What a prediction will be made with: its method, ready to work, and the settings that decide about pixels."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sdd_bench.device import DeviceName, find_device, processor_name
from sdd_bench.errors import ModelError, PredictionError
from sdd_bench.models.external import Command, parse_command
from sdd_bench.models.inference import Precision, TileRequest, start
from sdd_bench.models.loading import Loaded, resolve
from sdd_bench.models.making import BitDepth, Classical, Method
from sdd_bench.models.prediction_record import RANDOM_NOTE, Settings, Source, Timing
from sdd_bench.models.registry import MODELS
from sdd_bench.models.tiling import Tiles

if TYPE_CHECKING:
    from torch import nn

_TOGETHER = "All pictures were made in one go: each has the same share of its time."


@dataclass(frozen=True)
class Request:
    """What was asked for, beside the method and the pictures; see `sdd_bench.models.predict.predict`."""

    checkpoint: Path | None = None
    option: Mapping[str, Any] = field(default_factory=dict)
    stride: int | None = None
    reach: int | None = None
    random_weights: bool = False
    tile: TileRequest = "auto"
    memory: float | None = None
    ensemble: bool = False
    device: DeviceName = "auto"
    precision: Precision = "fp32"
    bit_depth: BitDepth = "same"
    out: Path | None = None
    defocus_map: Path | None = None
    workers: int = 1

    def refuse_but(self, what: str, *allowed: str) -> None:
        """Refuse options that would be without effect.

        Args:
            what: that has no use for them.
            allowed: names of those it has a use for, beside ``out``.

        Raises:
            PredictionError: naming all that were given and are not allowed.
        """
        given = []
        for one in fields(self):
            default = one.default_factory() if one.default_factory is not MISSING else one.default
            if getattr(self, one.name) != default and one.name not in {"out", *allowed}:
                given.append(f"--{one.name.replace('_', '-')}")
        if given:
            raise PredictionError(f"{what} has no use for {', '.join(given)}: leave it out.")


@dataclass(frozen=True)
class Plan:
    """A method that is ready.

    Attributes:
        method: it, or the command to run.
        settings: what decides about pixels.
        versions: of what computes.
        tile: (width, height) of what a network sees at once; None for whole pictures.
        overlap: of tiles, pixels.
        exactness: whether tiles change the result, and why.
        notes: what to know besides.
        threads: of the computation on the CPU; None where they are not this package's.
        device_name: of a GPU.
        parameters: of the network; see `sdd_bench.models.prediction_record.PredictionRecord`.
        timing: what times are taken on; likewise.
    """

    method: Method | Command
    settings: Settings
    versions: dict[str, str]
    tile: tuple[int, int] | None = None
    overlap: int = 0
    exactness: str = "whole pictures"
    notes: tuple[str, ...] = ()
    threads: int | None = None
    device_name: str | None = None
    parameters: int | None = None
    timing: Timing | None = None


def make_plan(
    model: str | nn.Module | None,
    command: str | None,
    request: Request,
    source: Source | None,
    largest: tuple[int, int],
    earlier: Settings | None,
) -> Plan:
    """Load what was named and make it ready.

    Args:
        model: see `sdd_bench.models.predict.predict`.
        command: likewise; exactly one of the two is given.
        request: likewise.
        source: the pictures' dataset.
        largest: (height, width) of the largest picture.
        earlier: settings of an earlier run into the same folder.

    Raises:
        PredictionError: options that don't go together.
        ModelError: unknown model or option, or a checkpoint of something else.
        WeightsError: no weights.
        DeviceError: no such device.
    """
    if command is not None:
        return _command(command, request, source)
    if isinstance(model, str) and (name := _classical_name(model)) is not None:
        return _classical(name, request, source)
    if model is None:
        raise PredictionError("expected a model or a command: give --model or --command.")
    return _network(model, request, source, largest, earlier)


def _command(template: str, request: Request, source: Source | None) -> Plan:
    command = parse_command(template)
    request.refuse_but("a command", *(["workers"] if command.per_image else []))
    if request.out is None:
        raise PredictionError("expected a folder for the predictions: give --out.")
    settings = Settings(model="command", kind="command", command=template, source=source, device="own", precision="own")
    return Plan(command, settings, _versions(), notes=() if command.per_image else (_TOGETHER,))


def _classical_name(model: str) -> str | None:
    if model in MODELS or ":" in model or model.lower().endswith(".onnx"):
        return None
    from sdd_bench.models.classical import MAPS, METHODS

    return model if model in METHODS or model in MAPS else None


def _classical(name: str, request: Request, source: Source | None) -> Plan:
    from sdd_bench.models.classical import MAPS

    request.refuse_but(f"the classical method {name}", "bit_depth", "defocus_map", "workers")
    _check_folders(name, "map" if name in MAPS else "network", request)
    settings = Settings(model=name, kind="classical", source=source, bit_depth=request.bit_depth)
    threads = max(1, (os.cpu_count() or 1) // request.workers)
    return Plan(
        Classical(name, threads),
        settings,
        _versions("opencv-python", "scipy"),
        threads=threads,
        parameters=0,
        timing=Timing(machine=processor_name(), threads=threads) if request.workers == 1 else None,
    )


def _network(
    model: str | nn.Module,
    request: Request,
    source: Source | None,
    largest: tuple[int, int],
    earlier: Settings | None,
) -> Plan:
    import torch

    loaded = resolve(
        model,
        request.checkpoint,
        request.option,
        random_weights=request.random_weights,
        stride=request.stride,
        reach=request.reach,
    )
    if request.workers != 1:
        raise PredictionError(f"{loaded.name} is a network, which uses all cores in one process: leave --workers out.")
    _check_folders(loaded.name, loaded.kind, request)
    estimates = loaded.kind == "map" or callable(getattr(loaded.network, "defocus_map", None))
    if request.defocus_map is not None and not estimates:
        raise PredictionError(
            f"{loaded.name} estimates no defocus map (it has no method `defocus_map`): leave --defocus-map out."
        )
    onnx = not loaded.measurable
    if onnx and request.precision != "fp32":
        raise ModelError("an ONNX file has a precision of its own: leave --precision out.")
    if loaded.fixed_size is not None and request.tile != "auto":
        raise PredictionError(f"{loaded.name} takes pictures of one size only: leave --tile out.")
    device = find_device(request.device)
    tile = request.tile
    if tile == "auto" and earlier is not None and loaded.facts.reach is None:
        # What memory allows may have changed since, and here tiles decide about pixels.
        tile = "none" if earlier.blended is None else earlier.blended[0]
    ready = start(
        loaded,
        device=device,
        precision=request.precision,
        ensemble=request.ensemble,
        tile=tile,
        largest=largest,
        memory=request.memory,
    )
    tiles = ready.tiles
    settings = Settings(
        model=loaded.name,
        kind=loaded.kind,
        options=_as_json(request.option),
        stride=loaded.facts.stride,
        checkpoint_sha256=loaded.checkpoint_sha256,
        weights=loaded.weights,
        source=source,
        device="cuda" if device == "cuda" else "cpu",
        precision=request.precision,
        ensemble=request.ensemble,
        bit_depth=request.bit_depth,
        blended=None if tiles.size is None or tiles.local else (*tiles.size, tiles.overlap),
    )
    on_gpu = device == "cuda"
    threads, gpu = torch.get_num_threads(), torch.cuda.get_device_name() if on_gpu else None
    more_than_pictures = request.out is not None and request.defocus_map is not None
    return Plan(
        ready,
        settings,
        _versions("torch", *(["onnxruntime"] if onnx else [])),
        tile=None if tiles.size is None else tiles.size[::-1],
        overlap=tiles.overlap,
        exactness=_exactness(loaded, tiles),
        notes=(RANDOM_NOTE,) if loaded.weights == "random" else (),
        threads=threads,
        device_name=gpu,
        parameters=None if onnx else sum(parameter.numel() for parameter in loaded.network.parameters()),
        timing=None
        if more_than_pictures
        else Timing(machine=gpu or processor_name(), threads=None if on_gpu else threads),
    )


def _as_json(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as the record gives them back."""
    try:
        found: dict[str, Any] = json.loads(json.dumps(dict(options), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise PredictionError(f"options are recorded as JSON, and {dict(options)} can't be: {error}.") from error
    return found


def _check_folders(name: str, kind: Literal["network", "map"], request: Request) -> None:
    if kind == "map":
        if request.defocus_map is None:
            raise PredictionError(f"{name} makes defocus maps and deblurs nothing: give --defocus-map DIR.")
        if request.out is not None:
            raise PredictionError(f"{name} makes defocus maps and no pictures: leave --out out.")
    elif request.out is None:
        raise PredictionError("expected a folder for the predictions: give --out.")


def _exactness(loaded: Loaded, tiles: Tiles) -> str:
    if tiles.size is None:
        return "whole pictures"
    if tiles.local:
        return (
            f"exact: an output depends on inputs up to {loaded.facts.reach} pixels away, and {tiles.overlap} pixels "
            "around each tile are not kept"
        )
    return (
        f"not exact: {loaded.facts.global_because}; tiles are blended over {tiles.overlap} pixels, and the result "
        "depends on them"
    )


def _versions(*packages: str) -> dict[str, str]:
    computing = {name: metadata.version(name) for name in ("sdd-bench", "numpy", *packages)}
    return {"python": platform.python_version(), **computing}
