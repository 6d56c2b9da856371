from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import png as pypng  # an independent pure-Python codec, not part of what is tested
import pytest
from PIL import Image

from sdd_bench.errors import ImageError
from sdd_bench.io.images import ImageInfo, image_info, read_samples

Save = Callable[[str, bytes], Path]


def three(gray: np.ndarray) -> np.ndarray:
    return np.stack([gray] * 3, axis=2)


def with_alpha(image: np.ndarray, alpha: int) -> np.ndarray:
    return np.concatenate([image, np.full((*image.shape[:2], 1), alpha, image.dtype)], axis=2)


def test_8_bit_rgb_is_read_exactly(rgb8: np.ndarray, save: Save, png_bytes: Callable[..., bytes]) -> None:
    path = save("a.png", png_bytes(rgb8, 2))
    np.testing.assert_array_equal(read_samples(path), rgb8, strict=True)
    assert image_info(path) == ImageInfo(width=7, height=5, bit_depth=8, format="png")


def test_16_bit_rgb_is_read_exactly(rgb16: np.ndarray, save: Save, png_bytes: Callable[..., bytes]) -> None:
    path = save("a.png", png_bytes(rgb16, 2, 16))
    np.testing.assert_array_equal(read_samples(path), rgb16, strict=True)
    assert image_info(path).bit_depth == 16


@pytest.mark.parametrize("interlace", [False, True])
@pytest.mark.parametrize("bit_depth", [8, 16])
def test_interlaced_files_of_another_encoder_are_read_exactly(save: Save, interlace: bool, bit_depth: int) -> None:
    image = np.random.default_rng(1).integers(0, 2**bit_depth, (19, 23, 3), f"uint{bit_depth}")
    file = io.BytesIO()
    writer = pypng.Writer(23, 19, greyscale=False, bitdepth=bit_depth, interlace=interlace)
    writer.write(file, image.reshape(19, -1).tolist())
    np.testing.assert_array_equal(read_samples(save("a.png", file.getvalue())), image, strict=True)


