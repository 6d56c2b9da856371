from __future__ import annotations

import io
import itertools
import logging
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from sdd_bench.errors import ImageError
from sdd_bench.io.images import ImageInfo, image_info, read_samples, write_image

Save = Callable[[str, bytes], Path]
HEIGHT, WIDTH = 37, 53  # neither a multiple of the tiles nor of the strips below


def noise(bit_depth: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(channels).integers(0, 2**bit_depth, (HEIGHT, WIDTH, channels), f"uint{bit_depth}")


def tiff(image: np.ndarray, **options: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, image, **options)
    return file.getvalue()


def pillow_tiff(image: np.ndarray, mode: str, compression: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).convert(mode).save(file, "TIFF", compression=compression)
    return file.getvalue()


LAYOUTS = [
    {"byteorder": order, "compression": compression, "predictor": predictor, **layout}
    for order, (compression, predictor), layout in itertools.product(
        "<>", [(None, None), ("zlib", None), ("zlib", True)], [{}, {"rowsperstrip": 5}, {"tile": (16, 16)}]
    )
]


@pytest.mark.parametrize("bit_depth", [8, 16])
@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: "-".join(str(value) for value in layout.values()))
def test_every_byte_order_compression_and_layout_is_read_exactly(
    save: Save, bit_depth: int, layout: dict[str, Any]
) -> None:
    image = noise(bit_depth)
    path = save("a.tif", tiff(image, photometric="rgb", **layout))
    np.testing.assert_array_equal(read_samples(path), image, strict=True)
    assert image_info(path) == ImageInfo(width=WIDTH, height=HEIGHT, bit_depth=bit_depth, format="tiff")


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits"])
def test_every_lossless_compression_of_pillow_is_read_exactly(save: Save, compression: str) -> None:
    image = noise(8)
    path = save("a.tiff", pillow_tiff(image, "RGB", compression))
    np.testing.assert_array_equal(read_samples(path), image, strict=True)


def test_16_bit_lzw_is_read_exactly(save: Save) -> None:
    import cv2  # the only encoder at hand that writes it

    image = noise(16)
    data = cv2.imencode(".tif", image[..., ::-1], [cv2.IMWRITE_TIFF_COMPRESSION, 5])[1].tobytes()
    np.testing.assert_array_equal(read_samples(save("a.tif", data)), image, strict=True)


@pytest.mark.parametrize("bit_depth", [8, 16])
@pytest.mark.parametrize("layout", [{}, {"rowsperstrip": 5, "compression": "zlib"}, {"tile": (16, 32)}], ids=str)
def test_separate_planes_are_read_exactly(save: Save, bit_depth: int, layout: dict[str, Any]) -> None:
    image = noise(bit_depth)
    data = tiff(image.transpose(2, 0, 1), photometric="rgb", planarconfig="separate", **layout)
    np.testing.assert_array_equal(read_samples(save("a.tif", data)), image, strict=True)


@pytest.mark.parametrize("bit_depth", [8, 16])
@pytest.mark.parametrize("kind", ["minisblack", "miniswhite"])
def test_gray_becomes_three_equal_channels_with_white_the_highest(save: Save, bit_depth: int, kind: str) -> None:
    gray = noise(bit_depth, 1)[..., 0]
    expected = gray if kind == "minisblack" else (2**bit_depth - 1) - gray  # TIFF 6.0: PhotometricInterpretation 0
    path = save("a.tif", tiff(gray, photometric=kind))
    np.testing.assert_array_equal(read_samples(path), np.stack([expected] * 3, axis=2), strict=True)
    assert image_info(path).color == "gray"


@pytest.mark.parametrize(("kind", "one"), [("minisblack", 255), ("miniswhite", 0)])
def test_bilevel_becomes_black_and_white(save: Save, kind: str, one: int) -> None:
    bits = noise(8, 1)[..., 0] > 127
    expected = np.where(bits, one, 255 - one).astype(np.uint8)
    path = save("a.tif", tiff(bits, photometric=kind))
    np.testing.assert_array_equal(read_samples(path), np.stack([expected] * 3, axis=2), strict=True)


@pytest.mark.parametrize("scale", [257, 256, 1])  # by the book; as some programs scale; as some forget to
def test_a_palette_is_expanded(save: Save, scale: int) -> None:
    index = noise(8, 1)[..., 0]
    palette = np.random.default_rng(2).integers(0, 256, (3, 256)).astype(np.uint16)
    path = save("a.tif", tiff(index, photometric="palette", colormap=palette * scale))
    np.testing.assert_array_equal(read_samples(path), palette.T[index].astype(np.uint8), strict=True)
    assert image_info(path).color == "palette"


