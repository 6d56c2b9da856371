import math

import pytest

from sdd_bench.evaluation.report_ranking import main_reference, pick, rank


def stems(images):
    return [image.stem for image in images]


def test_images_are_ranked_by_psnr_against_the_main_reference_worst_first(make_image):
    images = [make_image("a", 30.0, gt=10.0), make_image("b", 20.0, gt=12.0), make_image("c", 25.0, gt=11.0)]
    assert stems(rank(images, "deformed_gt")) == ["b", "c", "a"]
    assert stems(rank(images, "gt")) == ["a", "c", "b"]


def test_identical_images_are_best_and_ties_go_by_stem(make_image):
    images = [make_image("z", math.inf), make_image("b", 20.0), make_image("a", 20.0), make_image("c", math.inf)]
    assert stems(rank(images, "deformed_gt")) == ["a", "b", "c", "z"]


def test_images_without_scores_have_no_rank(make_image):
    assert stems(rank([make_image("a", None, gt=None, error="lost"), make_image("b", 20.0)], "deformed_gt")) == ["b"]


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, {}),
        (1, {"only": "0"}),
        (2, {"worst": "0", "best": "1"}),
        (3, {"worst": "0", "median": "1", "best": "2"}),
        (4, {"worst": "0", "median": "1", "best": "3"}),
        (5, {"worst": "0", "median": "2", "best": "4"}),
    ],
)
def test_the_picked_images_are_the_ends_and_the_lower_middle_of_the_ranking(make_image, count, expected):
    ranked = rank([make_image(str(number), 20.0 + number) for number in range(count)], "deformed_gt")
    assert {label: image.stem for label, image in pick(ranked).items()} == expected


def test_the_main_reference_is_deformed_unless_the_protocol_takes_the_ground_truth_as_it_is(make_image, result):
    failed = [make_image("a", None, gt=None, error="lost")]
    assert main_reference(result(failed)) == "deformed_gt"
    assert main_reference(result([make_image("a", None)], protocol="dpdd2020")) == "gt"
