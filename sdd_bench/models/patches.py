"""Pictures cut into halves that a network works on as further pictures of the batch."""

from __future__ import annotations

import torch
from torch import Tensor

ROWS, COLUMNS = 2, 3  # dimensions of N x C x H x W


def halve(pictures: Tensor, dimension: int) -> Tensor:
    """Cut along a dimension: N x C x H x W to 2N pictures, first all first halves and then all second ones."""
    return torch.cat(pictures.chunk(2, dim=dimension))


def rejoin(halves: Tensor, dimension: int) -> Tensor:
    """Undo `halve`: 2N halves to N pictures."""
    return torch.cat(halves.chunk(2), dim=dimension)
