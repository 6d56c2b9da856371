import cv2
import numpy as np
import pytest

from sdd_bench.alignment.blur import defocus
from sdd_bench.alignment.equalise import equalise
from sdd_bench.alignment.flow import RefinedDisFlow
from sdd_bench.alignment.light import linear_to_srgb, srgb_to_linear
from sdd_bench.alignment.similarity import Similarity
from sdd_bench.datasets.rendering import render_pair
from sdd_bench.datasets.scenes import SceneSettings, random_scene

FLOW = RefinedDisFlow()


@pytest.fixture(scope="module")
def pairs():
    """Strongly blurred pairs with their true flow, and the true zoom and shift as a start."""
    photographs = ("gravel", "coffee", "brick")
    settings = SceneSettings(width=288, height=224, max_blur_radius=(4.0, 6.0), photographs=photographs)
    made = []
    for seed in range(3):
        rng = np.random.default_rng([11, seed])
        scene = random_scene(settings, rng)
        pair = render_pair(scene, settings, rng)
        blur, sharp = (picture.astype(np.float32) / 255 for picture in (pair.blur, pair.sharp))
        made.append((pair, blur, sharp, Similarity(scene.zoom, scene.shift).flow(blur.shape)))
    return made


def error(flow, pair):
    return float(np.hypot(*np.moveaxis(flow - pair.flow, -1, 0))[pair.visible].mean())


def test_the_flow_is_much_closer_to_the_truth_than_that_of_the_pictures_as_they_are(pairs):
    equalised = [error(equalise(blur, sharp, start, FLOW).flow, pair) for pair, blur, sharp, start in pairs]
    as_they_are = [error(FLOW(blur, sharp), pair) for pair, blur, sharp, _ in pairs]
    assert np.mean(equalised) < 0.15
    assert np.mean(equalised) < 0.5 * np.mean(as_they_are)


def test_the_blur_that_is_found_is_the_circle_of_confusion_of_the_scene(pairs):
    for pair, blur, sharp, start in pairs:
        found = equalise(blur, sharp, start, FLOW).blur.radius
        error_of_radius = np.abs(found - pair.defocus)
        assert np.median(error_of_radius) < 0.4
        assert np.mean(error_of_radius < 1.5) > 0.75  # not near the borders of layers and where there is no texture


def test_the_whole_flow_is_the_start_followed_by_what_remains(pairs):
    _, blur, sharp, start = pairs[0]
    found = equalise(blur, sharp, start, FLOW)
    y, x = np.mgrid[20:200:7, 20:260:7]
    ends = np.stack([x, y], -1) + found.remaining[y, x]
    # The start is affine: its value between pixels follows from two of its own.
    slope, offset = start[0, 1, 0] - start[0, 0, 0], start[0, 0]
    expected = found.remaining[y, x] + offset + slope * ends
    np.testing.assert_allclose(found.flow[y, x], expected, atol=2e-4)


def test_the_exposure_of_the_sharp_picture_does_not_matter(pairs):
    _, blur, sharp, start = pairs[0]
    darker = linear_to_srgb(srgb_to_linear(sharp) * np.float32(0.7))
    found, same = (equalise(blur, picture, start, FLOW) for picture in (darker, sharp))
    np.testing.assert_allclose(found.target, same.target, atol=2e-3)
    assert np.abs(found.flow - same.flow).mean() < 0.02


def test_strong_blur_of_high_contrast_leaves_the_same_light(pairs):
    # White points on black: their blurred light is what a blur of code values gets wrong by far.
    rng = np.random.default_rng(0)
    light = (rng.random((160, 200)) < 0.1).astype(np.float32)
    light = cv2.GaussianBlur(light, (0, 0), 0.7)
    sharp, blurry = (np.repeat(linear_to_srgb(z)[..., None], 3, 2) for z in (light, defocus(light, 5.0, "disc")))
    found = equalise(blurry, sharp, np.zeros((160, 200, 2), np.float32), FLOW)
    centre = (slice(24, -24), slice(24, -24))
    assert np.abs(found.target - found.source)[centre].mean() < 0.005
    assert np.median(found.blur.radius[centre]) == pytest.approx(5.0, abs=0.2)
    assert found.blur.aperture == "disc"


def test_pixels_that_see_beyond_the_border_of_the_sharp_picture_are_told(pairs):
    # The sharp picture lies 10 pixels to the left and 6 up: of the blurry one's right and lower border it shows less.
    texture = np.random.default_rng(1).random((200, 240), np.float32)
    light = cv2.GaussianBlur(texture, (0, 0), 1.0)
    blurred = defocus(light, 4.0, "disc")
    blurry, sharp = (
        np.repeat(linear_to_srgb(z)[..., None], 3, 2) for z in (blurred[20:180, 20:220], light[14:174, 10:210])
    )
    start = np.broadcast_to(np.float32([10, 6]), (160, 200, 2)).copy()
    found = equalise(blurry, sharp, start, FLOW)
    assert found.whole[:-14, :-18].mean() > 0.99
    assert not found.whole[-9:].any()
    assert not found.whole[:, -13:].any()
    # Where the sharp picture shows what lies around the blurry one, the border is as good as the rest.
    assert (
        np.abs(found.target - found.source)[:8, :150].mean() < 1.5 * np.abs(found.target - found.source)[40:90].mean()
    )


def test_a_pair_in_focus_at_different_places_gets_its_flow_in_both():
    # The left half of the "sharp" picture is out of focus, and the right half of the blurry one. The shift is (3, -2).
    texture = cv2.GaussianBlur(np.random.default_rng(0).random((240, 320)).astype(np.float32), (0, 0), 1.0)
    texture = (texture - texture.min()) / np.ptp(texture)
    moved, out_of_focus = np.roll(texture, (-2, 3), (0, 1)), defocus(texture, 4.0, "disc")
    blurry, sharp = texture.copy(), moved.copy()
    blurry[:, 160:] = out_of_focus[:, 160:]
    sharp[:, :163] = np.roll(out_of_focus, (-2, 3), (0, 1))[:, :163]
    blurry, sharp = (np.repeat(linear_to_srgb(light)[..., None], 3, 2) for light in (blurry, sharp))
    found = equalise(blurry, sharp, np.zeros((240, 320, 2), np.float32) + np.float32([3, -2]), FLOW)
    for columns, sign in ((slice(30, 140), -1), (slice(180, 290), 1)):
        part = (slice(30, -30), columns)
        assert np.median(found.blur.radius[part]) == pytest.approx(sign * 4.0, abs=0.2)
        assert np.hypot(*np.moveaxis(found.remaining[part], -1, 0)).max() < 0.1


def test_pixels_whose_light_comes_from_beyond_the_frame_of_the_picture_that_is_blurred_are_not_whole():
    # The sharp picture is blurrier everywhere: what it needs from beyond the frame of the other is not known.
    texture = cv2.GaussianBlur(np.random.default_rng(0).random((160, 200)).astype(np.float32), (0, 0), 1.0)
    blurry, sharp = (
        np.repeat(linear_to_srgb(light)[..., None], 3, 2) for light in (texture, defocus(texture, 6.0, "disc"))
    )
    whole = equalise(blurry, sharp, np.zeros((160, 200, 2), np.float32), FLOW).whole
    assert not whole[:5].any()
    assert not whole[:, -5:].any()
    assert whole[12:-12, 12:-12].all()
