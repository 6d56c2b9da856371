"""What the page shows of one pair: red-cyan overlays before and after its similarity, whole and in detail."""

from __future__ import annotations

import base64
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.alignment.similarity import Similarity
from sdd_bench.alignment.warp import warp
from sdd_bench.datasets.dataset import Pair
from sdd_bench.evaluation.crops import Box

Image = NDArray[np.float32]

LONGEST_SIDE = 960
DETAIL_WIDTH, DETAIL_HEIGHT = 240, 160
_JPEG_QUALITY = 85


class Overlays(NamedTuple):
    """Pictures of a pair as ``data:`` URLs.

    Attributes:
        blur: the blurry picture, small.
        before: blurry in red, sharp in cyan, small.
        after: likewise with the sharp picture moved by the similarity.
        detail_before: the pixels of ``box``.
        detail_after: likewise.
        small: (width, height) of the small ones.
        box: where the detail lies.
    """

    blur: str
    before: str
    after: str
    detail_before: str
    detail_after: str
    small: tuple[int, int]
    box: Box


def overlays(pair: Pair, similarity: Similarity) -> Overlays:
    """Draw a pair.

    Args:
        pair: its files are read.
        similarity: from blurry to sharp.
    """
    blurry, sharp = pair.blur(), pair.gt()
    flow = similarity.flow(blurry.shape)
    moved = np.clip(warp(sharp, flow), 0, 1)
    before, after = _red_cyan(blurry, sharp), _red_cyan(blurry, moved)
    box = _telling(sharp, flow)
    small = _reduced(blurry)
    return Overlays(
        blur=_jpeg(small),
        before=_jpeg(_reduced(before)),
        after=_jpeg(_reduced(after)),
        detail_before=_png(box.of(before)),
        detail_after=_png(box.of(after)),
        small=(small.shape[1], small.shape[0]),
        box=box,
    )


def _red_cyan(red: Image, cyan: Image) -> Image:
    ours, theirs = (cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY) for picture in (red, cyan))
    return np.asarray(np.stack([ours, theirs, theirs], -1), np.float32)


def _telling(sharp: Image, flow: Image) -> Box:
    """The part with the most contrast where much is displaced: misalignment shows there."""
    height, width = sharp.shape[:2]
    gray = cv2.cvtColor(np.ascontiguousarray(sharp), cv2.COLOR_RGB2GRAY)
    gradient = np.abs(cv2.Sobel(gray, cv2.CV_32F, 1, 0)) + np.abs(cv2.Sobel(gray, cv2.CV_32F, 0, 1))
    shown = gradient * np.hypot(flow[..., 0], flow[..., 1])
    box = (min(DETAIL_WIDTH, width), min(DETAIL_HEIGHT, height))
    sums = cv2.boxFilter(shown, -1, box, anchor=(0, 0), normalize=False, borderType=cv2.BORDER_CONSTANT)
    inner = sums[: height - box[1] + 1, : width - box[0] + 1]
    y, x = np.unravel_index(int(inner.argmax()), inner.shape)
    return Box(x=int(x), y=int(y), width=box[0], height=box[1])


def _reduced(picture: Image) -> Image:
    height, width = picture.shape[:2]
    scale = min(1.0, LONGEST_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)


def _jpeg(picture: Image) -> str:
    # Colour at full resolution: it is what these pictures are about.
    sampling = (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
    return _url("jpeg", cv2.imencode(".jpg", _bytes(picture), (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY, *sampling))[1])


def _png(picture: Image) -> str:
    return _url("png", cv2.imencode(".png", _bytes(picture), (cv2.IMWRITE_PNG_COMPRESSION, 9))[1])


def _bytes(picture: Image) -> NDArray[np.uint8]:
    return np.ascontiguousarray(np.rint(picture[..., ::-1] * 255).astype(np.uint8))


def _url(kind: str, encoded: NDArray[np.uint8]) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(encoded.tobytes()).decode()}"
