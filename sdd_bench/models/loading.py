"""From what a user names to a network with weights: a model of the zoo, a class of one's own, or an ONNX file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sdd_bench import models, weights
from sdd_bench.errors import ModelError, WeightsError, unknown_name
from sdd_bench.io.hashing import sha256
from sdd_bench.models.registry import MODELS, ModelEntry

if TYPE_CHECKING:
    from torch import nn

WeightsStatus = Literal["none", "verified", "unverified", "given", "random"]
UNKNOWN_REACH = "how far a pixel of this network sees is not known (it has no attribute `reach`; --reach says it)"


@dataclass(frozen=True)
class Facts:
    """What tiles have to know of a network.

    Attributes:
        stride: sides must be multiples of it, pixels.
        reach: radius of its receptive field, pixels; None where that is the whole picture or not known.
        global_because: why `reach` is None.
    """

    stride: int = 1
    reach: int | None = None
    global_because: str = ""


@dataclass(frozen=True)
class Loaded:
    """A network with its weights, in eval mode on the CPU, and what is known of it.

    Attributes:
        name: for records.
        kind: ``network`` gives pictures, ``map`` defocus maps.
        network: it.
        facts: what tiles have to know.
        weights: ``verified`` and ``unverified`` are released ones, ``given`` are the user's own, ``none`` where the
            network has no parameters.
        checkpoint_sha256: of the file of weights, of all files of a folder, or of the tensors of a network in memory.
        fixed_size: (height, width) where the network takes no other pictures.
        measurable: whether the memory that it takes can be measured.
        channels_last: whether it takes pictures that are laid out in memory pixel by pixel. Convolutions are faster so
            (benchmarks/inference_speed.py), but a network of one's own may rely on the usual layout.
    """

    name: str
    kind: Literal["network", "map"]
    network: nn.Module
    facts: Facts
    weights: WeightsStatus
    checkpoint_sha256: str | None
    fixed_size: tuple[int, int] | None = None
    measurable: bool = True
    channels_last: bool = False


def resolve(
    spec: str | nn.Module,
    checkpoint: Path | None = None,
    options: Mapping[str, Any] | None = None,
    *,
    random_weights: bool = False,
    stride: int | None = None,
    reach: int | None = None,
) -> Loaded:
    """Load the network that a name stands for.

    Args:
        spec: a network of the zoo, ``module:Class`` found from the current folder, a ``.onnx`` file, or a network.
        checkpoint: file of weights, or the name of released ones; None takes the model's default ones of these.
        options: arguments of the network.
        random_weights: do without weights: the result is worth nothing but shows that everything runs.
        stride: of a network of the user's own, before what it says by its attribute of that name.
        reach: likewise.

    Raises:
        ModelError: unknown name or option, or a checkpoint of something else.
        WeightsError: no weights; the message names both ways out.
    """
    options = dict(options or {})
    if checkpoint is not None and random_weights:
        raise ModelError("a checkpoint and random weights were given: leave one of them out.")
    stated = Facts(stride or 1, reach)
    if not isinstance(spec, str):
        return _of_memory(spec, checkpoint, options, random_weights, stated)
    if spec.lower().endswith(".onnx"):
        from sdd_bench.models.onnx_network import load_onnx

        return load_onnx(Path(spec), checkpoint, options, random_weights, stated)
    if ":" in spec:
        from sdd_bench.models.own_network import load_own

        return load_own(spec, checkpoint, options, random_weights, stated)
    if spec not in MODELS:
        from sdd_bench.models.classical import MAPS, METHODS

        raise ModelError(
            unknown_name("model", spec, [*MODELS, *METHODS, *MAPS])
            + " A network of your own is named module:Class, or is the path of a file that ends in .onnx."
        )
    if stated != Facts():
        raise ModelError(f"stride and reach of {spec} are known: leave --stride and --reach out.")
    return _of_zoo(MODELS[spec], checkpoint, options, random_weights)


def facts_of(network: nn.Module, stated: Facts) -> Facts:
    """What a network says of itself by attributes of these names, where the user does not.

    Raises:
        ModelError: an attribute is no such number, or a reach is stated for a network that says it has none.
    """
    because = getattr(network, "global_because", "")
    if stated.reach is not None and because:
        raise ModelError(f"the network has no reach: {because}. Leave --reach out; its tiles are approximate.")
    stride = stated.stride if stated.stride > 1 else getattr(network, "stride", 1)
    reach = stated.reach if stated.reach is not None else getattr(network, "reach", None)
    if not isinstance(stride, int) or stride < 1:
        raise ModelError(f"the network's attribute `stride` is {stride!r}: expected a whole number of pixels from 1.")
    if reach is not None and (not isinstance(reach, int) or reach < 0):
        raise ModelError(f"the network's attribute `reach` is {reach!r}: expected a whole number of pixels, or None.")
    return Facts(stride, reach, "" if reach is not None else because or UNKNOWN_REACH)


def with_random_weights(build: Callable[..., nn.Module], options: Mapping[str, Any]) -> nn.Module:
    """Make a network whose fresh weights are the same every time, so that an interrupted run goes on with them.

    Raises:
        ModelError: what was made is no network.
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build(**options)
    if not isinstance(network, torch.nn.Module):
        raise ModelError(f"expected a network (torch.nn.Module); what was named made a {type(network).__name__}.")
    return network.eval()


