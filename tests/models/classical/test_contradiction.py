import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from sdd_bench.alignment.blur import defocus
from sdd_bench.alignment.light import luminance
from sdd_bench.models.classical import contradiction
from sdd_bench.models.classical.contradiction import uncontradicted


@pytest.fixture(scope="module")
def sharp():
    # Neighbours differ by 0.053 RMS: a contrast like that of the model's photographs.
    return 0.5 * luminance((data.gravel()[::2, ::2][:160, :192, None] / 255).repeat(3, -1).astype(np.float32))


@pytest.mark.parametrize("true", [0.0, 2.0, 4.0])
def test_of_a_texture_no_more_blur_is_believed_than_it_has(true, sharp):
    claimed = np.full_like(sharp, 8.0)
    found = uncontradicted(defocus(sharp, true, "disc"), claimed, noise=0.001)
    assert true <= np.median(found) <= true + 1.25


@pytest.mark.parametrize("true", [1.0, 2.5, 4.0])
def test_the_true_blur_is_not_contradicted(true, sharp):
    calm = 0.6 * sharp  # less contrast than the model has: there it errs on the safe side
    noisy = defocus(calm, true, "disc") + np.random.default_rng(5).normal(0, 0.003, sharp.shape).astype(np.float32)
    claimed = np.full_like(sharp, true)
    assert np.array_equal(uncontradicted(noisy, claimed, noise=0.003), claimed)


def test_a_part_in_focus_keeps_no_blur_beside_one_out_of_focus(sharp):
    light = sharp.copy()
    light[:, 96:] = defocus(sharp, 4.0, "disc")[:, 96:]
    found = uncontradicted(light, np.full_like(sharp, 4.0), noise=0.001)
    assert np.median(found[:, :80]) <= 1.25
    assert np.median(found[:, 128:]) == 4.0


def test_noise_and_plain_areas_contradict_nothing():
    rng = np.random.default_rng(6)
    light = (0.4 + rng.normal(0, 0.02, (128, 128))).astype(np.float32)
    claimed = np.full_like(light, 5.0)
    assert np.mean(uncontradicted(light, claimed, noise=0.02) == claimed) > 0.5
    assert np.array_equal(uncontradicted(np.full_like(light, 0.4), claimed), claimed)


@settings(max_examples=10)
@given(st.floats(0, 30, width=32), st.floats(0, 30, width=32), st.sampled_from([None, 0.0, 0.05]))
def test_maps_are_lowered_only(sharp, left, right, noise):
    claimed = np.broadcast_to(np.linspace(left, right, 40, dtype=np.float32), (33, 40))
    found = uncontradicted(sharp[:33, :40], claimed, noise=noise)
    assert found.dtype == np.float32
    assert (found <= claimed).all()
    assert (found >= 0).all()


@pytest.mark.parametrize("width", [12, 13])
def test_the_mean_over_half_a_plane_is_that_over_all_of_it(width):
    power = np.abs(np.fft.fft2(np.random.default_rng(7).random((10, width)))) ** 2
    assert contradiction._plane_mean(power[:, : width // 2 + 1], width) == pytest.approx(power.mean())
