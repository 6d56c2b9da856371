import base64

import cv2
import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdd_bench.evaluation.crops import Box
from sdd_bench.evaluation.report_pictures import (
    Scales,
    common_scales,
    draw_strip,
    error_colours,
    error_gradient,
    flow_colours,
    flow_wheel,
)
from sdd_bench.evaluation.report_views import View, Views


def decode(picture):
    kind, data = picture.url.removeprefix("data:image/").split(";base64,")
    pixels = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_UNCHANGED)
    order = cv2.COLOR_BGRA2RGBA if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB
    return kind, cv2.cvtColor(pixels, order)


def views(error, flow=None, counted=None, seed=0):
    rng = np.random.default_rng(seed)
    height, width = error.shape
    photographs = {
        key: rng.random((height, width, 3), np.float32) for key in ("blur", "prediction", "gt", "deformed_gt")
    }
    view = View(photographs, error.astype(np.float32), flow, counted)
    return Views(view, view, (width, height), Box(0, 0, width, height))


def test_error_colours_go_from_black_to_the_lightest_with_rising_lightness():
    ramp = error_colours(np.linspace(0, 0.2, 64, dtype=np.float32)[None], 0.2)
    lightness = cv2.cvtColor(np.ascontiguousarray(ramp), cv2.COLOR_RGB2LAB)[0, :, 0].astype(int)
    assert (np.diff(lightness) >= 0).all()
    assert lightness[0] < 5
    assert lightness[-1] > 240
    np.testing.assert_array_equal(error_colours(np.float32([[0.2, 0.9]]), 0.2)[0, 0], ramp[0, -1])


def test_error_colours_are_matplotlibs_magma():
    values = np.linspace(0, 1, 255)
    expected = matplotlib.colormaps["magma"](values)[:, :3] * 255
    np.testing.assert_allclose(error_colours(np.float32(values)[None], 1.0)[0], expected, atol=1.5)


def test_what_does_not_count_is_gray_in_an_error_map_and_no_error_is():
    np.testing.assert_array_equal(error_colours(np.float32([[np.nan]]), 1.0)[0, 0], [128, 128, 128])
    ramp = error_colours(np.linspace(0, 1, 255, dtype=np.float32)[None], 1.0)[0]
    assert not (ramp == 128).all(axis=-1).any()


def test_the_colour_bar_shows_the_colours_of_the_error_map():
    bar = error_gradient()
    ramp = error_colours(np.linspace(0, 1, len(bar), dtype=np.float32)[None], 1.0)[0]
    assert bar == ["#" + bytes(colour).hex() for colour in ramp]


@pytest.mark.parametrize(
    ("flow", "strongest"), [((1, 0), 0), ((-0.5, 3**0.5 / 2), 1), ((-0.5, -(3**0.5) / 2), 2)]
)  # 120 degrees apart, y down
def test_flow_to_the_right_is_red_down_left_green_up_left_blue(flow, strongest):
    colour = flow_colours(np.float32([[flow]]) * 5, 5.0)[0, 0]
    assert int(np.argmax(colour)) == strongest
    assert colour[strongest] == 255
    assert sorted(colour)[:2] == [64, 64]


def test_no_flow_is_white_and_longer_flow_than_full_scale_is_full_colour():
    assert (flow_colours(np.zeros((1, 1, 2), np.float32), 5.0) == 255).all()
    np.testing.assert_array_equal(flow_colours(np.float32([[[0, 50]]]), 5.0), flow_colours(np.float32([[[0, 5]]]), 5.0))


def test_the_wheel_shows_the_colour_of_each_flow_at_its_place_and_nothing_outside():
    kind, wheel = decode(flow_wheel())
    size = wheel.shape[0]
    assert kind == "png"
    assert wheel[0, 0, 3] == 0
    x, y = size * 3 // 4, size // 4
    place = (np.float32([x, y]) + 0.5) * 2 / size - 1
    np.testing.assert_array_equal(wheel[y, x, :3], flow_colours(place[None, None], 1.0)[0, 0])


