from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import sdd_bench
from sdd_bench.datasets.manifest import read_manifest
from sdd_bench.datasets.prepare import prepare
from sdd_bench.errors import DatasetError, OutputError, ProblemsError
from sdd_bench.io.images import write_image

MakeRaw = Callable[..., Path]
SMALL: dict[str, Any] = {"patch_size": 32, "stride": 24}


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def pixels(path: Path) -> np.ndarray:
    """By OpenCV, as the JDRL release reads; RGB."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert image is not None
    return image[:, :, ::-1]


def test_a_dataset_is_laid_out_as_documented_and_its_manifest_is_true(make_raw: MakeRaw, tmp_path: Path) -> None:
    raw = make_raw(["in_indoor", "street"])
    out = tmp_path / "set"
    manifest = sdd_bench.prepare(raw, out, "as-is", progress=False, **SMALL)
    assert read_manifest(out) == manifest
    assert (manifest.name, manifest.layout, manifest.preset.name) == ("raw", "sdd", "as-is")
    assert manifest.preset.patch_size == 32
    train, test = manifest.pairs
    assert (train.stem, train.split, train.environment, train.size, train.bit_depth) == (
        *("in_indoor", "train", "indoor"),
        *((96, 64), 8),
    )
    assert (test.split, test.environment, test.patches) == ("test", None, ())
    # 96 x 64 with patches of 32 by stride 24: x 0, 24, 48, 64 and y 0, 24, 32 make 12, of which 9 are kept.
    assert len(train.patches) == 9
    beside = {"README.md", "SHA256SUMS", "croissant.json", "prepare_report.html", "preview.jpg"}
    beside |= {f"{folder}/metadata.jsonl" for folder in ("train", "test", "train_patches")}
    expected = {"dataset.json"}
    for kind in ("blur", "gt"):
        expected |= {f"train/{kind}/in_indoor.png", f"test/{kind}/street.png"}
        expected |= {f"train_patches/{kind}/in_indoor_{patch.index:02d}.png" for patch in train.patches}
    written = tree(out)
    assert written.keys() == expected | beside
    hashes = {path: sha for pair in manifest.pairs for path, sha in pair.files.items()}
    assert hashes == {path: hashlib.sha256(written[path]).hexdigest() for path in expected - {"dataset.json"}}
    for pair in manifest.pairs:
        for kind, source in pair.sources.items():
            assert source.path == f"{pair.split}/{kind}/{pair.stem}.png"
            assert source.sha256 == hashlib.sha256((raw / source.path).read_bytes()).hexdigest()


@pytest.mark.parametrize("bit_depth", [8, 16])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_images_that_keep_their_size_keep_their_pixels_to_the_bit(
    make_raw: MakeRaw, picture: Callable[..., np.ndarray], tmp_path: Path, bit_depth: int, suffix: str
) -> None:
    raw = make_raw(["a"], bit_depth=bit_depth, suffix=suffix)
    manifest = prepare(raw, tmp_path / "set", "as-is", progress=False, **SMALL)
    (pair,) = manifest.pairs
    assert pair.bit_depth == bit_depth
    for kind, seed in (("blur", 0), ("gt", 1)):
        image = pixels(tmp_path / f"set/train/{kind}/a.png")
        assert image.dtype == (np.uint8 if bit_depth == 8 else np.uint16)
        np.testing.assert_array_equal(image, picture(seed, bit_depth=bit_depth))


def test_patches_are_cut_from_both_images_at_the_places_of_the_manifest(make_raw: MakeRaw, tmp_path: Path) -> None:
    manifest = prepare(make_raw(["a"]), tmp_path / "set", "as-is", progress=False, **SMALL)
    places = [(x, y) for y in (0, 24, 32) for x in (0, 24, 48, 64)]
    for kind in ("blur", "gt"):
        whole = pixels(tmp_path / f"set/train/{kind}/a.png")
        for patch in manifest.pairs[0].patches:
            assert (patch.x, patch.y) == places[patch.index]
            cut = whole[patch.y : patch.y + 32, patch.x : patch.x + 32]
            np.testing.assert_array_equal(pixels(tmp_path / f"set/train_patches/{kind}/a_{patch.index:02d}.png"), cut)


def test_the_patches_with_the_least_detail_in_the_sharp_image_are_dropped(
    make_raw: MakeRaw, picture: Callable[..., np.ndarray], tmp_path: Path
) -> None:
    raw = make_raw(["a"])
    sharp = picture(1)
    sharp[:, :32] = 128  # all that the three patches at x = 0 see
    cv2.imwrite(str(raw / "train/gt/a.png"), sharp)
    manifest = prepare(raw, tmp_path / "set", "as-is", checks={"all": "off"}, progress=False, **SMALL)
    assert [patch.index for patch in manifest.pairs[0].patches] == [1, 2, 3, 5, 6, 7, 9, 10, 11]


@pytest.mark.parametrize("bit_depth", [8, 16])
def test_images_are_reduced_by_area_averaging(
    make_raw: MakeRaw, picture: Callable[..., np.ndarray], tmp_path: Path, bit_depth: int
) -> None:
    raw = make_raw(["a"], bit_depth=bit_depth, kinds=["blur", "gt", "aligned_gt"])
    prepare(raw, tmp_path / "set", "as-is", size=(48, 32), progress=False, patch_size=16, stride=16)
    for seed, kind in enumerate(("blur", "gt", "aligned_gt")):
        blocks = picture(seed, bit_depth=bit_depth).reshape(32, 2, 48, 2, 3).mean(axis=(1, 3))
        written = pixels(tmp_path / f"set/train/{kind}/a.png")
        assert written.dtype == (np.uint8 if bit_depth == 8 else np.uint16)
        np.testing.assert_allclose(written, blocks, atol=0.51)


def test_16_bits_become_8_if_asked(make_raw: MakeRaw, picture: Callable[..., np.ndarray], tmp_path: Path) -> None:
    raw = make_raw(["a"], bit_depth=16)
    manifest = prepare(raw, tmp_path / "set", "as-is", bit_depth=8, progress=False, **SMALL)
    assert manifest.pairs[0].bit_depth == 8
    written = pixels(tmp_path / "set/train/gt/a.png")
    assert written.dtype == np.uint8
    np.testing.assert_array_equal(written, np.rint(picture(1, bit_depth=16) / 257))


def test_the_aligned_truth_is_kept_beside_the_ground_truth(make_raw: MakeRaw, tmp_path: Path) -> None:
    raw = make_raw(["a", "b"], kinds=["blur", "gt", "aligned_gt"])
    manifest = prepare(raw, tmp_path / "set", "as-is", progress=False, **SMALL)
    assert set(manifest.pairs[0].sources) == {"blur", "gt", "aligned_gt"}
    assert (tmp_path / "set/train/aligned_gt/a.png").exists()
    assert (tmp_path / "set/test/aligned_gt/b.png").exists()
    assert not (tmp_path / "set/train_patches/aligned_gt").exists()


def test_pairs_csv_can_name_files_in_any_way(make_raw: MakeRaw, tmp_path: Path) -> None:
    raw = make_raw(["a", "b", "c"], splits=["x"])
    (raw / "pairs.csv").write_text(
        "blur,sharp,aligned,stem,scene,environment,split\n"
        "x/blur/a.png,x/gt/b.png,x/gt/c.png,one,s,outdoor,test\n"
        "x/blur/b.png,x/gt/c.png,,two,t,indoor,train\n"
    )
    manifest = prepare(raw, tmp_path / "set", "as-is", checks={"all": "off"}, progress=False, **SMALL)
    assert manifest.layout == "pairs.csv"
    assert [(p.stem, p.scene, p.environment, p.split) for p in manifest.pairs] == [
        ("one", "s", "outdoor", "test"),
        ("two", "t", "indoor", "train"),
    ]
    np.testing.assert_array_equal(pixels(tmp_path / "set/test/aligned_gt/one.png"), pixels(raw / "x/gt/c.png"))


def test_jpeg_sources_are_noted_in_the_manifest(make_raw: MakeRaw, tmp_path: Path) -> None:
    raw = make_raw(["a", "b"], splits=["test"])
    for kind in ("blur", "gt"):
        path = raw / f"test/{kind}/a.png"
        cv2.imwrite(str(path.with_suffix(".jpg")), cv2.imread(str(path)))
        path.unlink()
    manifest = prepare(raw, tmp_path / "set", "as-is", progress=False)
    assert ["lossy source" in {check.name for check in pair.checks} for pair in manifest.pairs] == [True, False]
    assert (tmp_path / "set/test/gt/a.png").exists()


def test_without_splits_the_folder_is_split_by_the_preset(make_raw: MakeRaw, tmp_path: Path) -> None:
    raw = make_raw([f"s{k}" for k in range(5)], splits=[""])
    manifest = prepare(raw, tmp_path / "set", "as-is", test_count=2, seed=3, progress=False, **SMALL)
    assert manifest.counts()["test"]["pairs"] == 2


def test_one_full_size_pair_with_the_sdd_preset_gives_42_patches_of_512(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    slope = np.linspace(0, 255, 4096, dtype=np.uint8)
    image = np.repeat(np.broadcast_to(slope, (2160, 4096))[:, :, None], 3, axis=2).copy()
    image[::64, ::32] = 255
    for kind in ("blur", "gt"):
        (raw / "train" / kind).mkdir(parents=True)
        cv2.imwrite(str(raw / "train" / kind / "7_outdoor.png"), image)
    (pair,) = prepare(raw, tmp_path / "set", checks={"all": "off"}, progress=False).pairs
    assert pair.size == (2048, 1080)
    assert len(pair.patches) == 42
    for kind in ("blur", "gt"):
        patches = sorted((tmp_path / "set/train_patches" / kind).iterdir())
        assert len(patches) == 42
        assert pixels(patches[-1]).shape == (512, 512, 3)


def test_two_workers_write_the_same_bytes_as_one(make_raw: MakeRaw, tmp_path: Path) -> None:
    raw = make_raw([f"s{k}" for k in range(4)])
    for workers in (1, 2):
        prepare(raw, tmp_path / f"set{workers}", "as-is", workers=workers, progress=False, **SMALL)
    assert tree(tmp_path / "set1") == tree(tmp_path / "set2")


def test_workers_of_a_run_without_checks_import_nothing_that_takes_long(tmp_path: Path) -> None:
    loaded = "import sys, sdd_bench.datasets.prepare; print({'scipy', 'torch', 'h5py', 'jinja2'} & sys.modules.keys())"
    run = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


KILLED_AT_A_WRITE = """
import os, signal, sys
from sdd_bench.datasets.prepare import prepare
from sdd_bench.io.atomic import FileBatch

