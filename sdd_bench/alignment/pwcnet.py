"""Optical flow by PWC-Net with dense connections (Sun, Yang, Liu, Kautz, CVPR 2018)."""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from sdd_bench import weights as weight_files
from sdd_bench.alignment.inputs import require_pictures

if TYPE_CHECKING:
    from torch import Tensor

    from sdd_bench.alignment.pwcnet_network import PwcNet

WeightsName = Literal["pwcnet-ptlflow", "pwc-default"]
_COLOURS: dict[WeightsName, Literal["rgb", "bgr"]] = {"pwcnet-ptlflow": "rgb", "pwc-default": "bgr"}


class PwcNetFlow(BaseModel):
    """PWC-Net as a flow backend.

    Two arithmetics are in use around the same layers:

    - ``ptlflow``: pictures are resized to the next multiple of 64 pixels a side with aligned corners, features are
      warped with aligned corners, and the flow is enlarged four times and resized back with aligned corners.
    - ``release``: that of the PyTorch port used by the JDRL release (sniklaus/pytorch-pwc, 2020 to 2022). Corners are
      never aligned, and warping divides the flow by (w - 1) / 2 on a grid that spans w pixels, so that features move by
      w / (w - 1) times the flow.

    The order of colours is that of the weights' training: RGB for ``pwcnet-ptlflow``, BGR for ``pwc-default``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["pwcnet"] = "pwcnet"
    grid: Literal["ptlflow", "release"] = "ptlflow"
    """Whose resizing and warping."""
    weights: WeightsName = "pwcnet-ptlflow"
    """Name of the weight file in `sdd_bench.weights`."""
    device: str = Field(default="cpu", exclude=True, repr=False)
    """Where to compute, as torch names it; no part of the recorded parameters."""

    @property
    def weights_sha256(self) -> str:
        """SHA-256 of the weight file in the cache.

        Raises:
            WeightsError: it is missing or not the right one.
        """
        return weight_files.verify(self.weights)

    def on(self, device: str) -> PwcNetFlow:
        """The same flow, computed on another device (``"cpu"``, ``"cuda"``, ``"cuda:1"``)."""
        return self.model_copy(update={"device": device})

    def __call__(self, source: NDArray[np.float32], target: NDArray[np.float32]) -> NDArray[np.float32]:
        """Flow from source to target; arguments, result and errors are those of `FlowBackend`.

        Raises:
            WeightsError: the weights are missing, damaged or another network's.
        """
        require_pictures(source, target, f"flow {self.name!r}", smallest=1)
        import torch

        tensors = (torch.from_numpy(picture.copy())[None].permute(0, 3, 1, 2) for picture in (source, target))
        return np.ascontiguousarray(self.batch(*tensors)[0].movedim(0, 2).cpu().numpy())

    def batch(self, source: Tensor, target: Tensor) -> Tensor:
        """Flow of several pairs at once, all of it on this flow's device, and without gradient.

        Args:
            source: N x 3 x H x W, floating point, RGB in [0, 1] (values outside are clipped), finite.
            target: the same.

        Returns:
            N x 2 x H x W, float32, on this flow's device; otherwise as for one pair.

        Raises:
            WeightsError: the weights are missing, damaged or another network's.
        """
        import torch

        from sdd_bench.alignment.pwcnet_grids import full_flow, resize_picture, warp_features

        network = _network(self.weights, weight_files.folder(), self.device)
        # TF32, the default of convolutions on CUDA, keeps 10 bits of each factor; a CPU keeps 23.
        exact = torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)
        with torch.no_grad(), exact, torch.autocast(torch.device(self.device).type, enabled=False):
            a, b = (resize_picture(self._seen(pictures), self.grid) for pictures in (source, target))
            quarter = network(a, b, partial(warp_features, grid=self.grid))
            return full_flow(quarter, source.shape[2], source.shape[3], self.grid)

    def _seen(self, pictures: Tensor) -> Tensor:
        """With the channels last in memory, as the network works."""
        import torch

        channels = pictures if _COLOURS[self.weights] == "rgb" else pictures.flip(1)
        channels = channels.to(self.device, torch.float32).clamp(0, 1)
        return channels.contiguous(memory_format=torch.channels_last)


@lru_cache(maxsize=2)
def _network(name: WeightsName, folder: Path, device: str) -> PwcNet:
    """Verified and read once per process; the folder is an argument because another cache may hold another file."""
    from sdd_bench.alignment.pwcnet_checkpoints import read_layers
    from sdd_bench.alignment.pwcnet_network import PwcNet

    return PwcNet(read_layers(weight_files.path(name), name), device)
