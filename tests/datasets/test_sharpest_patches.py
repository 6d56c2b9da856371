from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from sdd_bench.datasets import sharpest_patches as module
from sdd_bench.datasets.patches import MIN_SIZE, gradient_sums, keep_sharpest, normalised_product, sharpness_energy
from sdd_bench.datasets.sharpest_patches import (
    certain_choice,
    energy_bounds,
    estimate_sums,
    sharpest_patches,
)

PHOTOGRAPHS = {
    "camera": data.camera()[:300, :420],
    "coins": data.coins(),
    "text": data.text(),
    "astronaut": cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2GRAY)[:260],
    "camera, 16 bit": data.camera()[:300, :420].astype(np.uint16) * 257 + np.arange(420, dtype=np.uint16),
}


@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize(("size", "stride"), [(96, 29), (64, 64), (MIN_SIZE, 13)])
def test_sums_are_within_their_bounds_and_the_bounds_are_narrow(name: str, size: int, stride: int) -> None:
    gray = PHOTOGRAPHS[name] if size > MIN_SIZE else PHOTOGRAPHS[name][:100, :130]
    exact = gradient_sums(gray, size, stride)  # proved against the published script in test_patches.py
    sums, error = estimate_sums(gray, size, stride)
    assert (np.abs(sums - exact) <= error).all()
    assert np.median(error / exact) < 2e-4
    _, energy = sharpest_patches(gray, size, stride, 0.7)
    np.testing.assert_allclose(energy, normalised_product(exact), atol=1e-5)


@settings(max_examples=50)
@given(
    seed=st.integers(0, 2**32 - 1),
    sixteen=st.booleans(),
    contrast=st.sampled_from([1, 3, 50, 255]),
    pattern=st.sampled_from(["noise", "stripes", "flat"]),
)
def test_sums_of_any_picture_are_within_their_bounds(seed: int, sixteen: bool, contrast: int, pattern: str) -> None:
    # Noise and one-pixel stripes are what large filters cancel, so that rounding weighs most.
    rng = np.random.default_rng(seed)
    gray = rng.integers(0, contrast + 1, (40, 50))
    if pattern == "stripes":
        gray = (gray > contrast / 2) * (np.arange(50) % 2) * contrast
    gray[10:35, 5:30] //= 2 if pattern == "noise" else contrast + 1
    levels = (gray * 257).astype(np.uint16) if sixteen else gray.astype(np.uint8)
    exact = gradient_sums(levels, 16, 8)
    sums, error = estimate_sums(levels, 16, 8)
    assert (np.abs(sums - exact) <= error).all()
    low, high = energy_bounds(sums, error)
    energy = normalised_product(exact)
    assert (low <= energy).all()
    assert (energy <= high).all()
    for share in (0.3, 0.7, 1.0):
        assert sharpest_patches(levels, 16, 8, share)[0] == keep_sharpest(sharpness_energy(levels, 16, 8), share)


@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.7, 0.9, 1.0])
def test_the_kept_patches_are_those_of_the_exact_energies(name: str, share: float) -> None:
    gray = PHOTOGRAPHS[name]
    assert sharpest_patches(gray, 96, 29, share)[0] == keep_sharpest(sharpness_energy(gray, 96, 29), share)


def test_photographs_are_decided_without_the_exact_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "sharpness_energy", lambda *_: pytest.fail("computed exactly"))
    for name in ("camera", "astronaut", "camera, 16 bit"):
        assert len(sharpest_patches(PHOTOGRAPHS[name], 96, 29, 0.7)[0]) > 10


def test_equal_patches_are_decided_by_the_exact_energies(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(module, "sharpness_energy", lambda *given: asked.append(given) or sharpness_energy(*given))
    flat, tiled = np.full((40, 40), 7, np.uint8), np.tile(data.camera()[:16, :16], (4, 4))
    for gray in (flat, tiled):
        assert sharpest_patches(gray, 16, 8, 0.75)[0] == keep_sharpest(sharpness_energy(gray, 16, 8), 0.75)
    assert len(asked) == 2
    assert sharpest_patches(flat, 16, 8, 0.75)[0] == list(range(4, 16))  # the first of the grid are dropped


@given(
    sums=st.lists(st.lists(st.floats(1, 1000), min_size=4, max_size=4), min_size=2, max_size=12),
    relative=st.sampled_from([1e-6, 1e-3, 0.1]),
    seed=st.integers(0, 2**32 - 1),
    share=st.sampled_from([0.3, 0.5, 0.7]),
)
def test_a_choice_that_is_called_certain_is_made_by_any_sums_within_the_bounds(
    sums: list[list[float]], relative: float, seed: int, share: float
) -> None:
    estimate = np.array(sums).T
    error = relative * estimate
    low, high = energy_bounds(estimate, error)
    choice = certain_choice(low, high, share)
    rng = np.random.default_rng(seed)
    for _ in range(20):
        energy = normalised_product(estimate + error * rng.uniform(-1, 1, estimate.shape))
        assert (low <= energy).all()
        assert (energy <= high).all()
        assert choice in (None, keep_sharpest(energy, share))


def test_a_single_patch_is_kept() -> None:
    assert sharpest_patches(data.coins()[:64, :64], 64, 10, 0.7)[0] == [0]


def test_a_pixel_of_a_patch_with_mirrored_borders_weighs_at_most_400_in_the_filtered_patch() -> None:
    # The sum over the filtered patch is linear: the weight of a pixel is the sum when only that pixel is 1.
    kernel = np.array([1.0, 4.0, 6.0, 4.0, 1.0])
    weights = []
    for place in range(16 * 16):
        patch = np.zeros(16 * 16)
        patch[place] = 1
        weights.append(
            cv2.sepFilter2D(patch.reshape(16, 16), -1, kernel, kernel, borderType=cv2.BORDER_REFLECT_101).sum()
        )
    assert max(weights) == 400