def test_the_wheel_has_its_hues_where_the_flow_points():
    _, wheel = decode(flow_wheel())
    middle, size = wheel.shape[0] // 2, wheel.shape[0]
    assert wheel[middle, size - 3, 0] > wheel[middle, size - 3, 1:3].max() + 100  # right: red
    assert (wheel[middle, middle, :3] > 245).all()


@given(st.floats(1e-4, 0.9), st.floats(1e-3, 300))
def test_scales_are_the_next_of_1_2_5_above_nearly_all_values(error, length):
    flow = np.zeros((8, 8, 2), np.float32)
    flow[..., 0] = length
    scales = common_scales([views(np.full((8, 8), error), flow)])
    assert scales.error >= error * (1 - 1e-6)
    assert scales.error == 0.01 or scales.error <= max(2.5001 * error, 0.01)
    assert scales.flow >= length * (1 - 1e-6)
    assert scales.flow == 0.1 or scales.flow <= 2.5001 * length
    for scale in scales:
        assert f"{scale:e}"[0] in "125"
        assert float(f"{scale:.0e}") == pytest.approx(scale)


def test_one_bad_image_does_not_turn_the_error_maps_of_the_others_black():
    good, bad = np.full((8, 8), 0.04), np.full((8, 8), 0.8)
    assert common_scales([views(bad), views(good), views(good)]).error == pytest.approx(0.05)


def test_pixels_that_do_not_count_have_no_say_in_the_scales():
    error, flow = np.full((8, 8), np.nan), np.full((8, 8, 2), 300, np.float32)
    error[0, 0], flow[0, 0] = 0.02, [3, 4]
    assert common_scales([views(error, flow)]) == pytest.approx((0.02, 5.0))
    nothing = np.full((8, 8), np.nan)
    assert common_scales([views(nothing)]) == Scales(1.0, None)
    assert common_scales([views(nothing, flow)]) == Scales(1.0, 0.1)


def test_details_are_lossless_and_whole_pictures_are_jpeg_files_of_the_same_picture():
    smooth = np.outer(np.linspace(0, 1, 48), np.linspace(0.2, 1, 64))
    given_views = views(smooth * 0.1)
    for picture in given_views.whole.photographs.values():
        picture[:] = smooth[..., None]
    strip = draw_strip(given_views, Scales(0.1, None))
    whole = {picture.key: decode(picture) for picture in strip.whole}
    detail = {picture.key: decode(picture) for picture in strip.detail}
    expected = np.rint(smooth * 255)
    for key in ("blur", "prediction", "gt", "deformed_gt"):
        assert (whole[key][0], detail[key][0]) == ("jpeg", "png")
        np.testing.assert_array_equal(detail[key][1], np.repeat(expected[..., None], 3, -1))
        assert np.abs(whole[key][1] - expected[..., None]).max() < 6
    np.testing.assert_array_equal(detail["error"][1], error_colours(np.float32(smooth * 0.1), 0.1))
    assert {(picture.width, picture.height) for picture in strip.whole + strip.detail} == {(64, 48)}


def test_colours_of_photographs_are_not_swapped():
    given_views = views(np.zeros((32, 32)))
    given_views.whole.photographs["gt"][:] = [1.0, 0.5, 0.0]
    strip = draw_strip(given_views, Scales(0.1, None))
    for picture in strip.whole + strip.detail:
        if picture.key == "gt":
            np.testing.assert_allclose(decode(picture)[1][16, 16], [255, 128, 0], atol=6)


def test_flow_and_mask_are_drawn_where_the_protocol_has_them():
    flow, counted = np.zeros((32, 32, 2), np.float32), np.ones((32, 32), np.float32)
    counted[:16] = 0
    with_both = draw_strip(views(np.zeros((32, 32)), flow, counted), Scales(0.1, 5.0))
    assert [picture.key for picture in with_both.whole][-3:] == ["error", "flow", "mask"]
    mask = decode(with_both.whole[-1])[1].astype(int)
    red, blue = mask[..., 0], mask[..., 2]
    assert (red - blue)[:14].min() > 150
    assert np.abs(red - blue)[18:].max() < 20
    without = draw_strip(views(np.zeros((32, 32))), Scales(0.1, None))
    assert [picture.key for picture in without.whole][-1] == "error"
