"""The aligned reference of a pair: the ground truth deformed towards another picture, and which of its pixels count."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from sdd_bench.alignment.equalise import equalise
from sdd_bench.alignment.masks import forward_backward_error, inside
from sdd_bench.alignment.similarity import estimate_similarity
from sdd_bench.alignment.warp import warp, warp_jdrl2022
from sdd_bench.errors import OutputError
from sdd_bench.evaluation.protocol import Protocol
from sdd_bench.io.atomic import atomic_path

Image = NDArray[np.float32]


class Alignment(BaseModel):
    """How the ground truth lies against the picture it was deformed to; lengths in pixels.

    Attributes:
        zoom: of the best similarity x' = c + zoom (x - c) + shift from that picture to the ground truth; None if
            none could be found with confidence.
        shift: of that similarity, (x, y).
        mean_flow: mean magnitude of the flow.
        forward_backward_error: its median; None where the protocol has no mask.
        left_out: share of the pixels that do not count.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    zoom: float | None
    shift: tuple[float, float] | None
    mean_flow: float
    forward_backward_error: float | None
    left_out: float


@dataclass(frozen=True)
class AlignedReference:
    """Everything that scoring against a deformed ground truth needs.

    Attributes:
        deformed: H x W x 3 float32 in [0, 1], the ground truth deformed towards the picture.
        valid: H x W bool, the pixels that count.
        alignment: diagnostics.
    """

    deformed: Image
    valid: NDArray[np.bool_]
    alignment: Alignment


def align_reference(protocol: Protocol, picture: Image, gt: Image) -> AlignedReference:
    """Deform the ground truth towards a picture of the same scene.

    Args:
        protocol: the arithmetic.
        picture: H x W x 3 float32 in [0, 1]: the blurry input or a prediction, as ``protocol.frame`` says.
        gt: H x W x 3 float32 in [0, 1].
    """
    find_flow = protocol.flow
    similarity = estimate_similarity(picture, gt)
    if protocol.equalise is None:
        flow = remaining = find_flow(picture, gt)
        comparable = gt
    else:
        start = similarity.flow(gt.shape[:2]) if similarity.converged else np.zeros((*gt.shape[:2], 2), np.float32)
        flow, remaining, comparable, _ = equalise(picture, gt, start, find_flow, protocol.equalise)
    valid = np.ones(flow.shape[:2], bool)
    error: float | None = None
    if protocol.mask is not None:
        errors = forward_backward_error(remaining, find_flow(comparable, picture))
        error = float(np.median(errors))
        valid = inside(flow) & (errors <= protocol.mask.forward_backward_tolerance)
    deformed = warp_jdrl2022(gt, flow) if protocol.warp == "jdrl2022" else warp(gt, flow, interpolation=protocol.warp)
    return AlignedReference(
        # Lanczos overshoots at edges; a file holds nothing outside [0, 1].
        deformed=np.clip(deformed, 0, 1),
        valid=valid,
        alignment=Alignment(
            zoom=similarity.zoom if similarity.converged else None,
            shift=similarity.shift if similarity.converged else None,
            mean_flow=float(np.hypot(flow[..., 0], flow[..., 1]).mean()),
            forward_backward_error=error,
            left_out=float(1 - valid.mean()),
        ),
    )


# Part of every key: another version of these may round differently.
LIBRARIES = ", ".join(f"{name} {metadata.version(name)}" for name in ("numpy", "opencv-python", "torch"))

_DIGEST = hashlib.sha256().digest_size


def unreadable(path: Path, error: OSError) -> OutputError:
    """The error for a kept file that can't be read."""
    return OutputError(f"{path}: can't be read: {error.strerror}. Choose another folder with --cache.")


class ReferenceStore:
    """Aligned references kept on disk: computed once per pair and protocol, shared by all methods and runs.

    A file is the SHA-256 of the rest and a NumPy archive; one that does not match its hash counts as absent and is
    computed again.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, key: str) -> AlignedReference | None:
        """The reference of that key, or None if there is no sound one."""
        try:
            content = self._path(key).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise unreadable(self._path(key), error) from error
        stated, archive = content[:_DIGEST], memoryview(content)[_DIGEST:]
        if hashlib.sha256(archive).digest() != stated:
            return None
        with np.load(io.BytesIO(archive), allow_pickle=False) as arrays:
            return AlignedReference(
                deformed=arrays["deformed"],
                valid=arrays["valid"],
                alignment=Alignment.model_validate_json(str(arrays["alignment"])),
            )

    def save(self, key: str, reference: AlignedReference) -> None:
        """Keep a reference under a key."""
        archive = io.BytesIO()
        np.savez(
            archive,
            deformed=reference.deformed,
            valid=reference.valid,
            alignment=np.array(reference.alignment.model_dump_json()),
        )
        content = archive.getbuffer()
        with atomic_path(self._path(key)) as temporary, temporary.open("wb") as file:
            file.write(hashlib.sha256(content).digest())
            file.write(content)

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.reference"
