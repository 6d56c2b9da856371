"""Checkpoints of networks: this package's own, and those of the networks' authors, each read strictly.

Ours are ``.safetensors`` files whose metadata says which model, with which options, the tensors belong to.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from sdd_bench.errors import ModelError, WeightsError
from sdd_bench.io.state_dicts import read_state_dict, write_state_dict
from sdd_bench.models import create
from sdd_bench.models.registry import MODELS, ModelEntry, entry

_SHOWN = 3  # problems that a message names
_PREFIX = "module."  # of every name, where a network was saved from within nn.DataParallel


def save(network: nn.Module, path: Path, name: str, options: Mapping[str, Any]) -> None:
    """Write the weights of a network as a ``.safetensors`` file that `load` reads, whole or not at all.

    Args:
        network: made by ``create(name, **options)``.
        path: the file, ending in ``.safetensors``.
        name: which model it is.
        options: those it was made with.

    Raises:
        ModelError: unknown name, or another ending.
        OutputError: the file can't be written.
    """
    entry(name)
    if path.suffix != ".safetensors":
        raise ModelError(f"expected a file that ends in .safetensors to write {name} to, got {path}.")
    write_state_dict(path, network.state_dict(), {"model": name, "options": json.dumps(dict(options), sort_keys=True)})


def load(name: str, path: Path, options: Mapping[str, Any]) -> nn.Module:
    """Make a network with the weights of a file, on the CPU, in eval mode; torch's generator is left as it is.

    Args:
        name: which model.
        path: the file of its authors (the folder where a release has several), or a ``.safetensors`` file.
        options: as of `sdd_bench.models.create`.

    Raises:
        ModelError: unknown name or option, or the file holds another model or not exactly its weights.
        WeightsError: the file can't be read, is damaged, or holds more than tensors.
    """
    model = entry(name)
    if path.suffix == ".safetensors":
        tensors, options = _read_ours(path, name, options)
    else:
        tensors = _renamed(model, read_release(path))
    with torch.random.fork_rng(devices=[]):
        network = create(name, **options)
    if problems := differences(tensors, network.state_dict()):
        other = _recognise(path, tensors)
        held = f"it holds {other}" if other else "; ".join(problems[:_SHOWN])
        more = f"; and {len(problems) - _SHOWN} more" if not other and len(problems) > _SHOWN else ""
        shown = ", ".join([name, *(f"{key}={value}" for key, value in options.items())])
        raise ModelError(f"{path} is no checkpoint of {shown}: {held}{more}. {_way_out(model, other)}")
    network.load_state_dict(tensors)
    return network.eval()


def read_release(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a release, by the names they have there.

    Args:
        path: a file, or a folder of ``.pkl`` files, the names of which then come before those of their tensors.

    Raises:
        WeightsError: there is none, it can't be read, is damaged, or holds more than tensors.
    """
    if path.is_dir():
        parts = sorted(path.glob("*.pkl"))
        if not parts:
            raise WeightsError(f"the folder {path} holds no .pkl files, of which a released set would consist.")
        return {f"{part.stem}.{key}": tensor for part in parts for key, tensor in _plain(part).items()}
    return _plain(path)


def blank(name: str, **options: Any) -> nn.Module:
    """Make a network without numbers, on the device ``meta``: its names and shapes, at no cost.

    Raises:
        ModelError: unknown name or option.
    """
    with torch.device("meta"), _Undrawn():
        return create(name, **options)


def differences(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> list[str]:
    """What makes a state dict unfit for a network: names that are missing or not expected, and wrong shapes."""
    problems = [f"{key} is missing" for key in expected if key not in found]
    problems += [f"{key} is not expected" for key in found if key not in expected]
    for key, tensor in expected.items():
        if key in found and found[key].shape != tensor.shape:
            problems.append(f"{key} has the shape {tuple(found[key].shape)}, expected {tuple(tensor.shape)}")
    return problems


def _plain(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise WeightsError(f"there is no checkpoint {path}. Check the path, or see `sdd-bench weights list`.")
    tensors = read_state_dict(path)
    if all(key.startswith(_PREFIX) for key in tensors):
        tensors = {key.removeprefix(_PREFIX): tensor for key, tensor in tensors.items()}
    return tensors


def _renamed(model: ModelEntry, released: dict[str, Tensor]) -> dict[str, Tensor]:
    if not model.importer:
        return released
    module, _, attribute = model.importer.partition(":")
    importer: Callable[[dict[str, Tensor]], dict[str, Tensor]] = getattr(importlib.import_module(module), attribute)
    return importer(released)


def _read_ours(path: Path, name: str, options: Mapping[str, Any]) -> tuple[dict[str, Tensor], Mapping[str, Any]]:
    tensors = _plain(path)
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
        recorded = dict(json.loads(metadata.get("options", "{}")))
    except (SafetensorError, TypeError, ValueError) as error:
        raise WeightsError(f"{path} has no readable metadata: {error}. Get it again.") from error
    if (held := metadata.get("model", name)) != name:
        raise ModelError(f"{path} is no checkpoint of {name}: it holds {held}. Use --model {held}.")
    for key, value in options.items():
        if key in recorded and recorded[key] != value:
            raise ModelError(f"{path} holds {name} with {key}={recorded[key]}, asked was {key}={value}. Leave it out.")
    return tensors, {**recorded, **options}


def _recognise(path: Path, tensors: Mapping[str, Tensor]) -> str | None:
    """The model whose default options the file fits, if there is one."""
    released = None if path.suffix == ".safetensors" else read_release(path)
    for model in MODELS.values():
        if model.kind == "classical":
            continue
        expected = blank(model.name).state_dict()
        if not differences(tensors if released is None else _renamed(model, dict(released)), expected):
            return model.name
    return None


class _Undrawn(TorchFunctionMode):
    """Leaves weights undrawn where only their shapes matter: PyTorch takes seconds to draw for the device meta."""

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        named = kwargs or {}
        if getattr(function, "__name__", "").endswith("normal_"):
            return args[0] if args else named["tensor"]
        return function(*args, **named)


def _way_out(model: ModelEntry, other: str | None) -> str:
    if other:
        return f"Use --model {other}."
    return f"Use the file of its authors ({model.code}) or one that sdd-bench wrote, and the options it was made with."
