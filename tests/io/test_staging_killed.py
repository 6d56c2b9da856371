"""Runs that are killed, anywhere, and go on to the bytes of a run that was not."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from sdd_bench.errors import OutputError
from sdd_bench.io.staging import staged_folder


def tree(folder: Path) -> dict[str, bytes | None]:
    return {
        entry.relative_to(folder).as_posix(): entry.read_bytes() if entry.is_file() else None
        for entry in sorted(folder.rglob("*"))
    }


# What the killed processes do: 2 items of 2 files each, as a workflow would.
WORK = textwrap.dedent("""
    import hashlib, sys
    from pathlib import Path
    from sdd_bench.errors import OutputError
    from sdd_bench.io.atomic import write_bytes, write_json
    from sdd_bench.io.staging import staged_folder

    def work(out, pause=lambda: None):
        items = [f"item {number}" for number in range(2)]
        resumed = 0
        with staged_folder(out, {"items": items}) as stage:
            records = {}
            for item in items:
                record = stage.done(item)
                resumed += record is not None
                if record is None:
                    content = hashlib.sha256(item.encode()).digest() * 100
                    for kind in ("blur", "gt"):
                        write_bytes(stage.path / kind / f"{item}.bin", content)
                        pause()
                    record = {"sum": sum(content)}
                    stage.finish(item, record)
                records[item] = record
            write_json(stage.path / "dataset.json", records)
        return resumed
""")

# An audit hook sees open, rename, mkdir, remove and rmdir before they happen.
KILL = textwrap.dedent("""
    import os, signal, sys

    def kill_before(operation):
        seen = 0
        def hook(event, args):
            nonlocal seen
            if event == "open" or event.startswith("os."):
                seen += 1
                if seen == operation:
                    os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(hook)
""")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes | None]:
    folder = tmp_path_factory.mktemp("uninterrupted")
    subprocess.run([sys.executable, "-c", f"{WORK}\nwork(sys.argv[1])", folder / "out"], check=True)
    assert len(tree(folder)) == 8  # out, 2 folders in it, 4 files in them, 1 manifest
    return tree(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_a_run_killed_before_any_file_operation_is_resumed_to_the_same_bytes(
    tmp_path: Path, uninterrupted: dict[str, bytes | None]
) -> None:
    # One child per place: it is killed before its k-th operation, for every k until a child gets through. Then a second
    # child resumes.
    script = (
        WORK
        + KILL
        + textwrap.dedent("""
        import json

        os.fsync = lambda descriptor: None  # the kernel outlives its processes: here syncing would only take time

        def child(out, deadline):
            process = os.fork()
            if process:
                return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
            if deadline:
                kill_before(deadline)
            try:
                os._exit(10 + work(out))
            except OutputError as error:
                os._exit(9 if "already exists" in str(error) else 1)
            finally:
                os._exit(1)

        codes = []
        while not codes or codes[-1][0] == -signal.SIGKILL:
            out = Path(sys.argv[1]) / f"{len(codes)}" / "out"
            codes.append((child(out, len(codes) + 1), child(out, None)))
        print(json.dumps(codes))
    """)
    )
    run = subprocess.run([sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE, check=True)
    codes = json.loads(run.stdout)
    killed = [second for first, second in codes if first == -signal.SIGKILL]
    assert len(killed) > 60
    # The resuming child found 0 to 2 items done, or (9) the folder complete; never another error.
    assert set(killed) == {9, 10, 11, 12}
    assert codes[-1] == [10, 9]
    for number in range(len(codes)):
        assert tree(tmp_path / f"{number}") == uninterrupted, number


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_a_run_killed_while_it_discards_another_plan_leaves_nothing_that_passes_for_finished(tmp_path: Path) -> None:
    # Killed before its k-th operation while it makes room for a new plan; then the old plan comes back. Whatever it
    # finds done must be there, with the right bytes.
    script = KILL + textwrap.dedent("""
        import shutil
        from pathlib import Path
        from sdd_bench.io.atomic import write_bytes
        from sdd_bench.io.staging import staged_folder

        os.fsync = lambda descriptor: None  # see above
        original, items = Path(sys.argv[1]) / "original", ["a", "b", "c"]

        def leave_unfinished():
            with staged_folder(original, {"version": "old"}) as stage:
                for item in items:
                    write_bytes(stage.path / item / "file", item.encode())
                    stage.finish(item, {})
                raise KeyboardInterrupt

        def forked(work):
            process = os.fork()
            if process:
                return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
            try:
                work()
            finally:
                os._exit(0)

        forked(leave_unfinished)
        for deadline in range(1, 100):
            out = Path(sys.argv[1]) / f"{deadline}" / "out"
            shutil.copytree(original.with_name("original.partial"), out.with_name("out.partial"))

            def killed():
                kill_before(deadline)
                with staged_folder(out, {"version": "new"}):
                    raise KeyboardInterrupt

            code = forked(killed)
            with staged_folder(out, {"version": "old"}) as stage:
                done = [item for item in items if stage.done(item) is not None]
                assert all((stage.path / item / "file").read_text() == item for item in done), (deadline, done)
                print(len(done))
            if code == 0:
                break
    """)
    run = subprocess.run([sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE, text=True, check=True)
    done = [int(line) for line in run.stdout.split()]
    assert len(done) > 15
    assert {done[0], done[-1]} == {3, 0}  # from "nothing discarded yet" to "all discarded"


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_run_killed_at_random_moments_is_resumed_to_the_same_bytes(
    tmp_path: Path, uninterrupted: dict[str, bytes | None]
) -> None:
    script = WORK + textwrap.dedent("""
        import os, time
        os.fsync = lambda descriptor: None  # see above
        print("started", flush=True)
        work(sys.argv[1], lambda: time.sleep(0.02))
    """)
    command = [sys.executable, "-c", script, tmp_path / "out"]
    generator = random.Random(3)
    unfinished = 0
    while not (tmp_path / "out").exists():
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
            assert run.stdout.readline() == "started\n"
            time.sleep(generator.uniform(0, 0.1))
            run.kill()
        unfinished += not (tmp_path / "out").exists()
    assert unfinished  # the first is killed after 24 ms, and the pauses alone take 80
    with pytest.raises(OutputError, match="already exists"):  # and removes what the last step may have left
        staged_folder(tmp_path / "out", {}).__enter__()
    assert tree(tmp_path) == uninterrupted
