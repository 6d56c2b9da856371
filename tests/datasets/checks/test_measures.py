from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdd_bench.alignment.similarity import Similarity
from sdd_bench.datasets.checks.measures import (
    clipped_share,
    corner_displacement,
    detail,
    detail_gain,
    difference,
    light_ratios,
    reduced,
    reduced_view,
)
from sdd_bench.datasets.scenes import load_photograph


def photograph(name: str = "coffee") -> np.ndarray:
    return load_photograph(name).astype(np.float32) / 255


def exposed(picture: np.ndarray, stops: tuple[float, float, float]) -> np.ndarray:
    """More light, by IEC 61966-2-1 written out once more: an oracle for code that has its own."""
    light = np.where(picture <= 0.04045, picture / 12.92, ((picture + 0.055) / 1.055) ** 2.4) * 2 ** np.array(stops)
    coded = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.clip(coded, 0, 1).astype(np.float32)


@pytest.mark.parametrize("stops", [(-1.0, -1.0, -1.0), (0.5, 0.5, 0.5), (0.3, 0.0, -0.2)])
def test_light_ratios_are_the_stops_by_which_a_picture_was_exposed_more(stops: tuple[float, float, float]) -> None:
    picture = photograph() * 0.8
    found = light_ratios(picture, exposed(picture, stops))
    np.testing.assert_allclose(found, stops, atol=0.03)


def test_light_ratios_do_not_see_blur_shift_and_a_clipped_lamp() -> None:
    picture = photograph() * 0.8
    other = np.roll(cv2.GaussianBlur(picture, (0, 0), 3), 4, axis=1)
    other[:80, :80] = 1
    found = light_ratios(picture, other)
    np.testing.assert_allclose(found, 0, atol=0.05)


def test_light_ratios_of_black_or_white_pictures_are_not_told() -> None:
    picture = photograph()
    for flat in (np.zeros_like(picture), np.ones_like(picture)):
        assert light_ratios(picture, flat) is None


@pytest.mark.parametrize("name", ["coffee", "brick", "rocket"])
@pytest.mark.parametrize("sigma", [0.7, 2.0])
def test_the_sharper_picture_has_more_detail_whatever_its_exposure(name: str, sigma: float) -> None:
    sharp = photograph(name)
    blur = cv2.GaussianBlur(sharp, (0, 0), sigma)
    gain = detail_gain(blur, sharp)
    assert gain is not None
    assert gain > 0.1
    assert detail_gain(sharp, blur) == pytest.approx(-gain)
    assert detail(sharp * 0.5) == pytest.approx(detail(sharp), rel=1e-4)


def test_the_gain_of_a_flat_picture_is_not_told() -> None:
    assert detail_gain(np.full((64, 64, 3), 0.5, np.float32), photograph()) is None


def test_the_difference_is_0_only_for_equal_samples() -> None:
    a = np.zeros((4, 5, 3), np.uint8)
    b = a.copy()
    assert difference(a, b) == 0
    b[0, 0, 0] = 60
    assert difference(a, b) == pytest.approx(1)
    assert difference(a.astype(np.uint16), b.astype(np.uint16) * 257) == pytest.approx(1)


@given(st.integers(0, 20), st.sampled_from([np.uint8, np.uint16]))
def test_the_clipped_share_counts_pixels_with_a_channel_at_its_maximum(count: int, dtype: type) -> None:
    picture = np.full((4, 5, 3), 7, dtype)
    picture.reshape(-1, 3)[:count, count % 3] = np.iinfo(dtype).max
    assert clipped_share(picture) == pytest.approx(count / 20 * 100)


def test_corners_move_by_the_zoom_and_the_shift() -> None:
    # 1 % of half the diagonal of 201 x 101, centre to corner (100, 50): 1.118 px of 201.
    assert corner_displacement(Similarity(1.01, (0, 0)), (101, 201)) == pytest.approx(1.118034 / 201 * 100, rel=1e-5)
    assert corner_displacement(Similarity(1, (3, 4)), (101, 201, 3)) == pytest.approx(5 / 201 * 100)


def test_reducing_keeps_small_pictures_and_the_shape_of_large_ones() -> None:
    picture = photograph()
    assert reduced(picture, 4000) is picture
    assert reduced(picture, 300).shape == (200, 300, 3)
    assert reduced(picture[:1], 10).shape == (1, 10, 3)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("longest", [500, 300, 150, 77])
def test_a_view_of_samples_is_the_reduced_picture_of_floats(dtype: type, longest: int) -> None:
    samples = np.rint(photograph()[:200, :300] * np.iinfo(dtype).max).astype(dtype)
    picture = samples.astype(np.float32) / np.float32(np.iinfo(dtype).max)
    np.testing.assert_array_equal(reduced_view(samples, longest), reduced(picture, longest), strict=True)


@given(st.integers(0, 2**32 - 1), st.sampled_from([np.uint8, np.uint16, np.float32]))
def test_a_pixel_counts_as_clipped_once_however_many_of_its_channels_are(seed: int, dtype: type) -> None:
    rng = np.random.default_rng(seed)
    clipped = rng.random((70, 5, 3)) < 0.3
    peak = 1 if dtype is np.float32 else np.iinfo(dtype).max
    samples = np.where(clipped, peak, peak // 2 if peak > 1 else 0.5).astype(dtype)
    assert clipped_share(samples) == pytest.approx(100 * np.mean([pixel.any() for pixel in clipped.reshape(-1, 3)]))
