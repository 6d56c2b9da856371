"""How much memory is free, how much a network needs per pixel, and what to do when it was too little."""

from __future__ import annotations

import math
import os
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdd_bench.errors import PredictionError
from sdd_bench.models.padding import round_up
from sdd_bench.models.tiling import Tiles, plan_tiles, smallest_side

if TYPE_CHECKING:
    from torch import Tensor

UNKNOWN_SIDE = 512  # of tiles where free memory or need can't be told
PROBE_SIDE = 256  # small enough to be quick, large enough that weights don't count as pixels
WORTH_MEASURING = 16 * PROBE_SIDE**2  # pixels at once, from which it costs little to measure first
# What convolutions take beside the tensors that can be seen, for reordered copies of their inputs: on a CPU 1.1 to 1.4
# times these tensors in all (`unet`, measured by the process's peak at 512 x 512, float32 and bfloat16).
HEADROOM = 1.5
SHARE_OF_FREE = {"cpu": 0.5, "cuda": 0.8}  # a computer has other programs, too
# Copies of a float32 RGB picture while it is worked on: read, padded, turned, result, mean over turns, as integers.
PICTURE_BYTES = 6 * 12

_CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
_TOO_LITTLE = ("not enough memory", "can't allocate memory", "out of memory", "failed to allocate")  # in lower case


def free_memory(device: str) -> int | None:
    """Bytes that can be had on a device: of a container, what its limit leaves.

    Args:
        device: ``cpu`` or ``cuda``.

    Returns:
        None where the system does not tell.
    """
    if device == "cuda":
        import torch

        free, _ = torch.cuda.mem_get_info()
        return int(free)
    found = [_available(), *(_container_rest(Path(limit), Path(used)) for limit, used in _CGROUPS)]
    return min((number for number in found if number is not None), default=None)


def _available() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        pass
    try:  # what is there at all, where the system does not tell what is free (macOS): half of it
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, ValueError, OSError):
        return None


def _container_rest(limit: Path, used: Path) -> int | None:
    try:
        return max(0, int(limit.read_text(encoding="ascii")) - int(used.read_text(encoding="ascii")))
    except (OSError, ValueError):  # no such group, or "max": no limit
        return None


def bytes_per_pixel(function: Callable[[Tensor], Tensor], device: str, stride: int) -> float:
    """Most memory that a network holds at once, per pixel of its input, measured on a small one.

    Args:
        function: takes 1 x 3 x H x W on the CPU.
        device: where it computes: on CUDA the allocator's own count, on the CPU all tensors that are alive.
        stride: of the network.
    """
    import torch

    side = round_up(PROBE_SIDE, stride)
    picture = torch.full((1, 3, side, side), 0.5)
    if device == "cuda":
        function(picture)  # what is loaded on first use does not count
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        function(picture)
        return (torch.cuda.max_memory_allocated() - before) / side**2
    with _alive() as peak:
        function(picture)
    return peak() / side**2


@contextmanager
def _alive() -> Iterator[Callable[[], int]]:
    """Count the bytes of all tensors that operations make in the block while they live; gives the peak."""
    from torch import Tensor
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    class Count(TorchDispatchMode):  # type: ignore[no-untyped-call]
        now = peak = 0

        @classmethod
        def _should_skip_dynamo(cls) -> bool:
            return False  # nothing is compiled here, and to import the compiler takes seconds

        def __init__(self) -> None:
            super().__init__()  # type: ignore[no-untyped-call]
            self.counted: set[int] = set()

        def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            made = operation(*args, **(kwargs or {}))
            for tensor in tree_leaves(made):
                if isinstance(tensor, Tensor):
                    storage = tensor.untyped_storage()
                    # Views share a storage, and results of operations in place have one that was counted.
                    if (key := storage.data_ptr()) not in self.counted:
                        self.counted.add(key)
                        self.now += storage.nbytes()
                        self.peak = max(self.peak, self.now)
                        weakref.finalize(storage, self.release, key, storage.nbytes())
            return made

        def release(self, key: int, size: int) -> None:
            self.counted.discard(key)
            self.now -= size

    with Count() as count:
        yield lambda: count.peak


