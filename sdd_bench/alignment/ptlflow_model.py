"""Optical flow by any model of the ptlflow package, with a checkpoint that the user has."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from sdd_bench.alignment.inputs import require_pictures
from sdd_bench.errors import AlignmentError, WeightsError, unknown_name
from sdd_bench.io.hashing import sha256
from sdd_bench.io.state_dicts import read_state_dict

if TYPE_CHECKING:
    from torch import Tensor


class PtlflowFlow(BaseModel):
    """A model of ptlflow as a flow backend; `load_ptlflow` makes one.

    All models take what ptlflow reads by OpenCV, BGR in [0, 1]; what they turn it into is their own business, as are
    resizing and padding.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """The model, as ptlflow names it."""
    weights_sha256: str
    """Hash of the checkpoint."""
    checkpoint: Path = Field(exclude=True, repr=False)
    """The file; where it lies is no part of the recorded parameters."""
    device: str = Field(default="cpu", exclude=True, repr=False)
    """Where to compute, as torch names it; no part of the recorded parameters."""

    def on(self, device: str) -> PtlflowFlow:
        """The same flow, computed on another device (``"cpu"``, ``"cuda"``, ``"cuda:1"``)."""
        return self.model_copy(update={"device": device})

    def __call__(self, source: NDArray[np.float32], target: NDArray[np.float32]) -> NDArray[np.float32]:
        """Flow from source to target; arguments, result and errors are those of `FlowBackend`.

        Raises:
            AlignmentError: also where the model fails: some need larger pictures, some more than two of them.
            WeightsError: the checkpoint has changed since it was chosen.
        """
        require_pictures(source, target, f"flow {self.name!r}", smallest=1)
        import torch

        tensors = (torch.from_numpy(picture.copy()).movedim(2, 0)[None] for picture in (source, target))
        return np.ascontiguousarray(self.batch(*tensors)[0].movedim(0, 2).cpu().numpy())

    def batch(self, source: Tensor, target: Tensor) -> Tensor:
        """Flow of several pairs at once; arguments and result are those of `PwcNetFlow.batch`.

        Raises:
            AlignmentError: also where the model fails: some need larger pictures, some more than two of them.
            WeightsError: the checkpoint has changed since it was chosen.
        """
        import torch

        model = _model(self.name, self.checkpoint, self.weights_sha256, self.device)
        images = torch.stack([source, target], 1).flip(2).to(self.device, torch.float32).clamp(0, 1)
        images = images.movedim(2, 4).contiguous().movedim(4, 2)  # as pictures lie that are read from files
        plain = torch.autocast(torch.device(self.device).type, enabled=False)
        try:
            with torch.no_grad(), plain, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found: Tensor = model({"images": images})["flows"]
        except Exception as error:  # other people's code may raise anything
            raise AlignmentError(
                f"ptlflow's model {self.name} failed on pictures N x 3 x H x W = {tuple(source.shape)}: "
                f"{type(error).__name__}: {error}"
            ) from error
        expected = (len(source), 1, 2, *source.shape[2:])
        if found.shape != expected:
            raise AlignmentError(
                f"ptlflow's model {self.name} gave no flow: expected {expected}, got {tuple(found.shape)}"
            )
        return found[:, 0].float()


def load_ptlflow(name: str, checkpoint: Path | str) -> PtlflowFlow:
    """The flow of one of ptlflow's models.

    Args:
        name: of the model, for example ``"raft_small"``.
        checkpoint: a file that ptlflow's authors offer for it; it has to be on this machine, nothing is downloaded.

    Raises:
        AlignmentError: ptlflow has no such model, or can't build it on this machine.
        WeightsError: the checkpoint is missing, damaged or another model's.
    """
    path = Path(checkpoint).absolute()
    if not path.is_file():
        raise WeightsError(
            f"{path} is no file. The flow {name!r} needs a checkpoint of ptlflow's model on this machine; "
            "https://ptlflow.readthedocs.io tells where to get one."
        )
    backend = PtlflowFlow(name=name, weights_sha256=sha256(path), checkpoint=path)
    _model(name, path, backend.weights_sha256, backend.device)
    return backend


@lru_cache(maxsize=2)
def _model(name: str, checkpoint: Path, digest: str, device: str) -> Any:
    from unittest import mock

    with _silence():
        import ptlflow
        import torch

    if name not in ptlflow.get_model_names():
        raise AlignmentError(unknown_name("model of ptlflow", name, ptlflow.get_model_names()))
    read_state_dict(checkpoint)  # says what is wrong with a file that is no checkpoint at all; ptlflow does not
    if (found := sha256(checkpoint)) != digest:
        raise WeightsError(f"{checkpoint} has changed since it was chosen: expected SHA-256 {digest}, got {found}.")
    with _silence(), mock.patch.object(torch.hub, "download_url_to_file", _refuse_download):
        try:
            model = ptlflow.get_model(name)
        except Exception as error:  # other people's code may raise anything
            raise AlignmentError(f"ptlflow can't build its model {name} on this machine: {error}") from error
        try:
            model = ptlflow.restore_model(model, str(checkpoint))
        except Exception as error:
            raise WeightsError(
                f"{checkpoint} is no checkpoint of ptlflow's model {name}: {type(error).__name__}: {error}"
            ) from error
    return model.eval().requires_grad_(False).to(device)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Drop what ptlflow and its dependencies print, log and warn of while they are imported and built."""
    from loguru import logger  # a dependency of ptlflow, which logs by it

    level = logging.root.manager.disable
    logger.disable("ptlflow")
    logging.disable(logging.CRITICAL)
    try:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
        logger.enable("ptlflow")


def _refuse_download(url: str, *_: object, **__: object) -> None:
    raise OSError(f"it would download {url}")
