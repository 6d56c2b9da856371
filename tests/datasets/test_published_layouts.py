from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdd_bench.datasets.dpdd_layout import pair_by_frame_number
from sdd_bench.datasets.layouts import LAYOUTS, find_pairs
from sdd_bench.errors import DatasetError, ProblemsError

Touch = Callable[..., Path]


def problems(raw: Path, layout: str | None = None) -> list[str]:
    with pytest.raises(ProblemsError) as caught:
        find_pairs(raw, layout)
    return [problem.replace(f"{raw}/", "") for problem in caught.value.problems]


def found(raw: Path, layout: str | None = None) -> tuple[str, dict[str, tuple[str, str, str | None]]]:
    name, listed = find_pairs(raw, layout)
    return name, {pair.stem: (pair.sources["blur"], pair.sources["gt"], pair.split) for pair in listed.pairs}


def dpdd(split: str, sources: list[int], targets: list[int]) -> list[str]:
    return [
        *(f"{split}_c/source/1P0A{number:04d}.png" for number in sources),
        *(f"{split}_c/target/1P0A{number:04d}.png" for number in targets),
    ]


def test_dpdd_pairs_are_neighbouring_frames_and_its_dual_pixel_views_are_passed_over(touch: Touch) -> None:
    # These numbers are of the published lists (DPDNet/file_names): sharp after blurry, before it, and with one between.
    raw = touch(
        *dpdd("train", [890, 911], [891, 910]),
        *dpdd("val", [983], [982]),
        *dpdd("test", [2150], [2152]),
        "train_l/source/1P0A0890.png",
        "train_r/source/1P0A0890.png",
    )
    name, pairs = found(raw)
    assert name == "dpdd"
    assert pairs == {
        "1P0A0890": ("train_c/source/1P0A0890.png", "train_c/target/1P0A0891.png", "train"),
        "1P0A0911": ("train_c/source/1P0A0911.png", "train_c/target/1P0A0910.png", "train"),
        "1P0A0983": ("val_c/source/1P0A0983.png", "val_c/target/1P0A0982.png", "val"),
        "1P0A2150": ("test_c/source/1P0A2150.png", "test_c/target/1P0A2152.png", "test"),
    }
    notes = find_pairs(raw)[1].notes
    assert [note.partition(" is")[0].rpartition("/")[2] for note in notes] == ["train_l", "train_r"]


def test_a_dpdd_frame_between_two_others_goes_where_no_choice_is_left(touch: Touch) -> None:
    raw = touch(*dpdd("test", [11, 12], [10, 13]))
    assert {blur[-6:-4]: sharp[-6:-4] for blur, sharp, _ in found(raw)[1].values()} == {"11": "10", "12": "13"}


def test_dpdd_frames_that_leave_a_choice_or_have_no_neighbour_are_not_paired(touch: Touch) -> None:
    raw = touch(*dpdd("test", [11, 12, 40], [11 + 1000, 12 + 1000, 44]))
    assert sorted(problems(raw)) == sorted(
        [
            *(f"test_c/source/1P0A00{n}.png: no gt of the same stem" for n in (11, 12, 40)),
            *(f"test_c/target/1P0A{n}.png: no blur of the same stem" for n in ("1011", "1012", "0044")),
        ]
    )


def test_published_dpdd_lists_state_the_pairs(touch: Touch) -> None:
    raw = touch(*dpdd("test", [1, 2], [8, 9]))
    (raw / "file_names").mkdir()
    np.save(raw / "file_names/test_src.npy", np.array(["1P0A0001", "1P0A0002"]))
    np.save(raw / "file_names/test_trg.npy", np.array(["1P0A0009", "1P0A0008"]))
    assert {stem: sharp for stem, (_, sharp, _) in found(raw)[1].items()} == {
        "1P0A0001": "test_c/target/1P0A0009.png",
        "1P0A0002": "test_c/target/1P0A0008.png",
    }
    np.save(raw / "file_names/test_trg.npy", np.array(["1P0A0009"]))
    assert "test_src.npy lists 2 images, test_trg.npy 1; expected as many" in problems(raw)[0]
    (raw / "file_names/test_trg.npy").write_bytes(b"no list")
    assert "can't be read as a list of names" in problems(raw)[0]


@given(st.permutations(range(6)), st.sets(st.integers(0, 5)))
def test_frame_numbers_pair_the_same_in_any_order(order: list[int], sharp_first: set[int]) -> None:
    shots = {k: (f"a{10 * k + (k in sharp_first)}", f"a{10 * k + (k not in sharp_first)}") for k in range(6)}
    pairs = pair_by_frame_number([shots[k][0] for k in order], [shots[k][1] for k in reversed(order)])
    assert pairs == dict(shots.values())


def test_frame_numbers_of_other_cameras_and_names_without_number_do_not_match() -> None:
    assert pair_by_frame_number(["a10", "x", "same"], ["b11", "y", "same"]) == {"same": "same"}


def test_realdof_is_for_testing(touch: Touch) -> None:
    assert found(touch("source/1.jpg", "target/1.jpg")) == ("realdof", {"1": ("source/1.jpg", "target/1.jpg", "test")})


