"""Reading checkpoints of other people: tensors by name, without running code that a file may hold."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdd_bench.errors import WeightsError
from sdd_bench.io.atomic import write_bytes

if TYPE_CHECKING:
    from torch import Tensor

_HEAD_BYTES = 512
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_HTML = (b"<!doctype", b"<html", b"<head", b"<body", b"<script", b"<?xml", b"<!--")
_ZIP = b"PK\x03\x04"
# Under which the releases of Lightning, MPRNet and others, of JDRL, and of BasicSR and Restormer keep the network.
_KEYS = ("state_dict", "G_state_dict", "params")


def read_state_dict(path: Path, shown_as: Path | None = None) -> dict[str, Tensor]:
    """Read the tensors of a checkpoint by ``torch.load(weights_only=True)``, or of a file of another library.

    Args:
        path: the file; ``.safetensors``, Keras' ``.hdf5`` and ``.h5``, TensorLayer's ``.npz``, or else PyTorch's.
        shown_as: what messages call it, for a copy under a temporary name.

    Returns:
        Tensors by name, on the CPU. Of a checkpoint of training, those of the network.

    Raises:
        WeightsError: the file is a web page, a Git LFS pointer, truncated, holds something else than tensors, or is no
            checkpoint at all.
    """
    import torch

    from sdd_bench.io import keras, tensorlayer

    shown = shown_as or path
    _refuse_impostor(path, shown)
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            content: Any = load_file(path)
        elif path.suffix in (".npz", ".hdf5", ".h5"):
            reader = tensorlayer.read_arrays if path.suffix == ".npz" else keras.read_arrays
            content = {name: torch.tensor(array) for name, array in reader(path).items()}
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except tensorlayer.ForeignObjectError as error:
        raise WeightsError(_refusal(shown, str(error))) from error
    except Exception as error:  # a damaged pickle raises nearly anything, from EOFError to IndexError
        if foreign := re.search(r"GLOBAL (\S+)", str(error)):
            raise WeightsError(_refusal(shown, foreign[1])) from error
        raise WeightsError(f"{shown} is no readable checkpoint ({_first_line(error)}). Get it again.") from error
    if isinstance(content, dict):
        content = next((content[key] for key in _KEYS if isinstance(content.get(key), dict)), content)
    if not isinstance(content, dict) or not content or not all(isinstance(t, torch.Tensor) for t in content.values()):
        raise WeightsError(f"{shown} holds no state dict: expected tensors by name, got a {type(content).__name__}.")
    return content


def _refusal(shown: Path, called: str) -> str:
    return f"{shown} holds more than tensors: it would call {called}. Nothing of it was run; don't use it."


def write_state_dict(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors as a ``.safetensors`` file, whole or not at all; the same ones give the same bytes.

    Args:
        path: the file.
        tensors: by name; each name gets its copy of a tensor that several share, which the format does not know.
        metadata: texts by name.

    Raises:
        OutputError: the file can't be written.
    """
    from safetensors.torch import save

    held = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    data = save(held, dict(metadata))
    # The library writes metadata in any order; places of tensors count from the end of the header.
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    write_bytes(path, len(text).to_bytes(8, "little") + text + data[8 + size :])


def _refuse_impostor(path: Path, shown: Path) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not head:
        raise WeightsError(f"{shown} is empty (zero bytes). Get it again.")
    if text.startswith(_LFS_POINTER):
        raise WeightsError(f"{shown} is a Git LFS pointer, not the weights. Fetch the content with `git lfs pull`.")
    if text.startswith(_HTML):
        raise WeightsError(
            f"{shown} is an HTML page, not weights: a failed download. A browser shows what the server said in it."
        )
    if head.startswith(_ZIP) and not zipfile.is_zipfile(path):
        raise WeightsError(f"{shown} is truncated: after {size:,} bytes its end is not there. Get it again.")


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0][:120] or type(error).__name__
