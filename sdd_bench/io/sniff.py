"""What a file is by its content, against what its name says."""

from __future__ import annotations

from pathlib import Path

from sdd_bench.errors import ImageError
from sdd_bench.io.headers import Format

_FORMATS: dict[str, Format] = {
    ".png": "png",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".npy": "npy",
    ".npz": "npz",
}
# Every suffix that can be read; upper case is accepted too.
IMAGE_SUFFIXES = tuple(_FORMATS)
# Enough for every signature and for the first lines of a text; a classic HTML page or a pointer file shows itself here.
HEAD_BYTES = 512

_SIGNATURES: tuple[tuple[bytes, Format], ...] = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"\x93NUMPY", "npy"),
    (b"PK\x03\x04", "npz"),
)
_FOREIGN = (
    (b"II+\0", "a BigTIFF"),
    (b"MM\0+", "a BigTIFF"),
    (b"GIF8", "a GIF"),
    (b"BM", "a BMP"),
    (b"RIFF", "a WebP or another RIFF file"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000"),
    (b"v/1\x01", "an OpenEXR"),
    (b"%PDF", "a PDF"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x89HDF", "an HDF5 file"),
)
_HTML = (b"<!doctype html", b"<html", b"<head", b"<body", b"<script", b"<?xml", b"<!--")
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"


def format_by_suffix(path: Path) -> Format:
    """Tell the format that a file's name claims.

    Args:
        path: the file's name; it need not exist.

    Raises:
        ImageError: the suffix is none of `IMAGE_SUFFIXES`.
    """
    try:
        return _FORMATS[path.suffix.lower()]
    except KeyError:
        found = f"has the unknown suffix {path.suffix!r}" if path.suffix else "has no suffix"
        raise ImageError(f"{found}; pictures are read from {', '.join(IMAGE_SUFFIXES)}.") from None


def check_content(head: bytes, claimed: Format) -> None:
    """Refuse a file whose content isn't what its suffix says.

    A JPEG named .png is refused too, though it could be read: its pixels went through lossy compression, and a
    benchmark's numbers would silently contain that.

    Args:
        head: the first `HEAD_BYTES` of the file, fewer if it is shorter.
        claimed: the format by its suffix.

    Raises:
        ImageError: with what the content looks like.
    """
    if not head:
        raise ImageError("is empty (zero bytes). Copy or download it again.")
    for signature, actual in _SIGNATURES:
        if head.startswith(signature):
            if actual == claimed:
                return
            raise ImageError(_misnamed(actual, claimed))
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(_LFS_POINTER):
        raise ImageError("is a Git LFS pointer, not the picture. Fetch the content with `git lfs pull`.")
    if text.startswith(_HTML):
        raise ImageError("looks like an HTML page: a failed download. Download it again and look at it in a browser.")
    for signature, name in _FOREIGN:
        if head.startswith(signature):
            raise ImageError(f"is {name}, which isn't supported. Convert it to PNG.")
    if all(byte in b"\t\r\n" or 32 <= byte < 127 for byte in head):
        raise ImageError(f"is a text that begins with {head[:40].decode('ascii')!r}, not a {claimed.upper()} file.")
    raise ImageError(f"is not a {claimed.upper()} file, nor any other known one: it begins with {head[:8].hex(' ')}.")


def _misnamed(actual: Format, claimed: Format) -> str:
    message = f"is named as a {claimed.upper()} file, but its content is {actual.upper()}."
    if actual == "jpeg":
        return (
            f"{message} JPEG is lossy, so numbers computed from it would differ from those of the original. "
            "Export the original again, or rename the file to .jpg if it is meant to be one."
        )
    suffixes = [suffix for suffix, name in _FORMATS.items() if name == actual]
    return f"{message} Rename it to {suffixes[0]}."