def test_8_and_16_bit_gray_becomes_three_equal_channels(
    rgb8: np.ndarray, rgb16: np.ndarray, save: Save, png_bytes: Callable[..., bytes]
) -> None:
    for depth, gray in ((8, rgb8[..., 0]), (16, rgb16[..., 0])):
        path = save("a.png", png_bytes(gray, 0, depth))
        np.testing.assert_array_equal(read_samples(path), three(gray), strict=True)
        assert image_info(path).color == "gray"


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_gray_of_few_bits_is_stretched_to_8(depth: int, save: Save, png_bytes: Callable[..., bytes]) -> None:
    levels = np.random.default_rng(depth).integers(0, 2**depth, (5, 8), np.uint8)
    bits = np.unpackbits(levels[..., None], axis=2)[..., -depth:]
    path = save("a.png", png_bytes(np.packbits(bits.reshape(5, -1), axis=1), 0, depth, size=(8, 5)))
    # PNG specification, 13.12: sample depth rescaling by 255 / (2^depth - 1), a whole number here
    np.testing.assert_array_equal(read_samples(path), three(levels * (255 // (2**depth - 1))), strict=True)
    assert image_info(path).bit_depth == 8


def test_a_palette_is_expanded(rgb8: np.ndarray, save: Save, png_bytes: Callable[..., bytes]) -> None:
    index, palette = rgb8[..., 0], np.random.default_rng(2).integers(0, 256, (256, 3), np.uint8)
    path = save("a.png", png_bytes(index, 3, before=[(b"PLTE", palette.tobytes())]))
    np.testing.assert_array_equal(read_samples(path), palette[index], strict=True)
    assert image_info(path).color == "palette"


def test_opaque_alpha_is_dropped(
    rgb8: np.ndarray, rgb16: np.ndarray, save: Save, png_bytes: Callable[..., bytes]
) -> None:
    for image, depth, opaque in ((rgb8, 8, 255), (rgb16, 16, 65535)):
        path = save("a.png", png_bytes(with_alpha(image, opaque), 6, depth))
        np.testing.assert_array_equal(read_samples(path), image, strict=True)
        path = save("b.png", png_bytes(with_alpha(image[..., :1], opaque), 4, depth))
        np.testing.assert_array_equal(read_samples(path), three(image[..., 0]), strict=True)
        assert image_info(path).has_alpha


def test_one_pixel_that_is_not_quite_opaque_is_an_error(
    rgb8: np.ndarray, rgb16: np.ndarray, save: Save, png_bytes: Callable[..., bytes]
) -> None:
    for image, depth, opaque in ((rgb8, 8, 255), (rgb16, 16, 65535)):
        for color_type, channels in ((6, 3), (4, 1)):
            stored = with_alpha(image[..., :channels], opaque)
            stored[2, 3, -1] = opaque - 1
            path = save("a.png", png_bytes(stored, color_type, depth))
            with pytest.raises(ImageError, match=r"a\.png has 1 of 35 pixels that are not opaque"):
                read_samples(path)


@pytest.mark.parametrize("depth", [8, 16])
def test_a_transparent_colour_matters_only_where_a_pixel_has_it(
    depth: int, rgb8: np.ndarray, rgb16: np.ndarray, save: Save, png_bytes: Callable[..., bytes]
) -> None:
    image = rgb8 if depth == 8 else rgb16
    used = tuple(int(value) for value in image[2, 3])
    unused = (used[0] ^ 1, *used[1:])
    assert not (image == unused).all(axis=2).any()
    read = read_samples(save("a.png", png_bytes(image, 2, depth, before=[(b"tRNS", struct.pack(">3H", *unused))])))
    np.testing.assert_array_equal(read, image, strict=True)
    with pytest.raises(ImageError, match="not opaque"):
        read_samples(save("b.png", png_bytes(image, 2, depth, before=[(b"tRNS", struct.pack(">3H", *used))])))


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_a_transparent_gray_matters_only_where_a_pixel_has_it(
    depth: int, save: Save, png_bytes: Callable[..., bytes]
) -> None:
    # All pixels have level 1; every level of up to 4 bits is declared transparent in turn.
    packed = {1: 0b11111111, 2: 0b01010101, 4: 0b00010001, 8: 1, 16: 1}[depth]
    rows = np.full((5, max(1, 8 * min(depth, 8) // 8)), packed)
    size = (rows.shape[1] * 8 // min(depth, 8) if depth < 8 else rows.shape[1], 5)
    for level in range(min(2**depth, 16)):
        data = png_bytes(rows, 0, depth, size=size, before=[(b"tRNS", struct.pack(">H", level))])
        path = save("a.png", data)
        if level == 1:
            with pytest.raises(ImageError, match="transparent"):
                read_samples(path)
        else:
            assert len(np.unique(read_samples(path))) == 1


def test_a_transparent_palette_entry_matters_only_where_a_pixel_has_it(
    rgb8: np.ndarray, save: Save, png_bytes: Callable[..., bytes]
) -> None:
    palette = np.random.default_rng(2).integers(0, 256, (256, 3), np.uint8)
    index = np.clip(rgb8[..., 0], 1, 255)
    chunks = [(b"PLTE", palette.tobytes()), (b"tRNS", b"\0")]  # entry 0 is transparent, the others opaque
    np.testing.assert_array_equal(
        read_samples(save("a.png", png_bytes(index, 3, before=chunks))), palette[index], strict=True
    )
    index[0, 0] = 0
    with pytest.raises(ImageError, match="has 1 of 35 pixels that are not opaque"):
        read_samples(save("b.png", png_bytes(index, 3, before=chunks)))


def test_an_animated_png_is_an_error(rgb8: np.ndarray, save: Save) -> None:
    file = io.BytesIO()
    Image.fromarray(rgb8).save(file, "PNG", save_all=True, append_images=[Image.fromarray(rgb8[::-1])])
    path = save("a.png", file.getvalue())
    for read in (read_samples, image_info):
        with pytest.raises(ImageError, match="animated PNG"):
            read(path)


def test_colour_metadata_does_not_change_the_samples(
    rgb8: np.ndarray, save: Save, png_bytes: Callable[..., bytes], capfd: pytest.CaptureFixture[str]
) -> None:
    chunks = [
        (b"gAMA", struct.pack(">I", 220000)),
        (b"sBIT", bytes([5, 6, 5])),
        (b"iCCP", b"broken\0\0" + zlib.compress(b"not a profile")),
        (b"bKGD", bytes(6)),
        (b"zTXt", b"broken"),
    ]
    path = save("a.png", png_bytes(rgb8, 2, before=chunks, after=[(b"tEXt", b"Comment\0x")]))
    np.testing.assert_array_equal(read_samples(path), rgb8, strict=True)
    assert capfd.readouterr() == ("", "")


def test_a_decompression_bomb_is_refused_from_the_header(save: Save, png_bytes: Callable[..., bytes]) -> None:
    path = save("a.png", png_bytes(np.zeros((5, 21)), 2, size=(60000, 60000)))
    assert path.stat().st_size < 200
    for read in (read_samples, image_info):
        with pytest.raises(ImageError, match=r"60000 x 60000 = 3,600,000,000 pixels, more than the 268,435,456"):
            read(path)


def test_a_picture_at_the_limit_passes_and_one_row_more_does_not(save: Save, png_bytes: Callable[..., bytes]) -> None:
    rows = np.zeros((1, 3))
    assert image_info(save("a.png", png_bytes(rows, 2, size=(2**14, 2**14)))).width == 2**14
    with pytest.raises(ImageError, match="bomb"):
        image_info(save("b.png", png_bytes(rows, 2, size=(2**14, 2**14 + 1))))


@pytest.mark.parametrize(("color_type", "depth"), [(2, 4), (3, 16), (5, 8), (0, 3), (6, 1)])
def test_a_header_that_no_png_has_is_an_error(
    color_type: int, depth: int, save: Save, png_bytes: Callable[..., bytes]
) -> None:
    with pytest.raises(ImageError, match="damaged"):
        image_info(save("a.png", png_bytes(np.zeros((5, 30)), color_type, depth)))


def test_a_zero_size_is_an_error(save: Save, png_bytes: Callable[..., bytes]) -> None:
    with pytest.raises(ImageError, match="0 x 5 pixels"):
        image_info(save("a.png", png_bytes(np.zeros((5, 0)), 2, size=(0, 5))))


def test_a_changed_pixel_byte_is_noticed_by_its_checksum(
    rgb8: np.ndarray, save: Save, png_bytes: Callable[..., bytes]
) -> None:
    data = bytearray(png_bytes(rgb8, 2))
    data[data.index(b"IDAT") + 20] ^= 1
    with pytest.raises(ImageError, match="checksum of its chunk IDAT"):
        read_samples(save("a.png", bytes(data)))


def test_too_few_rows_behind_correct_checksums_are_an_error(
    rgb8: np.ndarray, save: Save, png_bytes: Callable[..., bytes]
) -> None:
    with pytest.raises(ImageError, match="pixel data can't be decoded"):
        read_samples(save("a.png", png_bytes(rgb8[:4], 2)))


def test_what_follows_the_end_is_ignored(rgb8: np.ndarray, save: Save, png_bytes: Callable[..., bytes]) -> None:
    path = save("a.png", png_bytes(rgb8, 2) + b"trailing")
    np.testing.assert_array_equal(read_samples(path), rgb8, strict=True)
