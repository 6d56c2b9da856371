import itertools
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, map_coordinates, shift
from skimage import data

from sdd_bench.alignment import Similarity, estimate_similarity, warp
from sdd_bench.errors import AlignmentError

FOCAL_STACK = Path(__file__).parents[2].parent / "shared" / "data" / "focal_stack"
SHAPE = (300, 400, 3)

similarities = st.builds(
    Similarity,
    st.floats(0.5, 2),
    st.tuples(st.floats(-50, 50), st.floats(-50, 50)),
    st.just(None),
    rotation=st.just(0.0) | st.floats(-1, 1),
)


def parameters(similarity):
    return np.array([similarity.zoom, *similarity.shift])


def all_parameters(similarity):
    return np.array([*parameters(similarity), similarity.rotation])


def corner_error(similarity, zoom, shift, shape, rotation=0.0):
    """Largest distance between where two similarities put a corner, in pixels."""
    corners = np.array([[x, y] for x in (0, shape[1] - 1) for y in (0, shape[0] - 1)], dtype=float)
    true = Similarity(zoom, tuple(shift), rotation=rotation)
    return np.linalg.norm(similarity.apply(corners, shape) - true.apply(corners, shape), axis=1).max()


# --- algebra


@given(similarities)
def test_inverse_undoes(s):
    np.testing.assert_allclose(all_parameters(s.compose(s.inverse())), [1, 0, 0, 0], atol=1e-12)
    np.testing.assert_allclose(all_parameters(s.inverse().compose(s)), [1, 0, 0, 0], atol=1e-12)
    np.testing.assert_allclose(all_parameters(s.inverse().inverse()), all_parameters(s), rtol=1e-12, atol=1e-12)


@given(similarities, similarities, similarities)
def test_composition_is_associative(a, b, c):
    np.testing.assert_allclose(
        all_parameters(a.compose(b).compose(c)), all_parameters(a.compose(b.compose(c))), rtol=1e-12, atol=1e-10
    )


@given(similarities)
def test_identity_is_neutral(s):
    identity = Similarity(1.0, (0.0, 0.0))
    assert np.array_equal(all_parameters(s.compose(identity)), all_parameters(s))
    assert np.array_equal(all_parameters(identity.compose(s)), all_parameters(s))


@given(similarities, similarities, st.floats(-100, 500), st.floats(-100, 500))
def test_composition_applies_this_one_first(first, then, x, y):
    point = np.array([x, y])
    expected = then.apply(first.apply(point, SHAPE), SHAPE)
    np.testing.assert_allclose(first.compose(then).apply(point, SHAPE), expected, rtol=1e-12, atol=1e-9)


def test_rotation_turns_the_x_axis_towards_the_y_axis():
    s = Similarity(2.0, (0.0, 0.0), rotation=np.pi / 2)
    np.testing.assert_allclose(s.apply(np.array([199.5 + 10, 149.5]), SHAPE), [199.5, 149.5 + 20])


def test_apply_follows_the_definition():
    # x' = c + zoom (x - c) + shift with c = ((W - 1) / 2, (H - 1) / 2) = (199.5, 149.5)
    s = Similarity(1.1, (3.0, -2.0))
    np.testing.assert_allclose(s.apply(np.array([199.5, 149.5]), SHAPE), [202.5, 147.5])
    np.testing.assert_allclose(s.apply(np.array([[0, 0]]), SHAPE), [[199.5 - 219.45 + 3, 149.5 - 164.45 - 2]])


@given(similarities)
def test_flow_takes_pixels_where_apply_puts_them(s):
    y, x = np.mgrid[0:30, 0:40]
    pixels = np.dstack([x, y]).astype(float)
    flow = s.flow((30, 40, 3))
    assert flow.dtype == np.float32
    np.testing.assert_allclose(pixels + flow, s.apply(pixels, (30, 40)), atol=1e-5)


def numerical_jacobian(function, at, step=1e-6):
    return np.stack([(function(at + e) - function(at - e)) / (2 * step) for e in np.eye(len(at)) * step], axis=1)


