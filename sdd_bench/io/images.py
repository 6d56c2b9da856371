"""Pictures in and out of files: one policy for every kind, nothing converted silently.

Reading gives H x W x 3 RGB, turned upright as the EXIF orientation says (JPEG, PNG's eXIf, TIFF's tag; not XMP).

| kind | what happens |
|---|---|
| PNG and TIFF, 8 or 16 bit, RGB; JPEG, RGB | read exactly, with their own depth |
| gray of 8 or 16 bit; 1, 2, 4 bit (PNG), 1 bit (TIFF) | three equal channels; under 8 bits stretched to 8 |
| palette (PNG, 8-bit TIFF) | expanded to 8-bit RGB |
| alpha channel or transparent colour, every pixel opaque | alpha dropped |
| any pixel not opaque | error |
| CMYK (JPEG, TIFF) | error: convert with the colour profile first |
| animated PNG, TIFF of several pages | error |
| TIFF: uncompressed, LZW, Deflate, PackBits; either byte order; strips or tiles | read |
| TIFF: floating point, signed, other depths, JPEG or other compression, BigTIFF | error |
| JPEG: 12 bit, lossless, arithmetic | error |
| .npy and .npz (one array): H x W x 3, uint8, uint16, or float16 to float64 in [0, 1] | read; floats as float32 |
| .npy and .npz: NaN, infinity, out of range, other shape or type, pickled objects | error, with counts and range |
| embedded ICC profile, gamma or chromaticities | ignored: sRGB is assumed, nothing is converted |
| truncated, damaged, empty, a web page, a Git LFS pointer, another format than the suffix says | error |
| more than `MAX_PIXELS` pixels | error, from the header |

A truncated file is always noticed, and PNG and .npz have checksums. A JPEG, TIFF or .npy of full length but with wrong
bytes can't always be told from a good one by itself; a manifest's SHA-256 tells.
"""

from __future__ import annotations

import io
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sdd_bench.errors import ImageError
from sdd_bench.io import jpeg, npy, png, tiff
from sdd_bench.io.atomic import write_bytes
from sdd_bench.io.headers import MAX_PIXELS, Format, ImageInfo
from sdd_bench.io.orientation import upright
from sdd_bench.io.samples import check_image, check_unit_range, to_float, to_samples
from sdd_bench.io.sniff import HEAD_BYTES, IMAGE_SUFFIXES, check_content, format_by_suffix

__all__ = [
    "IMAGE_SUFFIXES",
    "MAX_PIXELS",
    "ImageInfo",
    "encode_image",
    "image_info",
    "read_image",
    "read_levels",
    "read_samples",
    "write_image",
]


class _Codec(NamedTuple):
    read_header: Callable[[BinaryIO], Any]  # the format's own header; its `info` is the ImageInfo
    decode: Callable[[bytes, Any], NDArray[Any]]  # the file and that header


_CODECS: dict[Format, _Codec] = {
    "png": _Codec(png.read_header, png.decode),
    "jpeg": _Codec(jpeg.read_header, jpeg.decode),
    "tiff": _Codec(tiff.read_header, tiff.decode),
    "npy": _Codec(npy.read_header, npy.decode),
    "npz": _Codec(npy.read_npz_header, npy.decode_npz),
}
_ENCODERS = {"png": png.encode, "tiff": tiff.encode}


def read_image(path: Path | str) -> NDArray[np.float32]:
    """Read a picture.

    Args:
        path: a file with one of `IMAGE_SUFFIXES`.

    Returns:
        H x W x 3 RGB, float32 in [0, 1]: the samples divided by 255 or 65535.

    Raises:
        ImageError: it can't be read as what it claims to be; see the table above.
    """
    return to_float(read_samples(path))


def read_samples(path: Path | str) -> NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32]:
    """Read a picture's samples as they are stored, for work that must stay exact.

    Args:
        path: a file with one of `IMAGE_SUFFIXES`.

    Returns:
        H x W x 3 RGB: uint8 or uint16, or float32 in [0, 1] from float arrays.

    Raises:
        ImageError: it can't be read as what it claims to be; see the table above.
    """
    path = Path(path)
    with _errors_name(path):
        claimed = format_by_suffix(path)
        with _opened(path) as file:
            file.seek(0)
            data = file.read()
        check_content(data[:HEAD_BYTES], claimed)
        codec = _CODECS[claimed]
        header = codec.read_header(io.BytesIO(data))
        stored = codec.decode(data, header)
        return np.ascontiguousarray(upright(_three_channels(stored), header.info.orientation))


