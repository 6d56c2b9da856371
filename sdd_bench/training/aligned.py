"""Training pictures whose ground truth was deformed once, over the whole picture, before anything is learned.

Deformation at every step sees a crop, and in the first epochs a blurry one. Over the whole picture, with blur
equalised, the same flow is found more exactly and fewer pixels are lost at borders; and it is found once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from sdd_bench.datasets.dataset import Pair
from sdd_bench.errors import TrainingError
from sdd_bench.io.atomic import atomic_path
from sdd_bench.parallel import map_items

_PEAK = 65535  # what 1 is kept as: 8 and 16 bits of a file come back as they were

Image: TypeAlias = NDArray[np.float32]
Align: TypeAlias = Callable[[Image, Image], tuple[Image, NDArray[np.bool_]]]
"""From a blurry and a sharp picture, H x W x 3 float32: the sharp one deformed towards the blurry one, and H x W bool,
the pixels that count."""

Window: TypeAlias = tuple[slice, slice]


def align_training(pairs: Sequence[Pair], align: Align, folder: Path, workers: int, progress: bool) -> None:
    """Deforms the ground truths of training pairs; those that are in the folder already stay as they are.

    Args:
        pairs: which.
        align: deforms a ground truth towards its blurry picture.
        folder: to keep them in, a file per pair: blurry picture, deformed one and what counts, 14 bytes per pixel.
        workers: processes.
        progress: show progress on the terminal.

    Raises:
        TrainingError: not one pixel of a pair could be aligned; names all such pairs.
    """
    missing = [pair for pair in pairs if not _path(folder, pair.stem).is_file()]
    one = partial(_align_one, align=align, folder=folder)
    done = map_items(one, missing, workers=workers, describe="aligning", progress=progress, label=lambda p: p.stem)
    if lost := [pair.stem for pair, kept in done if not kept]:
        raise TrainingError(
            f"nothing of {', '.join(lost)} could be aligned, so nothing could be learned from it. Look at it with: "
            "sdd-bench analyze DATASET --split train. Leave it out when preparing, or train with another recipe."
        )


def open_aligned(folder: Path, stem: str) -> NDArray[Any]:
    """What `align_training` kept of a pair, H x W x 7 uint16: nothing of it is read before it is asked for."""
    opened: NDArray[Any] = np.load(_path(folder, stem), mmap_mode="r", allow_pickle=False)
    return opened


def part_of(stored: NDArray[Any], window: Window) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A part of a pair.

    Args:
        stored: of `open_aligned`.
        window: rows and columns.

    Returns:
        The blurry picture and the deformed ground truth, 3 x h x w float32 in [0, 1]; and 1 x h x w bool, the pixels
        that count.
    """
    part = np.array(stored[window])
    colours = torch.from_numpy(part[..., :6].astype(np.float32) / np.float32(_PEAK)).permute(2, 0, 1)
    return colours[:3], colours[3:], torch.from_numpy(part[None, ..., -1] > 0)


def _align_one(pair: Pair, align: Align, folder: Path) -> bool:
    """Whether anything of it counts; if not, nothing is kept."""
    blurry = pair.blur()
    deformed, counted = align(blurry, pair.gt())
    if not counted.any():
        return False
    values = np.concatenate([blurry, deformed, counted[..., None]], 2, dtype=np.float32)
    with atomic_path(_path(folder, pair.stem)) as temporary, temporary.open("wb") as file:
        np.save(file, np.rint(np.clip(values, 0, 1) * _PEAK).astype(np.uint16))
    return True


def _path(folder: Path, stem: str) -> Path:
    return folder / f"{stem}.npy"
