"""Items are Python expressions and the function is `eval`, which worker processes can always import."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sdd_bench.errors import DatasetError, SddBenchError, WorkerError
from sdd_bench.parallel import map_items, worker_pool

DIE = "__import__('os')._exit(3)"


@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_the_order_of_the_items_with_any_number_of_workers(workers: int) -> None:
    # The first items take longest, so that workers finish them last.
    items = [f"__import__('time').sleep({0.01 * (12 - i)}) or {i} * {i}" for i in range(12)]
    results = list(map_items(eval, items, workers=workers, progress=False))
    assert results == [(item, i * i) for i, item in enumerate(items)]


@pytest.mark.parametrize("workers", [1, 2])
def test_no_items_give_no_results(workers: int) -> None:
    assert list(map_items(eval, [], workers=workers, progress=False)) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_the_function_reaches_the_caller_after_the_results_before_it(workers: int) -> None:
    raising = "(_ for _ in ()).throw(__import__('sdd_bench.errors').errors.DatasetError('that pair'))"
    results = map_items(eval, ["1", "2", raising, "4"], workers=workers, progress=False)
    assert [next(results)[1], next(results)[1]] == [1, 2]
    with pytest.raises(DatasetError, match="that pair"):
        next(results)


def test_a_worker_that_dies_is_reported_with_the_item_it_died_on() -> None:
    labels = {"1": "first", "2": "second", DIE: "fatal", "4": "last"}
    with pytest.raises(WorkerError, match=r"a worker process died .* while working on: .*fatal"):
        list(map_items(eval, labels, workers=2, progress=False, label=labels.__getitem__))


def test_an_error_that_can_not_be_sent_between_processes_still_says_what_it_says() -> None:
    # ProblemsError has two required arguments, which an exception's default pickling does not keep.
    raising = "(_ for _ in ()).throw(__import__('sdd_bench.errors').errors.ProblemsError('a title', ['a problem']))"
    with pytest.raises(SddBenchError, match=r"a title: 1 problem\(s\)\n  - a problem"):
        list(map_items(eval, ["1", raising], workers=2, progress=False))


def test_fewer_than_one_worker_is_refused() -> None:
    with pytest.raises(WorkerError, match="at least 1 worker, got 0"):
        map_items(eval, ["1"], workers=0)


def test_items_are_not_worked_on_before_they_are_asked_for_in_process() -> None:
    done: list[int] = []
    results = map_items(done.append, [1, 2, 3], progress=False)
    next(results)
    assert done == [1]


def test_workers_use_one_opencv_thread_each() -> None:
    results = map_items(eval, ["__import__('cv2').getNumThreads()"] * 2, workers=2, progress=False)
    assert [threads for _, threads in results] == [1, 1]


def test_stopping_early_ends_the_workers() -> None:
    results = map_items(eval, ["__import__('os').getpid()"] * 40, workers=2, progress=False)
    _, worker = next(results)
    results.close()  # type: ignore[attr-defined]  # a generator, declared as an iterator
    assert worker != os.getpid()
    assert ends(worker)


PID = "__import__('os').getpid()"


def test_a_pool_serves_several_calls_with_the_same_processes_and_ends_them() -> None:
    with worker_pool(2) as pool:
        first, second = (
            {pid for _, pid in map_items(eval, [f"__import__('time').sleep(0.05) or {PID}"] * 20, workers=pool)}
            for _ in range(2)
        )
        assert len(first | second) == 2
    assert os.getpid() not in first
    assert all(ends(pid) for pid in first)


def test_a_pool_is_fit_for_use_after_an_error_and_after_stopping_early(tmp_path: Path) -> None:
    late = tmp_path / "late"
    slow = [f"__import__('time').sleep(0.2) or open({str(late)!r}, 'a').write('x')"] * 8
    with worker_pool(2) as pool:
        with pytest.raises(ZeroDivisionError):
            list(map_items(eval, ["1", "1 / 0", *slow], workers=pool, progress=False))
        written = late.stat().st_size if late.exists() else 0
        results = map_items(eval, ["1", *slow], workers=pool, progress=False)
        next(results)
        results.close()  # type: ignore[attr-defined]  # a generator, declared as an iterator
        stopped = late.stat().st_size - written
        assert [value for _, value in map_items(eval, ["3", "4"], workers=pool, progress=False)] == [3, 4]
        # Of 16 that were asked for, some were not begun; and none went on behind the next call.
        assert late.stat().st_size == written + stopped < 16


def test_a_pool_names_the_items_that_a_worker_died_on_among_many() -> None:
    items = [*(str(i) for i in range(30)), DIE, "31"]
    with worker_pool(2) as pool, pytest.raises(WorkerError, match=r"while working on: .*item _"):
        list(map_items(eval, items, workers=pool, progress=False, label=lambda item: f"item {item}"))


def test_a_pool_of_one_works_in_this_process() -> None:
    with worker_pool(1) as pool:
        assert [pid for _, pid in map_items(eval, [PID] * 3, workers=pool, progress=False)] == [os.getpid()] * 3


def test_a_pool_of_none_is_refused() -> None:
    with pytest.raises(WorkerError, match="at least 1 worker, got 0"), worker_pool(0):
        pass


def test_progress_without_a_terminal_is_a_line_per_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    list(map_items(eval, ["0"] * 25, describe="counting"))
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert lines == [f"counting: {done}/25" for done in (3, 5, 8, 10, 13, 15, 18, 20, 23, 25)]
    assert captured.out == ""


SCRIPT = """
import sys
from sdd_bench.parallel import map_items
if __name__ == "__main__":
    items = ["__import__('os').getpid()"] * 2 + ["__import__('time').sleep(1) or __import__('os').getpid()"] * 300
    for _, pid in map_items(eval, items, workers=2, progress=False):
        print(pid, flush=True)
