"""What methods take, as columns of a table's page: parameters, and time on whichever machine it was measured."""

from __future__ import annotations

from typing import NamedTuple

from sdd_bench.leaderboard.records import Method

PARAMETERS = "parameters"
TIME = "seconds_per_megapixel"
_NOT_STATED = "Nobody has stated it."
_UNITS = ((1e9, " G"), (1e6, " M"), (1e3, " k"))


class Said(NamedTuple):
    """One fact of a method.

    Attributes:
        text: as a table shows it.
        value: in full; empty where it is not known.
        note: what a reader has to know of it.
        among: numbers are comparable only if this is the same; empty where they always are.
    """

    text: str
    value: str
    note: str
    among: str = ""


def parameters(method: Method) -> Said:
    """How many parameters a method has: ``none`` is not the same as not known."""
    count = method.parameters
    if count is None:
        return Said("n/a", "", _NOT_STATED)
    if count == 0:
        return Said("none", "0", "It has none, as stated with its entry.")
    return Said(short(count), str(count), f"{count:,}, as stated with its entry.")


def time(method: Method) -> Said:
    """How long a method takes per megapixel, and on what."""
    seconds, place = method.seconds_per_megapixel, method.timed_on
    if seconds is None or place is None:
        return Said("n/a", "", _NOT_STATED)
    text = f"{seconds:,.0f}" if seconds >= 999.5 else f"{seconds:#.3g}".rstrip(".")
    note = f"On {place}, as stated with its entry. Times of other machines or threads can\u2019t be compared with it."
    return Said(text, repr(seconds), note, place)


def short(count: int) -> str:
    """A number to three digits: ``31.0 M``."""
    rounded = float(f"{count:.3g}")
    for size, unit in _UNITS:
        if rounded >= size:
            return f"{rounded / size:#.3g}".rstrip(".") + unit
    return str(count)
