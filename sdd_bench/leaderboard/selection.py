"""Choosing among tables, and tables of results that are no entries yet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sdd_bench.errors import ProblemsError, ResultError, unknown_name
from sdd_bench.evaluation.results import EvaluationResult
from sdd_bench.leaderboard.boards import Board
from sdd_bench.leaderboard.costs import with_cost
from sdd_bench.leaderboard.folder import COMPUTED, PUBLISHED, together
from sdd_bench.leaderboard.records import ComputedEntry, Method, computed_entry


def holds_results(folder: Path) -> bool:
    """Whether tables are to be made of the result files below a folder, rather than of its entries.

    Raises:
        ResultError: if it holds both.
    """
    result = next(folder.rglob("result.json"), None)
    kept = next((path for name in (COMPUTED, PUBLISHED) for path in (folder / name).glob("*.json")), None)
    if result is not None and kept is not None:
        raise ResultError(
            f"{folder} holds both results ({result.relative_to(folder)}) and entries ({kept.relative_to(folder)}). "
            "Add the results with `sdd-bench leaderboard add`, and keep them elsewhere."
        )
    return result is not None


def entries_of_results(results: Sequence[EvaluationResult]) -> list[ComputedEntry]:
    """Results as the entries they would be, of which only the methods' names are known, and what they took.

    Raises:
        ProblemsError: if they can't stand in tables.
    """
    entries = [computed_entry(result, with_cost(Method(name=result.method), result)) for result in results]
    problems = together({Path(f"result {number}"): entry for number, entry in enumerate(entries, 1)})
    if problems:
        raise ProblemsError("no leaderboard can be made of these results", problems)
    return entries


def select(boards: Sequence[Board], dataset: str | None, protocol: str | None, title: str | None = None) -> list[Board]:
    """The tables of a dataset, a protocol and a title; None takes all.

    Raises:
        ResultError: if there is none of that name (names the nearest), or none of both dataset and protocol.
    """
    datasets = {board.dataset for board in boards}
    protocols = {board.protocol for board in boards if board.protocol is not None}
    if dataset is not None and dataset not in datasets:
        raise ResultError(unknown_name("dataset", dataset, datasets))
    if protocol is not None and protocol not in protocols:
        raise ResultError(unknown_name("protocol", protocol, protocols))
    found = [b for b in boards if dataset in (None, b.dataset) and protocol in (None, b.protocol)]
    if not found:
        raise ResultError(f"no table is of dataset {dataset} and protocol {protocol}; choose one of the two only.")
    titles = {board.title for board in found}
    if title is not None and title not in titles:
        raise ResultError(unknown_name("table", title, titles))
    return [board for board in found if title in (None, board.title)]


def only_table(boards: Sequence[Board]) -> Board:
    """The table, if there is one only.

    Raises:
        ResultError: if there are several.
    """
    if len(boards) > 1:
        raise ResultError(
            f"{len(boards)} tables can't share one CSV, which would mix protocols in a column. Give a folder with "
            "--out, or choose one with --table, by its title in Markdown."
        )
    return boards[0]
