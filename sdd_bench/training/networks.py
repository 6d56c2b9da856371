"""The network that a run trains: one of the zoo or one's own, with the prior of RGL in front of it where asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from sdd_bench.errors import TrainingError
from sdd_bench.models import MODELS, create, entry
from sdd_bench.models.guided import guided
from sdd_bench.models.own_network import find_own
from sdd_bench.training.initialisation import initialise
from sdd_bench.training.reblurring_network import ReblurringNetwork
from sdd_bench.training.recipe import Recipe
from sdd_bench.training.run_folder import WEIGHTS_NAME, read_run


def make_network(model: str, options: dict[str, Any], recipe: Recipe) -> nn.Module:
    """Makes a network with fresh weights from torch's global generator.

    Any network can be trained. It needs three lines: a class derived from `torch.nn.Module`, whose ``forward`` takes
    N x 3 x H x W in [0, 1] and returns the deblurred pictures (or several stages of them, the final one first), and
    ``stride = S`` if sides must be multiples of S.

    Args:
        model: name of a network of the zoo, or ``module:Class``, found from the current folder.
        options: keyword arguments of the network.
        recipe: decides about RGL's prior and how weights begin.

    Raises:
        ModelError: no network has this name or these options, or no such class can be imported.
        TrainingError: the class can't be made with these options, or this network not be trained by this recipe.
    """
    if ":" in model:
        network = _own(model, options)
    elif recipe.objective.guidance is not None:
        if f"{model}-rgl" not in MODELS:
            known = ", ".join(name.removesuffix("-rgl") for name in MODELS if name.endswith("-rgl"))
            raise TrainingError(
                f"{model} can't be trained by RGL here, only {known}; or a class of your own, which is put behind a "
                "1 x 1 convolution."
            )
        return create(f"{model}-rgl", **options)
    elif entry(model).kind != "network":
        raise TrainingError(f"{model} can't be trained: it is of kind {entry(model).kind}, not a deblurring network.")
    else:
        network = create(model, **options)
        if recipe.optimiser.initialisation == "release":
            initialise(network, "he-fan-out")
    return guided(network) if recipe.objective.guidance is not None else network


def trained_name(model: str, recipe: Recipe) -> str:
    """What `sdd-bench predict` knows the network by that a recipe makes of a model."""
    return f"{model}-rgl" if recipe.objective.guidance is not None else model


class Trained(NamedTuple):
    """A trained network as `sdd_bench.predict` takes it.

    Attributes:
        model: its name.
        checkpoint: file of its weights.
        options: it is made with.
    """

    model: str
    checkpoint: Path
    options: dict[str, Any]


def trained(run: Path) -> Trained:
    """The network that a finished run trained.

    Args:
        run: the run's folder.

    Raises:
        TrainingError: there is no finished run in it.
    """
    record, weights = read_run(run), run / WEIGHTS_NAME
    if not weights.is_file():
        raise TrainingError(f"{run}: the run is not finished: it has no {WEIGHTS_NAME}. Resume it first.")
    return Trained(trained_name(record.model, record.recipe), weights, record.options)


def make_reblurring(recipe: Recipe, *, fused: bool = False) -> ReblurringNetwork | None:
    """Makes the reblurring module of a recipe with fresh weights, None where it has none.

    Args:
        recipe: says which.
        fused: see `sdd_bench.training.reblurring.isotropic_blur`.
    """
    if recipe.objective.reblurring is None:
        return None
    settings = recipe.objective.reblurring
    made = ReblurringNetwork(settings.kernels, settings.width, fused=fused)
    initialise(made, "xavier" if recipe.optimiser.initialisation == "release" else "he")
    return made


def _own(model: str, options: dict[str, Any]) -> nn.Module:
    build = find_own(model)
    try:
        made = build(**options)
    except TypeError as error:
        raise TrainingError(f"{model} can't be made with the options {options}: {error}.") from error
    if not isinstance(made, nn.Module):
        raise TrainingError(f"{model} makes a {type(made).__name__}, expected a torch.nn.Module.")
    return made
