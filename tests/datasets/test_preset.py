from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdd_bench.datasets.patches import grid, keep_sharpest
from sdd_bench.datasets.preset import Preset, load_preset, preset_names
from sdd_bench.datasets.splits import draw_test_scenes
from sdd_bench.errors import DatasetError


def test_presets_that_come_with_the_package_are_named_like_their_files() -> None:
    assert preset_names() == ["as-is", "dpdd", "sdd"]
    for name in preset_names():
        assert load_preset(name).name == name


@pytest.mark.parametrize(("name", "patches"), [("sdd", 42), ("dpdd", 20)])
def test_the_published_numbers_of_patches_per_image_come_out(name: str, patches: int) -> None:
    # JDRL: 4,830 patches of 115 images; DPDNet: 7,000 of 350.
    preset = load_preset(name)
    assert preset.size is not None
    assert preset.patch_size is not None
    places = grid(*preset.size, preset.patch_size, preset.stride)
    assert len(keep_sharpest(np.arange(float(len(places))), preset.keep_share)) == patches


def test_the_sdd_preset_draws_the_papers_numbers_of_test_scenes() -> None:
    # JDRL, section 3: 61 indoor and 89 outdoor scenes, of which 11 and 24 are for testing.
    scenes: dict[str, Any] = {f"i{k}": "indoor" for k in range(61)} | {f"o{k}": "outdoor" for k in range(89)}
    test = draw_test_scenes(scenes, load_preset("sdd"))
    assert sum(scene.startswith("i") for scene in test) == 11
    assert sum(scene.startswith("o") for scene in test) == 24
    unknown: dict[str, Any] = dict.fromkeys(scenes, "unknown")
    assert len(draw_test_scenes(unknown, load_preset("sdd"))) == 35


def test_changes_replace_single_parameters() -> None:
    preset = load_preset("sdd", {"patch_size": 256, "stride": 128, "size": None})
    assert (preset.patch_size, preset.stride, preset.size, preset.keep_share) == (256, 128, None, 0.7)


def test_a_preset_may_be_a_file_a_mapping_or_a_record(tmp_path: Path) -> None:
    mine = Preset(name="mine", size=(64, 32), patch_size=None)
    path = tmp_path / "mine.json"
    path.write_text(mine.model_dump_json())
    assert load_preset(path) == load_preset(str(path)) == load_preset(json.loads(path.read_text())) == mine
    assert load_preset(mine) == mine


@pytest.mark.parametrize(
    ("preset", "changes", "message"),
    [
        ("sdd2", {}, r"unknown preset 'sdd2'. Did you mean sdd"),
        ("sdd", {"patchsize": 3}, r"unknown preset parameter 'patchsize'. Did you mean patch_size"),
        ("sdd", {"patch_size": 8}, "patch_size: Input should be greater than or equal to 16"),
        ("sdd", {"patch_size": 100}, "stride 153 is larger than patch_size 100"),
        ("sdd", {"keep_share": 0}, "keep_share: Input should be greater than 0"),
        ("sdd", {"test_share": 1.5}, "test_share"),
        ("sdd", {"test_share": {"indoors": 0.5}}, "test_share"),
        ("sdd", {"bit_depth": 12}, "bit_depth"),
        ("sdd", {"seed": -1, "stride": 0}, r"\n  - stride.*\n  - seed"),
        ({"name": "x", "size": [10]}, {}, "size"),
        ({"size": None}, {}, "name: Field required"),
        ("nowhere.json", {}, "nowhere.json: can't be read"),
    ],
)
def test_a_wrong_preset_is_refused_by_name(preset: Any, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        load_preset(preset, changes)


@pytest.mark.parametrize(("text", "message"), [("{", "not JSON"), ("[1]", "expected a JSON object")])
def test_a_preset_file_must_hold_a_json_object(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "p.json").write_text(text)
    with pytest.raises(DatasetError, match=message):
        load_preset(tmp_path / "p.json")
