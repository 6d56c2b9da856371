from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from sdd_bench.datasets.prepare import prepare

MakeRaw = Callable[..., Path]
SMALL = {"patch_size": 32, "stride": 24, "progress": False}


def card_of(raw: Path, out: Path, **options: object) -> tuple[dict[str, list[str]], str]:
    """The lines of the header by their key, each line below its key, and the rest."""
    prepare(raw, out, "as-is", **{**SMALL, **options})
    empty, header, text = (out / "README.md").read_text("utf-8").split("---\n", 2)
    assert empty == ""
    keys: dict[str, list[str]] = {}
    for line in header.splitlines():
        if not line.startswith((" ", "-")):
            key, _, value = line.partition(": ")
            keys[key.rstrip(":")] = [value] if value else []
        else:
            keys[list(keys)[-1]].append(line.strip())
    return keys, text


def test_the_card_holds_counts_sizes_licence_and_files(make_raw: MakeRaw, tmp_path: Path) -> None:
    raw = make_raw(["a_indoor", "b", "c"])
    header, text = card_of(raw, tmp_path / "set", licence="CC-BY-4.0", pack=True, name="Mine")
    assert header["license"] == ["cc-by-4.0"]
    assert header["pretty_name"] == ['"Mine"']
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    assert ["split", "pairs", "indoor", "outdoor", "unknown", "patches"] in rows
    assert ["train", "2", "1", "0", "1", "18"] in rows
    assert ["test", "1", "0", "0", "1", "0"] in rows
    assert ["image size", "96 x 64 pixels, 8 bits per channel, PNG"] in rows
    assert ["patches", "32 x 32, stride 24, the 70 % with the most sharpness energy"] in rows
    assert ["licence", "CC\\-BY\\-4.0"] in rows
    assert "train_patches.h5" in text
    assert "![" in text
    assert "(preview.jpg)" in text


@pytest.mark.parametrize(
    ("licence", "lines"),
    [
        ({}, {"license": ["unknown"]}),
        ({"licence": "MIT"}, {"license": ["mit"]}),
        ({"licence": 'ask "us": 1'}, {"license": ["other"], "license_name": ['"ask \\"us\\": 1"']}),
    ],
)
def test_a_licence_is_never_made_up(make_raw: MakeRaw, tmp_path: Path, licence: dict, lines: dict) -> None:
    header, _ = card_of(make_raw(["a"]), tmp_path / "set", **licence)
    assert {key: value for key, value in header.items() if key.startswith("license")} == lines
    stated = json.loads((tmp_path / "set/croissant.json").read_text())["license"]
    assert stated == licence.get("licence", "not stated")


def test_names_cannot_become_markdown(make_raw: MakeRaw, tmp_path: Path) -> None:
    header, text = card_of(make_raw(["a"]), tmp_path / "set", name="<b>*x* | [a](b)\n---")
    assert json.loads(header["pretty_name"][0]) == "<b>*x* | [a](b)\n---"
    assert text.splitlines()[1] == "# \\<b\\>\\*x\\* \\| \\[a\\]\\(b\\) \\-\\-\\-"


def test_the_preview_shows_the_first_pair_of_each_split_and_environment(make_raw: MakeRaw, tmp_path: Path) -> None:
    raw = make_raw(["a_indoor", "b_indoor", "c_indoor", "d"])  # indoor in both splits, and unknown
    prepare(raw, tmp_path / "set", "as-is", **SMALL)
    preview = cv2.imread(str(tmp_path / "set/preview.jpg"))[..., ::-1].astype(float)
    assert preview.shape == (64 * 3 + 8 * 2, 96 * 2 + 8, 3)
    for row, path in enumerate(("train/{}/a_indoor", "test/{}/b_indoor", "test/{}/d")):
        for column, kind in enumerate(("blur", "gt")):
            expected = cv2.imread(str(tmp_path / "set" / f"{path.format(kind)}.png"))[..., ::-1]
            shown = preview[row * 72 : row * 72 + 64, column * 104 : column * 104 + 96]
            assert np.abs(shown - expected).mean() < 12  # JPEG of noise
