"""No byte that is missing and no byte that is wrong leads to anything but a picture or an ImageError."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from sdd_bench.errors import ImageError
from sdd_bench.io.images import image_info, read_samples, write_image

IMAGE = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (12, 17, 3), np.uint8), (0, 0), 1.5)


def pillow(image: np.ndarray = IMAGE, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, **options)
    return file.getvalue()


def ours(name: str, bit_depth: int, tmp_path: Path) -> bytes:
    image = IMAGE if bit_depth == 8 else IMAGE.astype(np.uint16) * 257
    write_image(tmp_path / name, image, bit_depth)
    return (tmp_path / name).read_bytes()


def tiff(image: np.ndarray, **options: object) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, image, photometric="rgb", metadata=None, **options)
    return file.getvalue()


def numpy(save: Callable[..., None]) -> bytes:
    file = io.BytesIO()
    save(file, np.float32(IMAGE[:6, :8] / 255))
    return file.getvalue()


EXIF = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
SAMPLES: dict[str, Callable[[Path], bytes]] = {
    "8 bit.png": lambda folder: ours("a.png", 8, folder),
    "16 bit.png": lambda folder: ours("a.png", 16, folder),
    "palette.png": lambda folder: pillow(np.asarray(Image.fromarray(IMAGE).quantize(16)), format="PNG"),
    "exif.png": lambda folder: pillow(format="PNG", exif=EXIF),
    "baseline.jpg": lambda folder: pillow(format="JPEG", exif=EXIF),
    "progressive.jpg": lambda folder: pillow(format="JPEG", progressive=True),
    "8 bit.tif": lambda folder: ours("a.tif", 8, folder),
    "16 bit.tif": lambda folder: ours("a.tif", 16, folder),
    "lzw.tif": lambda folder: pillow(format="TIFF", compression="tiff_lzw"),
    "raw.tif": lambda folder: tiff(IMAGE, byteorder=">", rowsperstrip=4),
    "tiles.tif": lambda folder: tiff(IMAGE, compression="zlib", tile=(16, 16)),
    "array.npy": lambda folder: numpy(np.save),
    "array.npz": lambda folder: numpy(np.savez_compressed),
}
EVERY_SAMPLE = pytest.mark.parametrize("name", SAMPLES)


@EVERY_SAMPLE
def test_a_cut_file_is_an_error_already_by_its_structure(name: str, tmp_path: Path) -> None:
    whole = SAMPLES[name](tmp_path)
    path = tmp_path / name
    path.write_bytes(whole)
    assert read_samples(path).dtype in (np.uint8, np.uint16, np.float32)
    # every byte of the two ends, where the structure is; every seventh between them
    last = len(whole) - 40
    for length in sorted({*range(100), *range(100, last, 7), *range(last, len(whole))}, reverse=True):
        os.truncate(path, length)
        with pytest.raises(ImageError):
            image_info(path)


@EVERY_SAMPLE
def test_a_cut_file_is_an_error_for_the_reader_too(name: str, tmp_path: Path) -> None:
    whole = SAMPLES[name](tmp_path)
    path = tmp_path / name
    path.write_bytes(whole)
    cuts = {0, 1, 8, 33, *range(40, len(whole), 61), *range(len(whole) - 14, len(whole))}
    for length in sorted(cuts, reverse=True):
        os.truncate(path, length)
        with pytest.raises(ImageError):
            read_samples(path)


# In an uncompressed file zeros are pixels like others.
@pytest.mark.parametrize("name", sorted(SAMPLES.keys() - {"raw.tif", "array.npy"}))
def test_a_file_whose_tail_is_zeros_is_never_a_partly_black_picture(name: str, tmp_path: Path) -> None:
    # What a download that reserved its space in advance leaves behind.
    whole = SAMPLES[name](tmp_path)
    path = tmp_path / name
    path.write_bytes(whole)
    for keep in range((len(whole) - 9) // 53 * 53, 60, -53):
        os.truncate(path, keep)
        os.truncate(path, len(whole))  # which fills it with zeros
        with pytest.raises(ImageError):
            read_samples(path)


@EVERY_SAMPLE
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_wrong_bytes_give_a_picture_of_the_stated_size_or_an_image_error(
    name: str, tmp_path: Path, data: st.DataObject
) -> None:
    content = bytearray(SAMPLES[name](tmp_path))
    # Most changes go to the two ends, where the structure is.
    end = min(250, len(content))
    places = st.one_of(st.integers(0, len(content) - 1), st.integers(0, end - 1), st.integers(-end, -1))
    for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=4)):
        content[place] = value
    path = tmp_path / name
    path.unlink(missing_ok=True)  # some file systems flush a file that is written over
    path.write_bytes(content)
    try:
        info = image_info(path)
        samples = read_samples(path)
    except ImageError:
        return
    assert samples.shape == (info.height, info.width, 3)
    assert samples.dtype in (np.uint8, np.uint16, np.float32)
