"""What every network asks of its input."""

from __future__ import annotations

from torch import Tensor

from sdd_bench.errors import ModelError


def require_picture(picture: Tensor, channels: int, stride: int) -> None:
    """Refuse a tensor that a network is not defined for.

    Args:
        picture: should be N x `channels` x H x W of some floating type.
        channels: how many the network reads.
        stride: H and W must be multiples of it.

    Raises:
        ModelError: it is not; the message says what to do.
    """
    shape = tuple(picture.shape)
    if picture.ndim != 4 or shape[1] != channels or not picture.is_floating_point():
        raise ModelError(f"expected N x {channels} x H x W of floats in [0, 1], got {shape} of {picture.dtype}.")
    if shape[2] % stride or shape[3] % stride or not picture.numel():
        raise ModelError(
            f"expected sides that are multiples of {stride}, got {shape[3]} x {shape[2]} pixels. "
            "Pad the picture (sdd_bench.predict does) or crop it."
        )
