from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import png as pypng  # an independent pure-Python codec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from sdd_bench.errors import ImageError, OutputError
from sdd_bench.io.images import image_info, read_image, read_levels, read_samples, write_image

SUFFIXES = pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff"])
DEPTHS = pytest.mark.parametrize("bit_depth", [8, 16])
SAME_FOLDER = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True)
def _no_syncing(monkeypatch: pytest.MonkeyPatch) -> None:
    # The disk isn't under test here, and syncing every example would be most of the time.
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def integer_images(bit_depth: int) -> st.SearchStrategy[np.ndarray]:
    sides = st.integers(1, 9)
    return hnp.arrays(f"uint{bit_depth}", st.tuples(sides, sides, st.just(3)))


@SUFFIXES
@DEPTHS
@SAME_FOLDER
@given(data=st.data())
def test_integers_survive_reading_as_float_and_writing_again(
    tmp_path: Path, suffix: str, bit_depth: int, data: st.DataObject
) -> None:
    image = data.draw(integer_images(bit_depth))
    path = tmp_path / f"a{suffix}"
    write_image(path, image, bit_depth)
    np.testing.assert_array_equal(read_samples(path), image, strict=True)
    as_float = read_image(path)
    assert as_float.dtype == np.float32
    write_image(path, as_float, bit_depth)
    np.testing.assert_array_equal(read_samples(path), image, strict=True)
    info = image_info(path)
    assert (info.height, info.width, info.bit_depth) == (*image.shape[:2], bit_depth)


@DEPTHS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_single_level_survives_as_float(tmp_path: Path, bit_depth: int, dtype: type) -> None:
    levels = np.arange(2**bit_depth, dtype=f"uint{bit_depth}").reshape(-1, 16, 1).repeat(3, axis=2)
    highest = 2**bit_depth - 1
    write_image(tmp_path / "a.png", (levels / highest).astype(dtype), bit_depth)
    np.testing.assert_array_equal(read_samples(tmp_path / "a.png"), levels, strict=True)
    # the definition of the float image: value / highest, correctly rounded
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), (levels / highest).astype(np.float32), strict=True)


@DEPTHS
def test_written_png_files_are_read_equal_by_another_decoder(tmp_path: Path, bit_depth: int) -> None:
    image = np.random.default_rng(1).integers(0, 2**bit_depth, (11, 13, 3), f"uint{bit_depth}")
    write_image(tmp_path / "a.png", image, bit_depth)
    width, height, rows, info = pypng.Reader(bytes=(tmp_path / "a.png").read_bytes()).read()
    assert (width, height, info["bitdepth"], info["planes"]) == (13, 11, bit_depth, 3)
    np.testing.assert_array_equal(np.array([list(row) for row in rows]).reshape(11, 13, 3), image)


def test_written_8_bit_files_are_read_equal_by_pillow(tmp_path: Path, rgb8: np.ndarray) -> None:
    for name in ("a.png", "a.tif"):
        write_image(tmp_path / name, rgb8)
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / name)), rgb8, strict=True)


def test_floats_are_rounded_half_to_even(tmp_path: Path) -> None:
    # 0.5 * 255 = 127.5 and 0.5 * 65535 = 32767.5 are exact ties: up to the even 128 and 32768.
    image = np.full((2, 2, 3), 0.5, np.float32)
    write_image(tmp_path / "a.png", image)
    assert (read_samples(tmp_path / "a.png") == 128).all()
    write_image(tmp_path / "a.png", image, 16)
    assert (read_samples(tmp_path / "a.png") == 32768).all()
    # 2.5, 3.5 and 4.5 steps, exact ties in float64 arithmetic: down to 2, up to 4, down to 4
    tie = np.array([2.5, 3.5, 4.5]) / 65535
    assert list(tie * 65535) == [2.5, 3.5, 4.5]
    write_image(tmp_path / "a.png", np.tile(tie, (2, 2, 1)), 16)
    assert read_samples(tmp_path / "a.png")[0, 0].tolist() == [2, 4, 4]


@SUFFIXES
@DEPTHS
def test_the_same_array_gives_the_same_bytes_whatever_its_memory_layout(
    tmp_path: Path, suffix: str, bit_depth: int
) -> None:
    image = np.random.default_rng(1).random((40, 30, 3), np.float32)
    contents = set()
    for number, same in enumerate((image, image.copy(order="F"), image[::-1][::-1], np.flip(image, 2)[..., ::-1])):
        path = tmp_path / f"{number}{suffix}"
        write_image(path, same, bit_depth)
        contents.add(path.read_bytes())
    assert len(contents) == 1


