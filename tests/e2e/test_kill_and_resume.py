"""An evaluation that is killed goes on where it was; `benchmarks/kill_and_resume.py` does this at many moments."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sdd_bench.evaluation.run import evaluate_all

PROTOCOL = "jdrl2022-dis"


def command(prepared, folder, workers):
    program = Path(sys.executable).with_name("sdd-bench")
    places = ["--pred", prepared / "test" / "blur", "--dataset", prepared, "--cache", folder / "cache"]
    options = ["--out", folder / "out", "--protocol", PROTOCOL, "--workers", str(workers)]
    return [program, "evaluate", *places, *options]


def kill_when(condition, prepared, folder, workers):
    process = subprocess.Popen(command(prepared, folder, workers), stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.skipif(sys.platform == "win32", reason="kills a process group")
def test_an_evaluation_killed_twice_ends_with_the_result_of_one_that_never_was(prepared, tmp_path):
    rows, out = tmp_path / "cache" / "rows", tmp_path / "out" / "blur" / PROTOCOL
    kill_when(lambda: len(list(rows.glob("*.json"))) >= 1, prepared, tmp_path, workers=2)
    assert not (out / "result.json").exists()
    kept = {path: path.stat().st_mtime_ns for path in rows.glob("*.json")}
    # Before the first result appears, its temporary file does: a moment in the midst of writing.
    kill_when(lambda: out.is_dir() and any(out.iterdir()), prepared, tmp_path, workers=1)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept  # what was measured was not measured again
    undisturbed = tmp_path / "undisturbed"
    for folder in (tmp_path, undisturbed):
        given = {"out": folder / "out", "cache": folder / "cache", "progress": False}
        evaluate_all(prepared / "test" / "blur", prepared, [PROTOCOL], **given)
    for name in ("result.json", "per_image.csv"):
        found, expected = (
            (folder / "out" / "blur" / PROTOCOL / name).read_text() for folder in (tmp_path, undisturbed)
        )
        assert found.split('\n  "run": ')[0] == expected.split('\n  "run": ')[0]
