"""The report's pictures: measurements turned into colours, and everything encoded to lie inside the page."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.evaluation.crops import Box
from sdd_bench.evaluation.report_views import Image, View, Views

Bytes = NDArray[np.uint8]

JPEG_QUALITY = 85
WHEEL = 96  # pixels across

_LEFT_OUT = np.array([255, 112, 0], np.float32)
_GRAY = (128, 128, 128)
# Magma: even steps of error look like even steps. The last index is for pixels that don't count.
_ERROR_PALETTE: Bytes = np.concatenate(
    [
        cv2.applyColorMap(np.linspace(0, 255, 255).round().astype(np.uint8)[:, None], cv2.COLORMAP_MAGMA)[:, 0, ::-1],
        np.array([_GRAY], np.uint8),
    ]
)
_NOT_COUNTED = 255


class Picture(NamedTuple):
    """A picture inside the page.

    Attributes:
        key: what it shows.
        url: ``data:`` URL.
        width: pixels.
        height: pixels.
    """

    key: str
    url: str
    width: int
    height: int


class Scales(NamedTuple):
    """What full colour stands for, in all strips of a page.

    Attributes:
        error: absolute error, of 1.
        flow: pixels; None where there is no flow.
    """

    error: float
    flow: float | None


@dataclass(frozen=True)
class Strip:
    """One image on the page.

    Attributes:
        whole: its pictures as JPEG files, reduced as `Views` says.
        detail: the part in ``box`` as PNG files.
        size: width and height of the full pictures, pixels.
        box: where the detail lies.
    """

    whole: tuple[Picture, ...]
    detail: tuple[Picture, ...]
    size: tuple[int, int]
    box: Box

    @property
    def scale(self) -> float:
        """Of the whole pictures: 1 if they are shown as they are."""
        return self.whole[0].width / self.size[0]


def common_scales(views: Sequence[Views]) -> Scales:
    """Round numbers: for errors, so that 99 % of them fit in the middle image; for flow, that 99 % fit in all.

    One bad image would otherwise turn the error maps of all others black. Pixels that do not count have no say.
    """
    errors = [view.whole.error[~np.isnan(view.whole.error)] for view in views]
    highest = [float(np.quantile(error, 0.99)) for error in errors if error.size]
    lengths = [
        np.hypot(*np.moveaxis(view.whole.flow, -1, 0))[~np.isnan(view.whole.error)]
        for view in views
        if view.whole.flow is not None
    ]
    longest = float(np.quantile(found, 0.99)) if (found := np.concatenate(lengths or [[]])).size else 0.0
    return Scales(
        error=min(1.0, max(0.01, _round_up(float(np.median(highest))))) if highest else 1.0,
        flow=max(0.1, _round_up(longest)) if lengths else None,
    )


def draw_strip(views: Views, scales: Scales) -> Strip:
    """Draw and encode the pictures of one image."""
    return Strip(
        whole=_whole(views.whole, scales), detail=_detail(views.detail, scales), size=views.size, box=views.box
    )


def flow_colours(flow: Image, full: float) -> Bytes:
    """Direction as hue (right is red), length as saturation: no flow is white, ``full`` pixels and more full colour."""
    length = np.minimum(np.hypot(flow[..., 0], flow[..., 1]) / full, 1)[..., None]
    angle = np.arctan2(flow[..., 1], flow[..., 0])[..., None]
    hue = 0.5 + 0.5 * np.cos(angle - np.array([0, 2, 4]) * math.pi / 3)
    return _bytes(1 - length * (1 - hue))


def error_colours(error: Image, full: float) -> Bytes:
    """Magma from black to ``full`` and more; gray where there is no error because no pixel counts."""
    return np.asarray(_ERROR_PALETTE[_error_indices(error, full)])


def error_gradient() -> list[str]:
    """Colours of the error map from 0 to full scale, evenly spaced, for a colour bar."""
    colours = error_colours(np.linspace(0, 1, 17, dtype=np.float32), 1.0)
    return ["#{:02x}{:02x}{:02x}".format(*colour) for colour in colours.tolist()]


def flow_wheel() -> Picture:
    """The key to `flow_colours`: a disc of all flows from its middle, as seen, up to full scale."""
    ends = (np.arange(WHEEL) + 0.5) * 2 / WHEEL - 1
    flow = np.stack(np.meshgrid(ends, ends), -1).astype(np.float32)
    inside = np.clip((1 - np.hypot(flow[..., 0], flow[..., 1])) * WHEEL / 2 + 0.5, 0, 1)
    rgba = np.dstack([flow_colours(flow, 1.0), np.rint(255 * inside).astype(np.uint8)])
    return _picture("wheel", rgba.shape, "png", _png(rgba))


def draw_view(view: View, scales: Scales) -> dict[str, Bytes]:
    """Every picture of a view in colour, by what it shows; without the flow if the scales have none."""
    pictures = {key: _bytes(picture) for key, picture in view.photographs.items()}
    pictures["error"] = error_colours(view.error, scales.error)
    if view.flow is not None and scales.flow is not None:
        pictures["flow"] = flow_colours(view.flow, scales.flow)
    if view.counted is not None:
        pictures["mask"] = _mask(view.photographs["blur"], view.counted)
    return pictures


def _whole(view: View, scales: Scales) -> tuple[Picture, ...]:
    return tuple(_picture(key, pixels.shape, "jpeg", jpeg(pixels)) for key, pixels in draw_view(view, scales).items())


def _detail(view: View, scales: Scales) -> tuple[Picture, ...]:
    files = {key: _png(_bytes(picture)) for key, picture in view.photographs.items()}
    files["error"] = _palette_png(_error_indices(view.error, scales.error))
    return tuple(_picture(key, view.error.shape, "png", data) for key, data in files.items())


def _mask(picture: Image, counted: Image) -> Bytes:
    """The picture in pale gray, what is left out in orange."""
    gray = 255 * (0.35 + 0.65 * picture.mean(-1, keepdims=True))
    mixed = gray * counted[..., None] + _LEFT_OUT * (1 - counted[..., None])
    return np.asarray(np.rint(mixed), np.uint8)


def _error_indices(error: Image, full: float) -> Bytes:
    indices = np.full(error.shape, _NOT_COUNTED, np.uint8)
    known = ~np.isnan(error)
    indices[known] = np.rint(np.minimum(error[known] / full, 1) * (_NOT_COUNTED - 1)).astype(np.uint8)
    return indices


def _round_up(value: float) -> float:
    """The next of ... 0.1, 0.2, 0.5, 1, 2, 5, 10 ..."""
    if value <= 0:
        return 0.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value * (1 - 1e-9))


def _bytes(picture: NDArray[np.floating]) -> Bytes:
    return np.asarray(np.rint(np.clip(picture, 0, 1) * 255), np.uint8)


def jpeg(pixels: Bytes) -> bytes:
    """Pixels as a JPEG file of `JPEG_QUALITY`."""
    # Colour at full resolution: halved, it would blur the coloured edges that this page is about.
    sampling = (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
    flags = (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY, *sampling)
    return bytes(cv2.imencode(".jpg", pixels[..., ::-1], flags)[1])


def _png(pixels: Bytes) -> bytes:
    order = cv2.COLOR_RGBA2BGRA if pixels.shape[-1] == 4 else cv2.COLOR_RGB2BGR
    return bytes(cv2.imencode(".png", cv2.cvtColor(pixels, order), (cv2.IMWRITE_PNG_COMPRESSION, 9))[1])


def _palette_png(indices: Bytes) -> bytes:
    from PIL import Image as PillowImage

    image = PillowImage.fromarray(indices, mode="P")
    image.putpalette(_ERROR_PALETTE.tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "png", optimize=True)
    return buffer.getvalue()


def _picture(key: str, shape: tuple[int, ...], kind: str, data: bytes) -> Picture:
    return Picture(key, f"data:image/{kind};base64,{base64.b64encode(data).decode()}", width=shape[1], height=shape[0])
