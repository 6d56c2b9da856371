"""Training with misaligned pairs, from the first step to the best weights.

Everything random is a function of the seed and of the place in the run: the order of the crops of its epoch, a crop of
its epoch and number, dropout of its step. So there is no state of random generators to lose, and a run that is killed
and resumed ends with the same weights, to the bit (on the same machine, with as many threads).
"""

from __future__ import annotations

import json
import math
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning.fabric import Fabric
from torch import nn
from torch.utils.data import DataLoader

from sdd_bench.alignment.flow import FlowBackend, flow
from sdd_bench.datasets.dataset import open_dataset
from sdd_bench.device import find_device
from sdd_bench.errors import TrainingError, WeightsError
from sdd_bench.io.state_dicts import write_state_dict
from sdd_bench.training import checkpoints
from sdd_bench.training.aligned import Align, align_training
from sdd_bench.training.data import TrainingCrops, batches, validation_pairs
from sdd_bench.training.log import Log
from sdd_bench.training.networks import make_network, make_reblurring, trained_name
from sdd_bench.training.objective import Objective
from sdd_bench.training.processes import launch_all
from sdd_bench.training.progress import steps_shown
from sdd_bench.training.reblurring import require_fused
from sdd_bench.training.recipe import FlowSettings
from sdd_bench.training.run_folder import WEIGHTS_NAME, RunRecord, TrainingSettings, check_run, write_run
from sdd_bench.training.strips import draw_strip
from sdd_bench.training.validation import load_validation, validate


class TrainingResult(NamedTuple):
    """What a training run came to.

    Attributes:
        folder: of the run.
        weights: of its best epoch, for `sdd_bench.models.load_checkpoint`.
        best_epoch: from 1.
        validation_psnr: of that epoch, dB.
        log: a row per epoch.
    """

    folder: Path
    weights: Path
    best_epoch: int
    validation_psnr: float
    log: list[dict[str, Any]]


def train(settings: TrainingSettings, align: Align) -> TrainingResult:
    """Trains a network, or goes on where an earlier call was interrupted.

    Args:
        settings: what to train, with what, how, and where to.
        align: deforms the ground truths of the validation pairs, once; must be importable where there are several
            devices.

    Raises:
        TrainingError: settings do not fit the dataset, the folder holds another run, or the loss is not finite.
        ProblemsError: the dataset lacks files, or they are too small.
        DeviceError: there is no such device, or reblurring can't be fused on it.
        KeyboardInterrupt: Ctrl-C; the step was finished and saved.
    """
    record = check_run(settings)
    if settings.fused_reblurring:
        require_fused(torch.device(find_device(settings.device)))
    fabric = Fabric(
        accelerator=find_device(settings.device),
        devices=settings.devices,
        strategy="ddp_spawn" if settings.devices > 1 else "auto",
        precision=settings.precision,
    )
    run = partial(_train, settings=settings, record=record, align=align)
    outcome = launch_all(fabric, run, settings.devices) if settings.devices > 1 else fabric.launch(run)
    if outcome is None:
        raise KeyboardInterrupt
    return outcome


