from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sdd_bench import open_dataset
from sdd_bench.datasets.layouts import find_pairs
from sdd_bench.datasets.pairs_table import save_pairs
from sdd_bench.datasets.plan import plan_dataset
from sdd_bench.datasets.prepare import prepare
from sdd_bench.datasets.preset import load_preset
from sdd_bench.errors import OutputError, ProblemsError
from sdd_bench.io.images import write_image

MakeRaw = Callable[..., Path]
MakePicture = Callable[..., np.ndarray]
SMALL = {"patch_size": 32, "stride": 24}


def test_a_plan_says_what_prepare_then_does(make_raw: MakeRaw, tmp_path: Path) -> None:
    raw = make_raw([f"s{k}" for k in range(5)], splits=[""], bit_depth=16)
    preset = load_preset("as-is", {**SMALL, "size": (48, 32), "bit_depth": 8, "stride": 16})
    plan = plan_dataset(raw, preset, progress=False)
    assert list(tmp_path.iterdir()) == [raw]
    manifest = prepare(raw, tmp_path / "set", preset, progress=False)
    assert plan.layout == manifest.layout
    assert plan.problems == ()
    planned = [(job.pair.stem, job.split, job.size, job.bit_depth, job.patch_count) for job in plan.jobs]
    assert planned == [(p.stem, p.split, p.size, p.bit_depth, len(p.patches)) for p in manifest.pairs]
    assert plan.checks == {p.stem: p.checks for p in manifest.pairs}


def test_ready_patches_are_taken_as_they_are(picture: MakePicture, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    for place, kind in enumerate(("blur", "gt")):
        write_image(raw / f"train_patches/{kind}/1_07.png", picture(place, 64, 64))
        write_image(raw / f"test/{kind}/2.png", picture(10 + place, 192, 128))
    manifest = prepare(raw, tmp_path / "set", "as-is", size=(96, 64), patch_size=64, stride=32, progress=False)
    patch, whole = manifest.pairs
    assert (patch.stem, patch.scene, patch.split, patch.size, whole.size) == ("1_07", "1", "train", (64, 64), (96, 64))
    assert manifest.counts()["train"]["patches"] == 1
    assert not (tmp_path / "set/train/gt").exists()
    (pair,) = open_dataset(tmp_path / "set", "train")
    np.testing.assert_array_equal(np.rint(pair.gt() * 255), picture(1, 64, 64))
    assert (pair.blur_path, pair.aligned_gt_path) == (tmp_path / "set/train_patches/blur/1_07_00.png", None)
    for changes, reason in (
        ({"patch_size": 32, "stride": 16}, "1_07: is a patch of 64 x 64; the preset's are 32"),
        ({"patch_size": None}, "1_07: is a training patch, and the preset writes none"),
    ):
        with pytest.raises(ProblemsError, match=reason):
            prepare(raw, tmp_path / "other", "as-is", progress=False, **changes)


def test_a_validation_split_becomes_one(make_raw: MakeRaw, tmp_path: Path) -> None:
    raw = make_raw(["a", "b", "c"], splits=["train", "val", "test"])
    manifest = prepare(raw, tmp_path / "set", "as-is", progress=False, **SMALL)
    assert {p.stem: (p.split, len(p.patches) > 0) for p in manifest.pairs} == {
        "a": ("train", True),
        "b": ("val", False),
        "c": ("test", False),
    }
    assert open_dataset(tmp_path / "set", "val").stems == ["b"]


def test_a_split_table_decides(make_raw: MakeRaw, tmp_path: Path) -> None:
    raw = make_raw(["a", "b"], splits=["train"])
    (tmp_path / "split.csv").write_text("stem,split\na,test\nb,train\n")
    manifest = prepare(raw, tmp_path / "set", "as-is", split_csv=tmp_path / "split.csv", progress=False, **SMALL)
    assert {pair.stem: pair.split for pair in manifest.pairs} == {"a": "test", "b": "train"}


def test_other_scene_counts_than_the_presets_are_a_warning_in_the_manifest(make_raw: MakeRaw, tmp_path: Path) -> None:
    raw = make_raw(["a", "b"], splits=["test"])
    manifest = prepare(raw, tmp_path / "set", "as-is", scene_counts={"test": {"unknown": 3}}, progress=False)
    (note,) = manifest.notes
    assert "2 test unknown instead of 3" in note
    assert manifest.warnings()[0] == note


def test_scenes_that_look_alike_on_both_sides_of_a_split_stop_the_run(
    make_raw: MakeRaw, picture: MakePicture, tmp_path: Path
) -> None:
    raw = make_raw(["a", "b"])
    for place, kind in enumerate(("blur", "gt")):
        write_image(raw / f"test/{kind}/b.png", picture(place))
    with pytest.raises(ProblemsError) as caught:
        prepare(raw, tmp_path / "set", "as-is", progress=False, **SMALL)
    assert ["looks like a scene of another split" in problem for problem in caught.value.problems] == [True, True]
    assert list(tmp_path.iterdir()) == [raw]


def test_saved_pairs_are_found_again(make_raw: MakeRaw, tmp_path: Path) -> None:
    raw = make_raw(["a b", "-c_indoor"], kinds=["blur", "gt", "aligned_gt"])
    table = tmp_path / "table" / "pairs.csv"
    table.parent.mkdir()
    found = find_pairs(raw)[1].pairs
    save_pairs(table, raw, found)
    with table.open(newline="") as file:
        assert next(csv.reader(file))[:3] == ["blur", "sharp", "aligned"]
    again = find_pairs(table.parent)[1].pairs
    assert [(p.stem, p.scene, p.environment, p.split) for p in again] == [
        (p.stem, p.scene, p.environment, p.split) for p in found
    ]
    assert [[(table.parent / source).resolve() for source in p.sources.values()] for p in again] == [
        [(raw / source).resolve() for source in p.sources.values()] for p in found
    ]
    for path, reason in ((table, "is there already"), (tmp_path / "mine.csv", r"is named pairs\.csv")):
        with pytest.raises(OutputError, match=reason):
            save_pairs(path, raw, found)
