from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sdd_bench.datasets.environment_guess import guess_environment
from sdd_bench.datasets.environment_request import request_environments
from sdd_bench.datasets.exif import Capture
from sdd_bench.datasets.plan import plan_dataset
from sdd_bench.datasets.prepare import prepare
from sdd_bench.datasets.preset import load_preset
from sdd_bench.datasets.scenes import PHOTOGRAPHS, load_photograph
from sdd_bench.errors import DatasetError, OutputError, ProblemsError

MakeRaw = Callable[..., Path]
ASKING = {"name": "asking", "environments": "required", "patch_size": None, "test_share": 0.5}


def test_daylight_and_lamps_are_told_by_the_exposure() -> None:
    gray = np.full((8, 8, 3), 0.5, np.float32)
    sun = guess_environment(gray, Capture(f_number=16, exposure_time=1 / 100, iso=100))
    lamp = guess_environment(gray, Capture(f_number=2, exposure_time=1 / 30, iso=800))
    assert (sun.environment, sun.reason) == ("outdoor", "exposure value 14.6")
    assert (lamp.environment, lamp.reason) == ("indoor", "exposure value 3.9")
    assert min(sun.confidence, lamp.confidence) > 0.95


def test_a_picture_alone_gives_a_careful_guess_that_is_right_more_often_than_not() -> None:
    # Pictures of rooms, faces and landscapes; the labels are those of the synthetic scenes.
    told = ["astronaut", "camera", "chelsea", "coffee", "rocket", "stereo_motorcycle", "retina", "hubble_deep_field"]
    right = 0
    for name in told:
        guess = guess_environment(load_photograph(name).astype(np.float32) / 255, Capture())
        assert 0.5 <= guess.confidence <= 0.7
        right += guess.environment == PHOTOGRAPHS[name].environment
    assert right >= 7


def test_missing_environments_are_asked_for_with_suggestions_and_nothing_is_prepared(
    make_raw: MakeRaw, tmp_path: Path
) -> None:
    raw = make_raw(["a", "b_indoor", "c"], splits=[""])
    with pytest.raises(ProblemsError) as caught:
        prepare(raw, tmp_path / "set", ASKING, progress=False)
    (problem,) = caught.value.problems
    path = tmp_path / "set-environments.csv"
    assert problem.startswith("2 scenes have no environment")
    assert f"--environment-csv {path}" in problem
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["scene"], row["environment"]) for row in rows] == [("a", ""), ("b_indoor", "indoor"), ("c", "")]
    assert all(row["suggestion"] in ("indoor", "outdoor") for row in rows if not row["environment"])
    assert all(0.5 <= float(row["confidence"]) <= 1 for row in rows if not row["environment"])
    assert sorted(tmp_path.iterdir()) == [raw, path]
    # Given back as it was written, it answers nothing: suggestions are not used, and the file is left alone.
    before = path.read_bytes()
    with pytest.raises(ProblemsError, match="is there already: fill in its column environment"):
        prepare(raw, tmp_path / "set", ASKING, environment_csv=path, progress=False)
    assert path.read_bytes() == before
    path.write_text("scene,environment\na,outdoor\nc,outdoor\n")
    manifest = prepare(raw, tmp_path / "set", ASKING, environment_csv=path, progress=False)
    assert [pair.environment for pair in manifest.pairs] == ["outdoor", "indoor", "outdoor"]


def test_the_request_goes_where_it_is_asked_to_but_never_into_the_raw_folder(make_raw: MakeRaw, tmp_path: Path) -> None:
    raw = make_raw(["a"], splits=["test"])
    with pytest.raises(ProblemsError, match=r"mine\.csv"):
        prepare(raw, tmp_path / "set", ASKING, environment_csv=tmp_path / "mine.csv", progress=False)
    assert (tmp_path / "mine.csv").exists()
    with pytest.raises(OutputError, match="lies inside the raw folder"):
        request_environments(raw / "mine.csv", raw, plan_dataset(raw, load_preset("as-is"), progress=False).pairs)


def test_environments_may_be_done_without(make_raw: MakeRaw, tmp_path: Path) -> None:
    raw = make_raw(["a"], splits=["test"])
    manifest = prepare(raw, tmp_path / "set", {**ASKING, "environments": "optional"}, progress=False)
    assert manifest.pairs[0].environment is None


def test_a_table_that_is_not_there_and_not_needed_is_an_error(make_raw: MakeRaw, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such file, and no environment is missing"):
        prepare(make_raw(["a"]), tmp_path / "set", "as-is", environment_csv=tmp_path / "no.csv", progress=False)


def test_damaged_images_and_missing_environments_are_told_together(make_raw: MakeRaw, tmp_path: Path) -> None:
    raw = make_raw(["a", "b"], splits=[""])
    (raw / "gt/a.png").write_bytes(b"")
    with pytest.raises(ProblemsError) as caught:
        prepare(raw, tmp_path / "set", ASKING, progress=False)
    assert ["a.png" in problem for problem in caught.value.problems] == [True, False]
    assert "a,,,,\n" in (tmp_path / "set-environments.csv").read_text()