def _of_memory(
    network: nn.Module, checkpoint: Path | None, options: Mapping[str, Any], random_weights: bool, stated: Facts
) -> Loaded:
    if checkpoint is not None or options or random_weights:
        raise ModelError("a network was given itself, with its weights: leave checkpoint, options and the like out.")
    import safetensors.torch

    tensors = {key: tensor.detach().cpu().contiguous().clone() for key, tensor in network.state_dict().items()}
    digest = hashlib.sha256(safetensors.torch.save(tensors)).hexdigest()
    facts = facts_of(network, stated)
    return Loaded(type(network).__name__, "network", network.eval(), facts, "given", digest)


def _of_zoo(model: ModelEntry, checkpoint: Path | None, options: Mapping[str, Any], random_weights: bool) -> Loaded:
    if model.kind == "classical":
        raise ModelError(f"{model.name} is a classical method: it has no network to load.")
    status: WeightsStatus
    if random_weights:
        network = with_random_weights(partial(models.create, model.name), options)
        status, digest = "random", None
    else:
        path, status = _chosen(model, checkpoint)
        network, digest = models.load_checkpoint(model.name, path, **options), sha256_of(path)
    facts = Facts(model.stride, model.reach, model.global_because)
    return Loaded(model.name, model.kind, network, facts, status, digest, channels_last=True)


def _chosen(model: ModelEntry, checkpoint: Path | None) -> tuple[Path, WeightsStatus]:
    """A file of the user's, or released weights: those that are named, or the model's default ones."""
    if checkpoint is not None and (checkpoint.exists() or str(checkpoint) not in model.weights):
        return checkpoint, "given"
    if not model.weights:
        raise WeightsError(
            f"{model.name} has no weights: no released file of it is known. Give yours by --checkpoint FILE "
            f"(one from {model.code}, or one that was trained here)."
        )
    name = model.weights[0] if checkpoint is None else str(checkpoint)
    if (path := weights.find(name)) is None:
        raise WeightsError(
            f"{model.name} has no weights: {name} is not here. {weights.how_to_get(name)} "
            "Or give a file of your own by --checkpoint FILE."
        )
    return path, "unverified" if weights.entry(name).pinned == "unverified" else "verified"


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, or of the names and hashes of a folder's files."""
    if not path.is_dir():
        return sha256(path)
    digest = hashlib.sha256()
    for file in sorted(path.iterdir()):
        if file.is_file():
            digest.update(f"{sha256(file)}  {file.name}\n".encode())
    return digest.hexdigest()
