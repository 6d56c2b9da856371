"""Checking a whole leaderboard: every entry by itself, then all of them together."""

from __future__ import annotations

from pathlib import Path

from sdd_bench.errors import ProblemsError
from sdd_bench.leaderboard.checks import check
from sdd_bench.leaderboard.folder import read, same_predictions, together


def validate_board(board: Path) -> int:
    """Check every entry of a leaderboard; an empty one has no problem.

    Returns:
        Number of entries.

    Raises:
        ProblemsError: naming every problem of every file.
    """
    entries, problems = read(board)
    problems += [f"{place.as_posix()}: {problem}" for place, entry in entries.items() for problem in check(entry)]
    problems += [*together(entries), *same_predictions(entries)]
    if problems:
        raise ProblemsError(f"leaderboard {board}", problems)
    return len(entries)
