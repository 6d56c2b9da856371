"""What other people's libraries make of a prepared dataset."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from sdd_bench.datasets.prepare import prepare

MakeRaw = Callable[..., Path]
# Stems that a table's reader could take for numbers, or a pattern for something else.
STEMS = ("007", "1e5", "b [x]", "sc\u00e8ne, a_indoor")


@pytest.fixture
def dataset(make_raw: MakeRaw, tmp_path: Path) -> Path:
    raw = make_raw(STEMS)
    options = {"pack": True, "patch_size": 32, "stride": 24, "progress": False}
    prepare(raw, tmp_path / "set", "as-is", name="A set", licence="CC-BY-4.0", **options)
    return tmp_path / "set"


def pixels(path: Path) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def test_tables_name_every_image_once_by_paths_relative_to_themselves(dataset: Path) -> None:
    for folder, columns in (("train", 2), ("test", 2), ("train_patches", 18)):
        rows = [json.loads(line) for line in (dataset / folder / "metadata.jsonl").read_text("utf-8").splitlines()]
        assert len(rows) == columns
        named = [value for row in rows for key, value in row.items() if key.endswith("_file_name")]
        assert sorted(named) == sorted(
            path.relative_to(dataset / folder).as_posix() for path in (dataset / folder).rglob("*.png")
        )
    assert {row["stem"]: row["environment"] for row in rows} == {"007": "unknown", "b [x]": "unknown"}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_croissant_is_valid_and_its_records_are_the_dataset(dataset: Path, caplog: pytest.LogCaptureFixture) -> None:
    mlcroissant = pytest.importorskip("mlcroissant", reason="needs mlcroissant: pip install sdd-bench[dev]")
    with caplog.at_level(logging.WARNING):
        read = mlcroissant.Dataset(jsonld=str(dataset / "croissant.json"))
    complaints = [line for line in caplog.text.splitlines() if line.strip().startswith("-")]
    # Recommended, but only the dataset's owner knows them: how to cite it, and when it was published.
    assert sorted(line.split('"')[1].rpartition("/")[2] for line in complaints) == ["citeAs", "datePublished"]
    assert read.metadata.name == "A set"
    pairs = list(read.records("test_table"))
    assert [pair["test_table/blur_file_name"].decode() for pair in pairs] == [
        f"blur/{stem}.png" for stem in STEMS[1::2]
    ]
    assert len(list(read.records("train_patches_table"))) == 18
    images = {
        r["train_gt_images/file_name"].decode(): r["train_gt_images/image"] for r in read.records("train_gt_images")
    }
    assert images.keys() == {"007.png", "b [x].png"}
    np.testing.assert_array_equal(np.asarray(images["007.png"]), pixels(dataset / "train/gt/007.png"))


@pytest.mark.filterwarnings("ignore")  # of the library about itself
def test_hugging_face_datasets_loads_pairs_and_patches(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets", reason="needs Hugging Face datasets: pip install datasets")
    loaded = datasets.load_dataset(str(dataset), "pairs", cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows) for split, rows in loaded.items()} == {"train": 2, "test": 2}
    rows = {row["stem"]: row for row in loaded["train"]}
    assert rows.keys() == {"007", "b [x]"}  # text, with its zeros
    for kind in ("blur", "gt"):
        np.testing.assert_array_equal(np.asarray(rows["b [x]"][kind]), pixels(dataset / f"train/{kind}/b [x].png"))
    patches = datasets.load_dataset(str(dataset), "patches", split="train", cache_dir=str(tmp_path / "cache"))
    assert len(patches) == 18
    row = patches[4]
    name = f"{row['stem']}_{row['index']:02d}.png"
    np.testing.assert_array_equal(np.asarray(row["gt"]), pixels(dataset / "train_patches/gt" / name))
    whole = pixels(dataset / f"train/gt/{row['stem']}.png")
    np.testing.assert_array_equal(np.asarray(row["gt"]), whole[row["y"] : row["y"] + 32, row["x"] : row["x"] + 32])
