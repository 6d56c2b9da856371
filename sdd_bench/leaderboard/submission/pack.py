"""Making a submission: one archive, the same for the same files."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

from sdd_bench.datasets.sources import composed
from sdd_bench.errors import OutputError, ProblemsError
from sdd_bench.evaluation.results import EvaluationResult
from sdd_bench.io.atomic import atomic_path
from sdd_bench.io.hashing import sha256
from sdd_bench.leaderboard.checks import check
from sdd_bench.leaderboard.costs import with_cost
from sdd_bench.leaderboard.prediction_files import other_files, prediction_files
from sdd_bench.leaderboard.records import ComputedEntry, computed_entry
from sdd_bench.leaderboard.submission.layout import HASHES, META, PREDICTIONS, RESULT
from sdd_bench.leaderboard.submission.meta import read_meta
from sdd_bench.leaderboard.submission.unpack import contents

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time of ZIP: when a file was made is no part of it
_BLOCK = 1 << 20


def pack(pred: Path, meta: Path, result: EvaluationResult, out: Path, *, overwrite: bool = False) -> ComputedEntry:
    """Write predictions, their result and what is known of the method into one archive.

    Members are stored as they are, without times, in a fixed order: the same files always give the same bytes.
    Pictures are compressed already.

    Args:
        pred: the predictions, as evaluated.
        meta: ``meta.yaml``.
        result: of these predictions; its command line, which names folders, is left out.
        out: the archive, made whole or not at all.
        overwrite: whether it may be there already.

    Returns:
        The entry that it will be, as far as it is the submitter's.

    Raises:
        ProblemsError: naming everything for which the submission would be refused.
        OutputError: if the archive is there already, or can't be written.
    """
    if out.exists() and not overwrite:
        raise OutputError(f"{out} is there already. Choose another name, or use --overwrite.")
    entry = computed_entry(result, with_cost(read_meta(meta), result))
    files = prediction_files(pred, result)
    problems = check(entry)
    if result.weights == "random":
        problems.append("computed with random weights, which say nothing")
    problems += [
        f"{files[stem].name} is another file than the one that was scored (SHA-256 {found[:12]}); evaluate again"
        for stem, found in other_files(files, result).items()
    ]
    if problems:
        raise ProblemsError(f"{pred} can't be submitted", problems)
    # With its cost, which `check` takes from there.
    kept = result.model_copy(update={"run": result.run.model_copy(update={"command": None})})
    documents = {META: meta.read_bytes(), RESULT: (kept.model_dump_json(indent=2) + "\n").encode()}
    named = {f"{PREDICTIONS}/{composed(path.name)}": path for path in files.values()}
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in documents.items()}
    hashes |= {name: sha256(path) for name, path in named.items()}
    documents[HASHES] = "".join(f"{hashes[name]}  {name}\n" for name in sorted(hashes)).encode()
    with atomic_path(out) as temporary:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            for name in sorted(documents):
                archive.writestr(_member(name), documents[name])
            for name in sorted(named):
                member = _member(name)
                member.file_size = named[name].stat().st_size
                with named[name].open("rb") as source, archive.open(member, "w") as target:
                    while block := source.read(_BLOCK):
                        target.write(block)
        try:
            contents(temporary)
        except ProblemsError as error:  # what would be refused is not handed out
            raise ProblemsError(f"{pred} can't be submitted", error.problems) from error
    return entry


def _member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, _EPOCH)
    member.create_system = 3  # Unix, wherever it is packed
    member.external_attr = 0o100644 << 16
    return member
