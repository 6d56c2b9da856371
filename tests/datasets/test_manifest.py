from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from sdd_bench.datasets.manifest import (
    DatasetManifest,
    image_path,
    patch_path,
    read_manifest,
    write_manifest,
)
from sdd_bench.errors import DatasetError

SHA = "0123456789abcdef" * 4


def sources(stem: str, sha256: str = SHA) -> dict[str, Any]:
    return {kind: {"path": f"{kind}/{stem}.png", "sha256": sha256} for kind in ("blur", "gt")}


def pair(stem: str, **changes: Any) -> dict[str, Any]:
    return {
        "stem": stem,
        "scene": "kitchen",
        "environment": "indoor",
        "split": "train",
        "size": [64, 48],
        "bit_depth": 8,
        "sources": sources(stem),
        "files": {f"train/{kind}/{stem}.png": SHA for kind in ("blur", "gt")},
        "patches": [{"index": 2, "x": 16, "y": 0}],
        "checks": [{"name": "odd", "level": "warning", "message": "strange"}],
        **changes,
    }


def manifest(**changes: Any) -> DatasetManifest:
    content = {
        "name": "réal",
        "tool_version": "0.1.0",
        "layout": "sdd",
        "preset": {"name": "as-is", "description": "told"},
        "pairs": [pair("ä b"), pair("c", split="test", environment=None, patches=[])],
    }
    return DatasetManifest.model_validate({**content, **changes})


def test_a_manifest_read_back_equals_the_one_written(tmp_path: Path) -> None:
    write_manifest(tmp_path, manifest())
    assert read_manifest(tmp_path) == manifest()


def test_the_hash_is_that_of_the_canonical_json_of_the_file_without_labels(tmp_path: Path) -> None:
    write_manifest(tmp_path, manifest())
    content = json.loads((tmp_path / "dataset.json").read_text(encoding="utf-8"))
    stated = content.pop("manifest_hash")
    del content["name"], content["tool_version"], content["notes"]
    del content["preset"]["description"], content["preset"]["checks"]
    for record in content["pairs"]:
        del record["checks"]
        for source in record["sources"].values():
            del source["path"]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert stated == hashlib.sha256(text.encode("utf-8")).hexdigest()


@pytest.mark.parametrize(
    "labels",
    [
        {"name": "other"},
        {"tool_version": "9"},
        {"preset": {"name": "as-is", "description": "retold"}},
        {"preset": {"name": "as-is", "checks": {"exposure": "off"}}},
        {"pairs": [pair("ä b", checks=[]), pair("c", split="test", environment=None, patches=[])]},
        {"notes": ["noted"]},
        {"pairs": [pair("ä b", sources=sources("/elsewhere")), pair("c", split="test", environment=None, patches=[])]},
    ],
)
def test_the_hash_does_not_depend_on_labels(labels: dict[str, Any]) -> None:
    assert manifest(**labels).manifest_hash == manifest().manifest_hash


@pytest.mark.parametrize(
    "change",
    [
        {"layout": "pairs.csv"},
        {"preset": {"name": "as-is", "seed": 1}},
        {"pairs": [pair("ä b")]},
        {
            "pairs": [
                pair("ä b", sources=sources("ä b", SHA[::-1])),
                pair("c", split="test", environment=None, patches=[]),
            ]
        },
        {"pairs": [pair("ä b"), pair("c", split="test", environment="outdoor", patches=[])]},
    ],
)
def test_the_hash_depends_on_everything_else(change: dict[str, Any]) -> None:
    assert manifest(**change).manifest_hash != manifest().manifest_hash


def test_the_dataset_may_be_renamed_by_hand(tmp_path: Path) -> None:
    write_manifest(tmp_path, manifest())
    edit(tmp_path, lambda content: content.update(name="mine"))
    assert read_manifest(tmp_path).name == "mine"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content["pairs"][0].update(environment="outdoor"), "edited after it was written"),
        (lambda content: content["pairs"][0].update(environment="Indoor"), "pairs.0.environment"),
        (lambda content: content["pairs"][0].update(colour="red"), "pairs.0.colour"),
        (lambda content: content["pairs"][0]["files"].update({"x.png": "no hash"}), "pairs.0.files"),
        (lambda content: content["pairs"].append(content["pairs"][0]), "more than once: ä b"),
        (lambda content: content.pop("pairs"), "pairs: Field required"),
        (lambda content: content.pop("manifest_hash"), "it states None"),
        (lambda content: content.update(schema_version=1), "schema version 1; this version of sdd-bench reads 2"),
        (lambda content: content.pop("schema_version"), "schema version None"),
    ],
)
def test_an_edited_manifest_is_refused_and_the_place_named(tmp_path: Path, change: Any, message: str) -> None:
    write_manifest(tmp_path, manifest())
    edit(tmp_path, change)
    with pytest.raises(DatasetError, match=message) as caught:
        read_manifest(tmp_path)
    assert str(tmp_path / "dataset.json") in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b'{"schema_version": 2, ', "not JSON"), (b"", "not JSON"), (b"\xff\xfe", "not JSON"), (b"[]", "JSON object")],
)
def test_a_broken_manifest_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "dataset.json").write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        read_manifest(tmp_path)


def test_a_folder_without_a_manifest_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"holds no dataset.json.*sdd-bench prepare RAW --out"):
        read_manifest(tmp_path)
    with pytest.raises(DatasetError, match="there is no such folder"):
        read_manifest(tmp_path / "nowhere")


def test_records_can_not_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        manifest().name = "other"  # type: ignore[misc]  # that is what is tested


def test_counts_and_warnings_tell_what_is_in_the_dataset() -> None:
    counts = manifest().counts()
    assert counts["train"] == {"pairs": 1, "indoor": 1, "outdoor": 0, "unknown": 0, "patches": 1}
    assert counts["test"] == {"pairs": 1, "indoor": 0, "outdoor": 0, "unknown": 1, "patches": 0}
    assert manifest(notes=["few"]).warnings() == ["few", "odd: strange (2 of 2 pairs: ä b, c)"]


def test_paths_are_those_the_jdrl_release_reads() -> None:
    # Its readers join one file name to <set>/gt/ and <set>/blur/, for the sets train_patches and test
    # (solver/solver.py and test_model/test_model.py of github.com/liyucs/JDRL).
    assert image_path("test", "blur", "007") == "test/blur/007.png"
    assert image_path("test", "gt", "007") == "test/gt/007.png"
    assert patch_path("gt", "007", 3) == "train_patches/gt/007_03.png"


def edit(folder: Path, change: Any) -> None:
    path = folder / "dataset.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")
