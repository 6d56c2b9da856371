"""The deblurring loss of misaligned pairs: each picture deformed towards the other before they are compared."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Literal, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from sdd_bench.alignment.flow import FlowBackend
from sdd_bench.alignment.warp import warp, warp_jdrl2022
from sdd_bench.errors import AlignmentError, TrainingError
from sdd_bench.training.losses import charbonnier
from sdd_bench.training.masks import MaskName, calibration_mask, stays_inside

# Of one picture of all pairs whose flow a network computes at once; some models need a kilobyte for each.
_PIXELS = 1 << 21


class Deformation(NamedTuple):
    """A picture deformed towards another one.

    Attributes:
        picture: N x 3 x H x W, the deformed one.
        flow: N x 2 x H x W, from the other picture to this one, pixels.
        mask: N x 1 x H x W bool, the pixels that count; None where all do.
    """

    picture: torch.Tensor
    flow: torch.Tensor
    mask: torch.Tensor | None


class DeblurringLoss(NamedTuple):
    """The loss and what it was computed from.

    Attributes:
        loss: a scalar.
        sharp: the sharp picture deformed towards the deblurred one.
        cycle: the deblurred picture deformed towards the sharp one; None without the cycle term.
    """

    loss: torch.Tensor
    sharp: Deformation
    cycle: Deformation | None


def batch_flow(estimate: FlowBackend, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Flow between the pictures of two batches, without gradient.

    A backend with a method ``batch`` (PWC-Net, ptlflow's models) computes several pairs at once, on the tensors'
    device. One that computes on the processor only (OpenCV's) takes several pairs at a time, in as many threads as
    OpenCV may use; the flow is the same for any number of them.

    Args:
        estimate: a flow backend.
        source: N x 3 x H x W, floating point, RGB in [0, 1] (values outside are clipped).
        target: the same.

    Returns:
        N x 2 x H x W float32 on the device of `source`: a pixel of the source at p is found at p + flow[p] in the
        target.

    Raises:
        TrainingError: shapes do not fit.
        AlignmentError: the pictures hold NaN, or are too small for the backend.
    """
    _require_pairs(source, target)
    placed = estimate.on(str(source.device))
    if (batch := getattr(placed, "batch", None)) is not None:
        if not (torch.isfinite(source).all() and torch.isfinite(target).all()):
            raise AlignmentError("the pictures contain NaN or infinite values")
        together = max(_PIXELS // (source.shape[2] * source.shape[3]), 1)
        parts = zip(torch.split(source.detach(), together), torch.split(target.detach(), together), strict=True)
        return torch.cat([batch(*part) for part in parts])
    pairs = list(zip(_arrays(source), _arrays(target), strict=True))
    if placed is estimate and len(pairs) > 1:
        with ThreadPoolExecutor(min(max(cv2.getNumThreads(), 1), len(pairs))) as pool:
            flows = list(pool.map(lambda pair: placed(*pair), pairs))
    else:
        flows = [placed(*pair) for pair in pairs]
    return torch.from_numpy(np.stack(flows)).movedim(3, 1).contiguous().to(source.device)


def deform(
    picture: torch.Tensor,
    towards: torch.Tensor,
    estimate: FlowBackend,
    *,
    mask: MaskName | Literal["none"] = "paper",
    inside_only: bool = False,
    interpolation: str = "bilinear",
) -> Deformation:
    """Deforms pictures towards others: W(picture, F(towards, picture)).

    Gradients reach `picture` through its values alone: none reaches the flow, and so none reaches `towards`.

    Args:
        picture: N x 3 x H x W, floating point, RGB in [0, 1].
        towards: the same shape.
        estimate: computes the flow.
        mask: which calibration mask, or ``"none"``.
        inside_only: leave out pixels that the flow takes out of the other picture, too. What is sampled there is its
            border, repeated; where pictures are shifted far, that is most of the error (the papers have no such rule).
        interpolation: how to sample, see `sdd_bench.alignment.warp`; ``jdrl2022`` is that of the release, slightly off.

    Returns:
        The deformed pictures (float32, or float64 if `picture` is) with flow and mask.

    Raises:
        TrainingError: shapes do not fit, or the mask is unknown.
        AlignmentError: the pictures hold NaN or are too small, or the interpolation is unknown.
    """
    return _along(batch_flow(estimate, towards, picture), picture, mask, inside_only, interpolation)


def deblurring_loss(
    deblurred: torch.Tensor,
    sharp: torch.Tensor,
    estimate: FlowBackend,
    *,
    mask: MaskName | Literal["none"] = "paper",
    inside_only: bool = False,
    cycle: bool = True,
    interpolation: str = "bilinear",
) -> DeblurringLoss:
    """Compares deblurred and sharp pictures that do not line up (Li et al., AAAI 2023, L_d).

    Charb(M (S^w - D)) + Charb(M' (D^w - S)): S^w is the sharp picture deformed towards the deblurred one, M the
    calibration mask of that flow; D^w is the deblurred picture deformed towards the sharp one (the cycle), M' its mask.

    Args:
        deblurred: N x 3 x H x W, floating point, the network's output; values outside [0, 1] are clipped for the flow
            only.
        sharp: the same shape, in [0, 1].
        estimate: computes both flows.
        mask: which calibration mask, or ``"none"``.
        inside_only: leave out pixels that the flow takes out of the other picture, too. What is sampled there is its
            border, repeated; where pictures are shifted far, that is most of the error (the papers have no such rule).
        cycle: whether to add the second term.
        interpolation: how to sample, see `sdd_bench.alignment.warp`; ``jdrl2022`` is that of the release, slightly off.

    Returns:
        The loss with the deformed pictures, flows and masks.

    Raises:
        TrainingError: shapes do not fit, or the mask is unknown.
        AlignmentError: the pictures hold NaN or are too small, or the interpolation is unknown.
    """
    if not cycle:
        deformed = deform(sharp, deblurred, estimate, mask=mask, inside_only=inside_only, interpolation=interpolation)
        return DeblurringLoss(charbonnier(deblurred, deformed.picture, deformed.mask), deformed, None)
    _require_pairs(deblurred, sharp)
    # Both ways at once, so that a single pair keeps two threads busy.
    both = batch_flow(estimate, torch.cat([deblurred.detach(), sharp]), torch.cat([sharp, deblurred.detach()]))
    there, back = both.chunk(2)
    deformed = _along(there, sharp, mask, inside_only, interpolation)
    returned = _along(back, deblurred, mask, inside_only, interpolation)
    loss = charbonnier(deblurred, deformed.picture, deformed.mask)
    return DeblurringLoss(loss + charbonnier(returned.picture, sharp, returned.mask), deformed, returned)


def _along(
    flow: torch.Tensor,
    picture: torch.Tensor,
    mask: MaskName | Literal["none"],
    inside_only: bool,
    interpolation: str,
) -> Deformation:
    values = picture.to(torch.promote_types(picture.dtype, torch.float32))
    trusted = None if mask == "none" else calibration_mask(flow, mask)
    if inside_only:
        inside = stays_inside(flow)
        trusted = inside if trusted is None else trusted & inside
    warped = warp_jdrl2022(values, flow) if interpolation == "jdrl2022" else warp(values, flow, interpolation)
    return Deformation(warped, flow, trusted)


def _require_pairs(source: torch.Tensor, target: torch.Tensor) -> None:
    if source.shape != target.shape or source.ndim != 4 or source.shape[1] != 3 or source.numel() == 0:
        raise TrainingError(
            f"expected two tensors N x 3 x H x W, got shapes {tuple(source.shape)} and {tuple(target.shape)}"
        )


def _arrays(pictures: torch.Tensor) -> list[NDArray[np.float32]]:
    return list(np.ascontiguousarray(pictures.detach().movedim(1, 3).float().cpu().numpy()))
