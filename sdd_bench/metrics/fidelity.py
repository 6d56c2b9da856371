"""PSNR, SSIM and MAE of a prediction against a reference, in float64, with or without a validity mask.

With a mask (True = counts), PSNR and MAE are means over the valid pixels. SSIM is the mean of the SSIM map over the
pixels whose *whole* 7 x 7 window is valid: a window that holds one invalid pixel would carry that pixel's content into
the score. An all-True mask gives the same bits as no mask.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar, overload

import numpy as np

from sdd_bench.metrics.inputs import Array, Mask
from sdd_bench.metrics.stripes import Sums, array_sums, tensor_sums

if TYPE_CHECKING:
    from torch import Tensor

Value = TypeVar("Value", float, "Tensor")


@dataclass(frozen=True)
class Fidelity(Generic[Value]):
    """The three metrics of one pair of pictures (floats) or of N pairs (float64 tensors of shape [N]).

    Attributes:
        psnr: 10 log10(1 / MSE) in dB, higher is better, ``inf`` for identical pictures.
        ssim: mean structural similarity, at most 1, higher is better.
        mae: mean absolute error, 0 to 1, lower is better.
    """

    psnr: Value
    ssim: Value
    mae: Value


@overload
def fidelity(pred: Array, ref: Array, mask: Mask | None = None) -> Fidelity[float]: ...
@overload
def fidelity(pred: Tensor, ref: Tensor, mask: Tensor | None = None) -> Fidelity[Tensor]: ...
def fidelity(
    pred: Array | Tensor, ref: Array | Tensor, mask: Mask | Tensor | None = None
) -> Fidelity[float] | Fidelity[Tensor]:
    """Measure PSNR, SSIM and MAE in one pass over both pictures.

    Arrays are processed by as many threads as OpenCV may use (``cv2.setNumThreads``); their number does not change the
    result. Tensors stay on their device, and the result carries no gradient.

    Args:
        pred: H x W x 3 array or N x 3 x H x W tensor, float32 or float64, in [0, 1], at least 7 x 7 pixels.
        ref: the same shape and range.
        mask: H x W bool array or N x H x W bool tensor, True where a pixel counts.

    Returns:
        Floats for arrays, float64 tensors of shape [N] for tensors.

    Raises:
        MetricError: shapes, dtypes or values are not as above, or the mask leaves nothing to measure.
    """
    if isinstance(pred, np.ndarray):
        sums = array_sums(pred, ref, mask, structure=True)
        return Fidelity(_psnr(sums), _ssim(sums), _mae(sums))
    batch = tensor_sums(pred, ref, mask, structure=True)
    return Fidelity(*(_like(pred, [metric(sums) for sums in batch]) for metric in (_psnr, _ssim, _mae)))


@overload
def psnr(pred: Array, ref: Array, mask: Mask | None = None) -> float: ...
@overload
def psnr(pred: Tensor, ref: Tensor, mask: Tensor | None = None) -> Tensor: ...
def psnr(pred: Array | Tensor, ref: Array | Tensor, mask: Mask | Tensor | None = None) -> float | Tensor:
    """Measure the peak signal-to-noise ratio: 10 log10(1 / MSE) over all valid pixels and channels.

    Args:
        pred: as for `fidelity`, of any size.
        ref: the same shape and range.
        mask: as for `fidelity`.

    Returns:
        dB, ``inf`` for identical pictures; a float, or a float64 tensor of shape [N] for tensors.

    Raises:
        MetricError: as for `fidelity`.
    """
    return _measure(_psnr, pred, ref, mask, structure=False)


@overload
def ssim(pred: Array, ref: Array, mask: Mask | None = None) -> float: ...
@overload
def ssim(pred: Tensor, ref: Tensor, mask: Tensor | None = None) -> Tensor: ...
def ssim(pred: Array | Tensor, ref: Array | Tensor, mask: Mask | Tensor | None = None) -> float | Tensor:
    """Measure the structural similarity: Wang et al. 2004 with a uniform 7 x 7 window and sample covariance.

    The same number as scikit-image's ``structural_similarity(data_range=1, channel_axis=2)`` on float64.

    Args:
        pred: as for `fidelity`.
        ref: the same shape and range.
        mask: as for `fidelity`; the pixels whose whole window is valid are averaged.

    Returns:
        At most 1; a float, or a float64 tensor of shape [N] for tensors.

    Raises:
        MetricError: as for `fidelity`.
    """
    return _measure(_ssim, pred, ref, mask, structure=True)


@overload
def mae(pred: Array, ref: Array, mask: Mask | None = None) -> float: ...
@overload
def mae(pred: Tensor, ref: Tensor, mask: Tensor | None = None) -> Tensor: ...
def mae(pred: Array | Tensor, ref: Array | Tensor, mask: Mask | Tensor | None = None) -> float | Tensor:
    """Measure the mean absolute error over all valid pixels and channels.

    Args:
        pred: as for `fidelity`, of any size.
        ref: the same shape and range.
        mask: as for `fidelity`.

    Returns:
        0 to 1; a float, or a float64 tensor of shape [N] for tensors.

    Raises:
        MetricError: as for `fidelity`.
    """
    return _measure(_mae, pred, ref, mask, structure=False)


def _measure(
    metric: Callable[[Sums], float],
    pred: Array | Tensor,
    ref: Array | Tensor,
    mask: Mask | Tensor | None,
    *,
    structure: bool,
) -> float | Tensor:
    if isinstance(pred, np.ndarray):
        return metric(array_sums(pred, ref, mask, structure=structure))
    return _like(pred, [metric(sums) for sums in tensor_sums(pred, ref, mask, structure=structure)])


def _like(pred: Tensor, values: list[float]) -> Tensor:
    import torch

    return torch.tensor(values, dtype=torch.float64, device=pred.device)


def _psnr(sums: Sums) -> float:
    return 10 * math.log10(sums.values / sums.squared) if sums.squared > 0 else math.inf


def _ssim(sums: Sums) -> float:
    return sums.similarity / sums.windows


def _mae(sums: Sums) -> float:
    return sums.absolute / sums.values