def read_levels(path: Path | str) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Read a picture of whole levels as they are stored.

    Args:
        path: a file with one of `IMAGE_SUFFIXES`.

    Returns:
        H x W x 3 RGB, uint8 or uint16.

    Raises:
        ImageError: it can't be read as what it claims to be, or holds floats.
    """
    samples = read_samples(path)
    if samples.dtype.kind != "u":
        raise ImageError(f"{path} holds {samples.dtype}: expected levels of 8 or 16 bits.")
    return samples  # type: ignore[return-value]  # not float32, as just checked


def image_info(path: Path | str) -> ImageInfo:
    """Tell a picture's size and kind, and whether its file is whole, without decoding it.

    All that the file's structure shows is checked: name against content, truncation, kind, size. What only its pixels
    show (transparency, values out of range, damaged data) is left to reading.

    Args:
        path: a file with one of `IMAGE_SUFFIXES`.

    Raises:
        ImageError: it can't be read as what it claims to be; see the table above.
    """
    path = Path(path)
    with _errors_name(path):
        claimed = format_by_suffix(path)
        with _opened(path) as file:
            check_content(file.read(HEAD_BYTES), claimed)
            info: ImageInfo = _CODECS[claimed].read_header(file).info
            return info


def write_image(path: Path | str, image: NDArray[Any], bit_depth: Literal[8, 16] = 8) -> None:
    """Write a picture, whole or not at all; the same array always gives the same bytes.

    Args:
        path: .png, .tif or .tiff (compressed without loss), or .npy (float32, nothing rounded). Missing folders are
            made.
        image: H x W x 3 RGB; float32 or float64 in [0, 1], or integers of `bit_depth` (for .npy: uint8 or uint16).
        bit_depth: 8 or 16 bits per sample; floats are scaled by 255 or 65535 and rounded half to even. Without meaning
            for .npy.

    Raises:
        ImageError: the array isn't such an image (nothing is clipped), or the suffix can't be written.
        OutputError: the file can't be written.
    """
    write_bytes(path, encode_image(path, image, bit_depth))


def encode_image(path: Path | str, image: NDArray[Any], bit_depth: Literal[8, 16] = 8) -> bytes:
    """What `write_image` writes, with the same arguments and errors; nothing is written."""
    path = Path(path)
    with _errors_name(path):
        claimed = format_by_suffix(path)
        if claimed == "npy":
            return npy.encode(_as_float32(image))
        if encode := _ENCODERS.get(claimed):
            return encode(to_samples(image, bit_depth))
        raise ImageError(f"can't be written as {claimed.upper()}: choose .png, .tif, .tiff or .npy.")


def _three_channels(stored: NDArray[Any]) -> NDArray[Any]:
    channels = stored.shape[2]
    if channels in (2, 4):
        alpha = stored[:, :, -1]
        clear = int(np.count_nonzero(alpha != np.iinfo(stored.dtype).max))
        if clear:
            raise ImageError(
                f"has {clear:,} of {alpha.size:,} pixels that are not opaque. Flatten it onto a background first."
            )
    return stored[:, :, :3] if channels >= 3 else np.repeat(stored[:, :, :1], 3, axis=2)


def _as_float32(image: NDArray[Any]) -> NDArray[np.float32]:
    check_image(image)
    if image.dtype in (np.uint8, np.uint16):
        return to_float(image)
    if image.dtype not in (np.float32, np.float64):
        raise ImageError(f"is an array of {image.dtype}: expected float32 in [0, 1], uint8 or uint16.")
    check_unit_range(image)
    return image.astype(np.float32, copy=False)


@contextmanager
def _errors_name(path: Path) -> Iterator[None]:
    try:
        yield
    except ImageError as error:
        raise ImageError(f"{path} {error}") from error.__cause__


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ImageError("is a folder, not a picture." if path.is_dir() else "is not a regular file.")
        # Unbuffered: the structure is a few bytes here and there, pixel data is read in one go.
        with path.open("rb", buffering=0) as file:
            yield file
    except FileNotFoundError as error:
        raise ImageError("doesn't exist. Check the name and the folder.") from error
    except OSError as error:
        raise ImageError(f"can't be read: {error.strerror or error}.") from error
