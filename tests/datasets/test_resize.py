from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdd_bench.datasets import resize
from sdd_bench.datasets.resize import reduce_levels, reduce_samples, resize_area, resize_problem
from sdd_bench.io.samples import to_float


def test_halving_is_the_mean_of_each_block_of_four() -> None:
    image = np.random.default_rng(0).random((40, 60, 3), dtype=np.float32)
    expected = image.reshape(20, 2, 30, 2, 3).mean(axis=(1, 3), dtype=np.float64)
    np.testing.assert_allclose(resize_area(image, (30, 20)), expected, atol=1e-6)


def test_a_fractional_reduction_weighs_pixels_by_covered_area() -> None:
    # 3 pixels onto 2: each new pixel covers one whole old one and half of the middle one.
    image = np.tile(np.array([0.0, 0.3, 0.9], np.float32)[None, :, None], (3, 1, 3))
    row = resize_area(image, (2, 2))[0, :, 0]
    np.testing.assert_allclose(row, [(0.0 + 0.15) / 1.5, (0.15 + 0.9) / 1.5], atol=1e-6)


def test_an_image_of_the_target_size_is_returned_as_it_is() -> None:
    image = np.zeros((4, 6, 3), np.float32)
    assert resize_area(image, (6, 4)) is image


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("target", [(60, 40), (30, 20), (20, 40), (60, 8), (45, 30), (7, 5), (1, 1)])
def test_an_image_reduced_stripe_by_stripe_is_the_image_reduced_at_once(
    dtype: type, target: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resize, "_STRIPE", 1000)
    samples = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (40, 60, 3), dtype, endpoint=True)
    at_once = resize_area(to_float(samples), target)
    np.testing.assert_array_equal(reduce_samples(samples, target), at_once, strict=True)
    for bit_depth in (8, 16):
        found = reduce_levels(samples, target, bit_depth)  # type: ignore[arg-type]  # 8 or 16
        assert found.dtype == f"uint{bit_depth}"
        np.testing.assert_allclose(found, at_once.astype(float) * (2**bit_depth - 1), atol=0.51)


def test_means_of_levels_are_rounded_half_to_even() -> None:
    # Blocks of four that sum to 2, 6, 1 and 7: means of a half, one and a half, a quarter and one and three quarters.
    row = np.array([[2, 0, 6, 0, 1, 0, 7, 0], [0] * 8], np.uint8)
    levels = np.repeat(row[:, :, np.newaxis], 3, axis=2)
    assert reduce_levels(levels, (4, 1), 8)[0, :, 0].tolist() == [0, 2, 0, 2]


def test_all_levels_of_16_bits_become_the_nearest_of_8_and_come_back() -> None:
    levels = np.repeat(np.arange(65536, dtype=np.uint16).reshape(256, 256, 1), 3, axis=2)
    of_8 = reduce_levels(levels, (256, 256), 8)
    np.testing.assert_array_equal(of_8, np.rint(levels / 257))
    np.testing.assert_array_equal(reduce_levels(of_8, (256, 256), 16), of_8.astype(np.uint16) * 257)
    assert reduce_levels(levels, (256, 256), 16) is levels


@pytest.mark.parametrize(
    ("size", "target"),
    [((4096, 2160), (2048, 1080)), ((6720, 4480), (1680, 1120)), ((2048, 1080), (2048, 1080)), ((101, 67), (50, 33))],
)
def test_reductions_that_keep_the_aspect_ratio_are_allowed(size: tuple[int, int], target: tuple[int, int]) -> None:
    assert resize_problem(size, target) is None


@given(st.integers(1, 5000), st.integers(1, 5000), st.floats(0.01, 1))
def test_rounding_a_reduced_size_to_whole_pixels_is_always_allowed(width: int, height: int, factor: float) -> None:
    target = max(1, round(width * factor))
    exact = height * target / width
    for rounded in (max(1, int(exact)), max(1, round(exact))):
        assert resize_problem((width, height), (target, rounded)) is None


@pytest.mark.parametrize("target", [(100, 65), (99, 68), (200, 134)])
def test_enlarging_is_refused(target: tuple[int, int]) -> None:
    assert "enlarge" in (resize_problem((99, 67), target) or "")


@pytest.mark.parametrize(("size", "target"), [((2160, 4096), (1080, 1080)), ((4096, 2160), (2048, 1152))])
def test_another_aspect_ratio_is_refused(size: tuple[int, int], target: tuple[int, int]) -> None:
    assert "aspect ratio" in (resize_problem(size, target) or "")