def write_until_killed(batch, path, data, left=[int(sys.argv[3])], write=FileBatch.write_bytes):
    left[0] -= 1
    if left[0] < 0:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name(".sdd-bench-tmp-" + path.name).write_bytes(b"not yet whole")  # as io.atomic leaves it
        os.kill(os.getpid(), signal.SIGKILL)
    write(batch, path, data)

FileBatch.write_bytes = write_until_killed
prepare(sys.argv[1], sys.argv[2], "as-is", patch_size=32, stride=24, progress=False)
"""


def test_a_killed_run_is_resumed_and_gives_the_same_bytes(make_raw: MakeRaw, tmp_path: Path) -> None:
    raw = make_raw(["a", "b", "c"], splits=["train"])
    prepare(raw, tmp_path / "at once", "as-is", progress=False, **SMALL)
    out, partial = tmp_path / "set", tmp_path / "set.partial"
    # Each pair is 2 images and 18 patches. The second run starts again with pair b, of which 7 files were written.
    for writes, whole in ((27, ["a"]), (21, ["a", "b"])):
        run = subprocess.run([sys.executable, "-c", KILLED_AT_A_WRITE, str(raw), str(out), str(writes)], check=False)
        assert run.returncode == -signal.SIGKILL
        assert not out.exists()
        assert {path.stem for path in (partial / "train/gt").glob("[a-c].png")} >= set(whole)
    first = (partial / "train/blur/a.png").stat().st_mtime_ns
    prepare(raw, out, "as-is", progress=False, **SMALL)
    assert tree(out) == tree(tmp_path / "at once")
    assert (out / "train/blur/a.png").stat().st_mtime_ns == first  # finished pairs were not written again
    assert not partial.exists()


def test_a_changed_raw_file_starts_the_run_anew(make_raw: MakeRaw, picture: Callable, tmp_path: Path) -> None:
    raw = make_raw(["a", "b"], splits=["train"])
    out = tmp_path / "set"
    subprocess.run([sys.executable, "-c", KILLED_AT_A_WRITE, str(raw), str(out), "25"], check=False)
    write_image(raw / "train/gt/a.png", picture(3))
    prepare(raw, out, "as-is", progress=False, **SMALL)
    np.testing.assert_array_equal(pixels(out / "train/gt/a.png"), picture(3))


def test_problems_of_all_headers_are_reported_together_and_nothing_is_written(
    make_raw: MakeRaw, picture: Callable[..., np.ndarray], tmp_path: Path
) -> None:
    raw = make_raw([*"abcdefg"], splits=["train"])
    (raw / "train/blur/a.png").write_bytes(b"<!DOCTYPE html><html></html>")
    (raw / "train/gt/a.png").write_bytes(b"")
    (raw / "train/gt/b.png").write_bytes((raw / "train/gt/b.png").read_bytes()[:200])
    cv2.imwrite(str(raw / "train/blur/c.png"), picture(0, 96, 60))
    cv2.imwrite(str(raw / "train/blur/d.png"), picture(0, bit_depth=16))
    for kind in ("blur", "gt"):
        cv2.imwrite(str(raw / f"train/{kind}/e.png"), picture(0, 32, 20))
        cv2.imwrite(str(raw / f"train/{kind}/f.png"), picture(0, 96, 96))
    with pytest.raises(ProblemsError) as caught:
        prepare(raw, tmp_path / "set", "as-is", size=(48, 32), progress=False, patch_size=40, stride=20)
    problems = caught.value.problems
    for stem, kind in (("a", "blur"), ("a", "gt"), ("b", "gt")):
        assert sum(f"train/{kind}/{stem}.png" in problem for problem in problems) == 1
    small = (
        "48 x 32 is smaller than a patch of 40 (parameters patch_size and stride; patch_size None writes no patches)"
    )
    resizing = "(parameter size; preset 'as-is' keeps sizes)"
    assert [problem for problem in problems if problem[1] == ":"] == [
        "c: blur is 96 x 60, gt is 96 x 64",
        f"c: {small}",
        "d: blur has 16 bits per channel, gt has 8",
        f"d: {small}",
        f"e: resizing 32 x 20 to 48 x 32 would enlarge it {resizing}",
        f"e: {small}",
        f"f: resizing 96 x 96 to 48 x 32 would change its aspect ratio (1.0000 to 1.5000) {resizing}",
        f"f: {small}",
        f"g: {small}",
    ]
    assert list(tmp_path.iterdir()) == [raw]


def test_test_images_may_be_smaller_than_a_patch(make_raw: MakeRaw, tmp_path: Path) -> None:
    assert prepare(make_raw(["a"], splits=["test"]), tmp_path / "set", "as-is", progress=False).pairs[0].patches == ()


def test_damaged_pixels_are_reported_together_and_the_output_does_not_appear(make_raw: MakeRaw, tmp_path: Path) -> None:
    raw = make_raw(["a", "b", "c"], splits=["test"])
    for stem in ("a", "c"):
        path = raw / f"test/gt/{stem}.png"
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0xFF  # in the pixel data: size and structure stay as they were
        path.write_bytes(content)
    with pytest.raises(ProblemsError) as caught:
        prepare(raw, tmp_path / "set", "as-is", progress=False)
    assert [problem.split(".png")[0].rpartition("/")[2] for problem in caught.value.problems] == ["a", "c"]
    assert list(tmp_path.iterdir()) == [raw]
    # Without checks nothing is decoded before it is prepared: such files are found then.
    with pytest.raises(ProblemsError, match="replace them and start again") as caught:
        prepare(raw, tmp_path / "set", "as-is", checks={"all": "off"}, progress=False)
    assert [problem.split(".png")[0].rpartition("/")[2] for problem in caught.value.problems] == ["a", "c"]
    assert not (tmp_path / "set").exists()
    for stem in ("a", "c"):
        (raw / f"test/gt/{stem}.png").write_bytes((raw / "test/gt/b.png").read_bytes())
    # The sharp pictures of three scenes are now the same: a warning, as all are in one split.
    assert len(prepare(raw, tmp_path / "set", "as-is", progress=False).pairs) == 3


@pytest.mark.parametrize("place", ["set", "file"])
def test_an_output_that_exists_is_left_alone(make_raw: MakeRaw, tmp_path: Path, place: str) -> None:
    raw = make_raw(["a"], splits=["test"])
    (tmp_path / "set").mkdir()
    (tmp_path / "set/mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="exists"):
        prepare(raw, tmp_path / place, "as-is", progress=False)
    assert (tmp_path / "set/mine.txt").read_text() == (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("place", ["raw/set", "link/set", "raw"])
def test_an_output_inside_the_raw_folder_is_refused(make_raw: MakeRaw, tmp_path: Path, place: str) -> None:
    raw = make_raw(["a"])
    (tmp_path / "link").symlink_to(raw)
    with pytest.raises(OutputError, match="lies inside the raw folder"):
        prepare(raw, tmp_path / place, "as-is", progress=False)


def test_a_parameter_that_does_not_exist_is_named(make_raw: MakeRaw, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="unknown preset parameter 'patchsize'"):
        prepare(make_raw(["a"]), tmp_path / "set", "as-is", patchsize=3)


def test_the_manifest_on_disk_is_json_for_people(make_raw: MakeRaw, tmp_path: Path) -> None:
    manifest = prepare(make_raw(["a"]), tmp_path / "set", "as-is", name="My set", progress=False, **SMALL)
    content = json.loads((tmp_path / "set/dataset.json").read_text(encoding="utf-8"))
    assert content["manifest_hash"] == manifest.manifest_hash
    assert (content["name"], content["tool_version"]) == ("My set", sdd_bench.__version__)
    assert content["preset"]["stride"] == 24
