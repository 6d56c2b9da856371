"""A network of the user's own: a class in a module that is found from the current folder."""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdd_bench.errors import ModelError, WeightsError, unknown_name
from sdd_bench.io.hashing import sha256
from sdd_bench.io.state_dicts import read_state_dict
from sdd_bench.models.checkpoints import differences
from sdd_bench.models.loading import Facts, Loaded, facts_of, with_random_weights

if TYPE_CHECKING:
    from torch import nn

_RGL = "-rgl"  # behind a name; no class can be called that
_SHOWN = 3  # problems that a message names


def load_own(
    spec: str, checkpoint: Path | None, options: Mapping[str, Any], random_weights: bool, stated: Facts
) -> Loaded:
    """Import a class (or a function that makes a network), make a network of it and load its weights, strictly.

    Args:
        spec: ``module:Class`` or ``module:Class-rgl``; the module may lie in the current folder.
        checkpoint: of tensors by the network's names for them; nothing in it is run.
        options: keyword arguments of the class.
        random_weights: do without a checkpoint.
        stated: what the user says of the network, before its attributes.

    Raises:
        ModelError: no such module, class or argument, it makes no network, or the checkpoint is not of it.
        WeightsError: no checkpoint, or one that can't be read.
    """
    build = find_own(spec)
    try:
        inspect.signature(build).bind(**options)
    except TypeError as error:
        raise ModelError(f"{spec} can't be called with the options {dict(options)}: {error}.") from error
    network = with_random_weights(build, options)
    facts = facts_of(network, stated)
    tensors = network.state_dict()
    if checkpoint is not None:
        _load(network, checkpoint, spec)
        return Loaded(spec, "network", network, facts, "given", sha256(checkpoint))
    if tensors and not random_weights:
        raise WeightsError(
            f"{spec} has {len(tensors)} tensors of weights and no checkpoint. Give --checkpoint FILE "
            "(.safetensors, or what torch.save writes of its state dict); --random-weights is for tests of plumbing."
        )
    return Loaded(spec, "network", network, facts, "random" if tensors else "none", None)


def find_own(spec: str) -> Any:
    """Import what ``module:Class`` names; the module may lie in the current folder.

    ``module:Class-rgl`` is the class as RGL trains it, behind estimator and fusion block.

    Raises:
        ModelError: no such module or class, or its name is none.
    """
    module_name, _, attribute = spec.partition(":")
    if attribute.endswith(_RGL):
        return _guided(find_own(spec.removesuffix(_RGL)))
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)  # stays: the module may import its neighbours only when it runs
    importlib.invalidate_caches()
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise ModelError(f"{module_name} can't be imported: it needs {error.name}, which is not there.") from error
        raise ModelError(f"there is no module {module_name} in {here}, nor is one installed.") from error
    except (ValueError, TypeError) as error:  # an empty or relative name
        raise ModelError(f"{spec!r} names no class: expected module:Class.") from error
    if not callable(build := getattr(module, attribute, None)):
        known = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
        raise ModelError(unknown_name(f"class or function of {module_name}", attribute, known))
    return build


def _guided(build: Any) -> Any:
    from torch import nn

    from sdd_bench.models.guided import guided

    @functools.wraps(build)
    def build_guided(**options: Any) -> Any:
        made = build(**options)
        return guided(made) if isinstance(made, nn.Module) else made

    return build_guided


def _load(network: nn.Module, checkpoint: Path, spec: str) -> None:
    if not checkpoint.is_file():
        raise WeightsError(f"there is no checkpoint {checkpoint}. Check the path.")
    found = read_state_dict(checkpoint)
    problems = differences(found, network.state_dict())
    if problems:
        more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise ModelError(f"{checkpoint} is no checkpoint of {spec}: {'; '.join(problems[:_SHOWN])}{more}.")
    network.load_state_dict(found)
