from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdd_bench.datasets.resize import resize_area, resize_problem


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