def test_released_sdd_is_patches_for_training_and_images_for_testing(touch: Touch) -> None:
    raw = touch(
        *(f"train_patches/{kind}/7_{k:02d}.png" for kind in ("blur", "gt") for k in (0, 3)),
        *(f"test/{kind}/9_indoor.png" for kind in ("blur", "gt")),
    )
    name, listed = find_pairs(raw)
    assert name == "sdd-released"
    assert [(p.stem, p.scene, p.split, p.environment, p.is_patch) for p in listed.pairs] == [
        ("7_00", "7", "train", None, True),
        ("7_03", "7", "train", None, True),
        ("9_indoor", "9_indoor", "test", "indoor", False),
    ]


def test_a_folder_per_scene_names_the_pair(touch: Touch) -> None:
    raw = touch(
        *("kitchen/blur.png", "kitchen/sharp.png", "kitchen/notes.txt", "-rf/BLUR.JPG", "-rf/GT.JPG"),
        *("test/outdoor/a b/blur.tif", "test/outdoor/a b/sharp.tif", "test/outdoor/a b/aligned_gt.tif"),
    )
    name, listed = find_pairs(raw)
    assert name == "scenes"
    assert [(p.stem, p.split, p.environment) for p in listed.pairs] == [
        ("-rf", None, None),
        ("a b", "test", "outdoor"),
        ("kitchen", None, None),
    ]
    assert listed.pairs[1].sources["aligned_gt"] == "test/outdoor/a b/aligned_gt.tif"


def test_what_does_not_fit_a_folder_per_scene_is_named(touch: Touch) -> None:
    raw = touch(
        *("a/blur.png", "a/sharp.png", "a/gt.png", "b/blur.png", "c/sharp.nef", "c/blur.png"),
        *("d/blur.png", "d/sharp.png", "d/third.png", "d/deep/blur.png"),
    )
    assert sorted(problems(raw)) == [
        "a/gt.png: the same stem again in a/sharp.png",
        "b/blur.png: no gt of the same stem",
        "c/blur.png: no gt of the same stem",
        "c/sharp.nef: not a kind of image that is read (.png, .tif, .tiff, .jpg, .jpeg)",
        "d/deep: holds images, but a scene's are directly in its folder",
        "d/third.png: expected images named blur, sharp, gt, aligned_gt; move it away or rename it",
    ]


def test_flat_names_end_in_what_the_image_is(touch: Touch) -> None:
    raw = touch("a_blur.png", "a_sharp.png", "b c-Blur.jpg", "b c-GT.jpg", "d_indoor.blur.png", "d_indoor.gt.png")
    name, listed = find_pairs(raw)
    assert name == "suffix"
    assert [(p.stem, p.sources["gt"], p.environment) for p in listed.pairs] == [
        ("a", "a_sharp.png", None),
        ("b c", "b c-GT.jpg", None),
        ("d_indoor", "d_indoor.gt.png", "indoor"),
    ]


def test_what_does_not_fit_flat_names_is_named(touch: Touch) -> None:
    raw = touch("a_blur.png", "a_sharp.png", "a_gt.png", "B_blur.png", "b_sharp.png", "c.png", "more/c.png", "list.txt")
    assert sorted(problems(raw)) == [
        "B_blur.png: no gt of the same stem (case differs in b_sharp.png)",
        "a_gt.png: the same stem again in a_sharp.png",
        "b_sharp.png: no blur of the same stem (case differs in B_blur.png)",
        "c.png: expected a name that ends in _blur, _sharp, _gt or _aligned_gt",
        "more: holds images, but its name is not one of this layout; move it away or rename it",
    ]


@pytest.mark.parametrize(
    ("names", "layouts"),
    [
        (["blur/a.png", "gt/a.png", "a_blur.png", "a_sharp.png"], ("sdd", "suffix")),
        (["source/a.png", "target/a.png", "train_c/source/a.png", "train_c/target/a.png"], ("dpdd", "realdof")),
        (["a/blur.png", "a/sharp.png", "b_blur.png", "b_sharp.png"], ("scenes", "suffix")),
    ],
)
def test_a_folder_of_two_layouts_is_refused_with_both_names(
    touch: Touch, names: list[str], layouts: tuple[str, str]
) -> None:
    raw = touch(*names)
    with pytest.raises(DatasetError, match=f"layout {layouts[0]} and with layout {layouts[1]}.*--layout"):
        find_pairs(raw)


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "pairs.csv"])
def test_no_layout_pairs_names_that_differ_by_their_order(touch: Touch, layout: str) -> None:
    # Sorted, both lists would be a pair each; by name none is.
    raw = touch(
        *(f"{folder}/{name}.png" for folder in ("blur", "source", "train_c/source") for name in ("a", "c")),
        *(f"{folder}/{name}.png" for folder in ("gt", "target", "train_c/target") for name in ("b", "d")),
        *("x_blur.png", "y_sharp.png", "m/blur.png", "n/sharp.png"),
        *("train_patches/blur/p.png", "train_patches/gt/q.png"),
    )
    with pytest.raises(ProblemsError):
        find_pairs(raw, layout)


def test_case_twins_and_duplicate_scenes_are_named_in_every_layout(touch: Touch) -> None:
    raw = touch(*(f"{scene}/{kind}.png" for scene in ("Tree", "tree", "train/tree") for kind in ("blur", "sharp")))
    assert problems(raw) == [
        "stems that differ only in case: Tree, tree; rename all but one",
        "stem 'tree' occurs 2 times; rename, or name the pairs in a column 'stem' of pairs.csv",
    ]
