from __future__ import annotations

import shutil
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sdd_bench.datasets.layouts import LAYOUTS, find_pairs
from sdd_bench.datasets.sources import SourcePair
from sdd_bench.errors import DatasetError, ProblemsError

Touch = Callable[..., Path]


def problems(raw: Path, layout: str | None = None) -> list[str]:
    with pytest.raises(ProblemsError) as caught:
        find_pairs(raw, layout)
    return [problem.replace(f"{raw}/", "") for problem in caught.value.problems]


def pairs_of(raw: Path, layout: str | None = None) -> list[SourcePair]:
    return find_pairs(raw, layout)[1].pairs


def test_the_sdd_layout_names_splits_and_pairs_by_stem(touch: Touch) -> None:
    raw = touch(
        "train/blur/2.png", "train/gt/2.TIF", "train/blur/10.png", "train/gt/10.png", "test/blur/x.jpg", "test/gt/x.jpg"
    )
    name, found = find_pairs(raw)
    pairs = found.pairs
    assert name == "sdd"
    assert [(p.stem, p.split, p.scene, p.environment) for p in pairs] == [
        ("10", "train", "10", None),
        ("2", "train", "2", None),
        ("x", "test", "x", None),
    ]
    assert pairs[1].sources == {"blur": "train/blur/2.png", "gt": "train/gt/2.TIF"}


def test_a_flat_folder_names_no_split_and_sharp_stands_for_gt(touch: Touch) -> None:
    pairs = pairs_of(touch("blur/a b.png", "sharp/a b.png", "aligned_gt/a b.png", "README.txt", "blur/.DS_Store"))
    assert [(p.stem, p.split) for p in pairs] == [("a b", None)]
    assert pairs[0].sources == {"blur": "blur/a b.png", "gt": "sharp/a b.png", "aligned_gt": "aligned_gt/a b.png"}


def test_the_environment_comes_from_a_folder_or_a_word_of_the_name(touch: Touch) -> None:
    raw = touch(
        *(f"train/{kind}/Indoor/a.png" for kind in ("blur", "gt")),
        *(f"outdoor/test/{kind}/b.png" for kind in ("blur", "gt")),
        *(f"train/{kind}/c_outdoor12.png" for kind in ("blur", "gt")),
        *(f"train/{kind}/windoors.png" for kind in ("blur", "gt")),
    )
    assert {p.stem: p.environment for p in pairs_of(raw)} == {
        "a": "indoor",
        "b": "outdoor",
        "c_outdoor12": "outdoor",
        "windoors": None,
    }


def test_composed_and_decomposed_unicode_names_are_the_same_stem(touch: Touch) -> None:
    composed, decomposed = (unicodedata.normalize(form, "Küche") for form in ("NFC", "NFD"))
    pairs = pairs_of(touch(f"blur/{composed}.png", f"gt/{decomposed}.png"))
    assert [p.stem for p in pairs] == [composed]


def test_names_with_spaces_dashes_and_dots_are_stems(touch: Touch) -> None:
    names = ["-rf", "a b", "1.5 m", "日本　語"]
    raw = touch(*(f"{kind}/{name}.png" for name in names for kind in ("blur", "gt")))
    assert sorted(p.stem for p in pairs_of(raw)) == sorted(names)


