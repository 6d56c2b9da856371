import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sdd_bench.alignment import Similarity
from sdd_bench.alignment.inverse import invert
from sdd_bench.alignment.masks import forward_backward_error


@given(zoom=st.floats(0.95, 1.05), x=st.floats(-8, 8), y=st.floats(-8, 8))
def test_the_inverse_of_a_similarity_is_its_closed_form(zoom, x, y):
    # Interpolating a flow that is linear in x and y is exact, so only the pixels that came from outside differ.
    similarity, shape = Similarity(zoom, (x, y)), (90, 120)
    found, expected = invert(similarity.flow(shape)), similarity.inverse().flow(shape)
    np.testing.assert_allclose(found[14:-14, 14:-14], expected[14:-14, 14:-14], atol=1e-3)


def test_going_there_and_back_along_a_wavy_flow_ends_where_it_began():
    y, x = np.mgrid[:100, :140].astype(np.float32)
    flow = np.stack([2 * np.sin(y / 12) + 1.5, 2 * np.cos(x / 12) - 1], -1)  # gradients up to 1/6
    error = forward_backward_error(invert(flow), flow)
    assert error[6:-6, 6:-6].max() < 2e-3
    assert np.abs(flow[6:-6, 6:-6] + invert(flow)[6:-6, 6:-6]).max() > 0.3  # minus the flow would be no inverse


def test_no_motion_has_no_inverse_motion():
    assert not invert(np.zeros((20, 30, 2), np.float32)).any()


def test_pixels_that_nothing_moves_to_have_no_inverse_and_the_way_there_and_back_shows_it():
    flow = np.zeros((40, 60, 2), np.float32)
    flow[:, 30:, 0] = 3  # the right half moves on, and uncovers columns 30 to 32
    error = forward_backward_error(invert(flow), flow)
    assert (error[:, :28] < 1e-3).all()
    assert (error[:, 35:-4] < 1e-3).all()
    assert (error[:, 30:33].max(axis=1) > 0.5).all()
