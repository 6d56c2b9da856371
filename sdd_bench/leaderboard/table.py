"""Leaderboard tables: a pure function of a folder of result files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from sdd_bench.errors import ProblemsError, ResultError
from sdd_bench.evaluation.display import PLUS_MINUS, REFERENCE_TITLES, heading, show
from sdd_bench.evaluation.results import GROUPS, METRICS, EvaluationResult, GroupName
from sdd_bench.evaluation.statistics import SMALLEST_SAMPLE
from sdd_bench.leaderboard.escape import markdown_text


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
    """Tables per dataset, split and protocol; methods by PSNR, best first.

    It is that against the deformed ground truth, or the ground truth as it is where the protocol does not deform it.

    Results are comparable only if dataset, split and protocol have the same hashes, so nothing else shares a table.

    Raises:
        ProblemsError: if a method stands twice in one table, or was scored with random weights.
    """
    boards: dict[tuple[str, ...], list[EvaluationResult]] = defaultdict(list)
    for result in results:
        boards[result.dataset.manifest_sha256, result.dataset.split, result.protocol_sha256].append(result)
    problems = [
        f"{method} has {count} results on {board[0].dataset.name} ({board[0].dataset.split}) under "
        f"{board[0].protocol.id}; keep one"
        for board in boards.values()
        for method, count in _counts(board).items()
        if count > 1
    ]
    problems += [
        f"{r.method}: computed with random weights, which say nothing" for r in results if r.weights == "random"
    ]
    if problems:
        raise ProblemsError("no leaderboard can be made of these results", sorted(problems))
    return "\n".join(_board(sorted(board, key=_rank)) for _, board in sorted(boards.items(), key=_by_title))


def _by_title(board: tuple[tuple[str, ...], list[EvaluationResult]]) -> tuple[object, ...]:
    # One dataset may go by several names; the first of them in the alphabet stands for it.
    name = min(result.dataset.name for result in board[1])
    return name, board[1][0].dataset.split, board[1][0].protocol.id, board[0]


def _counts(board: Sequence[EvaluationResult]) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for result in board:
        counts[result.method] += 1
    return counts


def _board(board: Sequence[EvaluationResult]) -> str:
    first = board[0]
    name = min(result.dataset.name for result in board)
    lines = [
        f"## {markdown_text(name)} ({first.dataset.split}), {first.protocol.id}",
        "",
        f"{markdown_text(first.protocol.title)}. Dataset `{first.dataset.manifest_sha256[:12]}`, "
        f"protocol `{first.protocol_sha256[:12]}`.",
    ]
    if any(result.means["all"].images >= SMALLEST_SAMPLE for result in board):
        lines += [
            "",
            f"{PLUS_MINUS}. Methods share the images, so they can differ although theirs overlap: `sdd-bench compare`.",
        ]
    for group in GROUPS:
        if all(group in result.means for result in board):
            lines += _group_table(board, group)
    notes: dict[str, list[str]] = defaultdict(list)
    for result in board:
        for note in result.notes:
            notes[note].append(result.method)
    if notes:
        lines.append("")
    for note, methods in notes.items():
        whose = "all methods" if len(methods) == len(board) else ", ".join(markdown_text(method) for method in methods)
        lines.append(f"- {whose}: {markdown_text(note)}")
    return "\n".join([*lines, ""])


def _group_table(board: Sequence[EvaluationResult], group: GroupName) -> list[str]:
    means = [(result, result.means[group]) for result in board]
    references = [name for name in REFERENCE_TITLES if any(getattr(mean, name) is not None for _, mean in means)]
    metrics = [metric for metric in METRICS if any(metric in result.protocol.metrics for result in board)]
    columns = [(reference, metric) for reference in references for metric in metrics]
    titles = [f"{heading(metric)}, {REFERENCE_TITLES[reference]}" for reference, metric in columns]
    has_deformation = any(mean.deformation is not None for _, mean in means)
    if has_deformation:
        titles.append("deformation ↓, px")
    lines = [
        "",
        f"### {group}",
        "",
        f"| method | images | {' | '.join(titles)} |",
        "|---|---:" + "|---:" * len(titles) + "|",
    ]
    for result, mean in means:
        count = f"{mean.images} of {mean.images + mean.failed}" if mean.failed else str(mean.images)
        cells = [show(getattr(mean, reference), metric) for reference, metric in columns]
        if has_deformation:
            cells.append("n/a" if mean.deformation is None else f"{mean.deformation:.2f}")
        lines.append(f"| {markdown_text(result.method)} | {count} | " + " | ".join(cells) + " |")
    return lines


def _rank(result: EvaluationResult) -> tuple[float, str]:
    group = result.means["all"]
    mean = group.gt if group.deformed_gt is None else group.deformed_gt
    if mean is None:
        return float("inf"), result.method
    return (-mean.psnr if mean.psnr is not None else float("-inf")), result.method