"""


@pytest.fixture
def running_script(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Where the tests themselves run in the background of a shell, Ctrl-C is ignored, and that would be inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    yield process
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # its workers too, should they have survived it
    process.communicate()


def test_ctrl_c_ends_the_run_within_the_items_in_work_and_workers_stay_silent(
    running_script: subprocess.Popen[str],
) -> None:
    assert running_script.stdout is not None
    worker = int(running_script.stdout.readline())
    os.killpg(running_script.pid, signal.SIGINT)  # as the terminal does: every process of the group gets it
    _, errors = running_script.communicate(timeout=15)
    assert running_script.returncode in (-signal.SIGINT, 1)
    assert errors.count("Traceback") == 1
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert ends(worker)


def test_workers_end_when_their_parent_is_killed(running_script: subprocess.Popen[str]) -> None:
    assert running_script.stdout is not None
    worker = int(running_script.stdout.readline())
    running_script.send_signal(signal.SIGKILL)
    assert ends(worker)


def ends(pid: int, within: float = 5.0) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        state = Path(f"/proc/{pid}/stat")
        if state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z":  # ended, not yet collected
            return True
        time.sleep(0.02)
    return False


def test_a_cluster_without_dask_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(WorkerError, match=r"pip install 'sdd-bench\[cluster\]'"):
        list(map_items(eval, ["1"], cluster="tcp://localhost:8786", progress=False))


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "no address at all"])
def test_a_cluster_that_does_not_answer_is_named(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="Dask is an extra")
    monkeypatch.setattr("sdd_bench.parallel._CONNECT_SECONDS", 0.3)
    with pytest.raises(WorkerError, match=f"no Dask scheduler answers at '{address}'"):
        list(map_items(eval, ["1"], cluster=address, progress=False))


def test_a_dask_cluster_gives_the_same_results_in_the_same_order() -> None:
    distributed = pytest.importorskip("distributed", reason="Dask is an extra")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
    ) as cluster:
        items = [f"{i} * {i}" for i in range(20)]
        results = list(map_items(eval, items, cluster=cluster.scheduler_address, progress=False))
        assert results == [(item, i * i) for i, item in enumerate(items)]
        with pytest.raises(ZeroDivisionError):
            list(map_items(eval, ["1", "1 / 0"], cluster=cluster.scheduler_address, progress=False))


def test_a_cluster_without_workers_is_refused() -> None:
    distributed = pytest.importorskip("distributed", reason="Dask is an extra")
    with (
        distributed.LocalCluster(n_workers=0, processes=False, dashboard_address=None) as cluster,
        pytest.raises(WorkerError, match="has no workers"),
    ):
        list(map_items(eval, ["1"], cluster=cluster.scheduler_address, progress=False))
