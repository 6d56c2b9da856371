import cv2
import numpy as np
import pytest

from sdd_bench.alignment.refinement import VariationalRefinement


def smooth_texture(seed, sigma):
    noise = np.random.default_rng(seed).random((160, 200))
    texture = cv2.GaussianBlur(noise, (0, 0), sigma)
    return (texture - texture.min()) / np.ptp(texture)


def shifted(texture, x):
    """Exactly, by Fourier: the texture repeats at the border."""
    frequencies = np.fft.rfftfreq(texture.shape[1])
    return np.fft.irfft(np.fft.rfft(texture, axis=1) * np.exp(-2j * np.pi * frequencies * x), texture.shape[1], axis=1)


def colour(gray):
    return np.repeat(gray[..., None], 3, 2).astype(np.float32)


def test_a_flow_that_is_off_by_part_of_a_pixel_gets_closer():
    texture = smooth_texture(0, 2.0)
    pair = colour(texture), colour(shifted(texture, 0.6))
    refined = VariationalRefinement()(*pair, np.zeros((160, 200, 2), np.float32))
    assert np.abs(refined[20:-20, 20:-20] - (0.6, 0)).mean() < 0.35
    for _ in range(8):
        refined = VariationalRefinement()(*pair, refined)
    np.testing.assert_allclose(refined[20:-20, 20:-20].mean((0, 1)), (0.6, 0), atol=0.01)


def test_texture_far_below_a_step_of_8_bit_still_moves_the_flow():
    # Contrast 0.002: half a step of 8 bit.
    texture = 0.5 + 0.002 * smooth_texture(1, 2.0)
    pair = colour(texture), colour(shifted(texture, 0.5))
    refined = VariationalRefinement(noise=1e-4)(*pair, np.zeros((160, 200, 2), np.float32))
    assert refined[20:-20, 20:-20, 0].mean() > 0.1
    assert len(np.unique(np.rint(pair[0] * 255))) == 1


@pytest.mark.parametrize("noise", [0.02, 0.1])
def test_gradients_below_the_noise_lose_their_say(noise):
    texture = 0.5 + 0.1 * noise * smooth_texture(2, 2.0)
    pair = colour(texture), colour(shifted(texture, 0.5))
    refined = VariationalRefinement(noise=noise)(*pair, np.zeros((160, 200, 2), np.float32))
    strong = VariationalRefinement(noise=noise / 1000)(*pair, np.zeros((160, 200, 2), np.float32))
    assert np.abs(refined).mean() < 0.1 * np.abs(strong).mean()


def test_the_pictures_and_the_first_flow_are_left_as_they_were():
    texture = smooth_texture(3, 2.0)
    pair, flow = (colour(texture), colour(shifted(texture, 0.5))), np.zeros((160, 200, 2), np.float32)
    copies = [array.copy() for array in (*pair, flow)]
    VariationalRefinement()(*pair, flow)
    for array, copy in zip((*pair, flow), copies, strict=True):
        assert np.array_equal(array, copy)
