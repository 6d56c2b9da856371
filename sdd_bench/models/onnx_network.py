"""An ONNX file as a network, computed by ONNX Runtime."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sdd_bench.errors import DeviceError, ModelError
from sdd_bench.io.hashing import sha256
from sdd_bench.models.loading import UNKNOWN_REACH, Facts, Loaded

_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}
_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_QUIET = 3  # errors only


class OnnxNetwork(nn.Module):
    """A file of one input and one or more outputs, the result first.

    Args:
        path: the file.

    Raises:
        ModelError: ONNX Runtime is not installed, or the file is no such network.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        try:
            self.runtime: Any = importlib.import_module("onnxruntime")
        except ImportError as error:
            raise ModelError(
                "an ONNX file needs ONNX Runtime, which is not installed: pip install 'sdd-bench[onnx]'."
            ) from error
        self.path = path
        self.sessions: dict[str, Any] = {}
        inputs = self._session("cpu").get_inputs()
        if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].type not in _TYPES:
            shown = ", ".join(f"{given.name} {given.type} {given.shape}" for given in inputs)
            raise ModelError(f"{path} takes {shown}: expected one input, N x 3 x H x W of floats.")
        batch, channels, height, width = inputs[0].shape
        if (channels != 3 and isinstance(channels, int)) or (isinstance(batch, int) and batch != 1):
            raise ModelError(f"{path} takes {inputs[0].shape}: expected one picture of 3 channels, RGB in [0, 1].")
        if isinstance(height, int) is not isinstance(width, int):
            raise ModelError(f"{path} takes {inputs[0].shape}: expected height and width both fixed, or both free.")
        self.given, self.dtype = inputs[0].name, _TYPES[inputs[0].type]
        self.fixed_size = (height, width) if isinstance(height, int) else None

    def forward(self, picture: Tensor) -> Tensor:
        """Run it.

        Args:
            picture: 1 x 3 x H x W; where it lies decides what computes.

        Raises:
            ModelError: ONNX Runtime can't compute it.
            DeviceError: ONNX Runtime does not have the picture's device.
            MemoryError: it ran out of memory.
        """
        device = picture.device.type
        session = self._session(device)
        try:
            made = session.run(None, {self.given: picture.cpu().numpy().astype(self.dtype, copy=False)})[0]
        except Exception as error:  # its exceptions have no common base
            if "allocate memory" in str(error):
                raise MemoryError(str(error)) from error
            raise ModelError(
                f"{self.path} can't be computed on {picture.shape[-1]} x {picture.shape[-2]} pixels: {_line(error)} "
                "If its sides must be multiples of a number, give it by --stride."
            ) from error
        return torch.from_numpy(np.asarray(made, np.float32)).to(picture.device)

    def _session(self, device: str) -> Any:
        if device not in self.sessions:
            provider = _PROVIDERS[device]
            if provider not in (known := self.runtime.get_available_providers()):
                raise DeviceError(
                    f"this ONNX Runtime has no {provider}, only {', '.join(known)}. Use --device cpu, or install "
                    "onnxruntime-gpu."
                )
            options = self.runtime.SessionOptions()
            options.log_severity_level = _QUIET
            options.intra_op_num_threads = torch.get_num_threads()
            try:
                self.sessions[device] = self.runtime.InferenceSession(str(self.path), options, providers=[provider])
            except Exception as error:  # its exceptions have no common base
                raise ModelError(f"{self.path} is no ONNX file that can be used: {_line(error)}") from error
        return self.sessions[device]


def load_onnx(
    path: Path, checkpoint: Path | None, options: Mapping[str, Any], random_weights: bool, stated: Facts
) -> Loaded:
    """Open an ONNX file, which holds its weights.

    Raises:
        ModelError: no such file, it is no network for pictures, or options were given that it can't have.
    """
    if checkpoint is not None or options or random_weights:
        raise ModelError(f"{path} holds network and weights: leave checkpoint, options and random weights out.")
    if not path.is_file():
        raise ModelError(f"there is no file {path}.")
    network = OnnxNetwork(path)
    facts = stated if stated.reach is not None else replace(stated, global_because=UNKNOWN_REACH)
    return Loaded(path.name, "network", network.eval(), facts, "given", sha256(path), network.fixed_size, False)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
