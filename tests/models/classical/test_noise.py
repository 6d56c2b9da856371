import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdd_bench.models.classical.noise import noise_level


@settings(max_examples=15)
@given(st.floats(0.001, 0.03), st.integers(0, 99))
def test_noise_on_a_ramp_is_measured(sigma, seed):
    ramp = np.linspace(0.3, 0.7, 256, dtype=np.float32) * np.ones((1, 256, 1), np.float32)
    noisy = ramp + np.random.default_rng(seed).normal(0, sigma, ramp.shape)
    # The tenth percentile over the blocks is a little low.
    assert noise_level(noisy.astype(np.float32)) == pytest.approx(sigma, rel=0.15)


def test_detail_in_a_part_of_the_picture_is_no_noise():
    rng = np.random.default_rng(0)
    picture = 0.5 + rng.normal(0, 0.004, (1, 256, 256))
    picture[:, :, 64:] += rng.uniform(-0.3, 0.3, (1, 256, 192))
    assert noise_level(picture.astype(np.float32)) == pytest.approx(0.004, rel=0.2)


def test_clipped_blocks_do_not_count():
    rng = np.random.default_rng(1)
    picture = 0.5 + rng.normal(0, 0.01, (1, 128, 128))
    picture[:, :96] = 1.0
    assert noise_level(picture.astype(np.float32)) == pytest.approx(0.01, rel=0.15)


@pytest.mark.parametrize("picture", [np.ones((3, 64, 64), np.float32), np.full((3, 20, 20), 0.5, np.float32)])
def test_there_may_be_nothing_to_measure(picture):
    assert noise_level(picture) == 0
