"""The commands one after the other, as a user types them, each in a process of its own."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sdd_bench.evaluation import DEFAULT_PROTOCOL

SETTINGS = {"width": 160, "height": 128, "shift": [-3, 3], "max_blur_radius": [1.5, 2.5]}


def sdd_bench(*arguments, cwd, code=0):
    command = [Path(sys.executable).with_name("sdd-bench"), *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder in which synthetic pairs were made and prepared."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "settings.json").write_text(json.dumps(SETTINGS))
    sdd_bench("synth", "--out", "raw", "--test", "2", "--train", "1", "--settings", "settings.json", cwd=folder)
    sdd_bench(
        "prepare", "raw", "--out", "data", "--preset", "as-is", "--patch-size", "64", "--stride", "32", cwd=folder
    )
    return folder


def test_from_nothing_to_a_leaderboard(work):
    for method in ("blur", "aligned_gt"):
        done = sdd_bench(
            *("evaluate", "--pred", f"data/test/{method}", "--dataset", "data", "--cache", "cache"),
            *("--protocol", DEFAULT_PROTOCOL, "--protocol", "jdrl2022-dis"),
            cwd=work,
        )
        assert "deformed GT" in done.stdout
        assert "LPIPS n/a" in done.stdout
        assert "scoring" in done.stderr
    sdd_bench("leaderboard", "build", "results", "--out", "board.md", cwd=work)
    board = (work / "board.md").read_text()
    assert board.count("## raw (test)") == 2
    ours = board.split(DEFAULT_PROTOCOL)[1].split("###")[1]
    assert re.findall(r"^\| (\w+)", ours, re.MULTILINE) == ["method", "aligned", "blur"]
    printed = sdd_bench("leaderboard", "build", "results", cwd=work)
    assert printed.stdout == board
    result = json.loads((work / "results" / "blur" / DEFAULT_PROTOCOL / "result.json").read_text())
    assert result["run"]["command"].startswith("sdd-bench evaluate --pred data/test/blur")


def test_bad_predictions_are_all_named_with_exit_code_1_and_nothing_is_written(work):
    shutil.copytree(work / "data" / "test" / "blur", work / "bad")
    first, second = sorted((work / "bad").iterdir())
    first.write_bytes(b"")
    second.rename(second.with_name("other.png"))
    done = sdd_bench(
        "evaluate", "--pred", "bad", "--dataset", "data", "--out", "out", "--cache", "no", cwd=work, code=1
    )
    assert "3 problem(s)" in done.stderr
    for text in (first.name, "extra file other.png", f"missing: no file for {second.stem}"):
        assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert not (work / "out").exists()
    assert not (work / "no").exists()


def test_an_unknown_command_or_protocol_is_refused(work):
    assert "No such command" in sdd_bench("evalute", cwd=work, code=2).stderr
    done = sdd_bench(
        "evaluate", "--pred", "data/test/blur", "--dataset", "data", "--protocol", "sdd-v2", cwd=work, code=1
    )
    assert f"Did you mean {DEFAULT_PROTOCOL}" in done.stderr
