"""LPIPS: the distance of two pictures in the features of a network, weighted as people judged (Zhang et al. 2018).

The arithmetic of the ``lpips`` package 0.1.4, net ``alex``, version 0.1, ``spatial=False``, inputs scaled to [-1, 1]:
after each of AlexNet's five ReLUs the features of both pictures are divided by their length over the channels, and
squared differences are weighted per channel, summed over channels and averaged over places; the five averages add up.

Other than in the package, several references share the prediction's pass through the network, and large pictures go
through it in tiles, with the same result.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sdd_bench import weights as weight_files
from sdd_bench.errors import MetricError, WeightsError, unknown_name
from sdd_bench.io.hashing import sha256
from sdd_bench.io.state_dicts import read_state_dict
from sdd_bench.metrics.alexnet import LAYERS, SMALLEST, Span, apply, cells, read_convolutions, spans
from sdd_bench.metrics.inputs import Array, require_picture, require_range, require_same

# lpips 0.1.4, ScalingLayer: mean and deviation of ImageNet's pixels, for inputs in [-1, 1].
SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)
EPSILON = 1e-10  # lpips 0.1.4, normalize_tensor
# The linear weights that come with lpips 0.1.4, lpips/weights/v0.1/alex.pth.
LINEAR_SHA256 = "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0"
TILE_SIDE = 4096
TILE_PIXELS = 4_500_000  # half of 4096 x 2160: less than 1 GB of features for three pictures


class LPIPS:
    """The metric with its weights, loaded and verified once.

    Args:
        net: ``"alex"``, the network of nearly all published numbers.
        weights: torchvision's AlexNet file; by default the one in the cache (`sdd_bench.weights`).
        device: where to compute; tensors must be there, arrays are brought there.
        allow_random: for tests only: accept another file of the same shapes, and say so in `weights_status`.

    Attributes:
        weights_status: ``"verified"``, or ``"random"`` for a file that is not the official one.
        weights_sha256: hash of the AlexNet file.
        device: where it computes.

    Raises:
        WeightsError: the file is missing, damaged or another one.
        MetricError: unknown net.
    """

    weights_status: Literal["verified", "random"]

    def __init__(
        self,
        net: str = "alex",
        weights: Path | str | None = None,
        *,
        device: torch.device | str = "cpu",
        allow_random: bool = False,
    ) -> None:
        if net != "alex":
            raise MetricError(unknown_name("LPIPS net", net, ["alex"]))
        path = weight_files.path("alexnet") if weights is None else Path(weights)
        if not path.is_file():
            raise WeightsError(f"{path} is no file. {weight_files.how_to_get('alexnet')}")
        official = weight_files.entry("alexnet").sha256
        self.weights_sha256 = sha256(path)
        self.weights_status = "verified" if self.weights_sha256 == official else "random"
        if self.weights_status == "random" and not allow_random:
            raise WeightsError(
                f"{path} is not torchvision's AlexNet: SHA-256 {self.weights_sha256}, expected {official}. "
                f"{weight_files.how_to_get('alexnet')}"
            )
        self.device = torch.device(device)
        self._convolutions = [(w.to(self.device), b.to(self.device)) for w, b in read_convolutions(path)]
        self._linear = [weight.to(self.device) for weight in _linear_weights()]

    @overload
    def __call__(self, pred: Array, *refs: Array) -> tuple[float, ...]: ...
    @overload
    def __call__(self, pred: Tensor, *refs: Tensor) -> tuple[Tensor, ...]: ...
    def __call__(self, pred: Array | Tensor, *refs: Array | Tensor) -> tuple[float, ...] | tuple[Tensor, ...]:
        """Measure the distance of a prediction to each of several references.

        Args:
            pred: H x W x 3 array or N x 3 x H x W tensor, float32 or float64, in [0, 1], at least 31 x 31 pixels.
            refs: one or more of the same kind, shape and range.

        Returns:
            Per reference the distance, at least 0, lower is better: a float for arrays, a float64 tensor of shape [N]
            for tensors, without gradient.

        Raises:
            MetricError: kinds, shapes, dtypes, values or devices are not as above.
        """
        pictures: list[Any] = [pred, *refs]
        self._require(pictures)
        if isinstance(pred, np.ndarray):
            return tuple(self._distances(pictures))
        each = [self._distances([batch[i].movedim(0, 2) for batch in pictures]) for i in range(len(pred))]
        return tuple(
            torch.tensor(column, dtype=torch.float64, device=pred.device) for column in zip(*each, strict=True)
        )

    def _require(self, pictures: Sequence[Any]) -> None:
        if len(pictures) < 2:
            raise MetricError("LPIPS compares a prediction with one or more references; got no reference.")
        arrays = isinstance(pictures[0], np.ndarray)
        kind, layout = (np.ndarray, "H x W x 3") if arrays else (Tensor, "N x 3 x H x W")
        named = {f"reference {i}" if i else "pred": picture for i, picture in enumerate(pictures)}
        for name, picture in named.items():
            require_picture(name, picture, kind, layout)
        require_same("shape", {name: tuple(picture.shape) for name, picture in named.items()})
        height, width = pictures[0].shape[:2] if arrays else pictures[0].shape[2:]
        if min(height, width) < SMALLEST:
            raise MetricError(f"LPIPS needs at least {SMALLEST} x {SMALLEST} pixels, got {height} x {width}.")
        if not arrays:
            require_same("device", {"LPIPS": self.device, **{name: t.device for name, t in named.items()}})
        for name, picture in named.items():
            low, high = (picture.min(), picture.max()) if arrays else picture.detach().aminmax()
            require_range(name, float(low), float(high))

    def _distances(self, pictures: Sequence[Any]) -> list[float]:
        """Distances of the first H x W x 3 picture to each of the others."""
        height, width = pictures[0].shape[:2]
        across = math.ceil(width / TILE_SIDE)
        down = math.ceil(height * width / across / TILE_PIXELS)
        sums = np.zeros((len(LAYERS), len(pictures) - 1))
        with torch.inference_mode():
            for rows in spans(height, down):
                for columns in spans(width, across):
                    sums += self._tile_sums(pictures, rows, columns)
        places = np.multiply(cells(height), cells(width))
        distances: list[float] = (sums / places[:, None]).sum(axis=0).tolist()
        return distances

    def _tile_sums(self, pictures: Sequence[Any], rows: Span, columns: Span) -> NDArray[np.float64]:
        """Weighted squared differences, summed over the tile's own cells, [layer, reference]."""
        tile = (slice(rows.start, rows.stop), slice(columns.start, columns.stop))
        crops = [torch.from_numpy(p[tile].copy()) if isinstance(p, np.ndarray) else p[tile] for p in pictures]
        colours = torch.stack(crops).to(self.device, torch.float32)
        shift, scale = (colours.new_tensor(values) for values in (SHIFT, SCALE))
        features = colours.mul_(2).sub_(1).sub_(shift).div_(scale).movedim(3, 1)
        features = apply(LAYERS[0], features, *self._convolutions[0])
        sums = np.empty((len(LAYERS), len(pictures) - 1))
        for k, weight in enumerate(self._linear):
            # The next layer first, because the features are normalised in place: they are the largest thing here.
            following = apply(LAYERS[k + 1], features, *self._convolutions[k + 1]) if k + 1 < len(LAYERS) else features
            length = torch.linalg.vector_norm(features, dim=1, keepdim=True)
            features.div_(length.add_(EPSILON))
            own = features[:, :, rows.own[k], columns.own[k]].movedim(1, 3)
            for j, reference in enumerate(own[1:]):
                sums[k, j] = ((own[0] - reference).square_() @ weight).sum(dtype=torch.float64).item()
            features = following
        return sums


def _linear_weights() -> list[Tensor]:
    package = find_spec("lpips")  # looked up, not imported: only the file is needed
    if package is None or package.origin is None:
        raise WeightsError("the package lpips, which brings LPIPS' linear weights, is missing: `pip install lpips`.")
    path = Path(package.origin).parent / "weights" / "v0.1" / "alex.pth"
    found = f"SHA-256 {sha256(path)}" if path.is_file() else "no such file"
    if found != f"SHA-256 {LINEAR_SHA256}":
        raise WeightsError(
            f"{path}: expected SHA-256 {LINEAR_SHA256}, found {found}. `pip install lpips==0.1.4` helps."
        )
    state = read_state_dict(path)
    weights = [state[f"lin{k}.model.1.weight"].reshape(layer.shape[0]) for k, layer in enumerate(LAYERS)]
    if any(bool((weight < 0).any()) for weight in weights):
        raise WeightsError(f"{path}: a linear weight is negative, so a distance could be; LPIPS allows none.")
    return weights