@pytest.mark.parametrize("bit_depth", [8, 16])
@pytest.mark.parametrize("alpha", ["unassalpha", "assocalpha", "unspecified"])
def test_a_fourth_channel_is_dropped_if_opaque_and_refused_if_not(save: Save, bit_depth: int, alpha: str) -> None:
    image = noise(bit_depth, 4)
    image[..., 3] = 2**bit_depth - 1
    path = save("a.tif", tiff(image, photometric="rgb", extrasamples=[alpha]))
    np.testing.assert_array_equal(read_samples(path), image[..., :3], strict=True)
    assert image_info(path).has_alpha
    image[2, 3, 3] -= 1
    with pytest.raises(ImageError, match="1 of 1,961 pixels that are not opaque"):
        read_samples(save("b.tif", tiff(image, photometric="rgb", extrasamples=[alpha])))


@pytest.mark.parametrize("bit_depth", [8, 16])
@pytest.mark.parametrize("kind", ["minisblack", "miniswhite"])
def test_gray_with_alpha_is_read_if_opaque(save: Save, bit_depth: int, kind: str) -> None:
    highest = 2**bit_depth - 1
    image = noise(bit_depth, 2)
    image[..., 1] = highest
    expected = image[..., :1] if kind == "minisblack" else highest - image[..., :1]
    options = {"photometric": kind, "planarconfig": "contig", "extrasamples": ["unassalpha"]}
    read = read_samples(save("a.tif", tiff(image, **options)))
    np.testing.assert_array_equal(read, np.repeat(expected, 3, axis=2), strict=True)
    image[0, 0, 1] = 0
    with pytest.raises(ImageError, match="1 of 1,961 pixels that are not opaque"):
        read_samples(save("b.tif", tiff(image, **options)))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (lambda: tiff(noise(8).astype(np.float32), photometric="rgb"), "floating-point samples"),
        (lambda: tiff(noise(8).astype(np.int16), photometric="rgb"), "signed"),
        (lambda: tiff(noise(8, 4), photometric="separated"), "CMYK"),
        (lambda: tiff(np.stack([noise(8)] * 2), photometric="rgb"), "several pages"),
        (lambda: tiff(noise(8), photometric="rgb", bigtiff=True), "BigTIFF"),
        (lambda: tiff(noise(8).astype(np.uint32), photometric="rgb"), "isn't supported"),
        (lambda: pillow_tiff(noise(8), "RGB", "jpeg"), "compression 7; supported are none, LZW, Deflate, PackBits"),
        (lambda: pillow_tiff(noise(8), "LAB", "raw"), "isn't supported"),
        (lambda: tiff(noise(8, 5), photometric="rgb", planarconfig="contig"), "5 channels"),
    ],
    ids=["float", "signed", "cmyk", "pages", "bigtiff", "32-bit", "jpeg", "lab", "5-channels"],
)
def test_other_kinds_are_refused_from_the_header(save: Save, data: Callable[[], bytes], message: str) -> None:
    path = save("a.tif", data())
    for read in (read_samples, image_info):
        with pytest.raises(ImageError, match=message):
            read(path)


def test_a_bomb_is_refused_from_the_header(save: Save) -> None:
    data = bytearray(tiff(noise(8), photometric="rgb", byteorder="<"))
    for tag in (256, 257):
        entry = data.index(struct.pack("<HHI", tag, 3, 1)) if struct.pack("<HHI", tag, 3, 1) in data else None
        entry = data.index(struct.pack("<HHI", tag, 4, 1)) if entry is None else entry
        data[entry : entry + 12] = struct.pack("<HHII", tag, 4, 1, 60000)
    path = save("a.tif", bytes(data))
    for read in (read_samples, image_info):
        with pytest.raises(ImageError, match="60000 x 60000"):
            read(path)


@pytest.mark.parametrize("bit_depth", [8, 16])
def test_damaged_compressed_pixels_are_an_error_not_a_partly_gray_picture(
    tmp_path: Path, save: Save, bit_depth: int
) -> None:
    # OpenCV returns some of these with wrong pixels; the checksum of the compressed data tells them all.
    write_image(tmp_path / "a.tif", noise(bit_depth), bit_depth)
    good = (tmp_path / "a.tif").read_bytes()
    for place in range(50, 5000, 490):
        data = bytearray(good)
        data[place] ^= 0x55
        with pytest.raises(ImageError, match="damaged"):
            read_samples(save("b.tif", bytes(data)))


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits"])
def test_compressed_pixels_that_end_early_are_an_error(save: Save, compression: str) -> None:
    data = bytearray(pillow_tiff(noise(8), "RGB", compression))
    # 0x80 is a PackBits byte that means nothing, and 0x80 0x80... soon reads as the end mark (257) of LZW
    data[1000:-400] = b"\x80" * (len(data) - 1400)
    with pytest.raises(ImageError, match="damaged"):
        read_samples(save("b.tif", bytes(data)))


@pytest.mark.parametrize("bit_depth", [8, 16])
def test_written_files_are_read_equal_by_tifffile(tmp_path: Path, bit_depth: int) -> None:
    write_image(tmp_path / "a.tif", noise(bit_depth), bit_depth)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), noise(bit_depth), strict=True)


