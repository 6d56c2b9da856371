"""The zoo: every method of the published tables, made by name, with the weights of their authors or one's own."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdd_bench.errors import ModelError
from sdd_bench.models.registry import MODELS, ModelEntry, entry

if TYPE_CHECKING:
    from torch import nn

__all__ = ["MODELS", "ModelEntry", "create", "entry", "load_checkpoint"]


def create(name: str, **options: Any) -> nn.Module:
    """Make a network with fresh weights, drawn from torch's global generator, in train mode.

    Args:
        name: a network of `MODELS`.
        options: its own ones, for example ``width=32`` of ``unet``.

    Returns:
        The network: N x 3 x H x W in [0, 1] to the same shape, or to several of them, the final one first; one of kind
        ``map`` to N x 1 x H x W.

    Raises:
        ModelError: unknown name, a method without weights, or an option that the network does not have.
    """
    model = entry(name)
    build = model.load()
    try:
        inspect.signature(build).bind(**options)
    except TypeError as error:
        known = ", ".join(inspect.signature(build).parameters) or "none"
        raise ModelError(f"the options {options} don't fit the model {name}: {error}. It has: {known}.") from error
    made: nn.Module = build(**options)
    return made


def load_checkpoint(name: str, path: Path | str, **options: Any) -> nn.Module:
    """Make a network with the weights of a file, on the CPU, in eval mode.

    Args:
        name: a network of `MODELS`.
        path: the file of its authors, or a ``.safetensors`` file of this package.
        options: as of `create`; those recorded in a ``.safetensors`` file need not be given.

    Raises:
        ModelError: unknown name or option, or the file holds another model or not exactly its weights.
        WeightsError: the file can't be read, is damaged, or holds more than tensors.
    """
    from sdd_bench.models.checkpoints import load

    return load(name, Path(path), options)
