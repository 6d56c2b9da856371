from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from sdd_bench.errors import ImageError
from sdd_bench.io.images import ImageInfo, image_info, read_samples

Save = Callable[[str, bytes], Path]


@pytest.fixture
def picture() -> np.ndarray:
    noise = np.random.default_rng(5).integers(0, 256, (37, 53, 3), np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2)


def jpeg(image: np.ndarray, mode: str = "RGB", **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).convert(mode).save(file, "JPEG", **options)
    return file.getvalue()


@pytest.mark.parametrize(
    "options", [{}, {"subsampling": 0}, {"progressive": True}, {"keep_rgb": True}, {"quality": 30}]
)
def test_pixels_are_those_of_pillow(picture: np.ndarray, save: Save, options: dict[str, object]) -> None:
    path = save("a.jpg", jpeg(picture, **options))
    np.testing.assert_array_equal(read_samples(path), np.asarray(Image.open(path)), strict=True)
    assert image_info(path) == ImageInfo(width=53, height=37, bit_depth=8, format="jpeg")


def test_colours_are_rgb_not_bgr(save: Save) -> None:
    red = np.full((16, 16, 3), (200, 30, 10), np.uint8)
    read = read_samples(save("a.jpeg", jpeg(red, quality=95)))
    assert np.abs(read.astype(int) - red).max() <= 3  # JPEG's own rounding


def test_gray_becomes_three_equal_channels(picture: np.ndarray, save: Save) -> None:
    path = save("a.jpg", jpeg(picture, "L"))
    expected = np.asarray(Image.open(path))
    np.testing.assert_array_equal(read_samples(path), np.stack([expected] * 3, axis=2), strict=True)
    assert image_info(path).color == "gray"


def test_cmyk_is_an_error_that_says_what_to_do(picture: np.ndarray, save: Save) -> None:
    path = save("a.jpg", jpeg(picture, "CMYK"))
    for read in (read_samples, image_info):
        with pytest.raises(ImageError, match=r"CMYK picture\. Convert it to RGB with its colour profile first"):
            read(path)


@pytest.mark.parametrize("marker", [0xC3, 0xC9])  # lossless; arithmetic coding
def test_rare_kinds_are_errors(picture: np.ndarray, save: Save, marker: int) -> None:
    data = bytearray(jpeg(picture))
    data[data.index(b"\xff\xc0") + 1] = marker
    with pytest.raises(ImageError, match="rare kind"):
        image_info(save("a.jpg", bytes(data)))


def test_a_size_of_zero_is_an_error(picture: np.ndarray, save: Save) -> None:
    data = bytearray(jpeg(picture))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 7] = b"\0\0"
    with pytest.raises(ImageError, match="53 x 0 pixels"):
        image_info(save("a.jpg", bytes(data)))


def test_a_bomb_is_refused_from_the_header(picture: np.ndarray, save: Save) -> None:
    data = bytearray(jpeg(picture))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = b"\xff\xff\xff\xff"
    path = save("a.jpg", bytes(data))
    for read in (read_samples, image_info):
        with pytest.raises(ImageError, match="65535 x 65535"):
            read(path)


def test_an_end_mark_inside_a_preview_does_not_hide_a_truncation(picture: np.ndarray, save: Save) -> None:
    exif = b"Exif\0\0II*\0\x08\0\0\0\0\0" + jpeg(picture[:8, :8])
    whole = jpeg(picture, exif=exif)
    assert read_samples(save("a.jpg", whole)).shape == picture.shape
    cut = whole[:-100]
    assert b"\xff\xd9" in cut
    with pytest.raises(ImageError, match="end mark is missing"):
        image_info(save("b.jpg", cut))


def test_what_follows_the_end_is_ignored(picture: np.ndarray, save: Save) -> None:
    data = jpeg(picture)
    np.testing.assert_array_equal(read_samples(save("a.jpg", data + b"more")), read_samples(save("b.jpg", data)))


def test_junk_between_the_segments_is_damage(picture: np.ndarray, save: Save) -> None:
    data = jpeg(picture)
    frame = data.index(b"\xff\xc0")
    with pytest.raises(ImageError, match=f"damaged: no marker begins at byte {frame}"):
        image_info(save("a.jpg", data[:frame] + b"junk" + data[frame:]))
