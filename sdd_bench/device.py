"""Where tensors are computed: on the processor, with how many threads, or on a CUDA device."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
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


def processor_name() -> str:
    """What the processor calls itself, for example ``AMD EPYC 7B13``; its architecture where it does not say.

    It names the model, and nothing that tells one machine of it from another.
    """
    told = platform.processor()
    if platform.system() == "Linux":
        with suppress(OSError):
            lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
            told = next((line.partition(":")[2] for line in lines if line.startswith("model name")), told)
    elif platform.system() == "Darwin":
        with suppress(OSError, subprocess.SubprocessError):
            asked = ["sysctl", "-n", "machdep.cpu.brand_string"]
            told = subprocess.run(asked, capture_output=True, text=True, timeout=5, check=True).stdout
    return " ".join(told.split()) or platform.machine()
