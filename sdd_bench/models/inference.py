"""A network at work: pictures in, deblurred pictures or defocus maps out, on one device in one precision."""

from __future__ import annotations

import contextlib
import math
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from sdd_bench.errors import PredictionError, SddBenchError
from sdd_bench.models.memory import (
    PROBE_SIDE,
    WORTH_MEASURING,
    bytes_per_pixel,
    free_memory,
    largest_tiles,
    memory_errors,
    out_of_memory,
    require_memory,
)
from sdd_bench.models.tiling import Tiles, plan_tiles, run_tiled

if TYPE_CHECKING:
    from torch import Tensor, nn

    from sdd_bench.models.loading import Loaded

Image = NDArray[np.float32]
Precision = Literal["fp32", "bf16"]
TileRequest = int | Literal["auto", "none"]


@dataclass(frozen=True)
class Inference:
    """A network ready to work; `start` makes it.

    Attributes:
        network: on the device, in eval mode.
        kind: ``network`` gives pictures, ``map`` defocus maps.
        device: ``cpu`` or ``cuda``.
        precision: ``bf16`` computes convolutions and products in bfloat16; what is added up stays float32.
        tiles: how pictures are cut.
        reach: of the network, pixels; None where it is the whole picture or not known.
        ensemble: whether each picture goes through in all eight orientations, and the mean is taken.
        channels_last: whether pictures are laid out in memory pixel by pixel, and not channel by channel.
    """

    network: nn.Module
    kind: Literal["network", "map"]
    device: str
    precision: Precision
    tiles: Tiles
    reach: int | None
    ensemble: bool
    channels_last: bool

    def make(self, image: Image, *, picture: bool, radius: bool) -> tuple[Image | None, Image | None]:
        """`restore` and `defocus_map`, each if it is wanted."""
        return self.restore(image) if picture else None, self.defocus_map(image) if radius else None

    def restore(self, image: Image) -> Image:
        """Deblur a picture.

        Args:
            image: H x W x 3, float32 RGB in [0, 1].

        Returns:
            The same shape and range, clipped to it.

        Raises:
            PredictionError: out of memory, or the network made something else than a picture.
        """
        restored: Image = self._run(self.network, image, 3).transpose(1, 2, 0)
        return np.clip(restored, 0, 1)

    def defocus_map(self, image: Image) -> Image:
        """Estimate the blur of a picture.

        Args:
            image: H x W x 3, float32 RGB in [0, 1].

        Returns:
            H x W, float32, radius of the circle of confusion in pixels.

        Raises:
            PredictionError: as `restore`.
        """
        estimate: Callable[[Tensor], Tensor] = (
            self.network if self.kind == "map" else self.network.defocus_map  # type: ignore[assignment]
        )
        radius: Image = self._run(estimate, image, 1)[0]
        return radius

    def _run(self, function: Callable[..., object], image: Image, channels: int) -> Image:
        import torch

        picture = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]
        compute = computing(function, self.device, self.precision, self.channels_last)
        apply = in_all_orientations if self.ensemble else run_tiled
        with torch.inference_mode(), memory_errors(self.tiles, (image.shape[0], image.shape[1]), self.reach):
            result: Image = apply(compute, picture, self.tiles)[0].numpy()
        if result.shape[0] != channels:
            raise PredictionError(f"the network made {result.shape[0]} channels, expected {channels}.")
        if not np.isfinite(result).all():
            count = int(np.size(result) - np.isfinite(result).sum())
            raise PredictionError(
                f"the network made {count:,} values that are NaN or infinite: its weights are not for it, or "
                f"{self.precision} does not do for it."
            )
        return result


