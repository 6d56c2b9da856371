"""Reading checkpoints of other people: tensors by name, without running code that a file may hold."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdd_bench.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

_HEAD_BYTES = 512
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_HTML = (b"<!doctype", b"<html", b"<head", b"<body", b"<script", b"<?xml", b"<!--")
_ZIP = b"PK\x03\x04"


def read_state_dict(path: Path, shown_as: Path | None = None) -> dict[str, Tensor]:
    """Read the tensors of a checkpoint by ``torch.load(weights_only=True)``, or of a ``.safetensors`` file.

    Args:
        path: the file.
        shown_as: what messages call it, for a copy under a temporary name.

    Returns:
        Tensors by name, on the CPU. Of a Lightning checkpoint, those of its ``state_dict``.

    Raises:
        WeightsError: the file is a web page, a Git LFS pointer, truncated, holds something else than tensors, or is no
            checkpoint at all.
    """
    import torch

    shown = shown_as or path
    _refuse_impostor(path, shown)
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            content: Any = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle raises nearly anything, from EOFError to IndexError
        if foreign := re.search(r"GLOBAL (\S+)", str(error)):
            raise WeightsError(
                f"{shown} holds more than tensors: it would call {foreign[1]}. Nothing of it was run; don't use it."
            ) from error
        raise WeightsError(f"{shown} is no readable checkpoint ({_first_line(error)}). Get it again.") from error
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict) or not content or not all(isinstance(t, torch.Tensor) for t in content.values()):
        raise WeightsError(f"{shown} holds no state dict: expected tensors by name, got a {type(content).__name__}.")
    return content


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
