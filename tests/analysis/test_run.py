import json
import math
import pickle
import shutil

import pytest

from sdd_bench import analyze, open_dataset
from sdd_bench.analysis import pair as pair_module
from sdd_bench.analysis import run
from sdd_bench.analysis.pair import measure
from sdd_bench.analysis.records import AnalysisResult
from sdd_bench.analysis.run import analyze_all
from sdd_bench.errors import DatasetError, ResultError

STEMS = ["noise", "scene_000", "scene_001", "scene_002"]


@pytest.fixture(scope="module")
def truth(raw):
    """What the scenes were rendered with."""
    pairs = json.loads((raw / "synthesis.json").read_text())["pairs"]
    return {stem: pair["scene"] for stem, pair in pairs.items()}


def test_zoom_shift_exposure_and_what_dominates_are_the_rendered_ones(result, truth):
    for stem, scene in truth.items():
        (pair,) = (pair for pair in result.pairs if pair.stem == stem)
        found = pair.similarity
        assert found.zoom == pytest.approx(scene["zoom"], abs=1e-3)
        assert found.shift == pytest.approx(scene["layers"][0]["displacement"], abs=0.1)
        assert pair.residual.rms < 0.15
        assert pair.residual.exposure == pytest.approx(scene["exposure_stops"], abs=0.01)
        true_zoom = abs(scene["zoom"] - 1) * math.sqrt((192**2 + 144**2) / 12)
        assert found.dominant == ("zoom" if true_zoom > math.hypot(*scene["layers"][0]["displacement"]) else "shift")


def test_pairs_of_all_splits_are_there_with_what_is_known_of_them(result):
    assert [pair.stem for pair in result.pairs] == STEMS
    assert {pair.split for pair in result.pairs} == {"train", "test"}
    assert result.pairs[0].environment == "outdoor"
    assert result.pairs[0].size == (192, 144)


def test_a_pair_of_unlike_pictures_has_a_reason_instead_of_numbers(result):
    noise = result.pairs[0]
    assert noise.similarity is None
    assert noise.residual is None
    assert noise.reason


def test_one_split_alone(data, cache):
    trained = analyze(data, split="train", cache=cache, progress=False)
    assert [pair.stem for pair in trained.pairs] == ["scene_002"]
    assert analyze(open_dataset(data, "train"), cache=cache, progress=False) == trained


def test_what_is_kept_is_not_measured_again(data, cache, result, monkeypatch):
    def fail(*_):
        raise AssertionError("measured again")

    monkeypatch.setattr(pair_module, "estimate_similarity", fail)
    assert analyze(data, cache=cache, progress=False) == result


def test_a_run_that_was_interrupted_goes_on_and_gives_the_same_bytes(data, cache, result, tmp_path, monkeypatch):
    measured = []

    def interrupted(blurry, sharp):
        if len(measured) == 2:
            raise KeyboardInterrupt
        measured.append(1)
        return original(blurry, sharp)

    original = pair_module.estimate_similarity
    monkeypatch.setattr(pair_module, "estimate_similarity", interrupted)
    with pytest.raises(KeyboardInterrupt):
        analyze(data, cache=tmp_path, progress=False)
    assert len(list((tmp_path / "analysis").glob("*.json"))) == 2
    monkeypatch.setattr(pair_module, "estimate_similarity", original)
    analyze_all([data], cache=tmp_path, out=tmp_path / "resumed", report=False, progress=False)
    result.save(tmp_path / "whole")
    for name in ("analysis.json", "analysis.csv"):
        assert (tmp_path / "resumed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_work_can_be_sent_to_other_processes(data, cache, result):
    (job,) = run._jobs([open_dataset(data, "train")], cache)
    function, sent = pickle.loads(pickle.dumps((measure, job)))
    assert dict(function(sent)).items() <= dict(result.pairs[-1]).items()


def test_a_result_is_read_back_as_it_was_written_but_for_its_fields(result, tmp_path):
    found = AnalysisResult.load(result.save(tmp_path))
    assert found == result.model_copy(
        update={"pairs": tuple(pair.model_copy(update={"field": None}) for pair in result.pairs)}
    )
    assert list(result.table().index) == STEMS
    lines = (tmp_path / "analysis.csv").read_text().splitlines()
    assert lines[0].split(",") == ["stem", *result.table().columns]
    assert len(lines) == 1 + len(STEMS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no json", "not an analysis"),
        ("[" * 100_000, "not an analysis"),
        ("1" * 5000, "not an analysis"),
        ('{"schema_version": 99}', "schema version 99"),
    ],
)
def test_files_that_are_no_analysis_are_refused(tmp_path, text, message):
    (tmp_path / "analysis.json").write_text(text)
    with pytest.raises(ResultError, match=message):
        AnalysisResult.load(tmp_path / "analysis.json")


def test_a_changed_picture_is_an_error_that_names_it(data, tmp_path):
    shutil.copytree(data, tmp_path / "data")
    (changed,) = (tmp_path / "data" / "train" / "gt").glob("*.png")
    changed.write_bytes(changed.read_bytes() + b"x")
    with pytest.raises(DatasetError, match=f"{changed.name} changed since the dataset was prepared"):
        analyze(tmp_path / "data", split="train", cache=tmp_path / "cache", progress=False)


def test_an_unknown_split_lists_the_known_ones(data):
    with pytest.raises(DatasetError, match="Did you mean test"):
        analyze(data, split="tset", progress=False)
