"""What a picture's header says, checked before a single pixel is allocated."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import BinaryIO, Literal

from sdd_bench.errors import ImageError

# 268 million, 30 times an SDD picture (4096 x 2160): at this limit the float32 RGB array takes 3.2 GB. A header can
# claim 10^18 pixels in 60 bytes; what is above the limit is refused as an attack or a mistake.
MAX_PIXELS = 2**28

Format = Literal["png", "jpeg", "tiff", "npy", "npz"]
Color = Literal["rgb", "gray", "palette"]


@dataclass(frozen=True)
class ImageInfo:
    """A picture as it will be read, known without decoding it.

    Attributes:
        width: pixels from left to right, after the EXIF orientation is applied.
        height: pixels from top to bottom, likewise.
        bit_depth: bits per sample of what reading gives: 8 or 16 (integers), 32 (floats of .npy and .npz).
        format: the file's format; ``"jpeg"`` is lossy, all others are exact.
        color: how the file stores colour; reading always gives RGB.
        has_alpha: whether the file stores transparency, which is refused on reading unless it is opaque everywhere.
        orientation: the EXIF orientation as stored, 1 (upright) to 8.
    """

    width: int
    height: int
    bit_depth: Literal[8, 16, 32]
    format: Format
    color: Color = "rgb"
    has_alpha: bool = False
    orientation: int = 1


def check_size(width: int, height: int) -> None:
    """Refuse a size that no picture has or that would fill the memory.

    Args:
        width: pixels, as the header claims.
        height: pixels, as the header claims.

    Raises:
        ImageError: a side is zero, or there are more than `MAX_PIXELS` pixels.
    """
    if width < 1 or height < 1:
        raise ImageError(f"claims {width} x {height} pixels: the header is damaged.")
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"claims {width} x {height} = {width * height:,} pixels, more than the {MAX_PIXELS:,} that are accepted: "
            "a damaged header or a decompression bomb. Crop or shrink the picture if it is really that large."
        )


def file_size(file: BinaryIO) -> int:
    """Tell the size of an open file in bytes and leave it positioned at its end."""
    return file.seek(0, os.SEEK_END)


def read_exactly(file: BinaryIO, start: int, count: int, what: str) -> bytes:
    """Read a part of a file that its structure says must be there.

    Args:
        file: the open file.
        start: offset in bytes.
        count: number of bytes.
        what: the part's name for the message.

    Raises:
        ImageError: the file ends before or inside the part.
    """
    # The size first: a damaged count of some gigabytes must not become an allocation.
    if start + count > file_size(file):
        raise truncated(what)
    file.seek(start)
    return file.read(count)


def truncated(what: str) -> ImageError:
    """Make the error for a file that ends too early, inside the part named `what`."""
    return ImageError(f"is truncated: it ends inside {what}. Copy or download it again.")


def damaged(what: str) -> ImageError:
    """Make the error for a file whose part named `what` is wrong."""
    return ImageError(f"is damaged: {what}. Copy or download it again.")
