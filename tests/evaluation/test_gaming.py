"""Predictions made to fool a score: the order stays that of the truth, and moved content shows."""

from itertools import pairwise

import cv2
import numpy as np
import pytest

from sdd_bench.alignment import Similarity, warp
from sdd_bench.alignment.masks import inside
from sdd_bench.datasets.rendering import render_pair
from sdd_bench.datasets.scenes import SceneSettings, random_scene
from sdd_bench.evaluation.evaluator import score_image
from sdd_bench.evaluation.protocol import get_protocol
from sdd_bench.evaluation.references import align_reference
from sdd_bench.metrics import psnr
from sdd_bench.metrics.deformation import deformation

SETTINGS = SceneSettings(width=320, height=256, lens_blur=0.7, photographs=("gravel", "coffee", "retina", "brick"))


@pytest.fixture(scope="module")
def scene():
    rng = np.random.default_rng([5, 1])
    pair = render_pair(random_scene(SETTINGS, rng), SETTINGS, rng)
    pictures = (picture.astype(np.float32) / 255 for picture in (pair.blur, pair.sharp, pair.aligned))
    return (*pictures, pair.flow)


@pytest.fixture(scope="module")
def predictions(scene):
    blur, gt, aligned, _ = scene
    y, x = np.mgrid[0:256, 0:320].astype(np.float32)
    bump = 4 * np.exp(-((x - 160) ** 2 + (y - 128) ** 2) / (2 * 50**2))
    made = {
        "a perfect method": aligned + np.random.default_rng(0).normal(0, 0.01, aligned.shape),
        "the GT, blurred": cv2.GaussianBlur(aligned, (0, 0), 0.5),
        "the blurry input": blur,
        "locally deformed": warp(aligned, np.dstack([bump, -bump / 2])),
        "the GT, zoomed": warp(aligned, Similarity(1.02, (0.0, 0.0)).flow(aligned.shape)),
        "the GT, shifted": np.roll(aligned, (3, 5), (0, 1)),
        "the GT as it lies": gt,
        "a constant": np.full_like(aligned, aligned.mean()),
    }
    return {name: np.rint(np.clip(z, 0, 1) * 255).astype(np.float32) / 255 for name, z in made.items()}


@pytest.fixture(scope="module")
def per_pair(scene):
    blur, gt, *_ = scene
    return align_reference(get_protocol("sdd-v1"), blur, gt)


@pytest.fixture(scope="module")
def scores(scene, predictions, per_pair):
    """PSNR against the deformed GT by both protocols, and against the truth over the pixels that sdd-v1 counts."""
    _, gt, aligned, _ = scene
    found = {}
    for name, prediction in predictions.items():
        ours = score_image(prediction, gt, per_pair, aligned)
        release = align_reference(get_protocol("jdrl2022-dis"), prediction, gt)
        theirs = score_image(prediction, gt, release)
        found[name] = (ours["deformed_gt"].psnr, ours["aligned_gt"].psnr, theirs["deformed_gt"].psnr)
    return found


def test_every_score_is_the_true_one(scene, predictions, per_pair, scores):
    _, gt, aligned, flow = scene
    counted = per_pair.valid & inside(flow)
    by_true_flow = np.clip(warp(gt, flow, "lanczos6"), 0, 1)
    for name, (ours, truth, _) in scores.items():
        if truth < 36:
            assert ours == pytest.approx(truth, abs=0.3), name
        else:  # close to the measurement limit resampling costs some tenths, by the true flow as well
            ceiling, right = (psnr(predictions[name], against, counted) for against in (by_true_flow, aligned))
            assert abs(ours - truth) < abs(ceiling - right) + 0.3, name


def test_the_order_is_that_of_the_truth(scores):
    order = sorted(scores, key=lambda name: -scores[name][0])
    assert set(order[:2]) == {"a perfect method", "the GT, blurred"}
    assert order[2] == "the blurry input"
    assert order[-1] == "a constant"
    close = 0.2  # two predictions as close as this may change places
    values = [scores[name][1] for name in order]
    assert all(after < before + close for before, after in pairwise(values))


def test_a_reference_per_prediction_forgives_what_is_deformed_zoomed_or_shifted(scores):
    for name in ("locally deformed", "the GT, zoomed", "the GT, shifted"):
        ours, truth, theirs = scores[name]
        assert theirs > truth + 3
        assert ours < scores["the blurry input"][0]


def test_the_deformation_exposes_the_deformed_one_alone(scene, predictions):
    blur = scene[0]
    moved = {name: deformation(blur, prediction).rms for name, prediction in predictions.items()}
    assert moved["the blurry input"] == 0
    assert moved["locally deformed"] > 0.7
    for name in ("a perfect method", "the GT, zoomed", "the GT, blurred"):
        assert moved[name] < 0.4
    assert moved["a constant"] is None  # it shows nothing that could be followed
