import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sdd_bench.alignment.masks import forward_backward_error, inside

# Sums with pixel numbers are exact in these, so the expected mask needs no care about rounding.
SIXTY_FOURTHS = st.integers(-2560, 2560).map(lambda n: n / 64)


def constant(x, y, height=20, width=30):
    return np.broadcast_to(np.array([x, y], np.float32), (height, width, 2)).copy()


@given(SIXTY_FOURTHS, SIXTY_FOURTHS)
def test_a_pixel_is_inside_if_its_place_is_within_the_outermost_pixel_centres(x, y):
    mask = inside(constant(x, y))
    columns = (np.arange(30) + x >= 0) & (np.arange(30) + x <= 29)
    rows = (np.arange(20) + y >= 0) & (np.arange(20) + y <= 19)
    assert np.array_equal(mask, rows[:, None] & columns)


def test_no_flow_leaves_every_pixel_inside():
    assert inside(constant(0, 0)).all()


def test_flows_that_undo_each_other_have_no_error():
    assert not forward_backward_error(constant(2, -3), constant(-2, 3)).any()


def test_the_error_is_the_distance_from_the_start():
    error = forward_backward_error(constant(2, -3), constant(-2 + 3, 3 - 4))
    np.testing.assert_allclose(error, 5, rtol=1e-6)


def test_the_way_back_is_looked_up_where_the_way_there_ends():
    forward, backward = constant(4, 0), constant(0, 0)
    backward[:, 10:] = (-4, 0)  # right only from column 10 on, that is for pixels from column 6 on
    error = forward_backward_error(forward, backward)
    np.testing.assert_allclose(error[:, :6], 4)
    np.testing.assert_allclose(error[:, 6:], 0)
