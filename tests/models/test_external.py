import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from sdd_bench import predict
from sdd_bench.errors import PredictionError, ProblemsError
from sdd_bench.io.images import read_samples, write_image
from sdd_bench.models.external import STAGING_PREFIX, parse_command

PYTHON = shlex.quote(sys.executable)
# Of all pictures of a folder, or of one: its samples turned upside down.
FOLDERS = """
import sys, cv2
from pathlib import Path
for path in sorted(Path(sys.argv[1]).iterdir()):
    cv2.imwrite(str(Path(sys.argv[2]) / path.name), cv2.imread(str(path))[::-1])
"""
ONE = "import sys, cv2; cv2.imwrite(sys.argv[2], cv2.imread(sys.argv[1])[::-1])"


@pytest.fixture
def given(tmp_path):
    """A folder of three pictures whose path has a space in it."""
    folder = tmp_path / "the input"
    rng = np.random.default_rng(0)
    for stem in ("a", "b", "c d"):
        write_image(folder / f"{stem}.png", rng.integers(0, 256, (20, 30, 3), np.uint8))
    return folder


@pytest.fixture
def program(tmp_path):
    """Writes a program and gives the command line that runs it."""

    def make(code, arguments):
        path = tmp_path / "infer program.py"
        path.write_text(code)
        return f"{PYTHON} {shlex.quote(str(path))} {arguments}"

    return make


def run(command, given, out, **options):
    return predict(None, None, out, input=given, command=command, progress=False, **options)


@pytest.mark.parametrize(("code", "arguments"), [(FOLDERS, "{input} {output}"), (ONE, "{input_image} {output_image}")])
def test_a_program_is_run_and_what_it_writes_is_taken_timed_and_recorded(code, arguments, given, program, tmp_path):
    command = program(code, arguments)
    record = run(command, given, tmp_path / "out")
    assert record.complete
    assert record.settings.command == command
    assert [row.file for row in record.pictures] == ["a.png", "b.png", "c d.png"]
    for row in record.pictures:
        expected = read_samples(given / row.file)[::-1]
        assert np.array_equal(read_samples(tmp_path / "out" / row.file), expected)
        assert 0 < row.seconds < 60
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "b.png", "c d.png", "predict.json"]


def test_once_per_picture_goes_by_several_processes_and_goes_on_where_it_stopped(given, program, tmp_path):
    code = f"import sys\nif 'b.png' in sys.argv[1]: sys.exit('no b today')\n{ONE}"
    with pytest.raises(PredictionError, match=r"failed with exit code 1.*\nIt printed:\nno b today"):
        run(program(code, "{input_image} {output_image}"), given, tmp_path / "out")
    before = (tmp_path / "out" / "a.png").stat().st_mtime_ns
    record = run(program(ONE, "{input_image} {output_image}"), given, tmp_path / "out", workers=2)
    assert record.complete
    assert len(record.pictures) == 3
    assert (tmp_path / "out" / "a.png").stat().st_mtime_ns == before


def test_all_pictures_that_are_missing_broken_or_of_another_size_are_listed_and_none_is_taken(given, program, tmp_path):
    code = """
import sys, cv2
from pathlib import Path
given, made = map(Path, sys.argv[1:])
cv2.imwrite(str(made / "a.png"), cv2.imread(str(given / "a.png"))[1:])
(made / "b.png").write_bytes((given / "b.png").read_bytes()[:200])
"""
    with pytest.raises(ProblemsError) as raised:
        run(program(code, "{input} {output}"), given, tmp_path / "out")
    problems = "\n".join(raised.value.problems)
    assert "a.png: 30 x 19, expected 30 x 20" in problems
    assert "b.png: is truncated" in problems
    assert "c d: no picture" in problems
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["predict.json"]


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("python infer.py", "has the placeholders none: expected"),
        ("python infer.py {input}", "has the placeholders {input}: expected"),
        ("python infer.py {input} {output_image}", "expected {input} and {output}"),
        ("python 'infer.py {input} {output}", "can't be split into words: No closing quotation"),
    ],
)
def test_a_command_that_can_not_be_run_is_refused_before_any_work(template, message, given, tmp_path):
    with pytest.raises(PredictionError) as raised:
        run(template, given, tmp_path / "out")
    assert message in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_no_shell_reads_the_command(given, tmp_path):
    assert parse_command("x $(y) ';' {input} {output}").words == ("x", "$(y)", ";", "{input}", "{output}")
    with pytest.raises(PredictionError, match="surely-not-there can't be started: No such file"):
        run("surely-not-there {input} {output}", given, tmp_path / "out")


def test_options_of_networks_are_refused(given, tmp_path):
    with pytest.raises(PredictionError, match="a command has no use for --tile, --ensemble, --workers: leave it out"):
        run("x {input} {output}", given, tmp_path / "out", tile=64, ensemble=True, workers=2)


@pytest.mark.skipif(sys.platform == "win32", reason="sends an interrupt to a process group")
def test_ctrl_c_ends_the_program_and_leaves_no_folder_behind(given, program, tmp_path):
    code = f"""
import os, signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)  # a program that does not end by itself
open({str(tmp_path / "pid")!r}, "w").write(str(os.getpid()))
time.sleep(60)
"""
    words = [Path(sys.executable).with_name("sdd-bench"), "predict"]
    words += ["--command", program(code, "{input} {output}"), "--input", given, "--out", tmp_path / "out"]
    process = subprocess.Popen(
        words,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # What a shell starts in the background ignores interrupts, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, printed = process.communicate(timeout=90)
    assert process.returncode == 130
    assert "Interrupted. Run the same command again" in printed
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    assert not list((tmp_path / "out").glob(f"{STAGING_PREFIX}*"))
