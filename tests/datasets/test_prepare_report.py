from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np
import pytest

from sdd_bench.datasets.manifest import Check, DatasetManifest, read_manifest
from sdd_bench.datasets.patches import gray_levels, sharpness_energy
from sdd_bench.datasets.prepare import prepare
from sdd_bench.datasets.prepare_report import PairView, PatchGrid
from sdd_bench.datasets.prepare_report_page import render
from sdd_bench.errors import OutputError

MakeRaw = Callable[..., Path]
HOSTILE = "<img src=x onerror='alert(1)'>\"' {{ 7 * 7 }}"
VIEW = PairView("data:image/jpeg;base64,", "data:image/jpeg;base64,", ())


class Page(HTMLParser):
    """What a browser would make of the page: its tags with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text, self._style = "", False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._style = False

    def handle_data(self, data: str) -> None:
        self.text += "" if self._style else data

    def find(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag and wanted.items() <= attrs.items()]


@pytest.fixture
def dataset(make_raw: MakeRaw, tmp_path: Path) -> Path:
    raw = make_raw(["a_indoor", "b", "c_outdoor", "d"])
    prepare(raw, tmp_path / "set", "as-is", patch_size=32, stride=24, progress=False)
    return tmp_path / "set"


def with_checks(manifest: DatasetManifest, *checks: Check) -> DatasetManifest:
    """Every pair with these checks and no others."""
    return manifest.model_copy(
        update={"pairs": tuple(pair.model_copy(update={"checks": checks}) for pair in manifest.pairs)}
    )


def rendered(manifest: DatasetManifest, grid: PatchGrid | None = None) -> Page:
    return Page(render(manifest, {pair.stem: VIEW for pair in manifest.pairs}, grid))


def test_every_pair_is_shown_with_its_split_and_environment(dataset: Path) -> None:
    page = Page((dataset / "prepare_report.html").read_text("utf-8"))
    sheet = page.text[page.text.index("Blurry at the left") : page.text.index("How it was prepared", 500)]
    words = " ".join(sheet.split())
    for said in ("a_indoor train indoor 9 patches", "b test unknown", "c_outdoor train outdoor 9", "d test unknown"):
        assert said.replace(" ", "") in words.replace(" ", "")
    alts = [attrs["alt"] for attrs in page.find("img")]
    assert len(alts) == 2 * 4 + 1  # and the picture under the grid
    assert alts.count("b, blurry") == alts.count("b, sharp") == 1


def test_patches_of_the_grid_are_kept_and_dropped_as_in_the_manifest(dataset: Path) -> None:
    page = Page((dataset / "prepare_report.html").read_text("utf-8"))
    groups = [attrs["class"] for attrs in page.find("g")]
    kept = {patch.index for patch in read_manifest(dataset).pairs[0].patches}
    assert len(groups) == 12
    assert {number for number, name in enumerate(groups) if name == "patch"} == kept
    gt = cv2.imread(str(dataset / "train/gt/a_indoor.png"))[..., ::-1]
    energy = sharpness_energy(gray_levels(np.ascontiguousarray(gt)), 32, 24)
    labels = re.findall(r"patch (\d+) at \((\d+), (\d+)\): (kept|dropped); energy ([\d.]+)", page.text)
    assert [(int(x), int(y)) for _, x, y, _, _ in labels] == [(x, y) for y in (0, 24, 32) for x in (0, 24, 48, 64)]
    assert [float(text) for *_, text in labels] == pytest.approx(energy.tolist(), abs=5.1e-5)


def test_the_energy_of_every_patch_is_in_the_histogram(dataset: Path) -> None:
    text = (dataset / "prepare_report.html").read_text("utf-8")
    counts = re.findall(r"<title>[\d.]+ to [\d.]+: (\d+) (kept|dropped)</title>", text)
    for group, number in (("kept", 18), ("dropped", 6)):
        assert sum(int(count) for count, name in counts if name == group) == number


def test_what_was_not_measured_is_said_to_be_so(dataset: Path) -> None:
    page = rendered(with_checks(read_manifest(dataset)))
    assert page.text.count("not measured") == 3  # no energies here, no exposure, no misalignment
    assert "Nothing that needs a warning." in page.text


def test_measured_exposure_and_misalignment_are_drawn_with_their_threshold(dataset: Path) -> None:
    manifest = read_manifest(dataset)
    exposure = Check(name="exposure", level="warning", message="m", value=0.7, threshold=0.5, unit="stops")
    misaligned = Check(name="misaligned", level="info", message="m", value=1.5, threshold=5.0, unit="%")
    page = rendered(with_checks(manifest, exposure, misaligned))
    assert page.text.count("not measured") == 1
    titles = re.findall(r"[\d.]+ to [\d.]+: 4 (?:fine|warned of)", page.text)
    assert [title.partition(": ")[2] for title in titles] == ["4 warned of", "4 fine"]
    assert page.text.count("exposure: m (0.7 stops)") == 4
    unknown = misaligned.model_copy(update={"value": None, "level": "warning"})
    partly = with_checks(manifest, misaligned).pairs[:3] + with_checks(manifest, unknown).pairs[3:]
    assert "1 pair has no value." in rendered(manifest.model_copy(update={"pairs": partly})).text


def test_names_are_text_wherever_they_stand(dataset: Path) -> None:
    manifest = read_manifest(dataset)
    warning = Check(name=HOSTILE, level="warning", message=HOSTILE, detail=HOSTILE, value=1.0, unit=HOSTILE)
    fields = {"stem": HOSTILE, "scene": HOSTILE + "!", "checks": (warning,)}
    pairs = (manifest.pairs[0].model_copy(update=fields), *manifest.pairs[1:])
    preset = manifest.preset.model_copy(update={"name": HOSTILE, "description": HOSTILE})
    changes = {"pairs": pairs, "name": HOSTILE, "preset": preset, "notes": (HOSTILE,)}
    grid = PatchGrid(pairs[0], "data:,", ((0, 0), (64, 32)), (0.5, 0.1), 32)
    page = rendered(manifest.model_copy(update=changes), grid)
    assert page.text.count(HOSTILE) >= 9
    assert all(not key.startswith("on") for _, attrs in page.tags for key in attrs)
    assert all((attrs["src"] or "").startswith("data:") for attrs in page.find("img"))


def test_nothing_is_loaded_from_outside_the_file_and_no_script_runs(dataset: Path) -> None:
    text = (dataset / "prepare_report.html").read_text("utf-8")
    page = Page(text)
    loaded = [attrs[key] or "" for _, attrs in page.tags for key in ("src", "href", "data", "srcset") if key in attrs]
    assert all(url.startswith(("data:", "#")) for url in loaded)
    assert not re.search(r"@import|url\((?!#)", text)
    (policy,) = page.find("meta", **{"http-equiv": "Content-Security-Policy"})
    assert (policy["content"] or "").startswith("default-src 'none'")
    assert "script-src" not in (policy["content"] or "")
    assert not page.find("script")
    ids = {attrs["id"] for _, attrs in page.tags if "id" in attrs}
    assert {(attrs["href"] or "")[1:] for attrs in page.find("a")} <= ids


def test_a_run_with_two_workers_or_resumed_gives_the_same_report(make_raw: MakeRaw, tmp_path: Path) -> None:
    raw = make_raw(["a_indoor", "b", "c_outdoor", "d"])
    options: dict[str, Any] = {"patch_size": 32, "stride": 24, "progress": False}
    prepare(raw, tmp_path / "one", "as-is", **options)
    prepare(raw, tmp_path / "two", "as-is", workers=2, **options)
    with (
        pytest.raises(OutputError, match="nothing more"),
        mock.patch("sdd_bench.datasets.prepare.write_manifest", side_effect=OutputError("nothing more")),
    ):
        prepare(raw, tmp_path / "resumed", "as-is", **options)
    with mock.patch("sdd_bench.datasets.prepare.prepare_pair", side_effect=AssertionError("done already")):
        prepare(raw, tmp_path / "resumed", "as-is", **options)
    reports = {(tmp_path / name / "prepare_report.html").read_bytes() for name in ("one", "two", "resumed")}
    assert len(reports) == 1


def test_a_dataset_without_patches_or_training_pairs_has_a_report(make_raw: MakeRaw, tmp_path: Path) -> None:
    prepare(make_raw(["a"], splits=["test"]), tmp_path / "set", "as-is", progress=False)
    page = Page((tmp_path / "set/prepare_report.html").read_text("utf-8"))
    assert not page.find("g")
    assert "1 pair, prepared with preset" in page.text
