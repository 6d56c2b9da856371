"""What a camera noted about a photograph: time, aperture, focus distance, exposure."""

from __future__ import annotations

import math
import re
import struct
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

_TIME_FORMAT = "%Y:%m:%d %H:%M:%S"  # EXIF 2.32, tag 36867
# Lightroom and Camera Raw keep the focus distance of makers' own notes here, in metres.
_XMP_FOCUS_DISTANCE = re.compile(rb"aux:ApproximateFocusDistance(?:=[\"']|>)(\d+)/(\d+)")
_XMP_TIFF_TAG = 700
_EXIF_IFD = 0x8769
_DAMAGE = (OSError, ValueError, KeyError, TypeError, IndexError, SyntaxError, ZeroDivisionError, struct.error)


@dataclass(frozen=True)
class Capture:
    """How a photograph was taken; None for what its file does not say.

    Attributes:
        time: by the camera's clock.
        f_number: the aperture: 2.8 for f/2.8.
        focus_distance: metres; infinity is `math.inf`.
        exposure_time: seconds.
        iso: sensitivity.
        camera: maker and model.
    """

    time: datetime | None = None
    f_number: float | None = None
    focus_distance: float | None = None
    exposure_time: float | None = None
    iso: float | None = None
    camera: str = ""

    @property
    def exposure_value(self) -> float | None:
        """EV at ISO 100, which tells how bright the scene was: log2(N^2 / t) - log2(ISO / 100)."""
        if not (self.f_number and self.exposure_time and self.iso):
            return None
        return math.log2(self.f_number**2 / self.exposure_time) - math.log2(self.iso / 100)


def read_capture(path: Path) -> Capture:
    """Read the EXIF data, and the focus distance from XMP, of a JPEG, PNG or TIFF.

    Standard tags only: makers' own notes are not read.

    Args:
        path: an image file.

    Returns:
        What it says; nothing where there is no such data, or it is damaged.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damaged data, and of sizes that `image_info` judges
            tags, xmp = _tiff_tags(path) if path.suffix.lower() in (".tif", ".tiff") else _tags(path)
        return _capture(tags, xmp)
    except _DAMAGE:
        return Capture()


def _tags(path: Path) -> tuple[dict[str, Any], bytes]:
    from PIL import ExifTags, Image

    with Image.open(path) as image:
        exif = image.getexif()
        numbered = {**exif, **exif.get_ifd(_EXIF_IFD)}
        xmp = image.info.get("xmp", image.info.get("XML:com.adobe.xmp", b""))
    return {ExifTags.TAGS.get(tag, str(tag)): value for tag, value in numbered.items()}, (
        xmp.encode() if isinstance(xmp, str) else bytes(xmp)
    )


def _tiff_tags(path: Path) -> tuple[dict[str, Any], bytes]:
    import tifffile

    with tifffile.TiffFile(path) as file:
        tags = file.pages.first.tags
        named = {tag.name: tag.value for tag in tags.values()}
        xmp = tags.valueof(_XMP_TIFF_TAG, b"")
    exif = named.pop("ExifTag", {})
    return {**named, **(exif if isinstance(exif, dict) else {})}, xmp if isinstance(xmp, bytes) else b""


def _capture(tags: Mapping[str, Any], xmp: bytes) -> Capture:
    distance = _number(tags.get("SubjectDistance"), infinite=0xFFFFFFFF)
    stated = _XMP_FOCUS_DISTANCE.search(xmp)
    if distance is None and stated is not None:
        distance = _number((int(stated[1]), int(stated[2])), infinite=0xFFFFFFFF)
    iso = tags.get("PhotographicSensitivity", tags.get("ISOSpeedRatings"))
    return Capture(
        time=_time(tags),
        f_number=_number(tags.get("FNumber")),
        focus_distance=distance,
        exposure_time=_number(tags.get("ExposureTime")),
        iso=_number(iso[0] if isinstance(iso, tuple) and iso else iso),
        camera=" ".join(str(tags[name]).strip("\0 ") for name in ("Make", "Model") if tags.get(name)),
    )


def _time(tags: Mapping[str, Any]) -> datetime | None:
    text = tags.get("DateTimeOriginal", tags.get("DateTime"))
    if not text:
        return None
    try:
        # The camera's own clock, of no stated zone: only differences are taken of it.
        time = datetime.strptime(str(text).strip("\0 "), _TIME_FORMAT)  # noqa: DTZ007
    except ValueError:
        return None
    fraction = str(tags.get("SubsecTimeOriginal", "")).strip("\0 ")
    return time.replace(microsecond=int(f"{fraction:0<6}"[:6])) if fraction.isdigit() else time


def _number(value: Any, infinite: int | None = None) -> float | None:
    """A positive number from a rational as Pillow or tifffile gives it; None for zero, which stands for unknown."""
    if value is None:
        return None
    if isinstance(value, tuple):
        numerator, denominator = (float(each) for each in value)
    else:
        numerator = float(getattr(value, "numerator", value))
        denominator = float(getattr(value, "denominator", 1))
    if infinite is not None and numerator >= infinite:
        return math.inf
    if not denominator or not math.isfinite(numerator / denominator) or numerator / denominator <= 0:
        return None
    return numerator / denominator
