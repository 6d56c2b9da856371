"""Leaderboard tables: a pure function of a folder of result files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from sdd_bench.errors import ProblemsError, ResultError
from sdd_bench.evaluation.display import FACTS, REFERENCE_TITLES, show
from sdd_bench.evaluation.results import METRICS, EvaluationResult


def collect(folder: str | Path) -> list[EvaluationResult]:
    """Every ``result.json`` below a folder, in the order of their paths.

    Raises:
        ResultError: if there is none.
        ProblemsError: naming every file that can't be read.
    """
    folder = Path(folder)
    results, problems = [], []
    for path in sorted(folder.rglob("result.json")):
        try:
            results.append(EvaluationResult.load(path))
        except ResultError as error:
            problems.append(str(error))
    if problems:
        raise ProblemsError(f"results in {folder}", problems)
    if not results:
        raise ResultError(f"{folder}: found no result.json; make some with `sdd-bench evaluate --out {folder} ...`.")
    return results


def markdown(results: Sequence[EvaluationResult]) -> str:
    """One table per dataset, split and protocol; methods by PSNR against the deformed ground truth, best first.

    Results are comparable only if dataset, split and protocol have the same hashes, so nothing else shares a table.

    Raises:
        ProblemsError: if a method stands twice in one table.
    """
    boards: dict[tuple[str, ...], list[EvaluationResult]] = defaultdict(list)
    for result in results:
        dataset = result.dataset
        boards[dataset.name, dataset.split, result.protocol.id, dataset.manifest_sha256, result.protocol_sha256].append(
            result
        )
    problems = [
        f"{method} has {count} results on {name} ({split}) under {protocol}; keep one"
        for (name, split, protocol, *_), board in sorted(boards.items())
        for method, count in _counts(board).items()
        if count > 1
    ]
    if problems:
        raise ProblemsError("the leaderboard is ambiguous", problems)
    return "\n".join(_board(board) for _, board in sorted(boards.items(), key=lambda item: item[0]))


def _counts(board: Sequence[EvaluationResult]) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for result in board:
        counts[result.method] += 1
    return counts


def _board(board: Sequence[EvaluationResult]) -> str:
    first = board[0]
    references = [name for name in REFERENCE_TITLES if any(getattr(r.means["all"], name) is not None for r in board)]
    metrics = [metric for metric in METRICS if any(metric in result.protocol.metrics for result in board)]
    columns = [(reference, metric) for reference in references for metric in metrics]
    lines = [
        f"## {_cell(first.dataset.name)} ({first.dataset.split}), {first.protocol.id}",
        "",
        f"{_cell(first.protocol.title)}. Dataset `{first.dataset.manifest_sha256[:12]}`, "
        f"protocol `{first.protocol_sha256[:12]}`, {len(first.images)} images.",
        "",
        "| method | " + " | ".join(f"{FACTS[m].title}, {REFERENCE_TITLES[r]}" for r, m in columns) + " |",
        "|---" + "|---:" * len(columns) + "|",
    ]
    for result in sorted(board, key=_rank):
        cells = [show(getattr(result.means["all"], reference), metric) for reference, metric in columns]
        lines.append(f"| {_cell(result.method)} | " + " | ".join(cells) + " |")
    notes: dict[str, list[str]] = defaultdict(list)
    for result in sorted(board, key=_rank):
        for note in result.notes:
            notes[note].append(result.method)
    if notes:
        lines.append("")
    for note, methods in notes.items():
        whose = "all methods" if len(methods) == len(board) else ", ".join(_cell(method) for method in methods)
        lines.append(f"- {whose}: {_cell(note)}")
    return "\n".join([*lines, ""])


def _rank(result: EvaluationResult) -> tuple[float, str]:
    mean = result.means["all"].deformed_gt
    if mean is None:
        return float("inf"), result.method
    return (-mean.psnr if mean.psnr is not None else float("-inf")), result.method


def _cell(text: str) -> str:
    """Text that can't end a table cell or become markup."""
    text = " ".join(text.split())
    for character in "\\`*_[]<>|":
        text = text.replace(character, "\\" + character)
    return text
