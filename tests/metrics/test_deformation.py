import cv2
import numpy as np
import pytest

from sdd_bench.alignment import Similarity, warp
from sdd_bench.datasets.rendering import render_pair
from sdd_bench.datasets.scenes import SceneSettings, random_scene
from sdd_bench.errors import AlignmentError
from sdd_bench.metrics.deformation import deformation

SETTINGS = SceneSettings(width=384, height=288, photographs=("gravel", "coffee", "retina", "brick"))


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng([3, 0])
    pair = render_pair(random_scene(SETTINGS, rng), SETTINGS, rng)
    return pair.blur.astype(np.float32) / 255, pair.aligned.astype(np.float32) / 255


def waves(shape, amplitude, length):
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    turn = 2 * np.pi / length
    return amplitude * np.dstack([np.sin(y * turn), np.cos(x * turn)])


def test_the_input_itself_moves_nothing(pictures):
    blur, _ = pictures
    found = deformation(blur, blur)
    assert (found.rms, found.p95) == (0, 0)
    assert found.share > 0.3


def test_a_sharp_picture_in_its_place_moves_little(pictures):
    assert deformation(*pictures).rms < 0.3


@pytest.mark.parametrize("amplitude", [0.75, 1.5, 3.0])
def test_waves_are_read_with_their_size(pictures, amplitude):
    blur, aligned = pictures
    bent = np.clip(warp(aligned, waves(blur.shape, amplitude, 120)), 0, 1)
    # Two waves of that amplitude at right angles: the mean square of each is half its square.
    assert deformation(blur, bent).rms == pytest.approx(amplitude, rel=0.15)


def test_zoom_and_shift_are_no_deformation(pictures):
    blur, aligned = pictures
    moved = np.clip(warp(aligned, Similarity(1.006, (2.0, -1.5)).flow(blur.shape)), 0, 1)
    assert deformation(blur, moved).rms < 0.35


def test_a_picture_that_shows_nothing_is_told_with_the_reason(pictures):
    blur, _ = pictures
    found = deformation(blur, np.full_like(blur, 0.4))
    assert (found.rms, found.p95) == (None, None)
    assert "determined" in found.reason
    small = np.zeros((100, 300, 3), np.float32)
    assert "128" in deformation(small, small).reason


def test_pictures_of_different_size_are_refused(pictures):
    blur, aligned = pictures
    with pytest.raises(AlignmentError, match="differ in shape"):
        deformation(blur, cv2.resize(aligned, (200, 200)))
