from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from sdd_bench.datasets.checks.rules import CHECKS
from sdd_bench.datasets.checks.run import check_pairs
from sdd_bench.datasets.manifest import Check
from sdd_bench.datasets.prepare import prepare
from sdd_bench.datasets.preset import load_preset
from sdd_bench.datasets.scenes import load_photograph
from sdd_bench.datasets.sources import SourcePair
from sdd_bench.errors import ProblemsError
from sdd_bench.io.images import write_image

NAMES = ("coffee", "rocket", "astronaut", "chelsea")


def sharp(name: str) -> np.ndarray:
    picture = load_photograph(name).astype(np.float32) / 255 * 0.9 + 0.05
    return np.rint(cv2.resize(picture, (384, 256), interpolation=cv2.INTER_AREA) * 255).astype(np.uint8)


def blurred(picture: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(picture, (0, 0), 1.5)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Four sound pairs; the last two are for testing."""
    for number, name in enumerate(NAMES):
        split = "train" if number < 2 else "test"
        write_image(tmp_path / f"raw/{split}/gt/{name}.png", sharp(name))
        write_image(tmp_path / f"raw/{split}/blur/{name}.png", blurred(sharp(name)))
    return tmp_path / "raw"


def path(raw: Path, kind: str, name: str) -> Path:
    return raw / ("train" if NAMES.index(name) < 2 else "test") / kind / f"{name}.png"


def run(raw: Path, workers: int = 1, **checks: Any) -> tuple[dict[str, dict[str, Check]], list[str]]:
    pairs = [
        SourcePair(name, {k: path(raw, k, name).relative_to(raw).as_posix() for k in ("blur", "gt")}, name)
        for name in NAMES
    ]
    splits = {name: path(raw, "gt", name).parent.parent.name for name in NAMES}
    rules = load_preset("as-is", {"checks": checks} if checks else None).checks
    found = check_pairs(raw, pairs, splits, rules, workers=workers, progress=False)  # type: ignore[arg-type]
    return {stem: {check.name: check for check in rows} for stem, rows in found.checks.items()}, found.problems


def warned(rows: dict[str, dict[str, Check]]) -> set[tuple[str, str]]:
    return {(stem, name) for stem, checks in rows.items() for name, check in checks.items() if check.level == "warning"}


def test_sound_pairs_pass_and_every_value_is_kept_with_what_it_was_held_against(raw: Path) -> None:
    rows, problems = run(raw)
    assert problems == []
    assert warned(rows) == set()
    assert {stem: set(checks) for stem, checks in rows.items()} == {name: set(CHECKS) for name in NAMES}
    assert all(
        (check.value is not None, check.threshold, check.unit) == (True, CHECKS[name].threshold, CHECKS[name].unit)
        for checks in rows.values()
        for name, check in checks.items()
    )


def test_each_defect_is_found_by_its_check(raw: Path) -> None:
    write_image(path(raw, "blur", "coffee"), sharp("coffee"))
    write_image(path(raw, "blur", "rocket"), sharp("rocket"))
    write_image(path(raw, "gt", "rocket"), blurred(sharp("rocket")))
    reddish = blurred(sharp("astronaut")).astype(np.float32) * (1.0, 0.65, 0.65)
    write_image(path(raw, "blur", "astronaut"), np.rint(reddish).astype(np.uint8))
    washed = sharp("chelsea")
    washed[:40] = 255
    write_image(path(raw, "gt", "chelsea"), washed)
    rows, problems = run(raw)
    assert [problem.split(" (")[0] for problem in problems] == [
        "coffee: blur and sharp are the same picture",
        "rocket: the sharp picture is the blurrier one",
    ]
    assert "swap the two, or --check swapped=warn" in problems[1]
    assert warned(rows) == {("astronaut", "exposure"), ("astronaut", "colour"), ("chelsea", "clipped")}
    assert rows["chelsea"]["clipped"].value == pytest.approx(40 / 256 * 100, abs=0.01)
    assert rows["astronaut"]["exposure"].value == pytest.approx(0.9, abs=0.15)


def test_a_pair_of_different_scenes_or_beyond_the_range_is_misaligned(raw: Path) -> None:
    write_image(path(raw, "blur", "coffee"), blurred(sharp("astronaut")))
    zoomed = cv2.warpAffine(
        sharp("rocket"), cv2.getRotationMatrix2D((191.5, 127.5), 0, 1.04), (384, 256), borderMode=cv2.BORDER_REFLECT
    )
    write_image(path(raw, "blur", "rocket"), blurred(zoomed))
    rows, _ = run(raw, swapped="off", exposure="off", colour="off", misaligned=1)
    assert warned(rows) == {("coffee", "misaligned"), ("rocket", "misaligned")}
    assert rows["coffee"]["misaligned"].value is None
    # 4 % of half the diagonal of 384 x 256, of 384; the estimate is good to a tenth of it.
    assert rows["rocket"]["misaligned"].value == pytest.approx(0.04 * np.hypot(191.5, 127.5) / 384 * 100, rel=0.1)
    assert rows["rocket"]["misaligned"].detail.startswith("zoom 0.96")


def test_a_scene_again_in_its_split_is_a_warning_and_in_another_an_error(raw: Path) -> None:
    again = cv2.convertScaleAbs(sharp("coffee"), alpha=0.95)
    write_image(path(raw, "gt", "rocket"), again)
    write_image(path(raw, "blur", "rocket"), blurred(again))
    rows, problems = run(raw)
    assert problems == []
    assert warned(rows) == {("coffee", "duplicate"), ("rocket", "duplicate")}
    assert rows["coffee"]["duplicate"].detail == "rocket (train)"
    write_image(path(raw, "gt", "chelsea"), again)
    write_image(path(raw, "blur", "chelsea"), blurred(again))
    _, problems = run(raw)
    # Two of one split that look alike, and both like the third: whose line names whom is a matter of a bit.
    assert [problem.partition(": ")[0] for problem in problems] == ["coffee", "rocket", "chelsea"]
    assert all("looks like a scene of another split" in problem for problem in problems)
    rows, problems = run(raw, leak="warn")
    assert problems == []
    assert ("chelsea", "leak") in warned(rows)


def test_levels_and_thresholds_decide(raw: Path) -> None:
    write_image(path(raw, "blur", "coffee"), sharp("coffee"))
    assert run(raw, identical="off", swapped="off")[1] == []
    rows, problems = run(raw, identical="warn", swapped="off")
    assert (problems, warned(rows)) == ([], {("coffee", "identical")})
    assert "swapped" not in rows["coffee"]
    _, problems = run(raw, all="off", clipped={"level": "error", "threshold": -1})
    assert len(problems) == 4


def test_files_that_can_not_be_decoded_are_named_and_the_others_checked(raw: Path) -> None:
    damaged = bytearray(path(raw, "gt", "coffee").read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    path(raw, "gt", "coffee").write_bytes(damaged)
    rows, problems = run(raw)
    assert len(problems) == 1
    assert "coffee.png" in problems[0]
    assert set(rows) == set(NAMES) - {"coffee"}


def test_two_workers_find_the_same_as_one(raw: Path) -> None:
    assert run(raw, workers=2) == run(raw)


def test_headers_and_pixels_are_reported_together_and_nothing_is_written(raw: Path, tmp_path: Path) -> None:
    path(raw, "blur", "coffee").write_bytes(b"")
    write_image(path(raw, "gt", "rocket"), sharp("rocket")[:200])
    write_image(path(raw, "blur", "chelsea"), sharp("chelsea"))
    with pytest.raises(ProblemsError) as caught:
        prepare(raw, tmp_path / "set", "as-is", patch_size=None, checks={"swapped": "off"}, progress=False)
    assert len(caught.value.problems) == 3
    for problem, part in zip(
        caught.value.problems, ("coffee.png", "rocket: blur is 384 x 256", "chelsea: "), strict=True
    ):
        assert part in problem
    assert list(tmp_path.iterdir()) == [raw]


def test_warnings_and_values_are_in_the_manifest(raw: Path, tmp_path: Path) -> None:
    manifest = prepare(raw, tmp_path / "set", "as-is", patch_size=None, checks={"clipped": -1}, progress=False)
    assert {check.name for check in manifest.pairs[0].checks} == set(CHECKS)
    assert manifest.warnings()[0].startswith("clipped: highlights are clipped (4 of 4 pairs: astronaut 0")
    assert manifest.warnings()[0].endswith(" and 1 more)")
