"""Flow between a blurry and a sharp picture, found after blurring the sharp one, locally, as much as the blurry one is.

Dense flow compares small windows; where one picture is out of focus they look different and the flow is wrong by whole
pixels. So the sharp picture is first moved by the best zoom and shift, then blurred by the map that explains the blurry
picture best, and the flow that remains is found between two pictures that look alike. A second round uses that flow to
find a better map. What remains is small and smooth but for the borders of objects, so the flow can be made stiff: too
free a flow follows the noise, above all where little texture is left.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from sdd_bench.alignment.blur import BlurMap, BlurSettings, blur_by_map, blur_map
from sdd_bench.alignment.warp import warp

Image = NDArray[np.float32]
Flow = Callable[[Image, Image], Image]


class EqualiseSettings(BaseModel):
    """How a pair is equalised."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    blur: BlurSettings = BlurSettings()
    rounds: int = Field(default=2, ge=1, description="blur map and flow, in turns")


class EqualisedPair(NamedTuple):
    """A blurry and a sharp picture made comparable.

    Attributes:
        flow: H x W x 2 float32, from the blurry picture to the sharp one, pixels.
        remaining: H x W x 2 float32, from the blurry picture to `equalised`: the flow beyond the start.
        equalised: H x W x 3 float32, the sharp picture moved by the start, exposed and blurred like the blurry one.
        blur: of the blurry picture against the sharp one, in the blurry frame.
    """

    flow: Image
    remaining: Image
    equalised: Image
    blur: BlurMap


def equalise(
    blurry: Image, sharp: Image, start: Image, find_flow: Flow, settings: EqualiseSettings | None = None
) -> EqualisedPair:
    """Find the flow from a blurry to a sharp picture that do not line up.

    Args:
        blurry: H x W x 3 float32 in [0, 1].
        sharp: H x W x 3 float32 in [0, 1].
        start: H x W x 2 float32, a first flow from blurry to sharp: the best zoom and shift.
        find_flow: a flow backend for pictures of equal blur: ``find_flow(source, target)`` is H x W x 2.
        settings: how blur is searched; None stands for the defaults.
    """
    settings = settings or EqualiseSettings()
    moved = match_exposure(np.clip(warp(sharp, start), 0, 1), blurry)
    aligned, flow, search = moved, start, settings.blur
    for turn in range(settings.rounds):
        if turn:
            aligned = match_exposure(np.clip(warp(sharp, flow), 0, 1), blurry)
        blur = blur_map(blurry, aligned, search)
        search = search.model_copy(update={"apertures": (blur.aperture,)})  # the shape is a matter of the whole picture
        # Found in the blurry frame, used before the last pixel or two of motion: small against the window.
        equalised = blur_by_map(moved, blur, settings.blur)
        remaining = find_flow(blurry, equalised)
        flow = remaining + warp(start, remaining, interpolation="bilinear")
    return EqualisedPair(flow, remaining, equalised, blur)


def match_exposure(image: Image, like: Image) -> Image:
    """Scale each channel by the factor that brings it closest to another aligned picture, in the least-squares sense.

    Args:
        image: H x W x 3 float32.
        like: H x W x 3 float32.
    """
    gain = np.einsum("ijk,ijk->k", image, like, dtype=np.float64) / np.maximum(
        np.einsum("ijk,ijk->k", image, image, dtype=np.float64), 1e-12
    )
    return np.asarray(image * gain, np.float32)
