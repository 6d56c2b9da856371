"""The text of a pull request about a submission: Markdown in which a stranger's words are words only.

They stand in code, where GitHub makes no links, mentions, references to issues or pictures of them, and in lists, whose
items no character ends.
"""

from __future__ import annotations

import re
import unicodedata

from sdd_bench.errors import ProblemsError, SddBenchError
from sdd_bench.evaluation.display import REFERENCE_TITLES, heading, show
from sdd_bench.leaderboard.records import ComputedEntry, Method
from sdd_bench.leaderboard.verify import TOLERANCES, Verification

_ISOLATE, _END_ISOLATE = "\u2068", "\u2069"
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})
# Invisible, but parts of words and emoji.
_JOINERS = frozenset("\u200c\u200d")
_LONGEST = 20_000  # characters; GitHub takes 65,536 for one comment

_FIELDS = {
    "name": "method",
    "framework": "framework",
    "variant": "variant",
    "trained_on": "trained on",
    "authors": "authors",
    "paper": "paper",
    "code": "code",
    "year": "year",
    "venue": "venue",
    "weights_sha256": "SHA-256 of its weights",
    "parameters": "parameters, as stated",
    "seconds_per_megapixel": "seconds per megapixel, as stated",
    "machine": "measured on",
    "threads": "threads",
}


def accepted_text(entry: ComputedEntry, verification: Verification | None, archive_sha256: str) -> str:
    """A submission that became an entry.

    Args:
        entry: as it is to be added.
        verification: how computing it again went; None if that was not done.
        archive_sha256: of the archive.
    """
    result = entry.result
    dataset = f"{code(result.dataset.name)} ({code(result.dataset.split)}), manifest `{result.dataset.manifest_sha256}`"
    lines = [
        "## A submission to the leaderboard",
        "",
        *_method(entry.method),
        f"- dataset: {dataset}",
        f"- protocol: `{result.protocol.id}`, `{result.protocol_sha256}`",
        f"- archive: `{archive_sha256}`",
        f"- entry: `leaderboards/entries/{entry.id}.json`",
        "",
        _status(verification),
        "",
        *_scores(entry),
    ]
    if result.notes:
        lines += ["", "Notes of the result:", "", *(f"- {code(note)}" for note in result.notes)]
    return "\n".join([*lines, ""])


def refused_text(error: SddBenchError) -> str:
    """A submission that did not become one, and why."""
    if isinstance(error, ProblemsError):
        lines = [f"- {problem}" for problem in error.problems]
    else:
        lines = str(error).splitlines()
    text = "\n".join("".join(map(_spelled, line)) for line in lines)
    if len(text) > _LONGEST:
        text = text[:_LONGEST] + "\n..."
    fence = "`" * (_longest_run(text, least=2) + 1)
    return "\n".join(["## A submission that was not accepted", "", f"{fence}text", text, fence, ""])


def code(text: str) -> str:
    """One line of any text as Markdown code: shown letter by letter, and no part of what stands around it."""
    text = "".join(map(_spelled, text))
    if any(unicodedata.bidirectional(character) in _RIGHT_TO_LEFT for character in text):
        text = f"{_ISOLATE}{text}{_END_ISOLATE}"
    fence = "`" * (_longest_run(text, least=0) + 1)
    # A space at each end is taken off again if both are there, and is needed next to a backtick.
    space = " " if text[:1] in ("`", " ", "") or text[-1:] in ("`", " ") else ""
    return f"{fence}{space}{text}{space}{fence}"


def _spelled(character: str) -> str:
    hidden = not character.isprintable() and character not in _JOINERS
    return f"<U+{ord(character):04X}>" if hidden and unicodedata.category(character) != "Cn" else character


def _longest_run(text: str, least: int) -> int:
    return max([least, *(len(run) for run in re.findall("`+", text))])


def _method(method: Method) -> list[str]:
    values = ((title, getattr(method, name)) for name, title in _FIELDS.items())
    return [f"- {title}: {code(str(value))}" for title, value in values if value is not None]


def _status(verification: Verification | None) -> str:
    if verification is None or verification.again is None:
        return (
            "**Self-reported.** The archive is what it was packed as, and its numbers agree with each other. They were "
            "not computed again."
        )
    run = verification.again.run
    versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
    largest = verification.largest
    differences = [f"{name} {largest[name]:.1e} (tolerance {TOLERANCES[name]:g})" for name in largest if largest[name]]
    return (
        f"**Verified.** Every row was computed again from the predictions, {run.started}, on {run.device}: {versions}. "
        f"Largest differences: {', '.join(differences) or 'none, to the last bit'}."
    )


def _scores(entry: ComputedEntry) -> list[str]:
    metrics = entry.result.protocol.metrics
    lines = [
        f"| images | against | {' | '.join(map(heading, metrics))} |",
        "|---|---|" + "---:|" * len(metrics),
    ]
    for name, group in entry.result.means.items():
        for reference, title in REFERENCE_TITLES.items():
            mean = getattr(group, reference)
            if mean is not None:
                numbers = " | ".join(show(mean, metric) for metric in metrics)
                lines.append(f"| {name} ({group.images}) | {title} | {numbers} |")
    return lines
