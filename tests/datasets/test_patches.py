from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage import data

from sdd_bench.datasets.patches import (
    MIN_SIZE,
    SOBEL_SIZES,
    fixed_point_magnitude,
    gradient_sums,
    gray_levels,
    grid,
    keep_sharpest,
    sharpness_energy,
)


def published_sums(gray: np.ndarray, size: int, stride: int) -> np.ndarray:
    """DPDNet's `image_to_patch_filter.py`, in its own words: OpenCV's Sobel on every patch cut out, float64 sums."""
    rows = []
    for kernel in (3, 7, 11, 15):
        row = []
        for x, y in grid(gray.shape[1], gray.shape[0], size, stride):
            patch = gray[y : y + size, x : x + size].copy()
            dx = cv2.Sobel(patch, cv2.CV_64F, 1, 0, ksize=kernel)
            dy = cv2.Sobel(patch, cv2.CV_64F, 0, 1, ksize=kernel)
            row.append(np.sum(np.sqrt(dx * dx + dy * dy)))
        rows.append(row)
    return np.array(rows)


def published_kept(sums: np.ndarray) -> list[int]:
    energy = np.ones(sums.shape[1])
    for row in sums:
        energy *= (row - row.min()) / (row - row.min()).max()
    for _ in range(int(0.3 * energy.size)):
        energy[np.argmin(energy)] = 2
    return [i for i in range(energy.size) if energy[i] != 2]


PHOTOGRAPHS = {
    "camera": data.camera()[:300, :420],
    "coins": data.coins(),
    "text": data.text(),
    "astronaut": cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2GRAY)[:260],
    "camera, 16 bit": data.camera()[:300, :420].astype(np.uint16) * 257 + np.arange(420, dtype=np.uint16),
}


def test_the_sdd_grid_has_12_by_5_patches_of_which_42_are_kept() -> None:
    places = grid(2048, 1080, 512, 153)
    assert len(places) == 60
    assert len({x for x, _ in places}) == 12
    assert len({y for _, y in places}) == 5
    assert places[11] == (1536, 0)
    assert places[-1] == (1536, 568)
    assert len(keep_sharpest(np.arange(60.0), 0.7)) == 42
    assert 42 * 115 == 4830  # the paper's count


def test_the_dpdd_grid_has_28_patches_of_which_20_are_kept() -> None:
    assert len(grid(1680, 1120, 512, 204)) == 28
    assert len(keep_sharpest(np.arange(28.0), 0.7)) == 20
    assert 20 * 350 == 7000  # the paper's count


@given(size=st.integers(16, 40), stride=st.integers(1, 40), width=st.integers(40, 120), height=st.integers(40, 120))
def test_patches_lie_inside_cover_the_image_and_come_once(size: int, stride: int, width: int, height: int) -> None:
    stride = min(size, stride)
    places = grid(width, height, size, stride)
    covered = np.zeros((height, width), bool)
    for x, y in places:
        assert 0 <= x <= width - size
        assert 0 <= y <= height - size
        covered[y : y + size, x : x + size] = True
    assert covered.all()
    assert len(set(places)) == len(places)
    assert places == sorted(places, key=lambda place: (place[1], place[0]))


def test_where_the_stride_meets_the_edge_no_patch_is_added() -> None:
    assert grid(64, 32, 32, 16) == [(0, 0), (16, 0), (32, 0)]


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_one_pass_keeps_the_patches_of_the_published_patch_by_patch_rule(name: str) -> None:
    gray = PHOTOGRAPHS[name]
    expected = published_sums(gray, 96, 29)
    np.testing.assert_allclose(gradient_sums(gray, 96, 29), expected, rtol=1e-9)
    energy = sharpness_energy(gray, 96, 29)
    assert keep_sharpest(energy, 0.7) == published_kept(expected)


@pytest.mark.parametrize("name", ["camera", "camera, 16 bit"])
@pytest.mark.parametrize("size", [MIN_SIZE, 17, 64])
def test_one_pass_equals_the_fixed_point_rule_patch_by_patch_to_the_bit(name: str, size: int) -> None:
    gray = PHOTOGRAPHS[name][:120, :150]
    sums = gradient_sums(gray, size, 13)
    for (row, kernel), (column, (x, y)) in itertools.product(
        enumerate(SOBEL_SIZES), enumerate(grid(150, 120, size, 13))
    ):
        patch = gray[y : y + size, x : x + size].copy()
        dx, dy = (cv2.Sobel(patch, cv2.CV_64F, *order, ksize=kernel) for order in ((1, 0), (0, 1)))
        largest = int(np.iinfo(gray.dtype).max) * 2 ** (2 * kernel - 4)
        assert sums[row, column] == fixed_point_magnitude(dx, dy, largest, size * size).sum()


@given(st.integers(0, 2**32 - 1))
def test_sums_of_fixed_point_magnitudes_do_not_depend_on_their_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    dx, dy = rng.integers(-(2**30), 2**30, (2, 500)).astype(np.float64)
    magnitude = fixed_point_magnitude(dx, dy, 2**30, 500)
    np.testing.assert_allclose(magnitude, np.hypot(dx, dy), rtol=0, atol=2.0**30 * 2.0**-42)
    assert sum(magnitude.tolist()) == sum(reversed(magnitude.tolist())) == magnitude[rng.permutation(500)].sum()


def test_a_uniform_image_has_no_energy_and_keeps_the_last_patches() -> None:
    energy = sharpness_energy(np.full((40, 40), 7, np.uint8), 16, 8)
    np.testing.assert_array_equal(energy, np.zeros(16))
    assert keep_sharpest(energy, 0.75) == list(range(4, 16))


def test_a_single_patch_is_kept() -> None:
    assert keep_sharpest(sharpness_energy(data.coins()[:64, :64], 64, 10), 0.7) == [0]


def test_among_equal_energies_the_first_of_the_grid_are_dropped() -> None:
    assert keep_sharpest(np.array([1.0, 0.5, 0.5, 0.5, 0.2]), 0.5) == [0, 2, 3]


@pytest.mark.parametrize(
    ("count", "share", "kept"), [(10, 0.7, 7), (10, 0.9, 9), (10, 1.0, 10), (3, 0.7, 3), (4, 0.7, 3), (1, 0.01, 1)]
)
def test_shares_are_exact_decimals_and_the_dropped_number_is_rounded_down(count: int, share: float, kept: int) -> None:
    assert len(keep_sharpest(np.arange(float(count)), share)) == kept


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_gray_is_the_rounded_weighted_mean_of_bt_601(dtype: type) -> None:
    levels = np.random.default_rng(3).integers(0, np.iinfo(dtype).max, (20, 30, 3), dtype=dtype, endpoint=True)
    gray = gray_levels(levels)
    assert gray.dtype == dtype
    expected = levels.astype(float) @ [0.299, 0.587, 0.114]
    # OpenCV's fixed-point weights (14 or 15 bits) differ from these decimals by up to 2^-15 each.
    np.testing.assert_allclose(gray, expected, atol=0.5 + np.iinfo(dtype).max * 3 * 2.0**-15)
