"""What is left of the misalignment of a pair after its zoom and shift are taken out: flow, and exposure.

The flow is found as the default evaluation protocol finds it, between pictures of equal blur. It is taken apart by a
fit that most of the picture decides, so the parts need not add up as squares:

- an *offset*: the zoom and shift that most of the picture has beyond the similarity, which is a compromise where a
  scene is deep;
- a *lens part*: radial about the centre of the picture, k3 r^3 + k5 r^5, less its own best zoom. A lens distorts all
  pictures alike: what varies from pair to pair is not of the lens;
- *parallax*: the rest. Things at different depths move differently when the lens moves. What the flow is wrong by is in
  it too: 0.02 to 0.07 px on rendered pairs that differ by zoom and shift alone (``benchmarks/residual_accuracy.py``).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sdd_bench.alignment.blur import BlurSettings
from sdd_bench.alignment.equalise import equalise
from sdd_bench.alignment.flow import RefinedDisFlow
from sdd_bench.alignment.light import luminance
from sdd_bench.alignment.masks import forward_backward_error, inside
from sdd_bench.alignment.similarity import Similarity
from sdd_bench.alignment.warp import warp
from sdd_bench.errors import AlignmentError

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]

FLOW = RefinedDisFlow()
BLUR = BlurSettings()
# Largest forward-backward error of a pixel whose flow counts, in pixels.
_TOLERANCE = 1.0
# With less than this share of the pixels nothing is said.
_LEAST_SHARE = 0.1
RADIUS_EDGES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
BLUR_EDGES = (0.0, 1.0, 2.0, 4.0, 8.0, BLUR.radii[-1])
# Code values from which on a pixel counts as clipped: its light is not known.
_CLIPPED = 0.99
# The parts are fitted to at most about so many pixels, evenly spread: neighbours have nearly the same flow.
_FITTED = 50_000
_ITERATIONS = 20
# Deviations, in robust standard deviations, from which on a pixel has no say in the fit (Tukey's biweight).
_BIWEIGHT = 4.685


class Bin(NamedTuple):
    """The residual flow of some of the pixels.

    Attributes:
        low: lower end of the bin.
        high: upper end.
        share: of the valid pixels that lie in it.
        rms: of their flow, pixels; None if there are none.
    """

    low: float
    high: float
    share: float
    rms: float | None


class Residual(NamedTuple):
    """What zoom and shift leave of the misalignment of a pair; lengths in pixels of the blurry picture.

    Attributes:
        rms: root mean square of the flow over the valid pixels.
        p95: 95th percentile of its length there.
        valid_share: share of the pixels that are valid: seen by both pictures with their whole circle of confusion,
            and with a flow that leads back.
        by_radius: by distance from the centre, in half diagonals.
        by_blur: by radius of the circle of confusion of either picture against the other, pixels.
        offset_rms: of the zoom and shift of the flow itself.
        lens_rms: of the lens part.
        lens: k3 and k5: the displacement away from the centre, in pixels, is k3 r^3 + k5 r^5 less its best zoom, with
            r in half diagonals.
        parallax_rms: of the rest.
        exposure: by how many stops the blurry picture is brighter; None if too little is unclipped to tell.
        flow: H x W x 2 float32, from the blurry picture to the sharp one moved by the similarity.
        valid: H x W bool.
    """

    rms: float
    p95: float
    valid_share: float
    by_radius: tuple[Bin, ...]
    by_blur: tuple[Bin, ...]
    offset_rms: float
    lens_rms: float
    lens: tuple[float, float]
    parallax_rms: float
    exposure: float | None
    flow: Image
    valid: Mask


def residual(blurry: Image, sharp: Image, similarity: Similarity) -> Residual:
    """Measure what is left after zoom and shift.

    Args:
        blurry: H x W x 3 float32 in [0, 1].
        sharp: H x W x 3 float32 in [0, 1].
        similarity: from blurry to sharp.

    Raises:
        AlignmentError: the similarity did not converge, or too little of the pictures can be compared.
    """
    if not similarity.converged:
        raise AlignmentError(f"without zoom and shift there is nothing left over to measure: {similarity.reason}")
    start = similarity.flow(blurry.shape)
    pair = equalise(blurry, sharp, start, FLOW, BLUR)
    flow = pair.remaining
    error = forward_backward_error(flow, FLOW(pair.target, pair.source))
    valid = inside(pair.flow) & pair.whole & (error <= _TOLERANCE)
    if valid.mean() < _LEAST_SHARE:
        raise AlignmentError(
            f"after zoom and shift the pictures can be compared in {valid.mean():.0%} of the pixels only; "
            f"{_LEAST_SHARE:.0%} are asked for"
        )
    length = np.hypot(flow[..., 0], flow[..., 1])[valid]
    place = _places(flow.shape)
    radius = np.hypot(place[..., 0], place[..., 1])[valid]
    parts = _parts(flow, valid, place)
    return Residual(
        rms=_rms(length),
        p95=float(np.percentile(length, 95)),
        valid_share=float(valid.mean()),
        by_radius=_binned(radius, length, RADIUS_EDGES),
        by_blur=_binned(np.abs(pair.blur.radius)[valid], length, BLUR_EDGES),
        offset_rms=_rms(np.linalg.norm(parts.offset, axis=-1)),
        lens_rms=_rms(np.linalg.norm(parts.lens, axis=-1)),
        lens=parts.coefficients,
        parallax_rms=_rms(np.linalg.norm(parts.parallax, axis=-1)),
        exposure=_exposure(blurry, warp(sharp, start), valid),
        flow=flow,
        valid=valid,
    )


class _Parts(NamedTuple):
    offset: NDArray[np.float64]
    lens: NDArray[np.float64]
    parallax: NDArray[np.float64]
    coefficients: tuple[float, float]


def _places(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """(x, y) of every pixel from the centre, in half diagonals."""
    height, width = shape[:2]
    x, y = np.meshgrid(np.arange(width) - (width - 1) / 2, np.arange(height) - (height - 1) / 2)
    return np.asarray(np.stack([x, y], -1) / np.hypot((width - 1) / 2, (height - 1) / 2), np.float64)


def _parts(flow: Image, valid: Mask, place: NDArray[np.float64]) -> _Parts:
    """Take the flow apart, at evenly spread valid pixels."""
    step = max(1, int(np.sqrt(valid.size / _FITTED)))
    spread = (slice(step // 2, None, step),) * 2
    counted = valid[spread]
    at, measured = place[spread][counted], flow[spread][counted].astype(np.float64)
    square = (at**2).sum(-1, keepdims=True)
    # Columns: shift x, shift y, zoom, r^3 and r^5; rows: x of all pixels, then y.
    ones, zeros = np.ones(len(at)), np.zeros(len(at))
    similar = [np.stack([ones, zeros], -1), np.stack([zeros, ones], -1), at]
    radial = [at * square, at * square**2]
    coefficients = _robust_fit(np.stack([*similar, *radial], -1), measured)
    distortion = np.stack(radial, -1) @ coefficients[3:]
    # Of the distortion, what a similarity can do belongs to the similarity.
    similarity = np.stack(similar, -1)
    absorbed = similarity @ np.linalg.lstsq(similarity.reshape(-1, 3), distortion.reshape(-1), rcond=None)[0]
    lens = distortion - absorbed
    offset = similarity @ coefficients[:3] + absorbed
    return _Parts(offset, lens, measured - offset - lens, (float(coefficients[3]), float(coefficients[4])))


def _robust_fit(model: NDArray[np.float64], measured: NDArray[np.float64]) -> NDArray[np.float64]:
    """Coefficients by which the model [N, 2, K] comes closest to the displacements [N, 2] of most places."""
    weight = np.ones(len(measured))
    coefficients = np.zeros(model.shape[-1])
    for _ in range(_ITERATIONS):
        weighted = model * weight[:, None, None]
        normal = np.einsum("nij,nik->jk", weighted, model)
        before = coefficients
        coefficients = np.asarray(np.linalg.solve(normal, np.einsum("nij,ni->j", weighted, measured)), np.float64)
        missed = np.linalg.norm(measured - model @ coefficients, axis=-1)
        # The median length of a plane normal error is 1.1774 standard deviations.
        scale = float(np.median(missed)) / 1.1774 + 1e-6
        weight = np.clip(1 - (missed / (_BIWEIGHT * scale)) ** 2, 0, None) ** 2
        if np.abs(coefficients - before).max() < 1e-4:
            break
    return coefficients


def _binned(values: NDArray[Any], length: Image, edges: tuple[float, ...]) -> tuple[Bin, ...]:
    member = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    counts = np.bincount(member, minlength=len(edges) - 1)
    sums = np.bincount(member, weights=length.astype(np.float64) ** 2, minlength=len(edges) - 1)
    return tuple(
        Bin(low, high, float(count / len(values)), float(np.sqrt(total / count)) if count else None)
        for low, high, count, total in zip(edges[:-1], edges[1:], counts, sums, strict=True)
    )


def _exposure(blurry: Image, moved: Image, valid: Mask) -> float | None:
    """Ratio of the light that both pictures hold where neither is clipped."""
    unclipped = valid & (blurry.max(-1) < _CLIPPED) & (moved.max(-1) < _CLIPPED)
    if unclipped.mean() < _LEAST_SHARE:
        return None
    ours, theirs = (float(luminance(picture)[unclipped].sum(dtype=np.float64)) for picture in (blurry, moved))
    return float(np.log2(ours / theirs)) if ours > 0 and theirs > 0 else None


def _rms(lengths: NDArray[Any]) -> float:
    return float(np.sqrt(np.mean(np.square(lengths, dtype=np.float64))))
