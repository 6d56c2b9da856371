"""Flow between a blurry and a sharp picture, found after blurring the sharp one, locally, as much as the blurry one is.

Dense flow compares small windows; where one picture is out of focus they look different and the flow is wrong by whole
pixels. So the sharp picture is first moved by the best zoom and shift, then blurred by the map that explains the blurry
picture best, and the flow that remains is found between two pictures that look alike. What remains is small and smooth
but for the borders of objects, so the flow can be made stiff: too free a flow follows the noise, above all where little
texture is left. In a close-up the sharp picture may be the blurrier one in places; there the other one is blurred.

Blur adds light. Blurring code values instead darkens bright detail, by more than a flow can ignore where blur is
strong, so pictures are blurred in linear light; the flow compares code values, in which noise is more even.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.alignment.blur import BlurMap, BlurSettings, blend_levels, blur_levels, relative_blur_map
from sdd_bench.alignment.light import linear_to_srgb, luminance
from sdd_bench.alignment.masks import inside
from sdd_bench.alignment.warp import warp

Image = NDArray[np.float32]
Flow = Callable[[Image, Image], Image]


class EqualisedPair(NamedTuple):
    """A blurry and a sharp picture made comparable.

    Attributes:
        flow: H x W x 2 float32, from the blurry picture to the sharp one, pixels.
        remaining: H x W x 2 float32, from `source` to `target`: the flow beyond the start.
        source: H x W x 3 float32 gray, code values of the blurry picture's light, blurred where the sharp one is
            blurrier.
        target: H x W x 3 float32 gray, those of the sharp picture moved by the start, exposed and blurred likewise.
        blur: of the blurry picture against the sharp one, in the blurry frame.
        whole: H x W bool, pixels whose whole circle of confusion the sharper picture shows: light from beyond its
            border is in the other but was not there to be blurred.
    """

    flow: Image
    remaining: Image
    source: Image
    target: Image
    blur: BlurMap
    whole: NDArray[np.bool_]


def equalise(
    blurry: Image, sharp: Image, start: Image, find_flow: Flow, settings: BlurSettings | None = None
) -> EqualisedPair:
    """Find the flow from a blurry to a sharp picture that do not line up.

    Args:
        blurry: H x W x 3 float32 in [0, 1].
        sharp: H x W x 3 float32 in [0, 1].
        start: H x W x 2 float32, a first flow from blurry to sharp: the best zoom and shift.
        find_flow: a flow backend for pictures of equal blur: ``find_flow(source, target)`` is H x W x 2.
        settings: how blur is searched; None stands for the defaults.
    """
    settings = settings or BlurSettings()
    # Light that falls on the blurry picture from beyond its border is known where the sharp one shows what is there.
    margin = ceil(max(settings.radii))
    around = _extended(start, margin)
    light = luminance(blurry)
    moved = warp(np.pad(luminance(sharp), margin, mode="edge"), around)
    # Blur keeps the sum of the light: what differs is exposure.
    moved *= light.sum(dtype=np.float64) / max(_within(moved, margin).sum(dtype=np.float64), 1e-6)
    candidates = []
    for shape in settings.apertures:
        sharp_levels = [_within(level, margin) for level in blur_levels(moved, shape, settings)]
        blurry_levels = blur_levels(light, shape, settings)
        candidates.append(
            (relative_blur_map(blurry_levels, sharp_levels, shape, settings), blurry_levels, sharp_levels)
        )
    blur, blurry_levels, sharp_levels = min(candidates, key=lambda candidate: candidate[0].misfit)
    source = _gray(blend_levels(blurry_levels, np.maximum(-blur.radius, 0), settings))
    target = _gray(blend_levels(sharp_levels, np.maximum(blur.radius, 0), settings))
    remaining = find_flow(source, target)
    flow = remaining + warp(start, remaining, interpolation="bilinear")
    # The sharp picture may show what is around the frame, the blurry one does not.
    around_sharp = _within(_distance_to_hidden(inside(around, margin)), margin)
    around_blurry = _within(_distance_to_hidden(np.pad(np.ones(light.shape, np.bool_), margin)), margin)
    whole = np.where(blur.radius < 0, around_blurry, around_sharp) > np.abs(blur.radius) + 1
    return EqualisedPair(flow, remaining, source, target, blur, whole)


def _extended(flow: Image, margin: int) -> Image:
    """The flow continued linearly beyond its border."""
    widths = ((margin, margin), (margin, margin), (0, 0))
    return np.pad(flow, widths, mode="reflect", reflect_type="odd")


def _within(image: Image, margin: int) -> Image:
    return np.ascontiguousarray(image[margin:-margin, margin:-margin])


def _gray(light: Image) -> Image:
    return np.repeat(linear_to_srgb(np.clip(light, 0, 1))[..., None], 3, axis=2)


def _distance_to_hidden(shown: NDArray[np.bool_]) -> Image:
    """Distance in pixels to the nearest place that a picture does not show."""
    return np.asarray(cv2.distanceTransform(shown.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)