def test_the_given_array_is_not_changed(tmp_path: Path, rgb8: np.ndarray) -> None:
    for image in (rgb8, np.float32(rgb8 / 255)):
        image.flags.writeable = False
        for name in ("a.png", "a.tif", "a.npy"):
            write_image(tmp_path / name, image)


def test_read_arrays_are_contiguous_and_writable(tmp_path: Path, rgb8: np.ndarray) -> None:
    for name in ("a.png", "a.tif", "a.npy"):
        write_image(tmp_path / name, rgb8)
        for read in (read_image, read_samples):
            flags = read(tmp_path / name).flags
            assert flags.c_contiguous
            assert flags.writeable


@pytest.mark.parametrize(
    ("image", "bit_depth", "message"),
    [
        (np.zeros((4, 4)), 8, r"shape \(4, 4\), not a NumPy array H x W x 3"),
        (np.zeros((4, 4, 4)), 8, "not a NumPy array H x W x 3"),
        (np.zeros((3, 4, 4)), 8, "not a NumPy array H x W x 3"),
        (np.zeros((0, 4, 3)), 8, "4 x 0 pixels"),
        ([[[0.0, 0.0, 0.0]]], 8, "is a list"),
        (np.zeros((4, 4, 3), np.uint8), 16, "array of uint8, which can't be written with 16 bits"),
        (np.zeros((4, 4, 3), np.uint16), 8, "array of uint16, which can't be written with 8 bits"),
        (np.zeros((4, 4, 3), np.int64), 8, "array of int64"),
        (np.zeros((4, 4, 3), bool), 8, "array of bool"),
        (np.zeros((4, 4, 3), np.float16), 16, "array of float16"),
        (np.zeros((4, 4, 3)), 12, "12 bits per sample: pictures have 8 or 16"),
        (np.full((4, 4, 3), np.nan), 8, "of 48 values 48 NaN"),
        (np.full((4, 4, 3), np.inf), 8, "48 infinite"),
        (np.full((4, 4, 3), -1e-9), 8, "48 below 0"),
        (np.full((4, 4, 3), 1.001), 16, r"48 above 1; the finite ones span \[1.001, 1.001\]"),
    ],
)
def test_what_is_no_image_is_not_written(tmp_path: Path, image: np.ndarray, bit_depth: int, message: str) -> None:
    for name in ("a.png", "a.tif"):
        with pytest.raises(ImageError, match=rf"{name} .*{message}"):
            write_image(tmp_path / name, image, bit_depth)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.jpg", "a.npz", "a.bmp", "a"])
def test_other_suffixes_are_not_written(tmp_path: Path, rgb8: np.ndarray, name: str) -> None:
    with pytest.raises(ImageError, match=name):
        write_image(tmp_path / name, rgb8)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_an_output_error(tmp_path: Path, rgb8: np.ndarray) -> None:
    (tmp_path / "a.png").mkdir()
    with pytest.raises(OutputError, match="folder"):
        write_image(tmp_path / "a.png", rgb8)


def test_missing_folders_are_made(tmp_path: Path, rgb8: np.ndarray) -> None:
    write_image(tmp_path / "test" / "gt" / "a.png", rgb8)
    assert read_samples(tmp_path / "test" / "gt" / "a.png").shape == rgb8.shape


def test_a_picture_larger_than_pillow_allows_is_read_without_a_warning(
    save: Callable[[str, bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Pillow warns above its limit and raises above twice of it; both would show here, where warnings are errors.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5)
    for name, format in (("a.png", "PNG"), ("a.tif", "TIFF"), ("a.jpg", "JPEG")):
        file = io.BytesIO()
        Image.fromarray(np.zeros((9, 8, 3), np.uint8)).save(file, format)
        assert read_image(save(name, file.getvalue())).shape == (9, 8, 3)


def test_a_limit_set_for_opencv_by_the_environment_is_named_in_the_error(tmp_path: Path, rgb8: np.ndarray) -> None:
    write_image(tmp_path / "a.png", rgb8)
    script = "import sys; from sdd_bench.io.images import read_image; read_image(sys.argv[1])"
    run = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "a.png"],
        env={**os.environ, "OPENCV_IO_MAX_IMAGE_PIXELS": "10"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "ImageError" in run.stderr
    assert "OPENCV_IO_MAX_IMAGE_PIXELS" in run.stderr


def test_levels_are_read_as_they_are_stored_and_floats_are_refused(tmp_path: Path, rgb8: np.ndarray) -> None:
    write_image(tmp_path / "a.png", rgb8)
    np.testing.assert_array_equal(read_levels(tmp_path / "a.png"), rgb8, strict=True)
    write_image(tmp_path / "a.npy", rgb8)
    with pytest.raises(ImageError, match=r"a\.npy holds float32: expected levels of 8 or 16 bits"):
        read_levels(tmp_path / "a.npy")