def test_a_wrong_checksum_of_any_block_is_an_error(save: Save) -> None:
    # strips or tiles, the last of which reach beyond the picture; the checksum is a zlib stream's last four bytes
    for layout in ({"rowsperstrip": 10}, {"tile": (16, 16)}):
        good = tiff(noise(8), photometric="rgb", compression="zlib", **layout)
        with tifffile.TiffFile(io.BytesIO(good)) as file:
            page = file.pages[0]
            ends = [offset + size for offset, size in zip(page.dataoffsets, page.databytecounts, strict=True)]
        for end in ends:
            data = bytearray(good)
            data[end - 1] ^= 1
            with pytest.raises(ImageError, match="incorrect data check"):
                read_samples(save(f"{end}.tif", bytes(data)))


def test_a_block_without_its_checksum_is_an_error(save: Save) -> None:
    data = bytearray(tiff(noise(8), photometric="rgb", compression="zlib", byteorder="<"))
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        tag = file.pages[0].tags["StripByteCounts"]
        (size,) = tag.value
    data[tag.valueoffset : tag.valueoffset + 4] = struct.pack("<I", size - 4)
    with pytest.raises(ImageError, match="has no end"):
        read_samples(save("a.tif", bytes(data)))


def test_a_predictor_means_nothing_without_compression(save: Save) -> None:
    # TIFF 6.0, section 14, and Pillow as the witness. No program writes this, so another tag is renamed to it.
    data = tiff(noise(8), photometric="rgb", byteorder="<", resolutionunit=2)
    resolution_unit = struct.pack("<HHIHH", 296, 3, 1, 2, 0)
    assert data.count(resolution_unit) == 1
    path = save("a.tif", data.replace(resolution_unit, struct.pack("<HHIHH", 317, 3, 1, 2, 0)))
    np.testing.assert_array_equal(np.asarray(Image.open(path)), noise(8))
    np.testing.assert_array_equal(read_samples(path), noise(8), strict=True)


def changed_tag(data: bytes, name: str, value: int) -> bytes:
    """Give the file with another value in one of its short tags."""
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        place = file.pages[0].tags[name].valueoffset
        order = file.byteorder
    return data[:place] + struct.pack(f"{order}H", value) + data[place + 2 :]


def test_an_unknown_arrangement_of_planes_is_an_error(save: Save) -> None:
    path = save("a.tif", changed_tag(tiff(noise(8), photometric="rgb"), "PlanarConfiguration", 59))
    with pytest.raises(ImageError, match="damaged"):
        image_info(path)


def test_a_tag_that_lies_beyond_the_end_is_an_error_though_tifffile_goes_on_without_it(save: Save) -> None:
    data = tiff(noise(8), photometric="rgb", byteorder="<", metadata=None)
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        tag = file.pages[0].tags["BitsPerSample"]
    entry = data[: tag.offset + 8] + struct.pack("<I", len(data)) + data[tag.offset + 12 :]
    for read in (read_samples, image_info):
        with pytest.raises(ImageError, match=r"1 of its \d+ tags can't be read"):
            read(save("a.tif", entry))


def test_a_cut_off_second_page_still_makes_it_a_file_of_several_pages(save: Save) -> None:
    data = tiff(np.stack([noise(8)] * 2), photometric="rgb", metadata=None)
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        first, second = file.pages
        ends = [page.dataoffsets[0] + page.databytecounts[0] for page in (first, second)]
    # tifffile puts both pages' pixels behind the first directory; they are all there, the second directory isn't
    assert second.offset >= ends[0]
    for read in (read_samples, image_info):
        with pytest.raises(ImageError, match="several pages"):
            read(save("a.tif", data[: second.offset]))


def test_a_block_that_unfolds_to_more_than_its_pixels_takes_no_memory(save: Save) -> None:
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    bomb = zlib.compress(bytes(100_000_000))
    data = bytearray(tiff(image, photometric="rgb", compression="zlib", byteorder="<", metadata=None))
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        tags = file.pages[0].tags
        places = [tags[name].offset for name in ("StripOffsets", "StripByteCounts")]
    for place, value in zip(places, (len(data), len(bomb)), strict=True):
        data[place + 2 : place + 12] = struct.pack("<HII", 4, 1, value)
    path = save("a.tif", bytes(data) + bomb)
    read_samples(path)  # imports are over
    tracemalloc.start()
    try:
        np.testing.assert_array_equal(read_samples(path), image)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_what_tifffile_logs_is_heard_only_from_others(save: Save, caplog: pytest.LogCaptureFixture) -> None:
    data = changed_tag(tiff(noise(8), photometric="rgb"), "PlanarConfiguration", 59)
    with caplog.at_level(logging.DEBUG, "tifffile"):
        for read in (read_samples, image_info):
            with pytest.raises(ImageError):
                read(save("a.tif", data))
        assert not caplog.records
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            assert len(file.pages) == 1
        assert any("PLANARCONFIG" in record.getMessage() for record in caplog.records)
