from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sdd_bench.errors import ImageError
from sdd_bench.io.images import ImageInfo, image_info, read_image, read_samples, write_image

Save = Callable[[str, bytes], Path]


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npz(*arrays: np.ndarray, compressed: bool = True) -> bytes:
    file = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(file, *arrays)
    return file.getvalue()


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).random((5, 7, 3), np.float32)


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", ">f8", "<f2"])
def test_floats_are_read_as_float32(save: Save, image: np.ndarray, dtype: str) -> None:
    stored = image.astype(dtype)
    path = save("a.npy", npy(stored))
    np.testing.assert_array_equal(read_samples(path), stored.astype(np.float32), strict=True)
    assert image_info(path) == ImageInfo(width=7, height=5, bit_depth=32, format="npy")


@pytest.mark.parametrize("dtype", ["u1", "<u2", ">u2"])
def test_integers_keep_their_depth(save: Save, rgb16: np.ndarray, dtype: str) -> None:
    stored = rgb16.astype(dtype)
    path = save("a.npy", npy(stored))
    expected = stored.astype(stored.dtype.newbyteorder("="))
    np.testing.assert_array_equal(read_samples(path), expected, strict=True)
    assert image_info(path).bit_depth == 8 * stored.itemsize


def test_fortran_order_is_read_right(save: Save, image: np.ndarray) -> None:
    data = npy(np.asfortranarray(image))
    assert b"'fortran_order': True" in data
    np.testing.assert_array_equal(read_samples(save("a.npy", data)), image, strict=True)


@pytest.mark.parametrize("compressed", [True, False])
def test_an_archive_of_one_array_is_read(save: Save, image: np.ndarray, compressed: bool) -> None:
    path = save("a.npz", npz(image, compressed=compressed))
    np.testing.assert_array_equal(read_samples(path), image, strict=True)
    assert image_info(path) == ImageInfo(width=7, height=5, bit_depth=32, format="npz")


def test_an_archive_of_two_arrays_is_an_error(save: Save, image: np.ndarray) -> None:
    with pytest.raises(ImageError, match=r"holds 2 entries \(arr_0.npy, arr_1.npy\), not one array"):
        image_info(save("a.npz", npz(image, image)))


def test_an_archive_of_something_else_is_an_error(save: Save) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("document.xml", "<x/>")
    with pytest.raises(ImageError, match=r"document\.xml"):
        image_info(save("a.npz", file.getvalue()))


def test_damage_in_an_archive_is_an_error(save: Save, image: np.ndarray) -> None:
    data = bytearray(npz(image, compressed=False))
    data[300] ^= 1  # inside the numbers, which a checksum covers
    with pytest.raises(ImageError, match=r"damaged: its archive can't be read .*CRC"):
        read_samples(save("a.npz", bytes(data)))


def test_values_outside_the_range_are_counted(save: Save, image: np.ndarray) -> None:
    bad = image.copy()
    bad[0, 0] = (np.nan, np.inf, -np.inf)
    bad[1, 0, :2] = (-0.5, 3.25)
    bad[2, 0] = 2
    path = save("a.npy", npy(bad))
    message = r"of 105 values 1 NaN, 2 infinite, 1 below 0, 4 above 1; the finite ones span \[-0\.5, 3\.25\]"
    with pytest.raises(ImageError, match=message):
        read_samples(path)
    assert image_info(path).width == 7  # values aren't looked at for the header


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1e-7, np.nextafter(np.float32(1), np.float32(2))])
def test_a_single_bad_value_is_an_error(save: Save, image: np.ndarray, value: float) -> None:
    image[3, 2, 1] = value
    with pytest.raises(ImageError, match="values outside"):
        read_image(save("a.npy", npy(image)))


def test_the_ends_of_the_range_are_in_it(save: Save) -> None:
    image = np.tile(np.float32([0, 1, -0.0]), (2, 2, 1))
    np.testing.assert_array_equal(read_image(save("a.npy", npy(image))), image)


@pytest.mark.parametrize(
    ("shape", "hint"),
    [
        ((5, 7), ""),
        ((3, 5, 7), "transpose"),
        ((1, 5, 7, 3), "batch of one"),
        ((5, 7, 4), ""),
        ((5, 7, 1), ""),
        ((), ""),
    ],
)
def test_other_shapes_are_errors_with_a_hint(save: Save, shape: tuple[int, ...], hint: str) -> None:
    with pytest.raises(ImageError, match=f"not H x W x 3.*{hint}") as caught:
        image_info(save("a.npy", npy(np.zeros(shape, np.float32))))
    assert str(shape) in str(caught.value)


@pytest.mark.parametrize("dtype", ["?", "i1", "i8", "u4", "c8", "U3", "f4,f4"])
def test_other_types_are_errors(save: Save, dtype: str) -> None:
    with pytest.raises(ImageError, match="holds numbers of type"):
        image_info(save("a.npy", npy(np.zeros((5, 7, 3), dtype))))


def test_pickled_objects_are_never_loaded(save: Save, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "executed",))

    path = save("a.npy", npy(np.full((1, 1, 3), Evil(), object)))
    with pytest.raises(ImageError, match=r"numbers of type \|O"):
        read_samples(path)
    assert not (tmp_path / "executed").exists()


def test_numbers_that_are_missing_or_too_many_are_errors(save: Save, image: np.ndarray) -> None:
    with pytest.raises(ImageError, match="truncated: it ends inside its numbers, of which 419 of 420 bytes"):
        image_info(save("a.npy", npy(image)[:-1]))
    with pytest.raises(ImageError, match="2 bytes follow"):
        image_info(save("b.npy", npy(image) + b"xy"))


def test_a_bomb_is_refused_from_the_header(save: Save) -> None:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (60000, 60000, 3)})
    with pytest.raises(ImageError, match="60000 x 60000"):
        read_samples(save("a.npy", file.getvalue()))


def test_written_arrays_are_unrounded_float32_that_numpy_reads(tmp_path: Path, image: np.ndarray) -> None:
    for given in (image, image.astype(np.float64), np.asfortranarray(image)):
        write_image(tmp_path / "a.npy", given)
        np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), image, strict=True)


def test_integers_are_written_as_floats(tmp_path: Path, rgb8: np.ndarray, rgb16: np.ndarray) -> None:
    for given, highest in ((rgb8, 255), (rgb16, 65535)):
        write_image(tmp_path / "a.npy", given)
        np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), (given / highest).astype(np.float32), strict=True)
