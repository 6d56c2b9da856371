"""How far a prediction moves content: the flow from its blurry input, after the best zoom and shift is taken out.

A deblurring method must not move anything: its output belongs in the frame of its input. The flow between a blurry and
a sharp picture is biased where they differ in blur, so each is first blurred, locally, as much as the other one is. A
first flow by dense inverse search is stiff and understates what bends within a few dozen pixels; Lucas-Kanade steps
over Gaussian windows, which allow for a difference in contrast, find what is missing. They also tell how well the flow
is determined. Only pixels where that is so are counted: a plain wall can't show whether it was moved.

A deformation worth reporting is smooth, and fine detail is what blur takes away, so all this is done at half the size.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.alignment.blur import BlurSettings, blend_levels, blur_levels, blur_map
from sdd_bench.alignment.flow import DisFlow
from sdd_bench.alignment.inputs import require_pictures
from sdd_bench.alignment.light import linear_to_srgb, luminance
from sdd_bench.alignment.masks import inside
from sdd_bench.alignment.similarity import estimate_similarity
from sdd_bench.alignment.similarity_depth import FROZEN
from sdd_bench.alignment.warp import warp

Image = NDArray[np.float32]

ARITHMETIC = 2
"""Raised with every change that changes a number, so that kept numbers of another arithmetic are not used."""

# Smallest side of which anything is said: half of it is what the similarity asks for.
_SMALLEST = 128
# From here on lengths are in pixels of the halved pictures, and values are code values in [0, 1].
_BLUR = BlurSettings(apertures=("gaussian",), radii=(0, 0.5, 1, 1.5, 2, 3, 4, 6, 8), window=4.0, smoothing=2.0)
_FIRST_FLOW = DisFlow(
    finest_scale=0, gradient_descent_iterations=12, variational_refinement_iterations=10, alpha=40.0, gamma=10.0
)
# Sigma of the windows, and steps: narrow windows and many steps follow noise, the others understate short waves. The
# first steps may be rough.
_WINDOW = 8.0
_STEPS = 8
_ROUGH_STEPS = 5
# The linear model of a picture holds over about a pixel.
_LONGEST_STEP = 1.0
# Contrast of the two pictures may differ by this factor.
_LARGEST_GAIN = 5.0
# Misfit taken for granted everywhere: rounding to 8 bit, and what a sensor and a network leave of noise.
_NOISE = 3e-3
# Neighbouring pixels err alike; so many of them count as one measurement.
_CORRELATED_PIXELS = 10.0
# In pixels of the full pictures: the flow counts as determined where its standard deviation is below this.
_DETERMINED = 0.15
# With less than this share of the pixels, nothing is said of the whole picture.
_LEAST_SHARE = 0.1


class Deformation(NamedTuple):
    """How far a prediction moves content, in pixels.

    Attributes:
        rms: root mean square over the pixels where the flow is determined; None if they are too few.
        p95: 95th percentile there; None likewise.
        share: of the pixels where it is determined, 0 to 1.
        reason: why nothing can be told; empty if something can.
    """

    rms: float | None
    p95: float | None
    share: float
    reason: str = ""


def deformation(blurry: Image, prediction: Image) -> Deformation:
    """Measure how far a prediction moves what its input shows, beyond zoom and shift.

    Args:
        blurry: H x W x 3 float32 in [0, 1], the input.
        prediction: the same, what a method made of it.

    Returns:
        RMS and 95th percentile of the flow's length; 0 for the input itself.

    Raises:
        AlignmentError: the pictures are not such arrays, differ in shape or hold NaN.
    """
    require_pictures(blurry, prediction, "deformation", 1)
    if min(blurry.shape[:2]) < _SMALLEST:
        return Deformation(None, None, 0.0, f"the pictures have a side below {_SMALLEST} pixels")
    source, target = _halved(blurry), _halved(prediction)
    similarity = estimate_similarity(source, target, edition=FROZEN)
    flow = similarity.flow(source.shape) if similarity.converged else np.zeros((*source.shape[:2], 2), np.float32)
    # Blur can be compared only where the pictures line up, so what is found with the first flow is found again.
    flow = _followed(flow, _FIRST_FLOW(*map(_three_channels, _equally_blurred(source, target, flow))))
    remaining, deviation = _refined(*_equally_blurred(source, target, flow))
    flow = _followed(flow, remaining)
    seen = _windowed(inside(flow).astype(np.float32)) > 0.9
    determined = seen & (2 * deviation < _DETERMINED)
    share = float(determined.mean())
    if share < _LEAST_SHARE:
        reason = f"the flow from the input to the prediction is determined in {share:.0%} of the pixels only"
        return Deformation(None, None, share, f"{reason}, {_LEAST_SHARE:.0%} are asked for")
    length = 2 * _without_similarity(_small(flow), determined)[determined]
    return Deformation(float(np.sqrt(np.mean(length**2))), float(np.percentile(length, 95)), share)


def _halved(image: Image) -> Image:
    height, width = (side // 2 for side in image.shape[:2])
    even = np.ascontiguousarray(image[: 2 * height, : 2 * width])
    return np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA), np.float32)


def _equally_blurred(source: Image, target: Image, flow: Image) -> tuple[Image, Image]:
    """Code values of the source's light and of the target's, moved by a flow, each blurred where the other one is."""
    light, moved = luminance(source), warp(luminance(target), flow)
    moved *= np.einsum("ij,ij", light, moved) / max(np.einsum("ij,ij", moved, moved), np.float32(1e-12))
    levels = [blur_levels(picture, "gaussian", _BLUR) for picture in (light, moved)]
    return (
        _code_values(blend_levels(levels[0], blur_map(moved, levels[0], "gaussian", _BLUR).radius, _BLUR)),
        _code_values(blend_levels(levels[1], blur_map(light, levels[1], "gaussian", _BLUR).radius, _BLUR)),
    )


def _code_values(light: Image) -> Image:
    return linear_to_srgb(np.clip(light, 0, 1))


def _three_channels(gray: Image) -> Image:
    return np.repeat(gray[..., None], 3, axis=2)


def _refined(source: Image, target: Image) -> tuple[Image, Image]:
    """Flow between two equally blurred pictures, and its standard deviation at half their size.

    Per window the least-squares displacement under source(x) = gain target(x + d), band-passed; the deviation follows
    from the misfit that is left and the structure tensor.
    """
    window = 4 * np.pi * _WINDOW**2 / _CORRELATED_PIXELS  # measurements in a window
    wanted = _band(source)
    flow = np.zeros((*source.shape, 2), np.float32)
    for step in range(_STEPS + 1):
        there = _band(_moved_roughly(target, flow) if step < _ROUGH_STEPS else warp(target, flow))
        gain = (_windowed(there * wanted) + _NOISE**2) / (_windowed(there * there) + _NOISE**2)
        there *= _enlarged(np.clip(gain, 1 / _LARGEST_GAIN, _LARGEST_GAIN), source.shape)
        x, y = (cv2.Sobel(there, cv2.CV_32F, axis, 1 - axis, ksize=1, scale=0.5) for axis in (1, 0))
        left = wanted - there
        # Where nothing is seen but noise, nothing moves: steps of a pixel are taken to be as likely as not.
        damping = _NOISE**2 / window
        xx, xy, yy = _windowed(x * x) + damping, _windowed(x * y), _windowed(y * y) + damping
        determinant = xx * yy - xy * xy
        if step == _STEPS:
            break
        pull_x, pull_y = _windowed(x * left), _windowed(y * left)
        change = np.stack([yy * pull_x - xy * pull_y, xx * pull_y - xy * pull_x], -1) / determinant[..., None]
        length = np.linalg.norm(change, axis=-1, keepdims=True)
        flow += _enlarged(change * (_LONGEST_STEP / np.maximum(length, _LONGEST_STEP)), source.shape)
    variance = (_windowed(left * left) + _NOISE**2) * (xx + yy) / determinant
    return flow, np.asarray(np.sqrt(variance / window), np.float32)


def _band(picture: Image) -> Image:
    return picture - _enlarged(_windowed(picture), picture.shape)


def _windowed(values: Image) -> Image:
    """Means over Gaussian windows, at half the size: a window is much wider than two pixels."""
    return np.asarray(cv2.GaussianBlur(_small(values), (0, 0), _WINDOW / 2), np.float32)


def _small(values: Image) -> Image:
    size = (-(-values.shape[1] // 2), -(-values.shape[0] // 2))
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), np.float32)


def _enlarged(values: Image, shape: tuple[int, ...]) -> Image:
    return np.asarray(cv2.resize(values, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR), np.float32)


def _moved_roughly(picture: Image, flow: Image) -> Image:
    # Positions are rounded to 1/32 px: ten times as fast as `warp`, but steps smaller than that would be lost.
    height, width = picture.shape
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    there = cv2.remap(picture, x + flow[..., 0], y + flow[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(there, np.float32)


def _followed(start: Image, remaining: Image) -> Image:
    return np.asarray(remaining + warp(start, remaining, interpolation="bilinear"), np.float32)


def _without_similarity(flow: Image, counted: NDArray[np.bool_]) -> Image:
    """Length of what is left of a flow after the zoom and shift that fit the counted pixels best, by least squares."""
    height, width = flow.shape[:2]
    place = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).astype(np.float64)
    place -= place[counted].mean(axis=0)
    moving = flow - flow[counted].mean(axis=0, dtype=np.float64)
    zoom = (place[counted] * moving[counted]).sum() / (place[counted] ** 2).sum()
    return np.asarray(np.linalg.norm(moving - zoom * place, axis=-1), np.float32)
