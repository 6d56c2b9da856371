"""LPIPS: the distance of two pictures in the features of a network, weighted as people judged (Zhang et al. 2018).

The arithmetic of the ``lpips`` package 0.1.4, net ``alex``, version 0.1, ``spatial=False``, inputs scaled to [-1, 1]:
after each of AlexNet's five ReLUs the features of both pictures are divided by their length over the channels, and
squared differences are weighted per channel, summed over channels and averaged over places; the five averages add up.

Other than in the package, several references share the prediction's pass through the network, the features of a
reference can be kept, and large pictures go through the network in tiles, with the same result.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sdd_bench import weights as weight_files
from sdd_bench.device import one_thread
from sdd_bench.errors import MetricError, WeightsError, unknown_name
from sdd_bench.io.hashing import sha256
from sdd_bench.io.state_dicts import read_state_dict
from sdd_bench.metrics.alexnet import LAYERS, SMALLEST, Span, apply, cells, read_convolutions, spans
from sdd_bench.metrics.inputs import Array, require_picture, require_range, require_same

Features: TypeAlias = tuple[NDArray[np.float16], ...]

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

    def features(self, picture: Array) -> Features:
        """Compute what `between` needs of a reference, once for many predictions.

        Args:
            picture: H x W x 3 array, float32 or float64, in [0, 1], at least 31 x 31 pixels.

        Returns:
            Per layer h x w x C float16, of length 1 over the channels; 20 bytes per pixel of the picture. Half
            precision moves a distance by less than 1e-5.

        Raises:
            MetricError: the picture is not as above.
        """
        self._require([picture, picture])
        height, width = picture.shape[:2]
        sizes = zip(cells(height), cells(width), LAYERS, strict=True)
        kept = tuple(np.empty((h, w, layer.shape[0]), np.float16) for h, w, layer in sizes)
        with torch.inference_mode():
            for tile in _tiles(height, width):
                for k, own in enumerate(self._own_features([picture], tile)):
                    kept[k][tile.places(k)] = own[0].to("cpu", torch.float16).numpy()
        return kept

    def between(self, pred: Array, *refs: Features) -> tuple[float, ...]:
        """Measure the distance of a prediction to references of which the features are known.

        Args:
            pred: as for `features`.
            refs: one or more results of `features` for pictures of the same size.

        Returns:
            Per reference the distance, as a call with the picture itself gives it.

        Raises:
            MetricError: the prediction is not as above, or features are of pictures of another size.
        """
        self._require([pred, pred])
        height, width = pred.shape[:2]
        expected = list(zip(cells(height), cells(width), strict=True))
        for reference in refs:
            found = [layer.shape[:2] for layer in reference]
            if found != expected:
                raise MetricError(
                    f"features of {found} cells don't belong to a picture of {height} x {width}: {expected}"
                )
        sums = np.zeros((len(LAYERS), len(refs)))
        with torch.inference_mode():
            for tile in _tiles(height, width):
                for k, own in enumerate(self._own_features([pred], tile)):
                    for j, reference in enumerate(refs):
                        part = torch.from_numpy(reference[k][tile.places(k)]).to(self.device, torch.float32)
                        sums[k, j] += _weighted(own[0], part, self._linear[k])
        return tuple(_summed(sums, height, width))

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
        sums = np.zeros((len(LAYERS), len(pictures) - 1))
        with torch.inference_mode():
            for tile in _tiles(height, width):
                for k, own in enumerate(self._own_features(pictures, tile)):
                    for j, reference in enumerate(own[1:]):
                        sums[k, j] += _weighted(own[0], reference, self._linear[k])
        return _summed(sums, height, width)

    def _own_features(self, pictures: Sequence[Any], tile: _Tile) -> Iterator[Tensor]:
        """Normalised features of the tile's own cells, layer by layer, [N, h, w, C]."""
        rows, columns = tile
        part = (slice(rows.start, rows.stop), slice(columns.start, columns.stop))
        crops = [torch.from_numpy(p[part].copy()) if isinstance(p, np.ndarray) else p[part] for p in pictures]
        colours = torch.stack(crops).to(self.device, torch.float32)
        shift, scale = (colours.new_tensor(values) for values in (SHIFT, SCALE))
        features = colours.mul_(2).sub_(1).sub_(shift).div_(scale).movedim(3, 1)
        features = apply(LAYERS[0], features, *self._convolutions[0])
        for k in range(len(LAYERS)):
            # The next layer first, because the features are normalised in place: they are the largest thing here.
            following = apply(LAYERS[k + 1], features, *self._convolutions[k + 1]) if k + 1 < len(LAYERS) else features
            length = torch.linalg.vector_norm(features, dim=1, keepdim=True)
            features.div_(length.add_(EPSILON))
            yield features[:, :, rows.own[k], columns.own[k]].movedim(1, 3)
            features = following


class _Tile(NamedTuple):
    """A part of a picture."""

    rows: Span
    columns: Span

    def places(self, k: int) -> tuple[slice, slice]:
        """Where the tile's own cells lie among all cells of a layer."""
        rows, columns = (
            slice(span.own[k].start + span.start // LAYERS[k].step, span.own[k].stop + span.start // LAYERS[k].step)
            for span in self
        )
        return rows, columns


def _tiles(height: int, width: int) -> Iterator[_Tile]:
    across = math.ceil(width / TILE_SIDE)
    down = math.ceil(height * width / across / TILE_PIXELS)
    for rows in spans(height, down):
        for columns in spans(width, across):
            yield _Tile(rows, columns)


def _weighted(a: Tensor, b: Tensor, weight: Tensor) -> float:
    """Weighted squared differences of features [h, w, C], summed over the cells."""
    with one_thread():
        return float(((a - b).square_() @ weight).sum(dtype=torch.float64).item())


def _summed(sums: NDArray[np.float64], height: int, width: int) -> list[float]:
    """Distances from the sums [layer, reference]: averages over the cells, added up over the layers."""
    places = np.multiply(cells(height), cells(width))
    distances: list[float] = (sums / places[:, None]).sum(axis=0).tolist()
    return distances


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
