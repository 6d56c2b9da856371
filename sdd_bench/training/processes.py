"""A training run in several processes: what it came to, or the one error that ended it, and no process left behind."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing.connection import Connection
from typing import TypeVar, cast

from lightning.fabric import Fabric
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

from sdd_bench.errors import SddBenchError

T = TypeVar("T")
_LAUNCHER = logging.getLogger("torch.multiprocessing.spawn")


def launch_all(fabric: Fabric, function: Callable[[Fabric], T], processes: int) -> T:
    """Runs a function in all processes of a Fabric that starts them itself.

    A process that has met an error is waited for by the others, in vain. So an error ends its process at once, the
    launcher ends the others, and the error itself comes here through a pipe. What the function returns does so, too:
    Fabric's own way reads it only when all processes have ended, and one that has more to say than a pipe holds (64 kB)
    never ends.

    Args:
        fabric: with a strategy that spawns processes.
        function: can be pickled; is given the Fabric.
        processes: how many it starts.

    Returns:
        What the function returned in the first process.

    Raises:
        SddBenchError: from the function, in any of the processes.
        KeyboardInterrupt: likewise.
        ProcessExitedException: of torch: a process was killed.
        ProcessRaisedException: of torch: a process met an error that is not the user's.
    """
    pipes = [multiprocessing.Pipe(duplex=False) for _ in range(processes)]
    senders = [sender for _, sender in pipes]
    failure: ProcessExitedException | ProcessRaisedException | None = None
    with ThreadPoolExecutor(processes) as readers:
        messages = [readers.submit(_received, receiver) for receiver, _ in pipes]
        with ExitStack() as undone, _interrupts_ignored():
            for sender in senders:  # the readers wait until all copies of what they read from are closed
                undone.callback(sender.close)
            undone.callback(_LAUNCHER.setLevel, _LAUNCHER.level)
            _LAUNCHER.setLevel(logging.ERROR)  # that it ends the others is no news
            try:
                fabric.launch(partial(_run, function=function, senders=senders))
            except (ProcessExitedException, ProcessRaisedException) as error:
                failure = error
    told = [message.result() for message in messages]
    for each in told:
        if isinstance(each, SddBenchError | KeyboardInterrupt):
            raise each
    if failure is not None:
        raise failure
    return cast(T, told[0])


def _run(fabric: Fabric, function: Callable[[Fabric], T], senders: Sequence[Connection]) -> None:
    sender = senders[fabric.global_rank]
    try:
        outcome = function(fabric)
    except (SddBenchError, KeyboardInterrupt) as error:
        sender.send(error)
        raise
    if fabric.is_global_zero:
        sender.send(outcome)


def _received(receiver: Connection) -> object:
    """What a process sent, None if it ended without a word or in the middle of one."""
    with receiver:
        try:
            return cast(object, receiver.recv())
        except (EOFError, OSError):
            return None


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Ctrl-C reaches all processes; those that train see to it, and this one only waits for them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
