import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from skimage import data

from sdd_bench.alignment.blur import (
    BlurSettings,
    aperture_kernel,
    blend_levels,
    blur_levels,
    blur_map,
    defocus,
    relative_blur_map,
)

SETTINGS = BlurSettings()


@pytest.fixture(scope="module")
def gravel():
    return (data.gravel()[:200, :260] / 255).astype(np.float32)


def best_map(blurry, picture):
    """The better of the maps of both shapes."""
    maps = [blur_map(blurry, blur_levels(picture, a, SETTINGS), a, SETTINGS) for a in SETTINGS.apertures]
    return min(maps, key=lambda found: found.misfit)


def blurred_by(picture, radius, aperture="disc"):
    return blend_levels(blur_levels(picture, aperture, SETTINGS), np.full(picture.shape, radius, np.float32), SETTINGS)


@given(st.floats(1.5, 12.0), st.sampled_from(["disc", "gaussian"]))
def test_a_kernel_keeps_the_light_and_the_place_and_spreads_by_its_radius(radius, shape):
    kernel = aperture_kernel(radius, shape).astype(np.float64)
    offsets = np.arange(kernel.shape[0]) - kernel.shape[0] // 2
    assert kernel.sum() == pytest.approx(1, abs=1e-5)
    assert (kernel.sum(0) @ offsets) == pytest.approx(0, abs=1e-4)
    assert np.allclose(kernel, kernel.T, atol=1e-7)
    # Second moment r^2/4 per axis; area sampling widens a disc by a sample's own 1/12 (Sheppard's correction).
    moment = kernel.sum(0) @ offsets**2
    assert moment == pytest.approx(radius**2 / 4 + (1 / 12 if shape == "disc" else 0), rel=0.03, abs=0.1)


def test_a_kernel_of_radius_zero_is_the_identity():
    for shape in ("disc", "gaussian"):
        assert np.array_equal(aperture_kernel(0.0, shape), np.ones((1, 1)))


@pytest.mark.parametrize("aperture", ["disc", "gaussian"])
@pytest.mark.parametrize("radius", [0.0, 1.0, 2.25, 5.0, 9.0])
def test_the_blur_of_an_evenly_blurred_picture_is_found_with_its_shape(gravel, radius, aperture):
    found = best_map(defocus(gravel, radius, aperture), gravel)
    np.testing.assert_allclose(found.radius, radius, atol=0.02 + 0.025 * radius)
    if radius >= 2:
        assert found.aperture == aperture


def test_a_radius_between_two_tried_ones_is_found_between_them(gravel):
    found = best_map(defocus(gravel, 2.25, "disc"), gravel)
    assert np.median(found.radius) == pytest.approx(2.25, abs=0.06)


def test_the_blur_map_follows_a_step(gravel):
    blurry = defocus(gravel, 2.0, "disc").copy()
    blurry[:, 130:] = defocus(gravel, 6.0, "disc")[:, 130:]
    found = best_map(blurry, gravel).radius
    np.testing.assert_allclose(found[:, :90], 2.0, atol=0.15)
    np.testing.assert_allclose(found[:, 170:], 6.0, atol=0.4)


def test_of_two_pictures_in_focus_at_different_places_each_is_found_blurred_where_it_is(gravel):
    first, second = gravel.copy(), gravel.copy()
    first[:, :130] = defocus(gravel, 5.0, "disc")[:, :130]
    second[:, 130:] = defocus(gravel, 3.0, "disc")[:, 130:]
    levels = [blur_levels(picture, "disc", SETTINGS) for picture in (first, second)]
    found = relative_blur_map(*levels, "disc", SETTINGS).radius
    np.testing.assert_allclose(found[:, :110], 5.0, atol=0.3)
    np.testing.assert_allclose(found[:, 150:], -3.0, atol=0.3)


def test_a_blur_is_the_same_whether_the_other_picture_could_have_been_blurred_or_not(gravel):
    # With noise; it must not make a sharp picture count as the blurrier one.
    rng = np.random.default_rng(0)
    blurry = defocus(gravel, 4.0, "disc") + rng.normal(0, 0.01, gravel.shape).astype(np.float32)
    sharp = gravel + rng.normal(0, 0.01, gravel.shape).astype(np.float32)
    levels = [blur_levels(picture, "disc", SETTINGS) for picture in (blurry, sharp)]
    both_ways = relative_blur_map(*levels, "disc", SETTINGS).radius
    assert np.array_equal(both_ways, blur_map(blurry, levels[1], "disc", SETTINGS).radius)


@pytest.mark.parametrize("aperture", ["disc", "gaussian"])
@pytest.mark.parametrize("radius", [0.0, 0.5, 3.0, 12.0])
def test_an_even_map_of_a_tried_radius_blurs_evenly(gravel, radius, aperture):
    found = blurred_by(gravel, radius, aperture)
    np.testing.assert_allclose(found, defocus(gravel, radius, aperture), atol=1e-6)


def test_a_gaussian_aperture_of_radius_r_is_a_gaussian_of_sigma_half_r(gravel):
    expected = cv2.GaussianBlur(gravel, (0, 0), 2.0, borderType=cv2.BORDER_REFLECT)
    np.testing.assert_allclose(defocus(gravel, 4.0, "gaussian"), expected, atol=1e-6)
    kernel = aperture_kernel(4.0, "gaussian")
    direct = cv2.filter2D(gravel, -1, kernel, borderType=cv2.BORDER_REFLECT)
    np.testing.assert_allclose(defocus(gravel, 4.0, "gaussian"), direct, atol=2e-3)


@pytest.mark.parametrize("radius", [12.0, 16.0, 20.0])
def test_a_wide_disc_drawn_at_reduced_size_is_close_to_the_whole_sum(gravel, radius):
    whole = cv2.filter2D(gravel, -1, aperture_kernel(radius, "disc"), borderType=cv2.BORDER_REFLECT)
    reach = int(radius) + 8  # at the lower and right border, what is mirrored differs by a reduced pixel
    centre = (slice(reach, -reach), slice(reach, -reach))
    assert (defocus(gravel, radius, "disc") - whole)[centre].std() < 0.025 * whole[centre].std()


def test_a_colour_picture_is_blurred_channel_by_channel():
    colour = np.random.default_rng(0).random((90, 117, 3), np.float32)
    for shape in ("disc", "gaussian"):
        channels = [defocus(np.ascontiguousarray(colour[..., c]), 13.0, shape) for c in range(3)]
        np.testing.assert_allclose(defocus(colour, 13.0, shape), np.dstack(channels), atol=1e-6)


def test_a_radius_beyond_the_largest_tried_one_is_the_largest(gravel):
    found = blurred_by(gravel, 99.0)
    np.testing.assert_allclose(found, defocus(gravel, 20.0, "disc"), atol=1e-6)


@pytest.mark.parametrize("radii", [(1, 2, 3), (0, 2, 2), (0, 3, 1), (0, 1)])
def test_radii_that_do_not_ascend_from_zero_are_refused(radii):
    with pytest.raises(ValidationError):
        BlurSettings(radii=radii)
