"""Stacks of more than two pictures, rendered and real: what one step and the next find has to compose."""

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, shift

from sdd_bench.alignment import estimate_similarity, warp

FOCAL_STACK = Path(__file__).parents[2].parent / "shared" / "data" / "focal_stack"

# --- a scene of two depths: what "the" similarity is must not depend on where the pictures are in focus


def deep_slice(photograph, focus, moved):
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


def test_steps_through_a_deep_scene_compose(photograph, corner_error):
    # Oracle: the scene itself. The disc moves 1 px further than the background, and focus moves from one to the other.
    slices = [deep_slice(photograph, focus, moved) for focus, moved in ((0.1, 0.0), (0.5, 0.5), (0.9, 1.0))]
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


def test_steps_through_a_real_stack_compose(corner_error, focal_stack, steps):
    shape = focal_stack[0].shape
    errors = []
    for i, k, first, second in zip(focal_stack, focal_stack[2:], steps, steps[1:], strict=False):
        both = estimate_similarity(i, k)
        assert first.converged
        assert both.converged
        errors.append(corner_error(first.compose(second), both.zoom, both.shift, shape))
    assert np.median(errors) < 0.3 / 4
    assert max(errors) < 1 / 4


def test_steps_through_a_real_stack_and_back_cancel(corner_error, focal_stack, steps):
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
