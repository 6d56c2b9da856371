"""What the report shows of one image, at two scales: the whole picture made smaller, and its worst part as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.evaluation.crops import Box
from sdd_bench.evaluation.evaluator import Pictures

Image = NDArray[np.float32]

LONGEST_SIDE = 1024
DETAIL_WIDTH, DETAIL_HEIGHT = 384, 256
PEAK_WINDOW = 65  # odd, so that the window has a middle


@dataclass(frozen=True)
class View:
    """An image at one scale.

    Attributes:
        photographs: ``blur``, ``prediction``, ``gt``, and ``deformed_gt`` where there is one.
        error: h x w, mean absolute error of the channels against the deformed ground truth, or against that as it is
            where there is no deformed one; NaN where no pixel counts.
        flow: h x w x 2, from the input or the prediction to the ground truth, in pixels of the full picture at every
            scale; None where there is no deformed ground truth.
        counted: h x w, share of the pixels that count, in [0, 1]; None where all do under the protocol.
    """

    photographs: Mapping[str, Image]
    error: Image
    flow: Image | None
    counted: Image | None


@dataclass(frozen=True)
class Views:
    """An image at both scales.

    Attributes:
        whole: reduced by area averaging until no side is over a limit, `LONGEST_SIDE` pixels on the report.
        detail: the pixels of ``box``.
        size: width and height of the full picture, pixels.
        box: `DETAIL_WIDTH` x `DETAIL_HEIGHT` pixels, or less in a smaller picture, around the place where the mean
            error over a square of `PEAK_WINDOW` pixels is largest.
    """

    whole: View
    detail: View
    size: tuple[int, int]
    box: Box


def take_views(pictures: Pictures, *, masked: bool, longest_side: int = LONGEST_SIDE) -> Views:
    """Reduce the pictures of an image to what fits on a page.

    Args:
        pictures: what the image was scored from.
        masked: whether some pixels may not count under the protocol.
        longest_side: of the whole picture as shown, at most, pixels.
    """
    deformed = pictures.reference
    error = np.abs(pictures.prediction - (pictures.gt if deformed is None else deformed.deformed)).mean(-1)
    valid = deformed.valid if deformed is not None and masked else None
    height, width = error.shape
    box = _around_peak(error if valid is None else error * valid)
    scale = min(1.0, longest_side / max(width, height))
    small = (max(1, round(width * scale)), max(1, round(height * scale)))

    def reduce(array: Image) -> Image:
        return np.asarray(cv2.resize(array, small, interpolation=cv2.INTER_AREA), np.float32)

    return Views(
        whole=_view(pictures, error, valid, reduce),
        detail=_view(pictures, error, valid, box.of),
        size=(width, height),
        box=box,
    )


def _view(pictures: Pictures, error: Image, valid: NDArray[np.bool_] | None, scaled: Callable[[Image], Image]) -> View:
    photographs = {"blur": pictures.blur, "prediction": pictures.prediction, "gt": pictures.gt}
    flow = counted = None
    if pictures.reference is not None:
        photographs["deformed_gt"] = pictures.reference.deformed
        flow = scaled(pictures.reference.flow)
    if valid is None:
        shown = scaled(error)
    else:
        counted = scaled(valid.astype(np.float32))
        # Of pixels that were averaged into one, only those that count have an error.
        shown = np.divide(scaled(error * valid), counted, out=np.full_like(counted, np.nan), where=counted > 0)
    return View({key: scaled(picture) for key, picture in photographs.items()}, shown, flow, counted)


def _around_peak(error: Image) -> Box:
    mean = cv2.blur(error, (PEAK_WINDOW, PEAK_WINDOW), borderType=cv2.BORDER_CONSTANT)
    y, x = np.unravel_index(int(np.argmax(mean)), mean.shape)
    height, width = error.shape
    box_width, box_height = min(DETAIL_WIDTH, width), min(DETAIL_HEIGHT, height)
    return Box(
        x=min(max(int(x) - box_width // 2, 0), width - box_width),
        y=min(max(int(y) - box_height // 2, 0), height - box_height),
        width=box_width,
        height=box_height,
    )