def start(
    loaded: Loaded,
    *,
    device: str,
    precision: Precision,
    ensemble: bool,
    tile: TileRequest,
    largest: tuple[int, int],
    memory: float | None = None,
) -> Inference:
    """Bring a network to where it works, and choose tiles.

    Args:
        loaded: the network and what is known of it.
        device: ``cpu`` or ``cuda``.
        precision: see `Inference`.
        ensemble: see `Inference`.
        tile: side of tiles in pixels, overlap included; ``none`` for whole pictures; ``auto`` for what memory allows.
        largest: (height, width) of the largest picture.
        memory: bytes that ``auto`` may plan with, in place of a share of what is free.

    Raises:
        PredictionError: the tile is too small for the network, or memory for it or for the smallest.
    """
    import torch

    network = loaded.network.to(device).eval()
    if loaded.channels_last:
        network = network.to(memory_format=torch.channels_last)
    stride, reach = loaded.facts.stride, loaded.facts.reach
    free = free_memory(device)

    def measured() -> float:
        with torch.inference_mode(), memory_errors(plan_tiles(None, stride, reach), largest, reach):
            return bytes_per_pixel(computing(network, device, precision, loaded.channels_last), device, stride)

    if loaded.fixed_size is not None:
        tiles = Tiles(loaded.fixed_size, max(1, min(loaded.fixed_size) // 4), 1, local=False, fixed=True)
    elif tile != "auto":
        tiles = plan_tiles(None if tile == "none" else tile, stride, reach)
        if loaded.measurable and math.prod(tiles.seen(*largest)) > WORTH_MEASURING:
            require_memory(measured(), free, tiles, largest, device, reach)
    elif memory is None and largest[0] * largest[1] <= PROBE_SIDE**2:  # no more than what would be measured on
        tiles = plan_tiles(None, stride, reach)
    else:
        need = measured() if loaded.measurable else None
        tiles = largest_tiles(need, free, largest, device=device, stride=stride, reach=reach, most=memory)
    return Inference(network, loaded.kind, device, precision, tiles, reach, ensemble, loaded.channels_last)


def computing(
    function: Callable[..., object], device: str, precision: Precision, channels_last: bool
) -> Callable[[Tensor], Tensor]:
    """A network as a function from float32 on the CPU to float32 on the CPU: 1 x 3 x H x W to 1 x K x H x W.

    Of several pictures (the stages of a network) it gives the first, which is the final one.

    Raises:
        PredictionError: from the function, if the network fails or gives no tensor.
    """
    import torch

    layout = torch.channels_last if channels_last else torch.contiguous_format

    def run(part: Tensor) -> Tensor:
        with _arithmetic(device, precision), _failures(part):
            made = function(part.to(device).contiguous(memory_format=layout))
        if isinstance(made, tuple | list) and made:
            made = made[0]
        if not isinstance(made, torch.Tensor):
            raise PredictionError(
                f"the network gave a {type(made).__name__}: expected a tensor, or several of them, the result first."
            )
        return made.float().cpu()

    return run


@contextlib.contextmanager
def _failures(part: Tensor) -> Iterator[None]:
    """Say of what and where a network failed, which may be the user's own; memory is spoken of by `memory_errors`."""
    try:
        yield
    except (SddBenchError, MemoryError):
        raise
    except Exception as error:  # the network's code may raise anything
        if out_of_memory(error):
            raise
        place = traceback.extract_tb(error.__traceback__)[-1]
        raise PredictionError(
            f"the network failed on {part.shape[-1]} x {part.shape[-2]} pixels: {type(error).__name__}: {error} "
            f"({place.filename}, line {place.lineno}). If sides must be multiples of a number, it says so by its "
            "attribute `stride`, or you by --stride."
        ) from error


@contextlib.contextmanager
def _arithmetic(device: str, precision: Precision) -> Iterator[None]:
    import torch

    with contextlib.ExitStack() as stack:
        if precision == "bf16":
            stack.enter_context(torch.autocast(device, dtype=torch.bfloat16))
        elif device == "cuda":  # or convolutions would round to the 10 bits of TF32
            stack.enter_context(torch.backends.cudnn.flags(enabled=True, allow_tf32=False))
        yield


def in_all_orientations(function: Callable[[Tensor], Tensor], picture: Tensor, tiles: Tiles) -> Tensor:
    """The mean over the picture's eight orientations (mirrored, turned), each result turned back.

    The self-ensemble of Lim et al., Enhanced Deep Residual Networks for Single Image Super-Resolution, CVPRW 2017,
    sec. 3.4.

    Args:
        function: as of `run_tiled`.
        picture: 1 x 3 x H x W.
        tiles: how to cut.
    """
    total: Tensor | None = None
    for number in range(8):
        axes = [axis for axis, bit in ((-1, 1), (-2, 2)) if number & bit]
        turned = picture.flip(axes)
        if number & 4:
            turned = turned.transpose(-1, -2)
        found = run_tiled(function, turned, tiles)
        if number & 4:
            found = found.transpose(-1, -2)
        found = found.flip(axes)
        total = found if total is None else total + found
    assert total is not None
    return total / 8
