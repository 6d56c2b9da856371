from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sdd_bench.errors import ImageError
from sdd_bench.io.images import IMAGE_SUFFIXES, image_info, read_image

Save = Callable[[str, bytes], Path]
READERS = pytest.mark.parametrize("read", [read_image, image_info])


def encoded(format: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(file, format)
    return file.getvalue()


@READERS
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>", "looks like an HTML page: a failed download"),
        (b"\xef\xbb\xbf\r\n <HTML lang=en>", "HTML page"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code>", "HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer.*git lfs pull"),
        (b'{"error": "quota exceeded"}', r"is a text that begins with '\{\"error\""),
        (bytes(100), "begins with 00 00 00 00"),
        (encoded("GIF"), "is a GIF"),
        (encoded("BMP"), "is a BMP"),
        (encoded("WEBP"), "is a WebP"),
    ],
    ids=["empty", "html", "html with byte order mark", "xml", "lfs", "json", "zeros", "gif", "bmp", "webp"],
)
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".npy", ".npz"])
def test_what_is_no_picture_is_named(
    save: Save, content: bytes, message: str, suffix: str, read: Callable[[Path], object]
) -> None:
    with pytest.raises(ImageError, match=message):
        read(save(f"a{suffix}", content))


@READERS
def test_a_jpeg_named_png_is_an_error_that_says_why_it_matters(save: Save, read: Callable[[Path], object]) -> None:
    with pytest.raises(ImageError, match=r"named as a PNG file, but its content is JPEG\. JPEG is lossy"):
        read(save("a.png", encoded("JPEG")))


@pytest.mark.parametrize(
    ("name", "format", "suffix"), [("a.jpg", "PNG", ".png"), ("a.npy", "TIFF", ".tif"), ("a.tif", "PNG", ".png")]
)
def test_another_wrong_suffix_is_an_error_that_names_the_right_one(
    save: Save, name: str, format: str, suffix: str
) -> None:
    with pytest.raises(ImageError, match=rf"content is {format}\. Rename it to \{suffix}"):
        read_image(save(name, encoded(format)))


@READERS
@pytest.mark.parametrize("name", ["a.bmp", "a", "a.png.txt"])
def test_an_unknown_suffix_lists_the_known_ones(save: Save, name: str, read: Callable[[Path], object]) -> None:
    with pytest.raises(ImageError) as caught:
        read(save(name, encoded("PNG")))
    assert all(suffix in str(caught.value) for suffix in IMAGE_SUFFIXES)


@pytest.mark.parametrize("name", ["A.PNG", "ü ☃.png", "a.b.Png"])
def test_upper_case_suffixes_and_any_file_name_are_read(save: Save, name: str) -> None:
    assert read_image(save(name, encoded("PNG"))).shape == (4, 4, 3)


@READERS
def test_a_missing_file_is_an_image_error(tmp_path: Path, read: Callable[[Path], object]) -> None:
    with pytest.raises(ImageError, match=r"absent\.png doesn't exist"):
        read(tmp_path / "absent.png")


@READERS
def test_a_folder_is_an_image_error(tmp_path: Path, read: Callable[[Path], object]) -> None:
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ImageError, match=r"folder\.png is a folder"):
        read(tmp_path / "folder.png")


@READERS
def test_a_path_through_a_file_is_an_image_error(save: Save, read: Callable[[Path], object]) -> None:
    with pytest.raises(ImageError, match="can't be read: Not a directory"):
        read(save("a.png", b"x") / "b.png")


@READERS
def test_a_file_without_permission_is_an_image_error(
    save: Save, read: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Simulated, because no permission keeps an administrator out.
    def refuse(*args: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = save("a.png", encoded("PNG"))
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ImageError, match="can't be read: Permission denied"):
        read(path)
