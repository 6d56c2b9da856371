"""The state of a training run on disk: whole or not at all, and nothing in it is ever executed.

```
RUN/checkpoints/00000123/            after step 123
    network.safetensors              weights
    reblurring.safetensors           weights of the reblurring module, where the recipe has one
    state.pt                         optimiser and progress: tensors, numbers and text only
RUN/last.json, RUN/best.json         which of the folders is the last one, and the one with the best score
```
A folder gets its name when all of it is on the disk, then the small file that points to it is replaced, then folders
that nothing points to are removed. A run killed at any moment so finds its last whole state.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from sdd_bench.errors import TrainingError
from sdd_bench.io.atomic import TEMPORARY_PREFIX, atomic_path, make_folder, output_errors, sync_folder, write_json
from sdd_bench.io.state_dicts import write_state_dict

_FOLDER, _STATE = "checkpoints", "state.pt"


def save(
    run: Path, step: int, weights: Mapping[str, Mapping[str, torch.Tensor]], state: Mapping[str, Any], *, best: bool
) -> None:
    """Saves the state after a step.

    Args:
        run: the run's folder.
        step: how many steps were taken.
        weights: tensors by name, for every module by its name.
        state: the rest: nested dicts and lists of tensors, numbers, text, None.
        best: whether it is the best one, too.

    Raises:
        OutputError: it can't be written; what was saved before is untouched.
    """
    folder = run / _FOLDER / f"{step:08d}"
    temporary = run / _FOLDER / f"{TEMPORARY_PREFIX}{step:08d}"
    try:
        with output_errors(folder):
            make_folder(temporary.parent)
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir()
        for name, tensors in weights.items():
            write_state_dict(temporary / f"{name}.safetensors", tensors, {})
        with atomic_path(temporary / _STATE) as file:
            torch.save(dict(state), file)
        with output_errors(folder):
            if folder.exists():  # of the same step, and nothing points to it yet or it holds the same
                shutil.rmtree(folder)
            temporary.replace(folder)
            sync_folder(folder.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    write_json(run / "last.json", {"checkpoint": folder.name})
    if best:
        write_json(run / "best.json", {"checkpoint": folder.name})
    kept = {where.name for which in ("last", "best") if (where := find(run, which))}
    for old in folder.parent.iterdir():
        if old.name not in kept:
            shutil.rmtree(old, ignore_errors=True)


def find(run: Path, which: str) -> Path | None:
    """The folder of a checkpoint, None if there is none yet.

    Args:
        run: the run's folder.
        which: ``"last"`` or ``"best"``.

    Raises:
        TrainingError: it is missing or damaged.
    """
    pointer = run / f"{which}.json"
    if not pointer.is_file():
        return None
    try:
        name = json.loads(pointer.read_bytes())["checkpoint"]
        folder = run / _FOLDER / Path(str(name)).name
    except (ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{pointer}: damaged: {error}. {_AWAY}") from error
    if not (folder / _STATE).is_file():
        raise TrainingError(f"{pointer}: points to {folder}, which is missing or not whole. {_AWAY}")
    return folder


def load_weights(file: Path, module: torch.nn.Module) -> None:
    """Reads the weights of a module, every one of them.

    Raises:
        TrainingError: the file is missing, damaged, or another module's.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        module.load_state_dict(load_file(file))
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"{file}: can't be read ({error}). {_AWAY}") from error
    except RuntimeError as error:
        raise TrainingError(f"{file}: weights of another network: {_first(error)}. {_AWAY}") from error


def load_state(folder: Path) -> dict[str, Any]:
    """Reads what `save` was given as state.

    Raises:
        TrainingError: the file is damaged or holds more than data; nothing of it is run.
    """
    file = folder / _STATE
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle raises nearly anything
        raise TrainingError(f"{file}: no state of a training run ({_first(error)}). {_AWAY}") from error
    if not isinstance(state, dict):
        raise TrainingError(f"{file}: no state of a training run, but a {type(state).__name__}. {_AWAY}")
    return state


_AWAY = "Train in another folder, or remove this one."


def _first(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
