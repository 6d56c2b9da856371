"""Pairs are rendered, not resampled, so zoom, shift, flow, blur and exposure of each are known."""

import numpy as np
import pytest

from sdd_bench.alignment.inverse import invert
from sdd_bench.alignment.residual import BLUR, FLOW, residual
from sdd_bench.alignment.similarity import Similarity
from sdd_bench.alignment.warp import warp
from sdd_bench.datasets.rendering import render_pair
from sdd_bench.datasets.scenes import SceneSettings, random_scene
from sdd_bench.errors import AlignmentError
from sdd_bench.evaluation.protocol import get_protocol


def pair(seed=1, **changes):
    """A rendered pair: its scene, what was rendered, and blurry and sharp picture in [0, 1]."""
    settings = SceneSettings(width=288, height=224, max_blur_radius=(2.0, 3.0), **changes)
    scene = random_scene(settings, np.random.default_rng(seed))
    rendered = render_pair(scene, settings, np.random.default_rng(seed))
    blurry, sharp = (picture.astype(np.float32) / 255 for picture in (rendered.blur, rendered.sharp))
    return scene, rendered, blurry, sharp


def rms(flow):
    return np.sqrt((flow.astype(float) ** 2).sum(-1).mean())


@pytest.fixture(scope="module")
def flat():
    """Zoom and shift alone, as the similarity states them."""
    scene, rendered, blurry, sharp = pair(parallax=(0.0, 0.0), exposure_stops=(0.05, 0.05))
    truth = Similarity(scene.zoom, scene.layers[0].displacement)
    return rendered, blurry, sharp, truth, residual(blurry, sharp, truth)


@pytest.fixture(scope="module")
def deep():
    """Layers at several depths; the similarity is that of the farthest one, which covers most of the picture."""
    scene, rendered, blurry, sharp = pair(parallax=(2.0, 2.0))
    background = Similarity(scene.zoom, scene.layers[-1].displacement)
    return rendered, background, residual(blurry, sharp, background)


def test_flow_and_blur_are_searched_as_the_default_protocol_does():
    protocol = get_protocol("sdd-v1")
    assert (protocol.flow, protocol.equalise) == (FLOW, BLUR)


def test_the_true_zoom_and_shift_leave_less_than_a_tenth_of_a_pixel(flat):
    *_, found = flat
    assert found.rms < 0.08
    assert found.p95 < 0.15
    assert found.offset_rms < 0.03
    assert found.lens_rms < 0.03
    assert found.valid_share > 0.8


def test_exposure_is_the_rendered_one(flat):
    *_, found = flat
    assert found.exposure == pytest.approx(0.05, abs=0.005)


def test_a_picture_against_itself_leaves_nothing(flat):
    _, blurry, *_ = flat
    found = residual(blurry, blurry, Similarity(1.0, (0.0, 0.0)))
    assert found.rms < 1e-3
    assert found.exposure == pytest.approx(0, abs=1e-6)
    assert found.valid_share > 0.9


def test_a_wrong_shift_is_found_as_an_offset(flat):
    _, blurry, sharp, truth, _ = flat
    off = Similarity(truth.zoom, (truth.shift[0] + 0.3, truth.shift[1] - 0.4))
    found = residual(blurry, sharp, off)
    assert found.offset_rms == pytest.approx(0.5, abs=0.03)
    assert found.parallax_rms < 0.08


def test_distortion_of_a_lens_is_told_from_parallax(flat):
    _, blurry, sharp, truth, _ = flat
    height, width = sharp.shape[:2]
    x, y = np.meshgrid(np.arange(width) - (width - 1) / 2, np.arange(height) - (height - 1) / 2)
    place = np.stack([x, y], -1) / np.hypot((width - 1) / 2, (height - 1) / 2)
    k3 = 4.0
    moved = k3 * place * (place**2).sum(-1, keepdims=True)
    # What was at y is seen at y + moved(y).
    distorted = warp(sharp, invert(moved.astype(np.float32)))
    found = residual(blurry, distorted, truth)
    # Of k3 r^3 the best zoom is taken out, over the pixels that count: what left the picture at its corners doesn't.
    at, moved = place[found.valid], moved[found.valid]
    left = moved - at * (at * moved).sum() / (at**2).sum()
    assert found.lens_rms == pytest.approx(rms(left), rel=0.15)
    assert found.lens[0] + found.lens[1] == pytest.approx(k3, rel=0.2)
    assert found.parallax_rms < found.lens_rms / 2


def test_rms_and_p95_are_those_of_the_true_flow_of_a_deep_scene(deep):
    rendered, background, found = deep
    left = (rendered.flow - background.flow(rendered.flow.shape)) / background.zoom
    counted = found.valid & rendered.visible
    assert found.rms == pytest.approx(rms(left[counted]), rel=0.15)
    assert found.parallax_rms == pytest.approx(found.rms, rel=0.1)
    # Blur of the foreground's border reaches over the background.
    assert found.p95 == pytest.approx(np.percentile(np.linalg.norm(left[counted], axis=-1), 95), rel=0.3)


def test_bins_hold_all_valid_pixels_and_their_squares_add_up_to_the_whole(deep):
    *_, found = deep
    for bins in (found.by_radius, found.by_blur):
        assert sum(part.share for part in bins) == pytest.approx(1)
        total = sum(part.share * part.rms**2 for part in bins if part.rms is not None)
        assert np.sqrt(total) == pytest.approx(found.rms, rel=1e-4)
        assert [part.low for part in bins[1:]] == [part.high for part in bins[:-1]]


def test_a_similarity_that_did_not_converge_has_no_residual(flat):
    _, blurry, sharp, *_ = flat
    unknown = Similarity(np.nan, (np.nan, np.nan), converged=False, reason="the texture repeats")
    with pytest.raises(AlignmentError, match="the texture repeats"):
        residual(blurry, sharp, unknown)


def test_pictures_with_hardly_anything_in_common_are_refused(flat):
    _, blurry, sharp, *_ = flat
    with pytest.raises(AlignmentError, match=r"% of the pixels only; 10% are asked for"):
        residual(blurry, sharp, Similarity(1.0, (275.0, 0.0)))


def test_exposure_is_unknown_where_nearly_all_is_clipped(flat):
    _, blurry, sharp, truth, _ = flat
    bright = (np.clip(picture + 0.99, 0, 1).astype(np.float32) for picture in (blurry, sharp))
    assert residual(*bright, truth).exposure is None
