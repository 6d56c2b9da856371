"""How far a training run is, on the terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_EVERY = 20.0  # seconds between plain lines


@contextmanager
def steps_shown(total: int, done: int, shown: bool) -> Iterator[Callable[[int, float], None]]:
    """Shows steps, loss and remaining time: a bar on a terminal, a plain line now and then elsewhere.

    Args:
        total: steps of the whole run.
        done: steps that were taken before.
        shown: whether to show anything.

    Yields:
        A function to call after every step with its epoch (from 0) and its loss.
    """
    if not shown:
        yield lambda epoch, loss: None
        return
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(console, total, done)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, speed_estimate_period=120) as bar:
        task = bar.add_task("training", total=total, completed=done)

        def advance(epoch: int, loss: float) -> None:
            bar.update(task, advance=1, description=f"epoch {epoch + 1}, loss {loss:.4f}")

        yield advance


class _Lines:
    def __init__(self, console: object, total: int, done: int) -> None:
        self._write: Callable[[str], object] = console.file.write  # type: ignore[attr-defined]
        self._total, self._done, self._first = total, done, done
        self._begun = self._said = time.monotonic()

    def __call__(self, epoch: int, loss: float) -> None:
        self._done += 1
        now = time.monotonic()
        if now - self._said < _EVERY and self._done < self._total:
            return
        self._said = now
        left = (now - self._begun) / (self._done - self._first) * (self._total - self._done)
        self._write(
            f"training: step {self._done} of {self._total}, epoch {epoch + 1}, loss {loss:.4f}, "
            f"{left / 60:.1f} min left\n"
        )
