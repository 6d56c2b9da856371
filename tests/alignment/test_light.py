import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.color import rgb2xyz

from sdd_bench.alignment.light import linear_to_srgb, luminance, srgb_to_linear


@given(st.floats(0, 1))
def test_srgb_decoding_equals_scikit_image_and_encoding_undoes_it(value):
    # Y of a neutral colour is its light: the weights of rgb2xyz sum to 1 for it.
    assert srgb_to_linear(np.array(value)) == pytest.approx(rgb2xyz(np.full((1, 1, 3), value))[0, 0, 1], abs=1e-9)
    assert linear_to_srgb(srgb_to_linear(np.array(value))) == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_is_kept_and_values_outside_the_range_stay_finite(dtype):
    values = np.array([-0.5, 0.0, 0.04, 0.5, 1.0, 1.5], dtype)
    for convert in (srgb_to_linear, linear_to_srgb):
        converted = convert(values)
        assert converted.dtype == dtype
        assert np.isfinite(converted).all()
        assert (np.diff(converted) > 0).all()


def test_luminance_is_the_y_of_scikit_image():
    picture = np.random.default_rng(0).random((6, 7, 3), np.float32)
    np.testing.assert_allclose(luminance(picture), rgb2xyz(picture)[..., 1], atol=2e-4)  # its weights have 6 digits
