"""Pictures continued beyond their border, until their sides are ones that a network takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def round_up(number: int, multiple: int) -> int:
    """The smallest multiple that is at least the number."""
    return -(-number // multiple) * multiple


def reflect(pictures: Tensor, height: int, width: int) -> Tensor:
    """Continue pictures to the right and below; back and forth where they are smaller than what is added.

    Args:
        pictures: N x C x H x W.
        height: wanted; where it is not larger than that of the pictures, theirs stays.
        width: likewise.
    """
    import numpy as np
    import torch

    for axis, wanted in ((-2, height), (-1, width)):
        length = pictures.shape[axis]
        if wanted > length:
            places = np.pad(np.arange(length), (0, wanted - length), mode="reflect" if length > 1 else "edge")
            pictures = pictures.index_select(axis, torch.from_numpy(places).to(pictures.device))
    return pictures
