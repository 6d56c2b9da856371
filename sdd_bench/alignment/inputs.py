"""What every estimator of motion asks of a pair of pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sdd_bench.errors import AlignmentError


def require_pictures(source: NDArray[np.float32], target: NDArray[np.float32], what: str, smallest: int) -> None:
    """Check that two pictures are what they should be.

    Args:
        source: H x W x 3 float32, finite.
        target: the same.
        what: what needs them, for the message.
        smallest: least number of pixels a side.

    Raises:
        AlignmentError: they are not.
    """
    for role, picture in (("source", source), ("target", target)):
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.float32:
            raise AlignmentError(f"expected a float32 {role} H x W x 3, got {picture.dtype} {picture.shape}")
        if not np.isfinite(picture).all():
            raise AlignmentError(f"the {role} contains NaN or infinite values")
    if source.shape != target.shape:
        raise AlignmentError(f"source and target differ in shape: {source.shape} and {target.shape}")
    height, width = source.shape[:2]
    if min(height, width) < smallest:
        raise AlignmentError(f"{what} needs at least {smallest} pixels a side, got {width} x {height}")