def test_all_problems_of_a_folder_are_reported_together(touch: Touch) -> None:
    raw = touch(
        *("train/blur/only.png", "train/gt/alone.png", "test/aligned_gt/neither.png"),
        *("train/blur/Case.png", "train/gt/case.png"),
        *("train/blur/twice.png", "train/blur/twice.jpg", "train/gt/twice.png"),
        *("train/blur/both.png", "train/gt/both.png", "test/blur/both.png", "test/gt/both.png"),
        *("train/blur/twin.png", "train/gt/twin.png", "train/blur/TWIN.png", "train/gt/TWIN.png"),
        *("train/blur/raw.nef", "train/gt/raw.png"),
        *("train/blur/indoor/mixed.png", "train/gt/outdoor/mixed.png"),
        *("train/blur/odd/deep.png", "more/blur/left.png"),
        *("train_patches/blur/p.png", "notes/list.txt"),
        *("train/blur/line\nbreak.png", "train/gt/line\nbreak.png"),
    )
    found = problems(raw)
    expected = [
        "train/blur/only.png: no gt of the same stem",
        "train/gt/alone.png: no blur of the same stem",
        "test/aligned_gt/neither.png: no blur of the same stem",
        "test/aligned_gt/neither.png: no gt of the same stem",
        "train/blur/Case.png: no gt of the same stem (case differs in train/gt/case.png)",
        "train/gt/case.png: no blur of the same stem (case differs in train/blur/Case.png)",
        "train/blur/twice.jpg: the same stem again in train/blur/twice.png",
        "stem 'both' occurs 2 times; rename, or name the pairs in a column 'stem' of pairs.csv",
        "stems that differ only in case: TWIN, twin; rename all but one",
        "train/blur/raw.nef: not a kind of image that is read (.png, .tif, .tiff, .jpg, .jpeg)",
        "train/gt/raw.png: no blur of the same stem",
        "stem 'mixed': both indoor and outdoor, by its folders or its name",
        "train/blur/odd: holds images, but its name is not one of this layout; move it away or rename it",
        "more: holds images, but its name is not one of this layout; move it away or rename it",
        "train_patches: holds patches, not the full images that prepare cuts patches from; move it away",
        "stem 'line\\nbreak': holds control characters or is not Unicode; rename the files",
    ]
    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize("layout", [None, "sdd"])
def test_a_folder_of_only_sharp_images_is_said_to_be_one(touch: Touch, layout: str | None) -> None:
    assert problems(touch("gt/a.png", "gt/b.png"), layout) == [
        "2 images and no blurry one among them: a pair needs both"
    ]


def test_an_unknown_folder_is_told_what_layouts_look_like(touch: Touch) -> None:
    raw = touch("first/a.png", "second/a.png", *(f"{k}.txt" for k in range(8)))
    with pytest.raises(DatasetError) as caught:
        find_pairs(raw)
    assert "it holds 0.txt" in str(caught.value)
    assert "and 2 more" in str(caught.value)
    assert all(f"- {layout.name}: {layout.looks_like}" in str(caught.value) for layout in LAYOUTS.values())


def test_an_empty_folder_is_said_to_hold_nothing(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="it holds nothing"):
        find_pairs(tmp_path)


def test_a_forced_layout_that_finds_nothing_says_what_it_expects(touch: Touch) -> None:
    assert problems(touch("readme.txt"), "sdd") == [f"no pairs found; expected {LAYOUTS['sdd'].looks_like}"]


def test_pairs_csv_goes_before_folder_names_unless_the_layout_is_forced(touch: Touch) -> None:
    raw = touch("blur/a.png", "gt/a.png", "blur/b.png", "gt/b.png")
    (raw / "pairs.csv").write_text("blur,sharp\nblur/a.png,gt/a.png\n")
    assert [(find_pairs(raw)[0], len(pairs_of(raw)))] == [("pairs.csv", 1)]
    assert len(pairs_of(raw, "sdd")) == 2


@pytest.mark.parametrize(
    ("arrange", "message"),
    [
        (lambda raw: shutil.rmtree(raw), "does not exist"),
        (lambda raw: (shutil.rmtree(raw), raw.touch()), "not a folder"),
        (lambda raw: (raw / "dataset.json").touch(), "is a prepared dataset already"),
    ],
)
def test_what_is_no_raw_folder_is_said(touch: Touch, arrange: Callable[[Path], None], message: str) -> None:
    raw = touch("blur/a.png", "gt/a.png")
    arrange(raw)
    with pytest.raises(DatasetError, match=message):
        find_pairs(raw)


def test_a_folder_that_can_not_be_listed_is_named(touch: Touch, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = touch("blur/a.png", "gt/a.png")
    listed = Path.iterdir

    def iterdir(folder: Path) -> Iterator[Path]:
        if folder.name == "gt":
            raise PermissionError(13, "Permission denied", str(folder))
        return listed(folder)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    with pytest.raises(DatasetError, match="raw/gt: can't be read: Permission denied"):
        find_pairs(raw)


def test_an_unknown_layout_lists_the_known_ones(touch: Touch) -> None:
    with pytest.raises(DatasetError, match=r"unknown layout 'pairs'. Did you mean pairs.csv"):
        find_pairs(touch("blur/a.png"), "pairs")
