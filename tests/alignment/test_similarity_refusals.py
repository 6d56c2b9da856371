"""Pictures that do not tell how they lie to each other, and what are no pictures to compare."""

import re

import numpy as np
import pytest

from sdd_bench.alignment import estimate_similarity
from sdd_bench.errors import AlignmentError

SHAPE = (300, 400, 3)


@pytest.fixture
def view(photograph):
    def view(name, flip=False):
        gray = photograph(name)[:380, :500].astype(np.float32)
        return np.ascontiguousarray((gray[:, ::-1] if flip else gray)[..., None].repeat(3, axis=2))

    return view


def with_patch_of(view, name, other):
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


def clipped(picture):
    return np.where(picture > 0.02, 1, 0).astype(np.float32)


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        (lambda view: (np.full(SHAPE, 0.5, np.float32), np.full(SHAPE, 0.5, np.float32)), "texture"),
        (lambda view: (view("astronaut"), np.full_like(view("astronaut"), 0.5)), "texture"),
        (lambda view: (view("astronaut"), view("camera")), "share|correlates"),
        (lambda view: (view("astronaut"), view("astronaut", flip=True)), "share|correlates"),
        (lambda view: (view("coffee"), view("coffee", flip=True)), "share|correlates"),
        (lambda view: (view("astronaut"), 1 - view("astronaut")), "share|correlates"),
        (lambda view: (view("astronaut"), with_patch_of(view, "astronaut", "camera")), "correlates"),
        (lambda view: (noise(0, 0.2), noise(1, 0.2)), "share|correlates"),
        (lambda view: (noise(0, 0.002), noise(1, 0.002)), "share|correlates"),
        (lambda view: (clipped(view("camera")), np.ones_like(view("camera"))), "texture"),
        (lambda view: (grating(40, 0), grating(40, 1)), "repeats"),
        (lambda view: (grating(60, 0), grating(60, 1)), "repeats"),
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
def test_pictures_that_do_not_tell_are_said_to(view, pair, reason):
    found = estimate_similarity(*pair(view))
    assert not found.converged
    assert found.covariance is None
    assert np.isnan([found.zoom, *found.shift]).all()
    assert re.search(reason, found.reason)


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (lambda picture: (picture, picture[1:]), "differ in shape"),
        (lambda picture: (picture[..., 0], picture[..., 0]), "H x W x 3"),
        (lambda picture: (picture.astype(np.float64), picture), "float32 source"),
        (lambda picture: (picture, picture * np.float32(np.nan)), "target contains NaN"),
        (lambda picture: (picture[:63], picture[:63]), "at least 64 pixels"),
    ],
)
def test_unfit_input_is_named(view, pair, message):
    source, target = pair(view("astronaut"))
    with pytest.raises(AlignmentError, match=message):
        estimate_similarity(source, target)
