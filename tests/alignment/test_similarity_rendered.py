"""Both views of a pair are rendered from a finer source, resampled by scipy's splines.

So neither is a resampling of the other, and nothing of this package is in them.
"""

from functools import partial

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, map_coordinates

from sdd_bench.alignment import estimate_similarity


def parameters(similarity):
    return np.array([similarity.zoom, *similarity.shift])


def disc_blurred(picture, radius):
    """Blur by discs of a radius that varies over the picture (blending between five fixed ones)."""
    levels = np.linspace(radius.min(), radius.max(), 5)
    y, x = np.mgrid[-7:8, -7:8]
    kernels = [np.clip(level + 0.5 - np.hypot(x, y), 0, 1) for level in levels]
    stack = np.stack([cv2.filter2D(picture, -1, k / k.sum(), borderType=cv2.BORDER_REFLECT) for k in kernels])
    weights = np.maximum(1 - np.abs(radius - levels[:, None, None]) / (levels[1] - levels[0]), 0)
    return (stack * weights).sum(axis=0)


def render_pair(photograph, name, zoom, shift, blur_source, blur_target, seed=0, finer=3, rotation=0.0):
    """Source and target, 8-bit values in [0, 1], in which x' = c + zoom R (x - c) + shift holds."""
    texture = photograph(name)
    big = gaussian_filter(np.kron(texture, np.ones((2, 2))), 0.6 * finer, mode="mirror")
    height, width = (side // finer for side in big.shape)
    centre_y, centre_x = (height - 1) / 2, (width - 1) / 2
    y, x = np.ogrid[0 : height * finer, 0 : width * finer]
    y, x = (y + 0.5) / finer - 0.5 - centre_y, (x + 0.5) / finer - 0.5 - centre_x
    seen_x = centre_x + zoom * (np.cos(rotation) * x - np.sin(rotation) * y) + shift[0]
    seen_y = centre_y + zoom * (np.sin(rotation) * x + np.cos(rotation) * y) + shift[1]
    places = [(seen + 0.5) * finer - 0.5 for seen in (seen_y, seen_x)]
    moved = map_coordinates(big, places, order=3, mode="mirror")
    y, x = np.mgrid[0:height, 0:width] / [[[height]], [[width]]]
    rng = np.random.default_rng(seed)
    views = []
    for view, blur, gain in ((moved, blur_source, 1), (big, blur_target, 0.95)):
        pixels = view[: height * finer, : width * finer].reshape(height, finer, width, finer).mean(axis=(1, 3))
        pixels = disc_blurred(pixels, np.maximum(blur(x, y), 0.05)) * gain + rng.normal(0, 0.005, (height, width))
        views.append(np.rint(np.clip(pixels, 0, 1) * 255)[20:-20, 20:-20, None].repeat(3, axis=2) / 255)
    return views[0].astype(np.float32), views[1].astype(np.float32)


@pytest.fixture(scope="session")
def rendered_pair(photograph):
    return partial(render_pair, photograph)


def sharp(x, y):
    return 0 * x + 0.1 * y


def blurry(x, y):
    return 2.5 + 2 * np.sin(4 * x + 3 * y)


def near_focus(x, y):
    return 3.5 * np.abs(x - 0.2)


def far_focus(x, y):
    return 3.5 * np.abs(x - 0.8)


CASES = [
    ("astronaut", 1.013, (-6.3, 7.2), sharp, blurry),
    ("astronaut", 0.982, (11.4, -9.7), near_focus, far_focus),
    ("coffee", 1.0, (3.4, 0.6), sharp, blurry),
    ("coffee", 0.991, (-10.2, 4.8), blurry, sharp),
    ("camera", 1.019, (0.3, -11.8), far_focus, near_focus),
    ("camera", 1.048, (37.5, -31.0), sharp, blurry),
]


@pytest.mark.parametrize(("name", "zoom", "shift", "blur_source", "blur_target"), CASES)
def test_zoom_and_shift_of_rendered_pairs_are_found(
    rendered_pair, corner_error, name, zoom, shift, blur_source, blur_target
):
    source, target = rendered_pair(name, zoom, shift, blur_source, blur_target)
    found = estimate_similarity(source, target)
    assert found.converged, found.reason
    assert corner_error(found, zoom, shift, source.shape) < 0.03
    # The 99.9 % quantile of chi squared with three degrees of freedom is 16.3.
    miss = parameters(found) - [zoom, *shift]
    assert miss @ np.linalg.solve(found.covariance, miss) < 16.3
    assert found.inlier_share > 0.8


def test_covariance_grows_with_noise_and_blur(rendered_pair, corner_error):
    clear = estimate_similarity(*rendered_pair("astronaut", 1.01, (3, 2), sharp, sharp))
    source, target = rendered_pair("astronaut", 1.01, (3, 2), sharp, blurry)
    noise = np.random.default_rng(1).normal(0, 0.05, (2, *source.shape)).astype(np.float32)
    unclear = estimate_similarity(source + noise[0], target + noise[1])
    assert unclear.converged, unclear.reason
    assert (np.diag(unclear.covariance) > 4 * np.diag(clear.covariance)).all()
    assert corner_error(unclear, 1.01, (3, 2), source.shape) < 0.3


def test_identical_pictures_give_the_identity(rendered_pair):
    source, _ = rendered_pair("astronaut", 1, (0, 0), sharp, sharp)
    np.testing.assert_allclose(parameters(estimate_similarity(source, source)), [1, 0, 0], atol=1e-6)


@pytest.mark.parametrize(("name", "zoom", "shift", "blur_source", "blur_target"), CASES)
def test_swapping_the_pictures_gives_the_inverse(
    rendered_pair, corner_error, name, zoom, shift, blur_source, blur_target
):
    source, target = rendered_pair(name, zoom, shift, blur_source, blur_target)
    forward, backward = estimate_similarity(source, target), estimate_similarity(target, source)
    assert corner_error(forward.compose(backward), 1, (0, 0), source.shape) < 0.005
    # The last step of either may fall short by 0.04 px, at which the scatter of tiles is not quite the same.
    np.testing.assert_allclose(np.diag(forward.inverse().covariance), np.diag(backward.covariance), rtol=0.2)


@pytest.fixture(scope="module")
def coffee(rendered_pair):
    source, target = rendered_pair("coffee", 0.991, (-10.2, 4.8), sharp, blurry)
    return source, target, estimate_similarity(source, target)


@settings(max_examples=8, deadline=None)
@given(st.floats(0.3, 1.1), st.floats(-0.05, 0.3))
def test_gain_and_offset_do_not_matter(corner_error, coffee, gain, offset):
    source, target, plain = coffee
    changed = estimate_similarity(source, target * np.float32(gain) + np.float32(offset))
    assert corner_error(changed, plain.zoom, plain.shift, source.shape) < 0.01


def test_scaling_both_pictures_scales_the_shift_only(rendered_pair, corner_error):
    source, target = rendered_pair("astronaut", 1.013, (-6.4, 7.2), near_focus, far_focus)
    size = (source.shape[1] // 2, source.shape[0] // 2)
    halves = [
        cv2.resize(picture[: 2 * size[1], : 2 * size[0]], size, interpolation=cv2.INTER_AREA)
        for picture in (source, target)
    ]
    found = estimate_similarity(*halves)
    # The even part of the picture has its centre d away: the same motion has shift + (zoom - 1) d about it.
    d = np.array([2 * size[0] - source.shape[1], 2 * size[1] - source.shape[0]]) / 2
    assert corner_error(found, 1.013, (np.array([-6.4, 7.2]) + 0.013 * d) / 2, halves[0].shape) < 0.03


def test_cropping_both_pictures_moves_the_centre_only(rendered_pair, corner_error):
    source, target = rendered_pair("astronaut", 1.013, (-6.3, 7.2), sharp, blurry)
    height, width = source.shape[0] - 61, source.shape[1] - 90
    found = estimate_similarity(source[:height, :width], target[:height, :width])
    # About its own centre, d = c' - c away, the same motion has shift + (zoom - 1) d.
    shift = np.array([-6.3, 7.2]) + 0.013 * np.array([-45, -30.5])
    assert corner_error(found, 1.013, shift, (height, width)) < 0.03


@pytest.mark.parametrize("side", [64, 65, 97])
def test_small_pictures_work_from_64_pixels_on(rendered_pair, corner_error, side):
    source, target = rendered_pair("astronaut", 1.0, (2.0, 1.0), sharp, sharp)
    found = estimate_similarity(source[90 : 90 + side, 90 : 90 + side], target[90 : 90 + side, 90 : 90 + side])
    assert found.converged, found.reason
    assert corner_error(found, 1.0, (2.0, 1.0), (side, side)) < 0.2


@pytest.mark.parametrize("rotation", [0.004, -0.02, 0.05])
def test_rotation_is_found_when_asked_for(rendered_pair, corner_error, rotation):
    source, target = rendered_pair("astronaut", 1.013, (-6.3, 7.2), sharp, blurry, rotation=rotation)
    found = estimate_similarity(source, target, rotation=True)
    assert found.converged, found.reason
    assert corner_error(found, 1.013, (-6.3, 7.2), source.shape, rotation) < 0.05
    # The 99.9 % quantile of chi squared with four degrees of freedom is 18.5.
    miss = [*parameters(found), found.rotation] - np.array([1.013, -6.3, 7.2, rotation])
    assert miss @ np.linalg.solve(found.covariance, miss) < 18.5


def test_no_rotation_is_found_where_there_is_none(corner_error, coffee):
    source, target, plain = coffee
    found = estimate_similarity(source, target, rotation=True)
    # Four standard deviations: 1 in 16,000.
    assert abs(found.rotation) < 4 * np.sqrt(found.covariance[3, 3])
    assert corner_error(found, plain.zoom, plain.shift, source.shape) < 0.02
    assert plain.rotation == 0
    assert plain.covariance.shape == (3, 3)


@pytest.mark.parametrize("size", [(64, 64), (64, 300)])
def test_small_pictures_may_be_asked_for_rotation(rendered_pair, corner_error, size):
    source, target = rendered_pair("astronaut", 1.0, (2.0, 1.0), sharp, sharp)
    inner = slice(90, 90 + size[0]), slice(0, size[1])
    found = estimate_similarity(source[inner], target[inner], rotation=True)
    assert found.converged, found.reason
    assert corner_error(found, 1.0, (2.0, 1.0), size) < 0.3


def test_mostly_clipped_pictures_are_right_or_refused(rendered_pair, corner_error):
    source, target = rendered_pair("astronaut", 1.013, (-6.3, 7.2), sharp, blurry)
    shares = []
    for gain in (2, 5, 20, 100):
        bright = [np.minimum(picture * np.float32(gain), 1) for picture in (source, target)]
        shares.append((bright[1] == 1).mean())
        found = estimate_similarity(*bright)
        # Clipping moves the borders of what is blurred: some error is in the pictures themselves.
        assert not found.converged or corner_error(found, 1.013, (-6.3, 7.2), source.shape) < 1
    assert shares[-1] > 0.9