def _train(fabric: Fabric, settings: TrainingSettings, record: RunRecord, align: Align) -> TrainingResult | None:
    recipe, out, device = settings.recipe, settings.out, fabric.device
    torch.manual_seed(settings.seed)
    network = make_network(settings.model, settings.options, recipe)
    reblurring: nn.Module | None = make_reblurring(recipe, fused=settings.fused_reblurring)
    if settings.start_from is not None:
        checkpoints.load_weights(settings.start_from, network)
    pairs = validation_pairs(settings.dataset, recipe.validation.share, settings.seed)
    held_back = frozenset(pair.stem for pair in pairs)
    crops = TrainingCrops(settings.dataset, recipe.data, settings.seed, held_back, out / "aligned")
    steps = len(batches(len(crops), recipe.optimiser.batch, settings.seed, 0, fabric.global_rank, fabric.world_size))
    estimate = _flow(recipe.objective.flow, str(device)) if recipe.objective.deform else None
    objective = Objective(recipe.objective, estimate, recipe.optimiser.reblurring_alone)
    # All that users can get wrong has been looked at: what is written now does not stand in the way of a second try.
    with fabric.rank_zero_first():
        if fabric.is_global_zero:
            write_run(out, record)
        validation = load_validation(pairs, recipe.validation.crop, align, out / "validation")
    if recipe.data.align_once:
        training = open_dataset(settings.dataset, "train")
        own = [training[stem] for stem in crops.stems[fabric.global_rank :: fabric.world_size]]
        align_training(own, align, crops.aligned, max(settings.workers, 1), settings.progress and fabric.is_global_zero)
        fabric.barrier()

    state: dict[str, Any] = {"epoch": 0, "step": 0, "sums": {}, "seconds": 0.0, "best": None, "rows": []}
    found = checkpoints.find(out, "last")
    if found is not None:
        state = checkpoints.load_state(found)
        checkpoints.load_weights(found / "network.safetensors", network)
        if reblurring is not None:
            checkpoints.load_weights(found / "reblurring.safetensors", reblurring)

    network = fabric.setup_module(network)
    modules = {"network": network}
    if reblurring is not None:
        reblurring = modules["reblurring"] = fabric.setup_module(reblurring)
    parameters = [parameter for module in modules.values() for parameter in module.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=recipe.optimiser.learning_rate)
    if found is not None:
        optimiser.load_state_dict(state.pop("optimiser"))

    def save(*, best: bool) -> None:
        if fabric.is_global_zero:
            weights = {name: module.module.state_dict() for name, module in modules.items()}
            step = state["epoch"] * steps + state["step"]
            checkpoints.save(out, step, weights, {**state, "optimiser": optimiser.state_dict()}, best=best)
        fabric.barrier()

    log = Log(out, state["rows"]) if fabric.is_global_zero else None
    total, taken = recipe.optimiser.epochs * steps, state["epoch"] * steps + state["step"]
    with _interrupts_noted() as interrupted, steps_shown(total, taken, settings.progress and log is not None) as shown:
        while state["epoch"] < recipe.optimiser.epochs:
            epoch, begun = state["epoch"], time.perf_counter() - state["seconds"]
            rate = recipe.optimiser.learning_rate * 0.5 ** (epoch // recipe.optimiser.halve_every)
            order = batches(
                len(crops), recipe.optimiser.batch, settings.seed, epoch, fabric.global_rank, fabric.world_size
            )[state["step"] :]
            loader = DataLoader(
                crops,
                batch_sampler=order,
                num_workers=settings.workers,
                pin_memory=device.type == "cuda",
            )
            for names, *pictures in loader:
                blurry, sharp, counted = (picture.to(device) for picture in pictures)
                torch.manual_seed(_mixed(settings.seed, epoch, state["step"], fabric.global_rank))
                known = counted if recipe.data.align_once else None
                step = objective(network, reblurring, blurry, sharp, epoch, known)
                grown = min((epoch * steps + state["step"] + 1) / max(recipe.optimiser.warm_up, 1), 1.0)
                for group in optimiser.param_groups:
                    group["lr"] = rate * grown
                optimiser.zero_grad()
                fabric.backward(step.loss)
                norm = nn.utils.clip_grad_norm_(parameters, recipe.optimiser.clip or math.inf)
                if _any_rank(fabric, not bool(torch.isfinite(step.loss) & torch.isfinite(norm))):
                    raise _not_finite(fabric, step.terms, float(norm), names, epoch, state["step"], out)
                optimiser.step()
                state["step"] += 1
                _add(state["sums"], {"loss": step.loss.detach(), **step.terms})
                shown(epoch, float(step.loss.detach()))
                if _any_rank(fabric, interrupted.is_set()):
                    state["seconds"] = time.perf_counter() - begun
                    save(best=False)
                    return None

            row = {"epoch": epoch + 1, "steps": steps, "seconds": time.perf_counter() - begun, "learning_rate": rate}
            row |= {name: _mean(fabric, value / steps) for name, value in state["sums"].items()}
            best = False
            if (epoch + 1) % recipe.validation.every == 0 or epoch + 1 == recipe.optimiser.epochs:
                row["validation_psnr"] = validate(network, validation, device)
                best = state["best"] is None or row["validation_psnr"] > state["best"][1]
                if best:
                    state["best"] = [epoch + 1, row["validation_psnr"]]
            row["best"] = int(best)
            state |= {"epoch": epoch + 1, "step": 0, "sums": {}, "seconds": 0.0}
            if log is not None:
                log.add(row, _strip(settings, objective, modules, validation, epoch, device))
                state["rows"] = log.rows
            save(best=best)
    if log is not None:
        log.close()
        _export(settings)
    fabric.barrier()
    return TrainingResult(out, out / WEIGHTS_NAME, state["best"][0], state["best"][1], state["rows"])


def _flow(settings: FlowSettings, device: str) -> FlowBackend:
    backend = flow(settings.name)
    known = backend.model_dump()
    if unknown := sorted(settings.parameters.keys() - known.keys()):
        raise TrainingError(f"the flow {settings.name} has no {', '.join(unknown)}. Known: {', '.join(known)}.")
    if settings.parameters:
        backend = type(backend)(**settings.parameters)
    try:
        backend.weights_sha256  # noqa: B018  # reads them, before anything is done
        return backend.on(device)
    except WeightsError as error:
        raise WeightsError(f"{error} Or train with a flow that needs none: --flow dis.") from error


def _mixed(seed: int, epoch: int, step: int, rank: int) -> int:
    """A seed of its own for every step."""
    import numpy as np

    return int(np.random.SeedSequence([seed, epoch, step, rank]).generate_state(1, np.uint64)[0] >> 1)


def _not_finite(
    fabric: Fabric,
    terms: Mapping[str, torch.Tensor],
    norm: float,
    names: list[str],
    epoch: int,
    step: int,
    out: Path,
) -> TrainingError:
    everyone: list[Any] = [names]
    if fabric.world_size > 1:
        everyone = [None] * fabric.world_size
        torch.distributed.all_gather_object(everyone, names)
    values = ", ".join(f"{name} {float(value):.3g}" for name, value in terms.items())
    batch = ", ".join(name for some in everyone for name in some)
    return TrainingError(
        f"the loss or its gradient is not finite at epoch {epoch + 1}, step {step + 1}: {values}, norm of the gradient "
        f"{norm:.3g}. The batch: {batch}. The last checkpoint in {out} is kept; nothing of this step is in it. A "
        "smaller optimiser.learning_rate or optimiser.clip=1.0 usually helps; if it is always the same pictures, look "
        "at them."
    )


def _any_rank(fabric: Fabric, flag: bool) -> bool:
    """Whether the flag is set in any process, so that all of them stop at the same step."""
    return _mean(fabric, float(flag)) > 0


def _mean(fabric: Fabric, value: float) -> float:
    """Of a value over all processes."""
    if fabric.world_size == 1:
        return value
    shared = torch.tensor(value, dtype=torch.float64, device=fabric.device)
    torch.distributed.all_reduce(shared)
    return float(shared) / fabric.world_size


def _add(sums: dict[str, float], terms: Mapping[str, torch.Tensor]) -> None:
    for name, value in terms.items():
        sums[name] = sums.get(name, 0.0) + float(value)


def _strip(
    settings: TrainingSettings,
    objective: Objective,
    modules: Mapping[str, Any],
    validation: list[Any],
    epoch: int,
    device: torch.device,
) -> Path | None:
    if not settings.strips_every or (epoch + 1) % settings.strips_every:
        return None
    path = settings.out / "strips" / f"epoch_{epoch + 1:04d}.png"
    reblurring = modules["reblurring"].module if "reblurring" in modules else None
    once = settings.recipe.data.align_once
    draw_strip(path, objective, modules["network"].module, reblurring, validation, epoch, device, align_once=once)
    return path


def _export(settings: TrainingSettings) -> None:
    """The weights of the best epoch, with what is needed to make their network again."""
    from safetensors.torch import load_file

    best = checkpoints.find(settings.out, "best")
    assert best is not None  # the last epoch is always validated
    metadata = {
        "model": trained_name(settings.model, settings.recipe),
        "options": json.dumps(settings.options, sort_keys=True),
    }
    write_state_dict(settings.out / WEIGHTS_NAME, load_file(best / "network.safetensors"), metadata)


@contextmanager
def _interrupts_noted() -> Iterator[threading.Event]:
    """Ctrl-C sets the event instead of stopping a step halfway; a second one stops at once."""
    noted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return
    before = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: Any) -> None:
        if noted.is_set():
            raise KeyboardInterrupt
        noted.set()

    signal.signal(signal.SIGINT, note)
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, before)
