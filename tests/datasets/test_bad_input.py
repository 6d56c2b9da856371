"""Raw folders as users have them: odd names, odd images, and outputs that are there already."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sdd_bench import open_dataset
from sdd_bench.datasets.prepare import prepare
from sdd_bench.errors import DatasetError, OutputError, ProblemsError

MakeRaw = Callable[..., Path]
MakePicture = Callable[..., np.ndarray]

NAMES = ["-rf", "--out", "a b", " lead", "日本語", "Küche", "1.5 m", "$(x)", "a'b\"c", "#%&;!"]


def test_odd_names_come_through_unchanged(make_raw: MakeRaw, tmp_path: Path) -> None:
    raw = make_raw(NAMES, folder="-raw ü", splits=["test"])
    out = tmp_path / "-set ü"
    manifest = prepare(raw, out, "as-is", progress=False)
    assert sorted(pair.stem for pair in manifest.pairs) == sorted(NAMES)
    assert open_dataset(out).stems == sorted(NAMES)
    assert {path.stem for path in (out / "test/gt").glob("*.png")} == set(NAMES)


def test_decomposed_names_become_composed_ones(make_raw: MakeRaw, tmp_path: Path) -> None:
    raw = make_raw([unicodedata.normalize("NFD", "Küche")], splits=["test"])
    (pair,) = prepare(raw, tmp_path / "set", "as-is", progress=False).pairs
    assert pair.stem == unicodedata.normalize("NFC", "Küche")
    assert (tmp_path / "set" / pair.image("gt")).exists()


def test_all_images_that_can_not_be_read_are_named_with_their_reasons(
    make_raw: MakeRaw, picture: MakePicture, tmp_path: Path
) -> None:
    kinds = ["empty", "page", "pointer", "truncated", "jpeg", "clear", "cmyk", "gif", "text", "damaged"]
    raw = make_raw(kinds, splits=["test"])
    gt = {name: raw / f"test/gt/{name}.png" for name in kinds}
    whole = gt["truncated"].read_bytes()
    gt["empty"].write_bytes(b"")
    gt["page"].write_bytes(b"<!DOCTYPE html><html></html>")
    gt["pointer"].write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    gt["truncated"].write_bytes(whole[: len(whole) // 2])
    Image.fromarray(picture(1)).save(gt["jpeg"], format="jpeg")
    alpha = np.full((64, 96, 1), 255, np.uint8)
    alpha[3, 4] = 254
    Image.fromarray(np.concatenate([picture(1), alpha], axis=2)).save(gt["clear"])
    cmyk = gt["cmyk"].with_suffix(".jpg")
    gt["cmyk"].unlink()
    Image.fromarray(picture(1)).convert("CMYK").save(cmyk)
    Image.fromarray(picture(1)).save(gt["gif"], format="gif")
    gt["text"].write_text("not a picture")
    damaged = bytearray(whole)
    damaged[len(damaged) // 2] ^= 0xFF
    gt["damaged"].write_bytes(damaged)
    with pytest.raises(ProblemsError) as caught:
        prepare(raw, tmp_path / "set", "as-is", progress=False)
    assert len(caught.value.problems) == len(kinds)
    reasons = (
        "zero bytes",
        "HTML page",
        "Git LFS pointer",
        "truncated",
        "content is JPEG",
        "",
        "CMYK",
        "GIF",
        "text",
        "",
    )
    for name, reason in zip(kinds, reasons, strict=True):
        assert any(f"{name}." in problem and reason in problem for problem in caught.value.problems)
    assert list(tmp_path.iterdir()) == [raw]


@pytest.mark.parametrize("mode", ["L", "P", "RGBA"])
def test_gray_palette_and_opaque_images_are_pairs(
    make_raw: MakeRaw, picture: MakePicture, tmp_path: Path, mode: str
) -> None:
    raw = make_raw(["a"], splits=["test"])
    for place, kind in enumerate(("blur", "gt")):
        Image.fromarray(picture(place)).convert(mode).save(raw / f"test/{kind}/a.png")
    assert prepare(raw, tmp_path / "set", "as-is", progress=False).pairs[0].size == (96, 64)


def test_a_folder_of_one_picture_everywhere_is_refused(make_raw: MakeRaw, tmp_path: Path) -> None:
    raw = make_raw(["a", "b"])
    content = (raw / "train/gt/a.png").read_bytes()
    for path in raw.rglob("*.png"):
        path.write_bytes(content)
    with pytest.raises(ProblemsError) as caught:
        prepare(raw, tmp_path / "set", "as-is", progress=False, patch_size=32, stride=24)
    found = " ".join(caught.value.problems)
    assert found.count("the same picture") == found.count("another split") == 2


def test_an_output_of_another_preset_is_refused_with_the_difference(make_raw: MakeRaw, tmp_path: Path) -> None:
    raw, out = make_raw(["a", "b"]), tmp_path / "set"
    prepare(raw, out, "as-is", progress=False, patch_size=32, stride=24)
    before = (out / "dataset.json").read_bytes()
    raw.joinpath("test/gt/b.png").rename(raw / "test/gt/c.png")
    raw.joinpath("test/blur/b.png").rename(raw / "test/blur/c.png")
    with pytest.raises(OutputError) as caught:
        changes = {"size": (48, 32), "patch_size": 16, "stride": 16, "checks": {"leak": "off", "clipped": 9}}
        prepare(raw, out, "as-is", name="other", progress=False, **changes)
    lines = str(caught.value).splitlines()
    assert "already exists: it is another dataset. There, and asked for here:" in lines[0]
    assert sorted(lines[1:-1]) == sorted(
        [
            "  - name: raw, other",
            "  - size: None, [48, 32]",
            "  - patch_size: 32, 16",
            "  - stride: 24, 16",
            "  - check leak level: error, off",
            "  - check clipped threshold: 5.0, 9.0",
            "  - 1 pairs only there: b",
            "  - 1 pairs only here: c",
        ]
    )
    assert (out / "dataset.json").read_bytes() == before


def test_an_output_that_would_be_the_same_is_said_to_be_there(make_raw: MakeRaw, tmp_path: Path) -> None:
    raw, out = make_raw(["a"], splits=["test"]), tmp_path / "set"
    prepare(raw, out, "as-is", progress=False)
    with pytest.raises(OutputError, match="already exists: it was prepared with the same parameters"):
        prepare(raw, out, "as-is", progress=False)
    content = json.loads((out / "dataset.json").read_text())
    content["pairs"] = []
    (out / "dataset.json").write_text(json.dumps(content))
    with pytest.raises(DatasetError, match="edited after it was written"):
        prepare(raw, out, "as-is", progress=False)