@pytest.mark.parametrize("rotation", [(), (0.4,)])
def test_covariance_is_carried_to_first_order(rotation):
    # Oracle: the Jacobian by finite differences of the parameters alone.
    def build(p, covariance=None):
        return Similarity(p[0], (p[1], p[2]), covariance, rotation=p[3] if len(p) > 3 else 0.0)

    size = 3 + len(rotation)

    def read(similarity):
        return all_parameters(similarity)[:size]

    rng = np.random.default_rng(0)
    a, b = np.array([1.02, 5.0, -3.0, *rotation]), np.array([0.97, -8.0, 2.0, *(-0.7 * r for r in rotation)])
    ca, cb = (m @ m.T for m in rng.normal(size=(2, size, size)))
    by = numerical_jacobian(lambda p: read(build(p).inverse()), a)
    np.testing.assert_allclose(build(a, ca).inverse().covariance, by @ ca @ by.T, rtol=1e-6)
    by_a = numerical_jacobian(lambda p: read(build(p).compose(build(b))), a)
    by_b = numerical_jacobian(lambda p: read(build(a).compose(build(p))), b)
    expected = by_a @ ca @ by_a.T + by_b @ cb @ by_b.T
    np.testing.assert_allclose(build(a, ca).compose(build(b, cb)).covariance, expected, rtol=1e-6)
    assert build(a, ca).compose(build(b)).covariance is None


def test_a_rotation_that_is_known_to_be_none_adds_no_error():
    turned = Similarity(1.0, (0.0, 0.0), np.diag([1.0, 2.0, 3.0, 4.0]), rotation=0.0)
    straight = Similarity(1.0, (0.0, 0.0), np.diag([10.0, 20.0, 30.0]))
    expected = np.diag([11.0, 22.0, 33.0, 4.0])
    np.testing.assert_allclose(turned.compose(straight).covariance, expected)
    np.testing.assert_allclose(straight.compose(turned).covariance, expected)


def test_composition_with_an_undecided_estimate_is_undecided():
    good = Similarity(1.0, (0.0, 0.0), inlier_share=0.9)
    bad = Similarity(np.nan, (np.nan, np.nan), None, 0.0, converged=False, reason="no texture")
    for both in (good.compose(bad), bad.compose(good), bad.inverse()):
        assert not both.converged
        assert both.reason == "no texture"
        assert both.inlier_share == 0


# --- estimation on rendered pairs: both views from a finer source, resampled by scipy's splines, so neither is a
# --- resampling of the other, and with nothing of this package in them


def photograph(name):
    picture = getattr(data, name)().astype(np.float64) / 255
    return picture if picture.ndim == 2 else picture @ [0.299, 0.587, 0.114]


def disc_blurred(picture, radius):
    """Blur by discs of a radius that varies over the picture (blending between five fixed ones)."""
    levels = np.linspace(radius.min(), radius.max(), 5)
    y, x = np.mgrid[-7:8, -7:8]
    kernels = [np.clip(level + 0.5 - np.hypot(x, y), 0, 1) for level in levels]
    stack = np.stack([cv2.filter2D(picture, -1, k / k.sum(), borderType=cv2.BORDER_REFLECT) for k in kernels])
    weights = np.maximum(1 - np.abs(radius - levels[:, None, None]) / (levels[1] - levels[0]), 0)
    return (stack * weights).sum(axis=0)


def rendered_pair(name, zoom, shift, blur_source, blur_target, seed=0, finer=3, rotation=0.0):
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
def test_zoom_and_shift_of_rendered_pairs_are_found(name, zoom, shift, blur_source, blur_target):
    source, target = rendered_pair(name, zoom, shift, blur_source, blur_target)
    found = estimate_similarity(source, target)
    assert found.converged, found.reason
    assert corner_error(found, zoom, shift, source.shape) < 0.03
    # The 99.9 % quantile of chi squared with three degrees of freedom is 16.3.
    miss = parameters(found) - [zoom, *shift]
    assert miss @ np.linalg.solve(found.covariance, miss) < 16.3
    assert found.inlier_share > 0.8


def test_covariance_grows_with_noise_and_blur():
    clear = estimate_similarity(*rendered_pair("astronaut", 1.01, (3, 2), sharp, sharp))
    source, target = rendered_pair("astronaut", 1.01, (3, 2), sharp, blurry)
    noise = np.random.default_rng(1).normal(0, 0.05, (2, *source.shape)).astype(np.float32)
    unclear = estimate_similarity(source + noise[0], target + noise[1])
    assert unclear.converged, unclear.reason
    assert (np.diag(unclear.covariance) > 4 * np.diag(clear.covariance)).all()
    assert corner_error(unclear, 1.01, (3, 2), source.shape) < 0.3


