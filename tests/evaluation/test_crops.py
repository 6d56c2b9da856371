import numpy as np
import pytest

from sdd_bench.evaluation.crops import crop_box, find_crop

SDD = (2048, 1080)


def test_the_rules_cut_a_picture_of_sdd_to_the_sizes_of_the_release():
    assert crop_box("none", SDD) == (0, 0, 2048, 1080)
    assert crop_box("unet16", SDD) == (0, 0, 2048, 1072)
    assert crop_box("mprnet8", SDD) == (0, 0, 2048, 1080)


def test_the_centre_crop_begins_where_that_of_torchvision_does():
    # Read off torchvision 0.29: the first column that center_crop(picture, 64) keeps of 64 to 71 columns.
    assert [crop_box("mprnet8", (64 + more, 64)).x for more in range(8)] == [0, 0, 1, 2, 2, 2, 3, 4]
    assert [crop_box("mprnet8", (64, 64 + more)).y for more in range(8)] == [0, 0, 1, 2, 2, 2, 3, 4]


def test_a_box_keeps_its_part_of_a_picture():
    picture = np.arange(6 * 8 * 3).reshape(6, 8, 3)
    kept = crop_box("none", (8, 6))._replace(x=2, y=1, width=3, height=4).of(picture)
    assert np.array_equal(kept, picture[1:5, 2:5])


def test_whole_pictures_follow_no_rule_even_where_a_rule_would_keep_everything():
    assert find_crop({"a.png": (SDD, SDD)}) == ("none", [])


@pytest.mark.parametrize(("found", "rule"), [((2048, 1072), "unet16"), ((2048, 1080), "mprnet8")])
def test_the_rule_is_found_from_the_sizes(found, rule):
    sizes = {"a.png": ((2050, 1083), found), "b.png": ((2050, 1083), found)}
    assert find_crop(sizes) == (rule, [])


def test_pictures_that_a_rule_leaves_whole_agree_with_those_that_it_cuts():
    sizes = {"cut.png": (SDD, (2048, 1072)), "whole.png": ((512, 512), (512, 512))}
    assert find_crop(sizes) == ("unet16", [])


def test_rules_that_keep_the_same_part_are_no_ambiguity():
    # One pixel too many: torchvision rounds half of it down, so that the centre crop begins at the corner too.
    assert find_crop({"a.png": ((2049, 1088), (2048, 1088))}) == ("unet16", [])


def test_rules_of_the_same_size_that_keep_different_parts_have_to_be_chosen_from():
    sizes = {"a.png": ((2055, 1088), (2048, 1088))}
    rule, (problem,) = find_crop(sizes)
    assert rule == "none"
    assert "unet16 and mprnet8" in problem
    assert "--crop" in problem
    assert find_crop(sizes, "mprnet8") == ("mprnet8", [])
    assert find_crop(sizes, "unet16") == ("unet16", [])


def test_one_picture_that_fits_one_rule_only_decides_for_all():
    sizes = {"both.png": ((2055, 1088), (2048, 1088)), "one.png": (SDD, (2048, 1072))}
    assert find_crop(sizes) == ("unet16", [])


def test_a_folder_of_several_rules_is_a_problem_that_names_who_follows_which():
    _, (problem,) = find_crop({"a.png": (SDD, (2048, 1072)), "b.png": (SDD, SDD), "c.png": (SDD, SDD)})
    assert "all must follow one: unet16: a.png; none or mprnet8: b.png, c.png" in problem


def test_a_size_that_fits_no_rule_is_a_problem_that_names_the_sizes_that_do():
    _, (problem,) = find_crop({"a.png": ((2050, 1083), (2048, 1071))})
    assert problem == (
        "a.png: wrong size: 2048 x 1071, expected 2050 x 1083 or 2048 x 1072 (unet16) or 2048 x 1080 (mprnet8)"
    )
    _, (problem,) = find_crop({"a.png": (SDD, SDD)}, "unet16")
    assert problem == "a.png: wrong size: 2048 x 1080, expected 2048 x 1072 (unet16)"


def test_a_protocol_of_whole_pictures_refuses_cropped_ones_and_says_so():
    _, (problem,) = find_crop({"a.png": (SDD, (2048, 1072))}, whole_only=["dpdd2020"])
    assert problem.startswith("a.png: wrong size: 2048 x 1072, expected 2048 x 1080. ")
    assert problem.endswith("It looks cropped (unet16); dpdd2020 scores whole pictures")
