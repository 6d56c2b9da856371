from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import sdd_bench
from sdd_bench.datasets.dataset import Dataset, open_dataset
from sdd_bench.datasets.prepare import prepare
from sdd_bench.errors import DatasetError, ProblemsError


@pytest.fixture
def prepared(make_raw: Callable[..., Path], tmp_path: Path) -> Path:
    raw = make_raw(["b10", "a", "Küche", "x"], splits=["test", "train"], kinds=["blur", "gt", "aligned_gt"])
    (raw / "test/aligned_gt/b10.png").unlink()
    prepare(raw, tmp_path / "set", "as-is", patch_size=None, progress=False)
    return tmp_path / "set"


def test_a_split_holds_its_pairs_in_the_order_of_their_stems(prepared: Path) -> None:
    dataset = sdd_bench.open_dataset(prepared)
    assert isinstance(dataset, Dataset)
    assert len(dataset) == 2
    assert [pair.stem for pair in dataset] == dataset.stems == ["Küche", "b10"]
    assert open_dataset(str(prepared), "train").stems == ["a", "x"]


def test_a_pair_reads_its_images_when_asked(prepared: Path, make_raw: Callable[..., Path], picture: Callable) -> None:
    pair = open_dataset(prepared)["Küche"]
    assert (pair.size, pair.bit_depth, pair.split, pair.scene, pair.environment) == ((96, 64), 8, "test", "Küche", None)
    assert pair.blur_path == prepared / "test/blur/Küche.png"
    assert pair.aligned_gt_path == prepared / "test/aligned_gt/Küche.png"
    # make_raw gives the third pair the pictures 20 (blur), 21 (gt) and 22 (aligned_gt).
    for read, seed in ((pair.blur, 20), (pair.gt, 21), (pair.aligned_gt, 22)):
        assert read().dtype == np.float32
        np.testing.assert_array_equal(np.rint(read() * 255), picture(seed))
    pair.gt_path.unlink()
    with pytest.raises(sdd_bench.errors.ImageError, match="exist"):
        pair.gt()


def test_a_pair_without_aligned_truth_says_so(prepared: Path) -> None:
    pair = open_dataset(prepared)["b10"]
    assert pair.aligned_gt_path is None
    with pytest.raises(DatasetError, match="pair 'b10' has no aligned ground truth"):
        pair.aligned_gt()


def test_stems_are_found_in_either_unicode_form_and_the_nearest_is_named_otherwise(prepared: Path) -> None:
    dataset = open_dataset(prepared)
    decomposed = unicodedata.normalize("NFD", "Küche")
    assert decomposed in dataset
    assert dataset[decomposed].stem == "Küche"
    assert "b1" not in dataset
    assert 3 not in dataset
    with pytest.raises(DatasetError, match=r"unknown stem in split 'test' 'b1'. Did you mean b10\?"):
        dataset["b1"]


def test_the_hash_pins_all_splits(prepared: Path) -> None:
    test, train = open_dataset(prepared, "test"), open_dataset(prepared, "train")
    assert test.hash == train.hash == test.manifest.manifest_hash


def test_all_missing_files_are_reported_together(prepared: Path) -> None:
    (prepared / "test/blur/b10.png").unlink()
    (prepared / "test/aligned_gt/Küche.png").unlink()
    (prepared / "train/gt/a.png").unlink()
    with pytest.raises(ProblemsError) as caught:
        open_dataset(prepared)
    assert caught.value.problems == ["test/aligned_gt/Küche.png", "test/blur/b10.png"]


def test_an_empty_split_says_which_are_not(make_raw: Callable[..., Path], tmp_path: Path) -> None:
    prepare(make_raw(["a", "b"]), tmp_path / "set", "as-is", patch_size=None, progress=False)
    prepare(make_raw(["a", "b"], "raw2", ["train"]), tmp_path / "trained", "as-is", patch_size=None, progress=False)
    with pytest.raises(DatasetError, match=r"no pairs in split 'test'; it has: train \(2 pairs\)"):
        open_dataset(tmp_path / "trained")
    with pytest.raises(DatasetError, match=r"unknown split 'tset'. Did you mean test\?"):
        open_dataset(tmp_path / "set", "tset")


def test_what_is_no_dataset_says_how_to_prepare_one(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"is not a prepared dataset.*sdd-bench prepare RAW"):
        open_dataset(tmp_path)