def largest_tiles(
    per_pixel: float | None,
    free: int | None,
    largest: tuple[int, int],
    *,
    device: str,
    stride: int,
    reach: int | None,
    most: float | None = None,
) -> Tiles:
    """The largest tiles that memory allows; none where a whole picture goes.

    Args:
        per_pixel: what the network needs, as measured; None where it can't be.
        free: bytes, None where the system does not tell.
        largest: (height, width) of the largest picture.
        device: ``cpu`` or ``cuda``.
        stride: of the network.
        reach: of the network; see `plan_tiles`.
        most: bytes to plan with, in place of a share of what is free.

    Raises:
        PredictionError: memory does not even do for the smallest tiles.
    """
    whole = Tiles(None, 0, stride, reach is not None)
    smallest = smallest_side(stride, reach)
    if per_pixel is None or (free is None and most is None):
        tiles = plan_tiles(max(UNKNOWN_SIDE, smallest), stride, reach)
        return whole if tiles.covers(*largest) else tiles
    budget = most if most is not None else SHARE_OF_FREE[device] * (free or 0)
    if device == "cpu":
        budget -= PICTURE_BYTES * largest[0] * largest[1]
    pixels = budget / (HEADROOM * per_pixel)
    if round_up(largest[0], stride) * round_up(largest[1], stride) <= pixels:
        return whole
    side = int(math.sqrt(max(0.0, pixels))) // stride * stride
    if side < smallest:
        raise PredictionError(
            f"too little memory: the smallest tiles of this network, {smallest} x {smallest}, take about "
            f"{HEADROOM * per_pixel * smallest**2 / 1e9:.1f} GB beside the picture; {max(0.0, budget) / 1e9:.1f} GB "
            "can be planned with. Close other programs, use --precision bf16 or another machine, or give --tile."
        )
    return plan_tiles(side, stride, reach)


def require_memory(
    per_pixel: float, free: int | None, tiles: Tiles, largest: tuple[int, int], device: str, reach: int | None
) -> None:
    """Refuse tiles that can't fit: Linux promises more memory than there is, and kills who takes it.

    Args:
        per_pixel: what the network needs, as measured.
        free: bytes, None where the system does not tell.
        tiles: that were asked for.
        largest: (height, width) of the largest picture.
        device: ``cpu`` or ``cuda``.
        reach: of the network.

    Raises:
        PredictionError: with a tile that would fit.
    """
    height, width = tiles.seen(*largest)
    if free is None or (needed := per_pixel * height * width) <= free:
        return
    fits = largest_tiles(per_pixel, free, largest, device=device, stride=tiles.stride, reach=reach)
    advice = f"--tile {fits.size[0]}" if fits.size is not None else "--tile auto"
    raise PredictionError(
        f"{width} x {height} pixels at once take at least {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free. "
        f"Use {advice}."
    )


def out_of_memory(error: Exception) -> bool:
    """Whether an error means that memory was too little: PyTorch has one of its own on CUDA, plain ones on the CPU."""
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _TOO_LITTLE)


@contextmanager
def memory_errors(tiles: Tiles, size: tuple[int, int], reach: int | None) -> Iterator[None]:
    """Turn running out of memory into an error that suggests a smaller tile.

    Args:
        tiles: in use.
        size: (height, width) of the picture.
        reach: of the network.

    Raises:
        PredictionError: in place of a MemoryError, or of the RuntimeError that PyTorch raises for it.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        seen = tiles.size or size
        side = max(seen) // 2 // tiles.stride * tiles.stride
        smallest = smallest_side(tiles.stride, reach)
        what = f"tiles of {seen[1]} x {seen[0]}" if tiles.size else f"whole pictures of {size[1]} x {size[0]}"
        if tiles.fixed or max(seen) <= smallest:
            advice = "No smaller tile would do: use --precision bf16, or a machine with more memory."
        else:
            advice = f"Use --tile {max(side, smallest)}."
        raise PredictionError(f"out of memory with {what}. {advice}") from error