def test_identical_pictures_give_the_identity():
    source, _ = rendered_pair("astronaut", 1, (0, 0), sharp, sharp)
    np.testing.assert_allclose(parameters(estimate_similarity(source, source)), [1, 0, 0], atol=1e-6)


@pytest.mark.parametrize(("name", "zoom", "shift", "blur_source", "blur_target"), CASES)
def test_swapping_the_pictures_gives_the_inverse(name, zoom, shift, blur_source, blur_target):
    source, target = rendered_pair(name, zoom, shift, blur_source, blur_target)
    forward, backward = estimate_similarity(source, target), estimate_similarity(target, source)
    assert corner_error(forward.compose(backward), 1, (0, 0), source.shape) < 0.005
    # The last step of either may fall short by 0.04 px, at which the scatter of tiles is not quite the same.
    np.testing.assert_allclose(np.diag(forward.inverse().covariance), np.diag(backward.covariance), rtol=0.2)


@pytest.fixture(scope="module")
def coffee():
    source, target = rendered_pair("coffee", 0.991, (-10.2, 4.8), sharp, blurry)
    return source, target, estimate_similarity(source, target)


@settings(max_examples=8, deadline=None)
@given(st.floats(0.3, 1.1), st.floats(-0.05, 0.3))
def test_gain_and_offset_do_not_matter(coffee, gain, offset):
    source, target, plain = coffee
    changed = estimate_similarity(source, target * np.float32(gain) + np.float32(offset))
    assert corner_error(changed, plain.zoom, plain.shift, source.shape) < 0.01


def test_scaling_both_pictures_scales_the_shift_only():
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


def test_cropping_both_pictures_moves_the_centre_only():
    source, target = rendered_pair("astronaut", 1.013, (-6.3, 7.2), sharp, blurry)
    height, width = source.shape[0] - 61, source.shape[1] - 90
    found = estimate_similarity(source[:height, :width], target[:height, :width])
    # About its own centre, d = c' - c away, the same motion has shift + (zoom - 1) d.
    shift = np.array([-6.3, 7.2]) + 0.013 * np.array([-45, -30.5])
    assert corner_error(found, 1.013, shift, (height, width)) < 0.03


@pytest.mark.parametrize("side", [64, 65, 97])
def test_small_pictures_work_from_64_pixels_on(side):
    source, target = rendered_pair("astronaut", 1.0, (2.0, 1.0), sharp, sharp)
    found = estimate_similarity(source[90 : 90 + side, 90 : 90 + side], target[90 : 90 + side, 90 : 90 + side])
    assert found.converged, found.reason
    assert corner_error(found, 1.0, (2.0, 1.0), (side, side)) < 0.2


@pytest.mark.parametrize("rotation", [0.004, -0.02, 0.05])
def test_rotation_is_found_when_asked_for(rotation):
    source, target = rendered_pair("astronaut", 1.013, (-6.3, 7.2), sharp, blurry, rotation=rotation)
    found = estimate_similarity(source, target, rotation=True)
    assert found.converged, found.reason
    assert corner_error(found, 1.013, (-6.3, 7.2), source.shape, rotation) < 0.05
    # The 99.9 % quantile of chi squared with four degrees of freedom is 18.5.
    miss = all_parameters(found) - [1.013, -6.3, 7.2, rotation]
    assert miss @ np.linalg.solve(found.covariance, miss) < 18.5


def test_no_rotation_is_found_where_there_is_none(coffee):
    source, target, plain = coffee
    found = estimate_similarity(source, target, rotation=True)
    # Four standard deviations: 1 in 16,000.
    assert abs(found.rotation) < 4 * np.sqrt(found.covariance[3, 3])
    assert corner_error(found, plain.zoom, plain.shift, source.shape) < 0.02
    assert plain.rotation == 0
    assert plain.covariance.shape == (3, 3)


@pytest.mark.parametrize("size", [(64, 64), (64, 300)])
def test_small_pictures_may_be_asked_for_rotation(size):
    source, target = rendered_pair("astronaut", 1.0, (2.0, 1.0), sharp, sharp)
    inner = slice(90, 90 + size[0]), slice(0, size[1])
    found = estimate_similarity(source[inner], target[inner], rotation=True)
    assert found.converged, found.reason
    assert corner_error(found, 1.0, (2.0, 1.0), size) < 0.3


