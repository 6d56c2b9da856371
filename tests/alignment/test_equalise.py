import numpy as np
import pytest

from sdd_bench.alignment.equalise import EqualiseSettings, equalise, match_exposure
from sdd_bench.alignment.flow import DisFlow
from sdd_bench.alignment.similarity import Similarity
from sdd_bench.datasets.rendering import render_pair
from sdd_bench.datasets.scenes import SceneSettings, random_scene

FLOW = DisFlow(finest_scale=0, variational_refinement_iterations=60, alpha=300.0, gamma=20.0)


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
    found = equalise(blur, sharp, start, FLOW, EqualiseSettings(rounds=1))
    y, x = np.mgrid[20:200:7, 20:260:7]
    ends = np.stack([x, y], -1) + found.remaining[y, x]
    # The start is affine: its value between pixels follows from two of its own.
    slope, offset = start[0, 1, 0] - start[0, 0, 0], start[0, 0]
    expected = found.remaining[y, x] + offset + slope * ends
    np.testing.assert_allclose(found.flow[y, x], expected, atol=2e-4)


def test_exposure_is_matched_per_channel():
    rng = np.random.default_rng(0)
    picture = rng.random((20, 30, 3), np.float32)
    gains = np.array([0.8, 1.1, 1.3], np.float32)
    np.testing.assert_allclose(match_exposure(picture, picture * gains), picture * gains, rtol=1e-5)
    assert np.array_equal(match_exposure(np.zeros_like(picture), picture), np.zeros_like(picture))
