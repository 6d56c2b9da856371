"""From a result to an entry of a leaderboard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from sdd_bench.errors import OutputError, ProblemsError, ResultError
from sdd_bench.evaluation.results import EvaluationResult
from sdd_bench.io.atomic import write_text
from sdd_bench.io.hashing import sha256
from sdd_bench.leaderboard.checks import check
from sdd_bench.leaderboard.costs import with_cost
from sdd_bench.leaderboard.folder import entry_path, read, same_predictions, together
from sdd_bench.leaderboard.records import ComputedEntry, Method, computed_entry


def add_result(
    result_dir: Path,
    board: Path,
    about: Mapping[str, str | float | None],
    weights: Path | None = None,
    *,
    replace: bool = False,
    commands: Sequence[str] = (),
) -> Path:
    """Write a result as a self-reported entry.

    Args:
        result_dir: folder with a ``result.json``, or that file.
        board: folder of the leaderboard; made if it is missing.
        about: fields of `Method`; a name of None takes the result's, and so does a cost.
        weights: the method's own weight file, whose hash is noted.
        replace: whether an entry of the same id may be replaced.
        commands: by which the predictions were made, one after the other.

    Returns:
        The entry's file.

    Raises:
        ResultError: if there is no sound result.
        OutputError: if the entry is there already, or can't be written.
        ProblemsError: naming everything that is wrong with the entry, or that contradicts the other entries.
    """
    result = EvaluationResult.load(_result_file(result_dir))
    fields = {**about, "name": about.get("name") or result.method}
    if weights is not None:
        fields["weights_sha256"] = sha256(weights)
    try:
        method = with_cost(Method.model_validate(fields), result)
        entry = computed_entry(result, method, commands=commands)
    except ValidationError as error:
        raise ProblemsError(
            f"{result_dir} can't become an entry",
            [f"{'.'.join(map(str, problem['loc'])) or 'method'}: {problem['msg']}" for problem in error.errors()],
        ) from error
    path = entry_path(board, entry)
    if path.exists() and not replace:
        raise OutputError(f"{path} is there already: {method.label} has an entry in this table. Use --replace.")
    problems = [*check(entry), *contradictions(entry, board)]
    if problems:
        raise ProblemsError(f"{result_dir} can't become an entry", problems)
    write_text(path, entry.to_json())
    return path


def contradictions(entry: ComputedEntry, board: Path) -> list[str]:
    """What keeps an entry from standing in tables beside the others of a leaderboard, one line each.

    An entry of the same id is taken as replaced, and what the others contradict among themselves is left out.
    """
    entries, _ = read(board)
    place = entry_path(board, entry).relative_to(board)
    others = {known: other for known, other in entries.items() if known != place}
    before = [*together(others), *same_predictions(others)]
    after = others | {place: entry}
    return [text for text in (*together(after), *same_predictions(after)) if text not in before]


def _result_file(path: Path) -> Path:
    if path.is_file():
        return path
    if (path / "result.json").is_file():
        return path / "result.json"
    below = sorted(path.rglob("result.json"))
    hint = f" Did you mean {below[0].parent}?" if below else " Make one with `sdd-bench evaluate`."
    raise ResultError(f"{path}: found no result.json in it.{hint}")
