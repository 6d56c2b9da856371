import shutil

import pytest
from click.testing import CliRunner

from sdd_bench.cli import main
from sdd_bench.leaderboard.folder import read_entry


def submit(*arguments, code=0):
    done = CliRunner().invoke(main, ["submit", *map(str, arguments)])
    assert done.exit_code == code, done.output
    return done


@pytest.fixture(scope="module")
def pred(prepared, tmp_path_factory):
    return shutil.copytree(prepared / "test" / "blur", tmp_path_factory.mktemp("pred") / "blurry")


@pytest.fixture
def meta(tmp_path):
    path = tmp_path / "meta.yaml"
    submit("init", path)
    path.write_text(path.read_text().replace("name:   ", "name: Net 🚀 <b>", 1))
    return path


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("rows")


@pytest.fixture
def archive(pred, meta, prepared, cache, tmp_path):
    out = tmp_path / "submission.zip"
    given = ("--pred", pred, "--meta", meta, "--dataset", prepared, "--protocol", "dpdd2020", "--cache", cache)
    assert "Net 🚀 <b>, 3 images" in submit("pack", *given, "--out", out).output
    return out


def test_from_predictions_to_a_verified_entry(archive, prepared, cache, tmp_path):
    out, board, text = tmp_path / "checked", tmp_path / "board", tmp_path / "text.md"
    given = ("--dataset", prepared, "--cache", cache, "--board", board, "--out", out, "--text", text)
    done = submit("check", archive, *given)
    assert "Net 🚀 <b>: verified" in done.output
    (path,) = out.glob("*.json")
    assert str(path) in done.output
    assert read_entry(path).status == "verified"
    assert text.read_text("utf-8") == (out / "pull_request.md").read_text("utf-8")
    assert "- method: `Net 🚀 <b>`" in text.read_text("utf-8")


def test_a_result_that_is_there_is_packed_without_another_evaluation(pred, meta, prepared, cache, tmp_path):
    given = ["evaluate", "--pred", pred, "--dataset", prepared, "--protocol", "dpdd2020", "--cache", cache]
    done = CliRunner().invoke(main, [*map(str, given), "--out", str(tmp_path / "results"), "--no-report"])
    assert done.exit_code == 0, done.output
    for number, result in enumerate((tmp_path / "results" / "blurry" / "dpdd2020",) * 2):
        submit("pack", "--pred", pred, "--meta", meta, "--result", result, "--out", tmp_path / f"{number}.zip")
    assert (tmp_path / "0.zip").read_bytes() == (tmp_path / "1.zip").read_bytes()


def test_a_refused_submission_is_told_in_words_and_in_a_text(archive, tmp_path):
    archive.write_bytes(archive.read_bytes()[:-40])
    text = tmp_path / "text.md"
    done = submit("check", archive, "--out", tmp_path / "checked", "--text", text, code=1)
    assert "does not end where its directory ends" in done.stderr
    assert "not accepted" in text.read_text("utf-8")
    assert not (tmp_path / "checked").exists()


def test_without_the_dataset_it_says_that_nothing_was_computed(archive, tmp_path):
    done = submit("check", archive, "--out", tmp_path / "checked")
    assert "self-reported" in done.output
    assert "were not computed again; give --dataset" in done.output


def test_mistakes_in_the_meta_file_are_told_before_any_work(pred, meta, prepared, tmp_path):
    meta.write_text("schema_version: 1\nnam: x\n")
    done = submit("pack", "--pred", pred, "--meta", meta, "--dataset", prepared, code=1)
    assert "unknown key 'nam'. Did you mean name" in done.stderr
    assert "name: missing" in done.stderr


def test_either_a_result_or_a_dataset_is_needed(pred, meta, prepared):
    assert "give either --result" in submit("pack", "--pred", pred, "--meta", meta, code=2).output
    both = ("--result", pred, "--dataset", prepared)
    assert "give either --result" in submit("pack", "--pred", pred, "--meta", meta, *both, code=2).output


def test_init_keeps_a_file_that_is_there(meta):
    assert "is there already" in submit("init", meta, code=1).stderr