def test_mostly_clipped_pictures_are_right_or_refused():
    source, target = rendered_pair("astronaut", 1.013, (-6.3, 7.2), sharp, blurry)
    shares = []
    for gain in (2, 5, 20, 100):
        bright = [np.minimum(picture * np.float32(gain), 1) for picture in (source, target)]
        shares.append((bright[1] == 1).mean())
        found = estimate_similarity(*bright)
        # Clipping moves the borders of what is blurred: some error is in the pictures themselves.
        assert not found.converged or corner_error(found, 1.013, (-6.3, 7.2), source.shape) < 1
    assert shares[-1] > 0.9


def view(name, flip=False):
    gray = photograph(name)[:380, :500].astype(np.float32)
    return np.ascontiguousarray((gray[:, ::-1] if flip else gray)[..., None].repeat(3, axis=2))


def with_patch_of(name, other):
    """One picture with a part of another one: fits that part well, but the pictures are not the same scene."""
    mixed = view(other)
    mixed[120:280, 150:350] = view(name)[120:280, 150:350]
    return mixed


def noise(seed, strength):
    values = 0.5 + strength * np.random.default_rng(seed).standard_normal((300, 400, 1))
    return values.repeat(3, axis=2).astype(np.float32)


def grating(period, phase):
    y, x = np.mgrid[0:300, 0:400] * 2 * np.pi / period
    waves = 0.5 + 0.3 * np.sin(x + phase) * np.sin(y)
    return (waves[..., None] + 0.02 * (noise(int(phase * 10), 1) - 0.5)).astype(np.float32)


@pytest.mark.parametrize(
    ("source", "target", "reason"),
    [
        (np.full(SHAPE, 0.5, np.float32), np.full(SHAPE, 0.5, np.float32), "texture"),
        (view("astronaut"), np.full_like(view("astronaut"), 0.5), "texture"),
        (view("astronaut"), view("camera"), "share|correlates"),
        (view("astronaut"), view("astronaut", flip=True), "share|correlates"),
        (view("coffee"), view("coffee", flip=True), "share|correlates"),
        (view("astronaut"), 1 - view("astronaut"), "share|correlates"),
        (view("astronaut"), with_patch_of("astronaut", "camera"), "correlates"),
        (noise(0, 0.2), noise(1, 0.2), "share|correlates"),
        (noise(0, 0.002), noise(1, 0.002), "share|correlates"),
        (np.where(view("camera") > 0.02, 1, 0).astype(np.float32), np.ones_like(view("camera")), "texture"),
        (grating(40, 0), grating(40, 1), "repeats"),
        (grating(60, 0), grating(60, 1), "repeats"),
    ],
    ids=[
        "both constant",
        "one constant",
        "unrelated",
        "mirrored",
        "mirrored, nearly symmetric",
        "negative",
        "a part shared",
        "noise",
        "faint noise",
        "clipped",
        "grating of 40 px",
        "grating of 60 px",
    ],
)
def test_pictures_that_do_not_tell_are_said_to(source, target, reason):
    found = estimate_similarity(source, target)
    assert not found.converged
    assert found.covariance is None
    assert np.isnan(parameters(found)).all()
    assert re.search(reason, found.reason)


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        (view("astronaut"), view("astronaut")[1:], "differ in shape"),
        (view("astronaut")[..., 0], view("astronaut")[..., 0], "H x W x 3"),
        (view("astronaut").astype(np.float64), view("astronaut"), "float32 source"),
        (view("astronaut"), view("astronaut") * np.float32(np.nan), "target contains NaN"),
        (view("astronaut")[:63], view("astronaut")[:63], "at least 64 pixels"),
    ],
)
def test_unfit_input_is_named(source, target, message):
    with pytest.raises(AlignmentError, match=message):
        estimate_similarity(source, target)


# --- a scene of two depths: what "the" similarity is must not depend on where the pictures are in focus


