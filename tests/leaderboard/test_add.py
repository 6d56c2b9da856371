import hashlib
import json

import pytest
from click.testing import CliRunner

from sdd_bench.cli import main
from sdd_bench.evaluation.results import Run
from sdd_bench.leaderboard.records import ENTRY


def leaderboard(*arguments, code=0):
    done = CliRunner().invoke(main, ["leaderboard", *map(str, arguments)])
    assert done.exit_code == code, done.output
    return done


@pytest.fixture
def saved(scored, result, tmp_path):
    """Writes a result, whose folder it returns."""

    def make(method="m", psnr=20.0, folder=None, **changes):
        run = Run(command="evaluate --pred /home/me", started="", wall_seconds=1, workers=1, versions={}, machine={})
        made = result([scored("a", psnr, method)], method, run=run, **changes)
        return made.save(tmp_path / "results" / (folder or method)).parent

    return make


def test_a_result_becomes_a_self_reported_entry_that_validates(saved, tmp_path):
    weights = tmp_path / "net.pth"
    weights.write_bytes(b"weights")
    about = ("--name", "Net 🚀", "--trained-on", "SDD", "--paper", "A paper", "--year", 2026, "--weights", weights)
    done = leaderboard("add", saved(), "--board", tmp_path / "board", *about)
    (path,) = (tmp_path / "board" / "entries").iterdir()
    assert str(path) in done.output
    entry = ENTRY.validate_json(path.read_text("utf-8"))
    assert (entry.status, entry.method.name, entry.method.year) == ("self-reported", "Net 🚀", 2026)
    assert entry.method.weights_sha256 == hashlib.sha256(b"weights").hexdigest()
    assert entry.result.images[0].prediction_sha256
    assert "/home/me" not in path.read_text("utf-8")
    assert "1 entries, no problem" in leaderboard("validate", tmp_path / "board").output
    assert "Net 🚀" in leaderboard("build", tmp_path / "board").output


def test_an_entry_is_replaced_only_if_told_to(saved, tmp_path):
    arguments = ("add", saved("m"), "--board", tmp_path / "board")
    leaderboard(*arguments)
    assert "Use --replace" in leaderboard(*arguments, code=1).stderr
    saved("m", 21.0)
    leaderboard(*arguments, "--replace")
    (path,) = (tmp_path / "board" / "entries").iterdir()
    assert json.loads(path.read_text())["result"]["images"][0]["gt"]["psnr"] == 21.0


def test_what_does_not_hold_is_refused_with_all_problems_and_nothing_is_written(saved, tmp_path):
    folder = saved(psnr=35.0, weights="random", manifest="short")
    error = leaderboard("add", folder, "--board", tmp_path / "board", code=1).stderr
    for text in ("can't go with MAE 0.03", "random weights", "manifest_sha256: found 'short'"):
        assert text in error
    assert not (tmp_path / "board").exists()


def test_predictions_that_are_there_under_another_name_are_refused(saved, tmp_path):
    leaderboard("add", saved("m"), "--board", tmp_path / "board")
    again = leaderboard("add", saved("m"), "--board", tmp_path / "board", "--name", "other", code=1)
    assert "same prediction files" in again.stderr


def test_a_name_that_misleads_is_refused_in_words(saved, tmp_path):
    error = leaderboard("add", saved(), "--board", tmp_path, "--name", "a\u202eb", "--paper", "=1", code=1).stderr
    assert "name: " in error
    assert "U+202E" in error
    assert "paper: " in error


def test_a_folder_without_a_result_says_where_one_is(saved, tmp_path):
    folder = saved(folder="deep/er")
    error = leaderboard("add", tmp_path / "results", "--board", tmp_path, code=1).stderr
    assert f"Did you mean {folder}?" in error


def test_tables_of_results_come_in_every_format(saved, tmp_path):
    saved("a")
    saved("b", 22.0)
    results = tmp_path / "results"
    assert "\\textbf{22.00}" in leaderboard("build", results, "--format", "latex").output
    assert json.loads(leaderboard("build", results, "--format", "json").output)["boards"][0]["rows"][0]["label"] == "b"
    leaderboard("build", results, "--format", "csv", "--out", tmp_path / "csv")
    (table,) = (tmp_path / "csv").iterdir()
    assert table.read_text() == leaderboard("build", results, "--format", "csv").output


def test_results_among_entries_are_not_passed_over(saved, tmp_path):
    leaderboard("add", saved(), "--board", tmp_path)
    assert "holds both results (results/m/result.json) and entries" in leaderboard("build", tmp_path, code=1).stderr


def test_the_schema_is_written_and_is_no_entry(saved, tmp_path):
    leaderboard("add", saved(), "--board", tmp_path / "board")
    leaderboard("schema", "--out", tmp_path / "board" / "schema.json")
    assert json.loads(leaderboard("schema").output) == json.loads((tmp_path / "board" / "schema.json").read_text())
    leaderboard("validate", tmp_path / "board")


def test_an_empty_leaderboard_says_how_to_fill_it(tmp_path):
    assert "leaderboard add RESULT_DIR" in leaderboard("build", tmp_path, code=1).stderr
