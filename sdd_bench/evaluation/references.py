"""The aligned reference of a pair: the ground truth deformed towards another picture, and which of its pixels count."""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from sdd_bench.alignment.equalise import equalise
from sdd_bench.alignment.inverse import invert
from sdd_bench.alignment.masks import bends, contrast, forward_backward_error, inside
from sdd_bench.alignment.similarity import estimate_similarity
from sdd_bench.alignment.similarity_depth import FROZEN
from sdd_bench.alignment.warp import warp, warp_jdrl2022
from sdd_bench.errors import ProtocolError
from sdd_bench.evaluation.archives import load_archive, save_archive
from sdd_bench.evaluation.protocol import Protocol
from sdd_bench.metrics.fidelity import psnr

Image = NDArray[np.float32]


class Alignment(BaseModel):
    """How the ground truth lies against the picture it was deformed to; lengths in pixels.

    Attributes:
        zoom: of the best similarity x' = c + zoom (x - c) + shift from that picture to the ground truth, or from the
            prediction where the protocol does not deform; None if none could be found with confidence.
        shift: of that similarity, (x, y).
        mean_flow: mean magnitude of the flow; None where the protocol does not deform.
        forward_backward_error: its median; None where the protocol has no mask.
        left_out: share of the pixels that do not count.
        limit: the measurement limit in dB: PSNR of the ground truth against itself deformed there and back, over the
            pixels that count and come back. Near it, resampling decides a score and not the method. None where the
            protocol does not deform, or nothing is lost on that way.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    zoom: float | None
    shift: tuple[float, float] | None
    mean_flow: float | None
    forward_backward_error: float | None
    left_out: float
    limit: float | None = None


@dataclass(frozen=True)
class AlignedReference:
    """Everything that scoring against a deformed ground truth needs.

    Attributes:
        deformed: H x W x 3 float32 in [0, 1], the ground truth deformed towards the picture.
        valid: H x W bool, the pixels that count.
        flow: H x W x 2 float32, from the picture to the ground truth, pixels.
        alignment: diagnostics.
    """

    deformed: Image
    valid: NDArray[np.bool_]
    flow: Image
    alignment: Alignment


def align_reference(protocol: Protocol, picture: Image, gt: Image) -> AlignedReference:
    """Deform the ground truth towards a picture of the same scene.

    Args:
        protocol: the arithmetic.
        picture: H x W x 3 float32 in [0, 1]: the blurry input or a prediction, as ``protocol.frame`` says.
        gt: H x W x 3 float32 in [0, 1].

    Raises:
        ProtocolError: if the protocol takes the ground truth as it is.
        AlignmentError: if the pictures are too small or differ in size.
        WeightsError: if the weights of the protocol's flow are missing.
    """
    find_flow = protocol.flow
    if find_flow is None or protocol.warp is None:
        raise ProtocolError(f"{protocol.id} takes the ground truth as it is; it has no aligned reference.")
    similarity = estimate_similarity(picture, gt, edition=FROZEN)
    if protocol.equalise is None:
        flow = remaining = find_flow(picture, gt)
        source, target = picture, gt
        valid = inside(flow)
    else:
        start = similarity.flow(gt.shape[:2]) if similarity.converged else np.zeros((*gt.shape[:2], 2), np.float32)
        flow, remaining, source, target, _, whole = equalise(picture, gt, start, find_flow, protocol.equalise)
        valid = inside(flow) & whole
    deformed = _sample(protocol.warp, gt, flow)
    error: float | None = None
    if protocol.mask is None:
        valid = np.ones(flow.shape[:2], bool)
    else:
        errors = forward_backward_error(remaining, find_flow(target, source))
        error = float(np.median(errors))
        # What a flow that is off by a pixel would change. Where that is next to nothing the flow can't be known, and
        # need not be.
        sensitivity = contrast(deformed)
        harmless = errors * sensitivity <= protocol.mask.change_tolerance
        valid &= harmless | (errors <= protocol.mask.forward_backward_tolerance)
        valid &= bends(remaining) * sensitivity <= protocol.mask.change_tolerance
    return AlignedReference(
        deformed=deformed,
        valid=valid,
        flow=flow,
        alignment=Alignment(
            zoom=similarity.zoom if similarity.converged else None,
            shift=similarity.shift if similarity.converged else None,
            mean_flow=float(np.hypot(flow[..., 0], flow[..., 1]).mean()),
            forward_backward_error=error,
            left_out=float(1 - valid.mean()),
            limit=_limit(protocol.warp, gt, deformed, flow, valid),
        ),
    )


def find_alignment(picture: Image, gt: Image) -> Alignment:
    """How the ground truth lies against a picture under a protocol that takes it as it is.

    Args:
        picture: H x W x 3 float32 in [0, 1].
        gt: H x W x 3 float32 in [0, 1].
    """
    similarity = estimate_similarity(picture, gt, edition=FROZEN)
    return Alignment(
        zoom=similarity.zoom if similarity.converged else None,
        shift=similarity.shift if similarity.converged else None,
        mean_flow=None,
        forward_backward_error=None,
        left_out=0.0,
    )


def _sample(how: str, image: Image, flow: Image) -> Image:
    sampled = warp_jdrl2022(image, flow) if how == "jdrl2022" else warp(image, flow, interpolation=how)
    # Lanczos overshoots at edges; a file holds nothing outside [0, 1].
    return np.clip(sampled, 0, 1)


# Largest error of the way there and back, in pixels, at which what is lost on it is a matter of resampling: at this
# error and a strong edge (0.1 per pixel) it would still be beyond 60 dB.
_COMES_BACK = 0.01


def _limit(how: str, gt: Image, deformed: Image, flow: Image, valid: NDArray[np.bool_]) -> float | None:
    back = invert(flow)
    counted = warp(valid.astype(np.float32), back, interpolation="bilinear") > 0.999
    comes_back = inside(back) & counted & (forward_backward_error(back, flow) <= _COMES_BACK)
    if not comes_back.any():
        return None
    # The release's grid shifts a picture by up to half a pixel; the way back is ours, and must not shift it once more.
    returned = _sample("bilinear" if how == "jdrl2022" else how, deformed, back)
    limit = psnr(gt, returned, comes_back)
    return limit if math.isfinite(limit) else None


# Part of every key: another version of these may round differently.
LIBRARIES = ", ".join(f"{name} {metadata.version(name)}" for name in ("numpy", "opencv-python", "torch"))


class ReferenceStore:
    """Aligned references kept on disk: computed once per pair and protocol, shared by all methods and runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, key: str) -> AlignedReference | None:
        """The reference of that key, or None if there is no sound one."""
        arrays = load_archive(self._path(key), key)
        if arrays is None:
            return None
        try:
            return AlignedReference(
                deformed=arrays["deformed"],
                valid=arrays["valid"],
                flow=arrays["flow"],
                alignment=Alignment.model_validate_json(str(arrays["alignment"])),
            )
        except (KeyError, ValidationError):  # whole, but written by another version
            return None

    def save(self, key: str, reference: AlignedReference) -> None:
        """Keep a reference under a key."""
        arrays = {"deformed": reference.deformed, "valid": reference.valid, "flow": reference.flow}
        text = np.array(reference.alignment.model_dump_json())
        save_archive(self._path(key), key, {**arrays, "alignment": text})

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.reference"
