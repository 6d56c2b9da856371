"""Run one function over many items: in this process, in worker processes, or on a Dask cluster.

Results come in the order of the items whatever runs them, so what is made of them does not depend on the number of
workers.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import multiprocessing
import os
import pickle
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Protocol, TypeVar

from sdd_bench.errors import WorkerError

T = TypeVar("T")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

_LOOK_AHEAD = (
    4  # items handed out per worker before the oldest result is taken: no worker waits, and memory stays bounded
)

_CONNECT_SECONDS = 10.0  # a scheduler in another building answers in far less


class _Future(Protocol[R_co]):
    def result(self) -> R_co: ...


def map_items(
    function: Callable[[T], R],
    items: Iterable[T],
    *,
    workers: int | WorkerPool = 1,
    cluster: str | None = None,
    describe: str = "working",
    progress: bool = True,
    label: Callable[[T], str] = str,
) -> Iterator[tuple[T, R]]:
    """Apply a function to every item and yield each item with its result, in the order of the items.

    Worker processes are started afresh (no fork), use one OpenCV thread each, ignore Ctrl-C (this process handles it)
    and end when this process ends, however it ends. An error of the function is raised here, after the results before
    it.

    Args:
        function: called with one item; for workers and clusters it must be importable (no lambda), the items picklable.
        items: what to work on.
        workers: number of processes; 1 works in this process. Or those that `worker_pool` lends.
        cluster: address of a Dask scheduler (``tcp://host:8786``); its workers are used instead of processes of this
            machine. They must see the same files under the same paths.
        describe: what is being done, shown with the progress.
        progress: show progress on the terminal; plain lines where standard error is not a terminal.
        label: names an item in error messages.

    Returns:
        An iterator over (item, result).

    Raises:
        WorkerError: if a worker process died, Dask is not installed, or the cluster can't be reached; names the items.
    """
    listed = list(items)
    count = workers.count if isinstance(workers, WorkerPool) else workers
    _check_count(count)
    results: Generator[R, None, None]
    if cluster is not None:
        results = _on_cluster(function, listed, cluster, label)
    elif count == 1 or len(listed) < 2:
        results = (function(item) for item in listed)
    elif isinstance(workers, WorkerPool):
        results = workers.results(function, listed, label)
    else:
        results = _in_own_processes(function, listed, min(count, len(listed)), label)
    return _with_progress(listed, results, describe, progress)


def _with_progress(
    items: list[T], results: Generator[R, None, None], describe: str, shown: bool
) -> Iterator[tuple[T, R]]:
    # Closing `results` at once, also when the caller stops early, is what cancels work not yet begun.
    with contextlib.closing(results), _progress(describe, len(items), shown) as advance:
        for item in items:
            result = next(results)
            advance()
            yield item, result


def _in_order(submit: Callable[[int, T], _Future[R]], items: list[T], ahead: int) -> Iterator[R]:
    pending: deque[_Future[R]] = deque()
    for index, item in enumerate(items):
        pending.append(submit(index, item))
        if len(pending) >= ahead:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


class WorkerPool:
    """Worker processes for several calls of `map_items`, one after the other; they start when first needed.

    Attributes:
        count: number of processes.
    """

    def __init__(self, count: int) -> None:
        _check_count(count)
        self.count = count
        self._ahead = _LOOK_AHEAD * count
        self._context = multiprocessing.get_context("spawn")
        self._running = self._context.RawArray("b", self._ahead)
        self._executor: ProcessPoolExecutor | None = None

    def results(
        self, function: Callable[[T], R], items: list[T], label: Callable[[T], str]
    ) -> Generator[R, None, None]:
        """The results of `map_items`; when closed, nothing of it is being worked on any more."""
        executor = self._started()
        handed_out = 0
        latest: deque[Future[R]] = deque(maxlen=self._ahead)

        def submit(index: int, item: T) -> Future[R]:
            nonlocal handed_out
            handed_out = index + 1
            latest.append(executor.submit(_call, function, index % self._ahead, item))
            return latest[-1]

        try:
            yield from _in_order(submit, items, self._ahead)
        except BrokenProcessPool as error:
            recent = range(max(0, handed_out - self._ahead), handed_out)
            raise _died([label(items[i]) for i in recent if self._running[i % self._ahead]]) from error
        finally:
            wait([future for future in latest if not future.cancel()])

    def end(self) -> None:
        """End the processes as soon as what they work on is done."""
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)

    def _started(self) -> ProcessPoolExecutor:
        if self._executor is None:
            self._executor = ProcessPoolExecutor(
                self.count, mp_context=self._context, initializer=_start_worker, initargs=(self._running,)
            )
            with _interrupts_held():
                self._executor.submit(int)  # starts the processes
        return self._executor


@contextlib.contextmanager
def worker_pool(count: int) -> Iterator[WorkerPool]:
    """Lend worker processes to several calls of `map_items`, so that they start but once.

    Args:
        count: number of processes; 1 starts none, but works in this process.

    Raises:
        WorkerError: fewer than one.
    """
    pool = WorkerPool(count)
    try:
        yield pool
    finally:
        pool.end()


def _check_count(workers: int) -> None:
    if workers < 1:
        raise WorkerError(f"expected at least 1 worker, got {workers}.")


def _in_own_processes(
    function: Callable[[T], R], items: list[T], workers: int, label: Callable[[T], str]
) -> Generator[R, None, None]:
    with worker_pool(workers) as pool:
        yield from pool.results(function, items, label)


def _died(lost: list[str]) -> WorkerError:
    if not lost:
        return WorkerError(
            "the worker processes ended before they began. A script that uses workers must do its work under "
            "`if __name__ == '__main__':`; otherwise, see the messages above, or use 1 worker."
        )
    return WorkerError(
        f"a worker process died (killed, or out of memory) while working on: {', '.join(lost)}. "
        "Use fewer workers, or 1 to see which item it is."
    )


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Put Ctrl-C off, here until the end of the block and for good in processes that are started in it.

    A worker that gets it while it starts, before it can say that it ignores it, dies and takes the pool down.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_running: Any = None  # in a worker: one shared byte per item that is handed out, 1 while it is being worked on


def _start_worker(running: Any) -> None:
    global _running
    _running = running
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import cv2  # here, not at the top: reading this module must stay cheap for commands that start no worker

    cv2.setNumThreads(1)


def _end_with_parent() -> None:
    # A parent killed with -9 can't stop its workers; they must not write on beside the run that resumes its work.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _call(function: Callable[[T], R], place: int, item: T) -> R:
    _running[place] = 1
    try:
        return function(item)
    except Exception as error:
        if _can_be_sent(error):
            raise
        raise WorkerError(f"{type(error).__name__}: {error}") from error
    finally:
        _running[place] = 0


def _can_be_sent(error: Exception) -> bool:
    # A class with a constructor of its own often can't be unpickled, and the pool would break without a word.
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # a foreign class may raise anything here
        return False
    return True


def _on_cluster(
    function: Callable[[T], R], items: list[T], address: str, label: Callable[[T], str]
) -> Generator[R, None, None]:
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError as error:
        raise WorkerError("a cluster needs Dask, which is not installed: pip install 'sdd-bench[cluster]'.") from error
    with _connect(distributed, address) as client:
        threads = sum(client.nthreads().values())
        if not threads:
            raise WorkerError(
                f"the Dask cluster at {address!r} has no workers. Start some with `dask worker {address}`."
            )
        labels: dict[str, str] = {}

        def submit(_: int, item: T) -> Any:
            future = client.submit(function, item, pure=False)
            labels[future.key] = label(item)
            return future

        try:
            yield from _in_order(submit, items, _LOOK_AHEAD * threads)
        except distributed.KilledWorker as error:
            raise WorkerError(
                f"workers of the cluster at {address!r} died while working on {labels[error.task]}."
            ) from error


def _connect(distributed: Any, address: str) -> Any:
    try:
        return distributed.Client(address, timeout=_CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        reason = str(error)
    # A client that failed to start must go now: collected later, while another one starts, it would wait for itself.
    gc.collect()
    raise WorkerError(f"no Dask scheduler answers at {address!r}: {reason}. Expected something like tcp://host:8786.")


@contextlib.contextmanager
def _progress(describe: str, total: int, shown: bool) -> Iterator[Callable[[], None]]:
    if not shown or not total:
        yield lambda: None
        return
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _plain_progress(console.file.write, describe, total)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(describe, total=total)
        yield lambda: bar.advance(task)


def _plain_progress(write: Callable[[str], object], describe: str, total: int) -> Callable[[], None]:
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if done * 10 // total > (done - 1) * 10 // total:  # a line per tenth: logs stay short for any number of items
            write(f"{describe}: {done}/{total}\n")

    return advance
