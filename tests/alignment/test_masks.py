import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sdd_bench.alignment.masks import bends, contrast, forward_backward_error, inside

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


def test_a_flow_larger_than_the_pictures_is_inside_where_it_leads_into_the_picture_without_its_border():
    flow = np.zeros((12, 16, 2), np.float32)
    flow[..., 0] = 2.0
    found = inside(flow, 3)
    y, x = np.mgrid[0:12, 0:16]
    assert np.array_equal(found, (y >= 3) & (y <= 8) & (x + 2 >= 3) & (x + 2 <= 12))


def test_bends_are_the_steps_of_the_flow_and_what_is_within_two_pixels_of_them():
    flow = np.zeros((30, 40, 2), np.float32)
    flow[:, 20:] = (0.3, 0.4)
    found = bends(flow)
    np.testing.assert_allclose(found[:, 17:23], 0.5, rtol=1e-6)
    assert not found[:, :17].any()
    assert not found[:, 23:].any()
    assert not bends(np.full((20, 30, 2), 3.25, np.float32)).any()


def test_contrast_is_the_change_per_pixel_in_whatever_direction():
    # 0.03 per pixel across and 0.04 down, in every channel.
    ramp = np.add.outer(np.arange(30) * 0.04, np.arange(40) * 0.03)
    np.testing.assert_allclose(contrast(np.repeat(ramp[..., None], 3, 2).astype(np.float32)), 0.05, rtol=1e-4)
    assert not contrast(np.full((20, 30, 3), 0.5, np.float32)).any()
