"""Where tensors are computed: on the processor, with how many threads, or on a CUDA device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, get_args

from sdd_bench.errors import DeviceError, unknown_name

DeviceName = Literal["auto", "cpu", "cuda"]


def find_device(name: DeviceName) -> str:
    """The device to compute on, on this machine.

    Args:
        name: ``cpu``, ``cuda``, or ``auto``: CUDA where there is a device, else the processor.

    Returns:
        ``cpu`` or ``cuda``.

    Raises:
        DeviceError: ``cuda`` was asked for and PyTorch finds no device, or the name is unknown.
    """
    if name not in (known := get_args(DeviceName)):
        raise DeviceError(unknown_name("device", name, known))
    if name == "cpu":
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if name == "cuda":
        build = "this build of PyTorch is for processors only" if torch.version.cuda is None else "PyTorch finds none"
        raise DeviceError(f"no CUDA device: {build} (torch {torch.__version__}). Use --device cpu or auto.")
    return "cpu"


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep torch from splitting the work of the block among threads.

    For steps that are too short to be split, and for those (sums, products with a vector) whose last digits depend on
    how they are split: worker processes have fewer threads, and must find the same.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