def deep_slice(focus, moved):
    """A textured disc before a background; with focus, the disc moves by parallax, all by a common shift."""
    back, front = (
        gaussian_filter(np.kron(photograph(n)[:240, :360], np.ones((2, 2))), 1) for n in ("coffee", "camera")
    )
    y, x = np.mgrid[0:480, 0:720]
    cover = np.clip(120 - np.hypot(y - 240, x - 330) + 0.5, 0, 1)
    out, through = 0, 1
    for picture, mask, away, parallax in ((front, cover, focus, 0.7), (back, 1 + 0 * cover, 1 - focus, -0.3)):
        radius = 10 * away
        place = [6.0 * moved + 2 * parallax * moved, 2.0 * moved]
        seen, shown = (shift(layer, place[::-1], order=3, mode="mirror") for layer in (picture * mask, mask))
        yy, xx = np.mgrid[-11:12, -11:12]
        disc = np.clip(radius + 0.5 - np.hypot(yy, xx), 0, 1)
        seen, shown = (cv2.filter2D(v, -1, disc / disc.sum(), borderType=cv2.BORDER_REFLECT) for v in (seen, shown))
        out, through = out + through * seen, through * (1 - shown)
    half = out.reshape(240, 2, 360, 2).mean(axis=(1, 3))[24:-24, 24:-24]
    return np.rint(np.clip(half, 0, 1) * 255)[..., None].repeat(3, axis=2).astype(np.float32) / 255


def test_steps_through_a_deep_scene_compose():
    # Oracle: the scene itself. The disc moves 1 px further than the background, and focus moves from one to the other.
    slices = [deep_slice(focus, moved) for focus, moved in ((0.1, 0.0), (0.5, 0.5), (0.9, 1.0))]
    first, second, both = (estimate_similarity(slices[i], slices[j]) for i, j in ((0, 1), (1, 2), (0, 2)))
    assert first.converged
    assert second.converged
    assert both.converged
    assert corner_error(first.compose(second), both.zoom, both.shift, slices[0].shape) < 0.1
    assert 2.7 < both.shift[0] < 3.7


# --- estimation on a real focal stack, without truth


@pytest.fixture(scope="module")
def focal_stack():
    if not FOCAL_STACK.is_dir():
        pytest.skip("the real focal stack (shared/data/focal_stack beside the repository) is absent")
    slices = []
    for path in sorted(FOCAL_STACK.glob("*.jpg")):
        quarter = cv2.imread(str(path), cv2.IMREAD_REDUCED_COLOR_4)
        slices.append(cv2.cvtColor(quarter, cv2.COLOR_BGR2RGB).astype(np.float32) / 255)
    return slices


@pytest.fixture(scope="module")
def steps(focal_stack):
    """Similarities from each slice to the next."""
    return [estimate_similarity(i, j) for i, j in itertools.pairwise(focal_stack)]


# At a quarter of the resolution: one pixel here is four of the photographs.


def test_steps_through_a_real_stack_compose(focal_stack, steps):
    shape = focal_stack[0].shape
    errors = []
    for i, k, first, second in zip(focal_stack, focal_stack[2:], steps, steps[1:], strict=False):
        both = estimate_similarity(i, k)
        assert first.converged
        assert both.converged
        errors.append(corner_error(first.compose(second), both.zoom, both.shift, shape))
    assert np.median(errors) < 0.3 / 4
    assert max(errors) < 1 / 4


def test_steps_through_a_real_stack_and_back_cancel(focal_stack, steps):
    shape = focal_stack[0].shape
    ways_back = [estimate_similarity(j, i) for i, j in itertools.pairwise(focal_stack)]
    errors = [corner_error(s.compose(back), 1, (0, 0), shape) for s, back in zip(steps, ways_back, strict=True)]
    assert np.median(errors) < 0.01 / 4
    assert max(errors) < 0.2 / 4


def gradients(picture):
    gray = cv2.GaussianBlur(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (0, 0), 1)
    return np.hypot(cv2.Sobel(gray, cv2.CV_32F, 1, 0), cv2.Sobel(gray, cv2.CV_32F, 0, 1))[24:-24, 24:-24].ravel()


def test_aligned_slices_of_a_real_stack_correlate_better(focal_stack):
    for source, target in list(itertools.pairwise(focal_stack))[::3]:
        found = estimate_similarity(source, target)
        aligned = warp(target, found.flow(target.shape), "bilinear")
        before, after = (np.corrcoef(gradients(source), gradients(t))[0, 1] for t in (target, aligned))
        assert after > before + 0.02
