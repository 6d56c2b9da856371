from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from sdd_bench.errors import ImageError
from sdd_bench.io.images import image_info, read_samples
from sdd_bench.io.orientation import exif_orientation

Save = Callable[[str, bytes], Path]

UPRIGHT = ["abc", "def"]
# EXIF 2.32, tag 274: on which side of the upright picture the stored row 0 and column 0 are. Written out by hand.
STORED = {
    1: ["abc", "def"],  # top, left
    2: ["cba", "fed"],  # top, right
    3: ["fed", "cba"],  # bottom, right
    4: ["def", "abc"],  # bottom, left
    5: ["ad", "be", "cf"],  # left, top
    6: ["cf", "be", "ad"],  # right, top
    7: ["fc", "eb", "da"],  # right, bottom
    8: ["da", "eb", "fc"],  # left, bottom
}
EVERY = pytest.mark.parametrize("orientation", range(1, 9))


def picture(rows: list[str], block: int = 1) -> np.ndarray:
    colors = np.random.default_rng(6).integers(30, 226, (6, 3), np.uint8)
    small = colors[np.array([["abcdef".index(letter) for letter in row] for row in rows])]
    return small.repeat(block, axis=0).repeat(block, axis=1)


def exif(orientation: int, order: str = ">", kind: int = 3) -> bytes:
    value = struct.pack(f"{order}{'H' if kind == 3 else 'I'}", orientation).ljust(4, b"\0")
    head = b"MM" if order == ">" else b"II"
    return head + struct.pack(f"{order}HIHHHI", 42, 8, 1, 274, kind, 1) + value + bytes(4)


def encoded(image: np.ndarray, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, format, **options)
    return file.getvalue()


@EVERY
@pytest.mark.parametrize("before", [True, False])
def test_png_is_turned_upright(orientation: int, before: bool, save: Save, png_bytes: Callable[..., bytes]) -> None:
    stored = picture(STORED[orientation])
    place = "before" if before else "after"  # the pixels: some programs append their metadata
    size = (stored.shape[1], stored.shape[0])
    path = save("a.png", png_bytes(stored, 2, size=size, **{place: [(b"eXIf", exif(orientation))]}))
    read = read_samples(path)
    np.testing.assert_array_equal(read, picture(UPRIGHT), strict=True)
    assert read.flags.c_contiguous
    info = image_info(path)
    assert (info.width, info.height, info.orientation) == (3, 2, orientation)


@EVERY
def test_jpeg_is_turned_upright(orientation: int, save: Save) -> None:
    # One colour per JPEG block, without chroma subsampling: so the losses are small.
    stored = picture(STORED[orientation], 16)
    data = encoded(stored, "JPEG", quality=98, subsampling=0, exif=b"Exif\0\0" + exif(orientation, "<"))
    path = save("a.jpg", data)
    assert np.abs(read_samples(path).astype(int) - picture(UPRIGHT, 16)).max() <= 6
    info = image_info(path)
    assert (info.width, info.height, info.orientation) == (48, 32, orientation)
    # and Pillow, which has its own idea of EXIF, agrees to the bit
    np.testing.assert_array_equal(read_samples(path), np.asarray(ImageOps.exif_transpose(Image.open(path))))


@EVERY
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiff_is_turned_upright(orientation: int, dtype: type, save: Save) -> None:
    file = io.BytesIO()
    tag = (274, "H", 1, orientation, True)
    tifffile.imwrite(file, picture(STORED[orientation]).astype(dtype), photometric="rgb", extratags=[tag])
    path = save("a.tif", file.getvalue())
    np.testing.assert_array_equal(read_samples(path), picture(UPRIGHT).astype(dtype), strict=True)
    info = image_info(path)
    assert (info.width, info.height, info.orientation) == (3, 2, orientation)


def test_of_two_exif_blocks_the_first_counts(save: Save) -> None:
    data = encoded(picture(STORED[6], 16), "JPEG", exif=b"Exif\0\0" + exif(6))
    second = b"Exif\0\0" + exif(3)
    segment = b"\xff\xe1" + struct.pack(">H", len(second) + 2) + second
    frame = data.index(b"\xff\xc0")
    assert image_info(save("a.jpg", data[:frame] + segment + data[frame:])).orientation == 6


def test_of_two_orientations_in_one_block_the_first_counts() -> None:
    # as libtiff has it
    one = exif(6)
    assert exif_orientation(one[:8] + b"\0\2" + one[10:22] + exif(3)[10:22] + bytes(4)) == 6


@EVERY
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", [3, 4])
def test_either_byte_order_and_integer_type_is_understood(orientation: int, order: str, kind: int) -> None:
    assert exif_orientation(exif(orientation, order, kind)) == orientation


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_values_that_exif_does_not_know_mean_upright(value: int) -> None:
    assert exif_orientation(exif(value)) == 1


def test_exif_without_an_orientation_means_upright() -> None:
    assert exif_orientation(b"II*\0\x08\0\0\0\0\0") == 1


def test_exif_without_the_link_that_ends_it_is_understood() -> None:
    # some programs leave these four zeros out
    assert exif_orientation(exif(6)[:-4]) == 6


def test_damage_elsewhere_in_exif_leaves_the_orientation_known() -> None:
    # the maker's name (271), 2 GB long, before the orientation: neither a warning nor an error
    maker = struct.pack(">HHII", 271, 2, 2**31, 60)
    one = exif(6)
    before = warnings.filters[:]
    assert exif_orientation(one[:8] + b"\0\2" + maker + one[10:]) == 6
    assert warnings.filters == before


@pytest.mark.parametrize(("kind", "count"), [(2, 1), (5, 1), (3, 2**30)], ids=["text", "fraction", "too many"])
def test_an_orientation_that_is_no_whole_number_is_an_error(kind: int, count: int) -> None:
    head = exif(6)[:12]
    entry = struct.pack(">HII", kind, count, 0x36000000 if kind == 2 else 8)
    with pytest.raises(ImageError, match="damaged EXIF metadata"):
        exif_orientation(head + entry + bytes(4))


@pytest.mark.parametrize(
    "damaged", [b"", b"XX*\0\x08\0\0\0", exif(6)[:20], exif(6)[:4] + b"\0\0\xff\xff" + exif(6)[8:]]
)
def test_damaged_exif_is_an_error_because_the_orientation_is_unknown(
    damaged: bytes, save: Save, rgb8: np.ndarray, png_bytes: Callable[..., bytes]
) -> None:
    path = save("a.png", png_bytes(rgb8, 2, before=[(b"eXIf", damaged)]))
    for read in (read_samples, image_info):
        with pytest.raises(ImageError, match="damaged EXIF metadata"):
            read(path)
