from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage import data

from sdd_bench.alignment.blur import defocus
from sdd_bench.alignment.light import linear_to_srgb, srgb_to_linear
from sdd_bench.datasets.rendering import render_pair
from sdd_bench.datasets.scenes import SceneSettings, random_scene
from sdd_bench.models.classical import varying
from sdd_bench.models.classical.hyper_laplacian import hyper_laplacian
from sdd_bench.models.classical.richardson_lucy import richardson_lucy
from sdd_bench.models.classical.varying import RADII, deconvolve
from sdd_bench.models.classical.wiener import wiener

ALL = [wiener, hyper_laplacian, partial(richardson_lucy, iterations=5)]
BEYOND = 20  # pixels of the scene around the picture, from which blur brings light in


@pytest.fixture(scope="module")
def scene():
    return (data.astronaut()[40:240, 100:332] / 255).astype(np.float32)


@pytest.fixture(scope="module")
def sharp(scene):
    return scene[BEYOND:-BEYOND, BEYOND:-BEYOND]


def psnr(a, b):
    return -10 * np.log10(np.mean((a - b) ** 2))


def blurred(picture, radius, shape="disc"):
    return linear_to_srgb(defocus(srgb_to_linear(picture), radius, shape))


@pytest.mark.parametrize("method", ALL)
def test_a_map_of_zeros_changes_nothing(method, sharp):
    assert np.array_equal(deconvolve(sharp, np.zeros(sharp.shape[:2], np.float32), method), sharp)


@pytest.mark.parametrize("method", ALL)
@settings(max_examples=6)
@given(st.floats(0, 1, width=32), st.floats(0, 9), st.floats(0, 9))
def test_plain_pictures_stay_whatever_the_map(method, value, left, right):
    plain = np.full((40, 50, 3), value, np.float32)
    radius = np.broadcast_to(np.linspace(left, right, 50, dtype=np.float32), (40, 50))
    assert deconvolve(plain, radius, method) == pytest.approx(plain, abs=2e-3)


@pytest.mark.parametrize("aperture", ["disc", "gaussian"])
@pytest.mark.parametrize(("method", "gain"), [(wiener, 2), (hyper_laplacian, 4), (richardson_lucy, 3)])
def test_one_blur_everywhere_is_undone(method, gain, aperture, scene, sharp):
    blurry = blurred(scene, 2.0, aperture)[BEYOND:-BEYOND, BEYOND:-BEYOND]
    restored = deconvolve(blurry, np.full(sharp.shape[:2], 2.0, np.float32), method, aperture=aperture)
    gain = gain if aperture == "disc" else gain / 2  # a Gaussian leaves less to find
    assert psnr(restored, sharp) > psnr(blurry, sharp) + gain


@pytest.fixture(scope="module")
def rendered():
    options = SceneSettings(width=320, height=256, aperture="disc", exposure_stops=(0, 0), max_blur_radius=(3, 3))
    rng = np.random.default_rng(11)
    pair = render_pair(random_scene(options, rng), options, rng)
    return (*(picture.astype(np.float32) / 255 for picture in (pair.blur, pair.aligned)), pair.defocus)


def test_the_true_map_gains_two_decibels_on_a_rendered_scene(rendered):
    blurry, sharp, radius = rendered
    assert psnr(deconvolve(blurry, radius, hyper_laplacian), sharp) > psnr(blurry, sharp) + 2


@pytest.mark.parametrize("method", [wiener, hyper_laplacian, richardson_lucy])
def test_beside_depth_edges_too_the_true_map_gains(method, rendered):
    blurry, sharp, radius = rendered
    steps = np.abs(np.diff(radius, axis=0, append=radius[-1:])) + np.abs(np.diff(radius, axis=1, append=radius[:, -1:]))
    beside = ndimage.distance_transform_edt(steps == 0) < 4
    restored = deconvolve(blurry, radius, method)
    assert psnr(restored[beside], sharp[beside]) > psnr(blurry[beside], sharp[beside])


def test_what_is_in_focus_is_not_disturbed_by_blur_beside_it(sharp):
    # Left half in focus, right half not; without the guard, deconvolution rings far from the edge between them.
    radius = np.zeros(sharp.shape[:2], np.float32)
    radius[:, 96:] = 4.0
    blurry = np.where(radius[..., None] > 0, blurred(sharp, 4.0), sharp)
    restored = deconvolve(blurry, radius, hyper_laplacian)
    assert np.array_equal(restored[:, :96], sharp[:, :96])
    assert psnr(restored[:, 96:], sharp[:, 96:]) > psnr(blurry[:, 96:], sharp[:, 96:]) + 2


def test_restored_values_stay_near_those_of_the_surroundings():
    step = np.full((64, 96, 3), 0.2, np.float32)
    step[:, 48:] = 0.7
    restored = deconvolve(blurred(step, 3.0), np.full((64, 96), 3.0, np.float32), hyper_laplacian)
    assert np.abs(restored[:, :40] - 0.2).max() < 0.02
    assert np.abs(restored[:, 56:] - 0.7).max() < 0.02


@pytest.mark.parametrize(("method", "most"), [(wiener, 0.02), (hyper_laplacian, 0.05)])
def test_tiles_do_not_show(method, most, sharp, monkeypatch):
    blurry, radius = blurred(sharp, 2.0), np.full(sharp.shape[:2], 2.0, np.float32)
    whole = deconvolve(blurry, radius, method, noise=0.002)
    monkeypatch.setattr(varying, "_TILE", 64)
    apart = np.abs(deconvolve(blurry, radius, method, noise=0.002) - whole)
    assert apart.max() < most  # the prior of the second is not convex: single pixels may fall either way
    assert apart.mean() < 5e-4


def test_threads_do_not_change_the_picture(sharp):
    radius = np.broadcast_to(np.linspace(0, 5, 192, dtype=np.float32), sharp.shape[:2])
    one, three = (deconvolve(sharp, radius, wiener, threads=threads) for threads in (1, 3))
    assert np.array_equal(one, three)


def test_radii_ascend_from_focus():
    assert RADII[0] == 0
    assert all(np.diff(RADII) > 0)


def test_blur_beyond_the_largest_radius_is_undone_as_the_largest(sharp):
    largest, beyond = (
        deconvolve(sharp, np.full(sharp.shape[:2], radius, np.float32), wiener) for radius in (RADII[-1], 60.0)
    )
    assert np.array_equal(largest, beyond)
