"""Checking a submission: unpacked safely, computed again, and made an entry."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sdd_bench.datasets.dataset import open_dataset
from sdd_bench.device import DeviceName
from sdd_bench.errors import ImageError, ProblemsError, ResultError, SddBenchError
from sdd_bench.evaluation.protocol import get_protocol
from sdd_bench.evaluation.results import EvaluationResult
from sdd_bench.io.atomic import TEMPORARY_PREFIX, make_folder, output_errors, sync_folder, write_text
from sdd_bench.io.hashing import sha256
from sdd_bench.io.images import image_info
from sdd_bench.io.staging import refuse_occupied
from sdd_bench.leaderboard.add import contradictions
from sdd_bench.leaderboard.characters import spelled
from sdd_bench.leaderboard.checks import check
from sdd_bench.leaderboard.costs import with_cost
from sdd_bench.leaderboard.folder import entry_path
from sdd_bench.leaderboard.prediction_files import other_files, prediction_files
from sdd_bench.leaderboard.records import ComputedEntry, computed_entry
from sdd_bench.leaderboard.submission.layout import LIMITS, META, PREDICTIONS, RESULT, Limits
from sdd_bench.leaderboard.submission.meta import read_meta
from sdd_bench.leaderboard.submission.pull_request import accepted_text
from sdd_bench.leaderboard.submission.unpack import unpack
from sdd_bench.leaderboard.verify import PREDICTION, Verification, verify

SUBMISSION_FOLDER = "submission"
PULL_REQUEST = "pull_request.md"
_MOST_PROBLEMS = 40


@dataclass(frozen=True)
class Checked:
    """A submission that holds against every check that was made.

    Attributes:
        entry: ready for the leaderboard: ``verified`` if it was computed again, else ``self-reported``.
        verification: how computing it again went; None if there was no dataset.
        archive_sha256: of the archive.
        passed_over: members that were not unpacked, because file managers add such.
    """

    entry: ComputedEntry
    verification: Verification | None
    archive_sha256: str
    passed_over: tuple[str, ...]


def check_submission(
    archive: Path,
    out: Path,
    *,
    dataset: Path | None = None,
    board: Path | None = None,
    replace: bool = False,
    cache: Path | None = None,
    workers: int = 1,
    device: DeviceName = "auto",
    limits: Limits = LIMITS,
    progress: bool = True,
) -> Checked:
    """Check a submission, and write what is left to do: the entry, and the text of a pull request.

    Args:
        archive: the file, trusted in nothing.
        out: folder for the entry, ``pull_request.md`` and ``submission/`` with the unpacked files; it appears whole if
            all checks passed, and else not at all.
        dataset: a prepared dataset, to compute the result again; without it, numbers are only held against each other.
        board: leaderboard that the entry has to fit into.
        replace: whether an entry of the same id may be there.
        cache: as for `verify`.
        workers: as for `verify`.
        device: as for `verify`.
        limits: how much is unpacked.
        progress: show progress on the terminal.

    Raises:
        SubmissionError: if the archive or one of its documents can't be read.
        ProblemsError: naming everything that is wrong, of the first kind of check that fails.
        ResultError: if its result is none, or of another schema version.
        OutputError: if `out` is there already, or can't be written.
    """
    refuse_occupied(out)
    with output_errors(out):
        make_folder(out.parent)
        staging = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=out.parent))
    folder = staging / SUBMISSION_FOLDER
    try:
        found = unpack(archive, folder, limits)
        claimed = _claimed(archive, folder, dataset)
        entry, verification = claimed, None
        if dataset is not None:
            verification = verify(
                claimed,
                folder / PREDICTIONS,
                dataset,
                cache=cache,
                workers=workers,
                device=device,
                progress=progress,
            )
            if not verification.holds:
                raise _refusal(archive, list(_told(verification)))
            entry = _renamed(verification.verified, dataset)
        problems = [] if board is None else list(_board_problems(entry, board, replace))
        if problems:
            raise _refusal(archive, problems)
        checked = Checked(entry, verification, sha256(archive), found.passed_over)
        write_text(staging / f"{entry.id}.json", entry.to_json())
        write_text(staging / PULL_REQUEST, accepted_text(checked.entry, verification, checked.archive_sha256))
        with output_errors(out):
            staging.chmod(0o755)
            if out.is_dir():
                out.rmdir()
            staging.replace(out)
            sync_folder(out.parent)
    except ProblemsError as error:
        told = [_in_submission(problem, folder) for problem in error.problems]
        raise ProblemsError(_in_submission(error.title, folder), told) from error
    except SddBenchError as error:
        raise type(error)(_in_submission(str(error), folder)) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)  # it is gone if all went well
    return checked


def _in_submission(text: str, folder: Path) -> str:
    """A message without the folder that nobody chose and that is gone when it is read."""
    return text.replace(f"{folder}/", "").replace(str(folder), "the submission")


def _claimed(archive: Path, folder: Path, dataset: Path | None) -> ComputedEntry:
    """What the submission says of itself, if that does not contradict itself.

    Raises:
        SddBenchError: if it does.
    """
    method = read_meta(folder / META)
    try:
        result = EvaluationResult.load(folder / RESULT)
    except ResultError as error:  # it may quote the file
        raise ResultError("\n".join(map(spelled, str(error).splitlines()))) from error
    method = with_cost(method, result)
    problems = check(computed_entry(result, method))
    if problems:
        raise _refusal(archive, problems)
    # The texts of a protocol are no part of its hash: they are taken from here.
    claimed = computed_entry(result.model_copy(update={"protocol": get_protocol(result.protocol.id)}), method)
    files = prediction_files(folder / PREDICTIONS, result)
    if result.weights == "random":
        problems.append("computed with random weights, which say nothing")
    problems += [
        f"{files[stem].name}: another file than the one that the result scored" for stem in other_files(files, result)
    ]
    problems += _header_problems(files, {} if dataset is None else _sizes(dataset, result.dataset.split))
    if problems:
        raise _refusal(archive, problems)
    return claimed


def _renamed(entry: ComputedEntry, dataset: Path) -> ComputedEntry:
    """The entry with the name that the dataset has here: a name is no part of the hash by which it is known."""
    here = entry.result.dataset.model_copy(
        update={"name": open_dataset(dataset, entry.result.dataset.split).manifest.name}
    )
    return computed_entry(entry.result.model_copy(update={"dataset": here}), entry.method, entry.status)


def _sizes(dataset: Path, split: str) -> dict[str, tuple[int, int]]:
    return {pair.stem: pair.size for pair in open_dataset(dataset, split)}


def _header_problems(files: dict[str, Path], sizes: dict[str, tuple[int, int]]) -> Iterator[str]:
    """What headers show, before a picture fills the memory: no picture is larger than its pair."""
    for stem, path in files.items():
        try:
            info = image_info(path)
        except ImageError as error:
            yield str(error).replace(str(path), path.name)
            continue
        width, height = sizes.get(stem, (info.width, info.height))
        if info.width > width or info.height > height:
            yield f"{path.name}: {info.width} x {info.height} pixels, and its pair has {width} x {height}"


def _told(verification: Verification) -> Iterator[str]:
    for one in verification.differences:
        if one.name == PREDICTION:
            yield f"{one.stem}: another file than the one that the result scored"
            continue
        by = "" if one.by is None else f", {one.by:+.1e} (tolerance {one.tolerance:g})"
        yield f"{one.stem}: {one.name} is {one.entry} in the result and {one.found} computed here{by}"


def _board_problems(entry: ComputedEntry, board: Path, replace: bool) -> Iterator[str]:
    place = entry_path(board, entry)
    if place.exists() and not replace:
        yield (
            f"{place.name}: {entry.method.label} has an entry in this table already. Name a variant in meta.yaml, or "
            "ask for the entry to be replaced (--replace)"
        )
    yield from contradictions(entry, board)


def _refusal(archive: Path, problems: list[str]) -> ProblemsError:
    more = [f"and {len(problems) - _MOST_PROBLEMS} more"] if len(problems) > _MOST_PROBLEMS else []
    return ProblemsError(f"{archive} can't become an entry", problems[:_MOST_PROBLEMS] + more)
