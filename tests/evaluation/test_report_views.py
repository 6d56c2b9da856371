import numpy as np
import pytest

from sdd_bench.evaluation.evaluator import Pictures
from sdd_bench.evaluation.references import AlignedReference, Alignment
from sdd_bench.evaluation.report_views import DETAIL_HEIGHT, DETAIL_WIDTH, LONGEST_SIDE, take_views

ALIGNMENT = Alignment(zoom=1.0, shift=(0.0, 0.0), mean_flow=0.0, forward_backward_error=None, left_out=0.0)


def pictures(height, width, error=None, valid=None, reference=True):
    gray = np.full((height, width, 3), 0.25, np.float32)
    prediction = gray if error is None else gray + error[..., None].astype(np.float32)
    flow = np.broadcast_to(np.float32([3.0, -4.0]), (height, width, 2)).copy()
    valid = np.ones((height, width), bool) if valid is None else valid
    return Pictures(gray, prediction, gray + 0.5, AlignedReference(gray, valid, flow, ALIGNMENT) if reference else None)


@pytest.mark.parametrize(
    ("size", "expected"),
    [((2048, 1080), (1024, 540)), ((1080, 2048), (540, 1024)), ((300, 200), (300, 200)), ((3000, 64), (1024, 22))],
)
def test_whole_pictures_are_reduced_to_the_longest_side_and_never_enlarged(size, expected):
    views = take_views(pictures(size[1], size[0]), masked=True)
    assert views.size == size
    for picture in (*views.whole.photographs.values(), views.whole.error, views.whole.flow, views.whole.counted):
        assert picture.shape[:2] == expected[::-1]
        assert max(picture.shape[:2]) <= LONGEST_SIDE


def test_the_flow_keeps_its_length_in_pixels_of_the_full_picture():
    views = take_views(pictures(500, 2048), masked=True)
    np.testing.assert_allclose(views.whole.flow, np.broadcast_to([3.0, -4.0], views.whole.flow.shape), rtol=1e-6)


@pytest.mark.parametrize("place", [(400, 700), (10, 1190), (790, 3)])
def test_the_detail_holds_the_largest_error_and_lies_inside_the_picture(place):
    error = np.zeros((800, 1200))
    error[max(place[0] - 8, 0) : place[0] + 8, max(place[1] - 8, 0) : place[1] + 8] = 0.5
    views = take_views(pictures(800, 1200, error), masked=True)
    x, y, width, height = views.box
    assert (width, height) == (DETAIL_WIDTH, DETAIL_HEIGHT)
    assert 0 <= x <= place[1] < x + width <= 1200
    assert 0 <= y <= place[0] < y + height <= 800
    np.testing.assert_array_equal(views.detail.error, np.float32(error)[y : y + height, x : x + width])


def test_a_picture_smaller_than_the_detail_is_its_own_detail():
    views = take_views(pictures(90, 100), masked=True)
    assert views.box == (0, 0, 100, 90)


def test_errors_of_pixels_that_do_not_count_are_neither_shown_nor_looked_for():
    error, valid = np.zeros((600, 2048)), np.ones((600, 2048), bool)
    error[:100, :100], valid[:101, :101] = 0.7, False  # the large error does not count
    error[500:520, 1800:1820] = 0.1
    views = take_views(pictures(600, 2048, error, valid), masked=True)
    assert views.box.x > 1000
    assert np.isnan(views.whole.error[:50, :50]).all()
    # One pixel of four counts, and has no error: 0.7 must not leak into the average.
    assert views.whole.error[50, 50] == 0
    assert views.whole.counted[50, 50] == 0.75
    assert np.nanmax(views.whole.error) == pytest.approx(0.1)


def test_without_a_mask_all_pixels_are_shown():
    views = take_views(pictures(100, 120, valid=np.zeros((100, 120), bool)), masked=False)
    assert views.whole.counted is None
    assert not np.isnan(views.whole.error).any()


def test_without_a_deformed_ground_truth_the_error_is_that_against_the_one_as_it_is():
    views = take_views(pictures(100, 120, reference=False), masked=False)
    assert list(views.whole.photographs) == ["blur", "prediction", "gt"]
    assert views.whole.flow is None
    np.testing.assert_allclose(views.whole.error, 0.5, rtol=1e-6)
