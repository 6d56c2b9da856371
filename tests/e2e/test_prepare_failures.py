"""`prepare --pack` that fails, or is killed, at any of its file operations, and is run again."""

import json
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from sdd_bench.io.images import write_image

# Runs in a process of its own: an audit hook sees every open, rename, mkdir, rmdir and remove, and can't be taken away.
SCRIPT = textwrap.dedent("""
    import errno, json, os, signal, sys
    from pathlib import Path

    import cv2
    cv2.setNumThreads(1)
    from sdd_bench.datasets.prepare import prepare
    from sdd_bench.errors import OutputError, SddBenchError

    work, raw, how, every = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    seen, deadline, out = 0, None, None

    def point():
        global seen
        seen += 1
        if seen == deadline:
            if how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(out))

    def changes_something(event, args):
        if event != "open":
            return event in ("os.rename", "os.mkdir", "os.rmdir", "os.remove")
        return bool(args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))

    def hook(event, args):
        if deadline is None or not (event == "open" or event.startswith("os.")):
            return
        if args and isinstance(args[0], (str, bytes, os.PathLike)) and str(out) in os.fsdecode(args[0]):
            if how == "kill" or changes_something(event, args):  # a full disk can still be read
                point()

    def fsync(descriptor):
        if deadline is not None:
            point()  # what is killed or fails here matters; flushing to the disk would only take time

    sys.addaudithook(hook)
    os.fsync = fsync

    def run():
        options = {"patch_size": 32, "stride": 32, "keep_share": 0.5, "pack": True, "progress": False}
        prepare(raw, out, "as-is", checks={"all": "off"}, **options)

    def tree():
        files = (path for path in sorted(out.rglob("*")) if path.is_file())
        return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}

    def interrupted():
        # True if the run was stopped at its point, False if it came through.
        global deadline, seen
        seen, deadline = 0, number
        try:
            run()
        except OutputError as error:
            assert "can't be written" in str(error) or "already exists" in str(error), error
        finally:
            deadline = None
        return seen >= number

    out = work / "undisturbed"
    run()
    expected, number, outcomes, whole = tree(), 1, [], 0
    stopped = True
    while stopped:
        out = work / str(number)
        if how == "kill":
            child = os.fork()
            if not child:
                os._exit(0 if not interrupted() else 1)
            stopped = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        else:
            stopped = interrupted()
        if out.exists():  # the last steps: it is complete, and at most what is hidden is left behind
            whole += 1
        try:
            run()
        except OutputError as error:
            assert "exists" in str(error) or "prepared" in str(error), error
        found = tree()
        assert found == expected, (number, sorted(found.keys() ^ expected.keys()),
                                   [name for name in found if found[name] != expected.get(name)])
        assert not out.with_name(out.name + ".partial").exists(), number
        number += every
    print(json.dumps({"points": seen if how == "fail" else number - every, "whole": whole, "files": len(expected)}))
""")


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    rng = np.random.default_rng(0)
    for split, stem in (("train", "a"), ("test", "b")):
        for kind in ("blur", "gt"):
            write_image(folder / split / kind / f"{stem}.png", rng.random((32, 64, 3)))
    return folder


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork, and a path in every audited operation")
@pytest.mark.parametrize(("how", "every"), [("fail", 1), ("kill", 10)])
def test_a_run_stopped_at_any_file_operation_is_resumed_to_the_same_bytes(raw, tmp_path, how, every):
    command = [sys.executable, "-c", SCRIPT, tmp_path, raw, how, str(every)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    outcome = json.loads(run.stdout)
    assert outcome["files"] == 2 * 3 + 1 + 3 + 6  # images and patches; manifest; tables; pack, card, preview, page...
    assert outcome["points"] > 100
    assert outcome["whole"] > 1
