from __future__ import annotations

import io
import os
import subprocess
import sys
import zlib

import cv2
import numpy as np
import png as pypng  # an independent pure-Python codec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__
from PIL import Image
from skimage import data as photographs

from sdd_bench.io.png_windows import Window, encode_windows

DEPTHS = pytest.mark.parametrize("bit_depth", [8, 16])


def cut(picture: np.ndarray, window: Window) -> np.ndarray:
    return picture[window.y : window.y + window.height, window.x : window.x + window.width]


def by_opencv(file: bytes) -> np.ndarray:
    """As the JDRL release reads; RGB."""
    return cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_UNCHANGED)[:, :, ::-1]


def by_pypng(file: bytes) -> np.ndarray:
    width, height, rows, info = pypng.Reader(bytes=file).read()
    assert info["planes"] == 3
    return np.array([list(row) for row in rows], f"uint{info['bitdepth']}").reshape(height, width, 3)


def by_pillow(file: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(file)) as opened:
        opened.verify()  # checksums of all chunks
    return np.asarray(Image.open(io.BytesIO(file)))


@st.composite
def windowed(draw: st.DrawFn, bit_depth: int) -> tuple[np.ndarray, list[Window]]:
    """A picture of noise, flat parts or gray, and windows of it."""
    width, height = draw(st.integers(1, 24)), draw(st.integers(1, 24))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    spread = draw(st.sampled_from([1, 2, 30, 2**bit_depth]))
    picture = rng.integers(0, spread, (height, width, 3), f"uint{bit_depth}")
    picture += np.array(draw(st.integers(0, 2**bit_depth - spread)), picture.dtype)
    if draw(st.booleans()):
        picture[:] = picture[:, :, :1]
    windows = []
    for _ in range(draw(st.integers(1, 5))):
        x, y = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
        windows.append(Window(x, y, draw(st.integers(1, width - x)), draw(st.integers(1, height - y))))
    return picture, windows


@DEPTHS
@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_every_window_is_read_exactly_by_other_decoders(bit_depth: int, data: st.DataObject) -> None:
    picture, windows = data.draw(windowed(bit_depth))
    for window, file in zip(windows, encode_windows(picture, windows), strict=True):
        readers = (by_opencv, by_pypng, by_pillow) if bit_depth == 8 else (by_opencv, by_pypng)
        for read in readers:
            np.testing.assert_array_equal(read(file), cut(picture, window), strict=True)


def large(bit_depth: int) -> tuple[np.ndarray, list[Window]]:
    """A photograph, whole and in patches; with noise in the lower bits of 16."""
    picture = photographs.astronaut()
    if bit_depth == 16:
        noise = np.random.default_rng(0).integers(0, 256, picture.shape, np.uint16)
        picture = picture.astype(np.uint16) * 256 + noise
    patches = [Window(x, y, 200, 200) for y in (0, 150, 312) for x in (0, 137, 300)]
    return picture, [Window(0, 0, 512, 512), *patches]


@DEPTHS
def test_patches_of_a_photograph_are_read_exactly(bit_depth: int) -> None:
    picture, windows = large(bit_depth)
    for window, file in zip(windows, encode_windows(picture, windows), strict=True):
        np.testing.assert_array_equal(by_opencv(file), cut(picture, window), strict=True)


def test_the_compressed_data_end_with_their_checksum_and_nothing_follows() -> None:
    picture, windows = large(8)
    for file in encode_windows(picture, windows):
        inflate = zlib.decompressobj()
        start = file.index(b"IDAT") + 4
        rows = inflate.decompress(file[start : start + int.from_bytes(file[start - 8 : start - 4], "big")])
        assert inflate.eof
        assert not inflate.unused_data
        side = int(len(rows) ** 0.5 / 3**0.5)
        filters = np.frombuffer(rows, np.uint8).reshape(side, -1)[:, 0]
        assert filters.tolist() == [1] + [3] * (side - 1)


@DEPTHS
def test_files_are_hardly_larger_than_those_of_opencv(bit_depth: int) -> None:
    # By OpenCV's own choice, with which a script writes patches: run-length matching at level 1 after the Sub filter.
    picture, windows = large(bit_depth)
    ours = sum(map(len, encode_windows(picture, windows)))
    script = sum(cv2.imencode(".png", np.ascontiguousarray(cut(picture, window)))[1].size for window in windows)
    assert ours < 1.02 * script


@DEPTHS
def test_the_same_picture_gives_the_same_files_whatever_its_memory_layout(bit_depth: int) -> None:
    picture, windows = large(bit_depth)
    layouts = (picture, picture.copy(order="F"), picture[::-1].copy()[::-1], picture[..., ::-1].copy()[..., ::-1])
    other_order = picture.astype(picture.dtype.newbyteorder("S"))
    files = {tuple(encode_windows(each, windows)) for each in (*layouts, other_order)}
    assert len(files) == 1


@DEPTHS
def test_a_file_depends_on_the_picture_and_its_window_alone(bit_depth: int) -> None:
    picture, windows = large(bit_depth)
    together = dict(zip(windows, encode_windows(picture, windows), strict=True))
    for window in windows[::4]:
        assert list(encode_windows(picture, [window])) == [together[window]]


def test_a_picture_that_may_not_be_written_to_is_encoded() -> None:
    picture, windows = large(8)
    picture.flags.writeable = False
    assert len(list(encode_windows(picture, windows))) == len(windows)


# Whole numbers, so that no machine and no version of NumPy can make another picture; noise, a slope and a flat part.
SCRIPT = """
import hashlib
import numpy as np
from sdd_bench.io.png_windows import Window, encode_windows
y, x, c = np.ogrid[:90, :130, :3]
picture = (x * 3 + y * 5 + c * 40 + (x * x + 7 * y * y * (c + 1)) % 23) % 65536 * (x > 20)
for dtype in (np.uint8, np.uint16):
    files = encode_windows(picture.astype(dtype), [Window(0, 0, 130, 90), Window(7, 3, 64, 80), Window(40, 3, 90, 50)])
    print(hashlib.sha256(b"".join(files)).hexdigest())
"""
# Hashes of what this code wrote first, after other decoders had read it: these bytes are promised by manifests.
WRITTEN = [
    "7344b7766fc78039b8f34214985795ed48027f804158be699570e5f904d000fc",
    "f756fbed5c2df947063e66b9527160b51c53b91492cb08e9fdb0e529796f204f",
]


@pytest.mark.parametrize("baseline", [False, True])
def test_the_bytes_are_the_same_on_every_processor_and_for_ever(baseline: bool) -> None:
    # As on a processor that has nothing beyond what NumPy and OpenCV ask of every one.
    dispatched = [name for name in __cpu_dispatch__ if __cpu_features__[name]]
    old = {"NPY_DISABLE_CPU_FEATURES": " ".join(dispatched), "OPENCV_CPU_DISABLE": "AVX2,AVX512-SKX"}
    environment = {**os.environ, **(old if baseline else {})}
    run = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=False)
    assert run.stdout.split() == WRITTEN, run.stderr
