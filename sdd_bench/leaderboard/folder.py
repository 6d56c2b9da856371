"""The folder of a leaderboard: one JSON file per entry, read whole or refused with every problem named."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from sdd_bench.errors import ProblemsError, ResultError
from sdd_bench.io.atomic import TEMPORARY_PREFIX
from sdd_bench.leaderboard.records import ENTRY, SCHEMA_VERSION, ComputedEntry, PublishedEntry

Entries = dict[Path, PublishedEntry | ComputedEntry]
PUBLISHED = "published"
COMPUTED = "entries"
_EDITED = (
    "its content is not the one its hash names: the file was edited. Add the result again, or import the published "
    "numbers again."
)


def entry_file(entry: PublishedEntry | ComputedEntry) -> Path:
    """Where an entry is kept, relative to a leaderboard's folder."""
    return Path(PUBLISHED if isinstance(entry, PublishedEntry) else COMPUTED) / f"{entry.id}.json"


def entry_path(board: Path, entry: PublishedEntry | ComputedEntry) -> Path:
    """Where an entry is kept in a leaderboard's folder."""
    return board / entry_file(entry)


def read(board: Path) -> tuple[Entries, list[str]]:
    """Read every ``*.json`` below a folder.

    Args:
        board: the folder; a ``schema.json`` directly in it is no entry.

    Returns:
        The entries by their path relative to the folder, in the order of these; and what is wrong with single files:
        not an entry, of another schema version, edited by hand, under a name that is not its id.
    """
    entries: Entries = {}
    problems: list[str] = []
    for path in sorted(board.rglob("*.json")):
        place = path.relative_to(board)
        if path.name.startswith(TEMPORARY_PREFIX) or place == Path("schema.json"):
            continue
        try:
            entries[place] = entry = _read(path)
        except ResultError as error:
            problems.append(f"{place.as_posix()}: {error}")
            continue
        if entry.content_sha256 != entry.entry_sha256:
            problems.append(f"{place.as_posix()}: {_EDITED}")
        elif path.stem != entry.id:
            problems.append(f"{place.as_posix()}: this entry's file is named {entry.id}.json; rename it.")
    return entries, problems


def load(board: Path, *, may_be_empty: bool = False) -> list[PublishedEntry | ComputedEntry]:
    """Every entry of a leaderboard, in the order of their files' names; none may contradict another.

    Args:
        board: the folder.
        may_be_empty: whether a leaderboard without an entry is no error.

    Raises:
        ResultError: if there is no entry.
        ProblemsError: naming everything that keeps tables from being made.
    """
    entries, problems = read(board)
    problems += [*together(entries), *same_predictions(entries)]
    if problems:
        raise ProblemsError(f"leaderboard {board}", problems)
    if not entries and not may_be_empty:
        raise ResultError(
            f"{board}: found no entry. Add a result with `sdd-bench leaderboard add RESULT_DIR --board {board}`, "
            "or published numbers with `sdd-bench leaderboard import-published`."
        )
    return [entries[path] for path in sorted(entries, key=lambda path: path.as_posix())]


def together(entries: Entries) -> list[str]:
    """What keeps entries from standing in tables: one more than once, random weights, other weights in one table."""
    problems = [
        f"{place.as_posix()}: computed with random weights, which say nothing; remove it"
        for place, entry in entries.items()
        if isinstance(entry, ComputedEntry) and entry.result.weights == "random"
    ]
    problems += [
        f"{' and '.join(places)} are the same entry ({name}); keep one"
        for name, places in _places((entry.id, place) for place, entry in entries.items())
    ]
    return problems + _images_that_are_missing(entries) + _weights_that_differ(entries)


def same_predictions(entries: Entries) -> list[str]:
    """Prediction files that stand in one table under several names."""
    return [
        f"{' and '.join(places)} score the same prediction files in one table; keep one"
        for _, places in _places(
            (predictions_key(entry), place) for place, entry in entries.items() if isinstance(entry, ComputedEntry)
        )
        if len({entries[Path(place)].id for place in places}) > 1
    ]


def read_entry(path: Path) -> PublishedEntry | ComputedEntry:
    """Read one entry.

    Raises:
        ResultError: if the file is not an entry, of another schema version, or was edited by hand.
    """
    try:
        entry = _read(path)
    except ResultError as error:
        raise ResultError(f"{path}: {error}") from error
    if entry.content_sha256 != entry.entry_sha256:
        raise ResultError(f"{path}: {_EDITED}")
    return entry


def _read(path: Path) -> PublishedEntry | ComputedEntry:
    try:
        text = path.read_text("utf-8")
        content = json.loads(text, parse_constant=_refuse_constant)
    except (OSError, ValueError, RecursionError) as error:
        raise ResultError(f"not a JSON file ({error}); expected an entry of a leaderboard") from error
    version = content.get("schema_version") if isinstance(content, dict) else None
    if not isinstance(content, dict) or "entry_sha256" not in content:
        raise ResultError("not an entry; expected what `sdd-bench leaderboard add` writes (see `leaderboard schema`)")
    if version != SCHEMA_VERSION:
        raise ResultError(
            f"entry of schema version {version}, this version of sdd-bench reads {SCHEMA_VERSION}. Add it again."
        )
    try:
        entry = ENTRY.validate_json(text)
        _ = entry.content_sha256  # fails on numbers too large to be finite
        return entry
    except ValidationError as error:
        found = "; ".join(
            f"{'.'.join(map(str, problem['loc'][1:])) or 'entry'}: {problem['msg']}" for problem in error.errors()[:5]
        )
        more = "" if error.error_count() <= 5 else f"; and {error.error_count() - 5} more"
        raise ResultError(f"not a sound entry: {found}{more}") from error
    except ValueError as error:
        raise ResultError(f"not a sound entry: {error}") from error


def _refuse_constant(name: str) -> float:
    raise ValueError(f"found {name}, which is not JSON")


def predictions_key(entry: ComputedEntry) -> str:
    """Names what was scored and against what: table, stems and the hashes of the prediction files."""
    return json.dumps([entry.board_key, [(image.stem, image.prediction_sha256) for image in entry.result.images]])


def _places(named: Iterator[tuple[str, Path]]) -> list[tuple[str, list[str]]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for name, place in named:
        groups[name].append(place.as_posix())
    return [(name, places) for name, places in groups.items() if len(places) > 1]


def _images_that_are_missing(entries: Entries) -> list[str]:
    # One manifest and split have one set of images; a mean without the hardest of them is no mean of the split.
    stems: dict[tuple[str, ...], set[str]] = defaultdict(set)
    computed = {place: entry for place, entry in entries.items() if isinstance(entry, ComputedEntry)}
    for entry in computed.values():
        stems[entry.board_key].update(image.stem for image in entry.result.images)
    problems = []
    for place, entry in computed.items():
        missing = sorted(stems[entry.board_key] - {image.stem for image in entry.result.images})
        if missing:
            names = ", ".join(missing[:3]) + (" ..." if len(missing) > 3 else "")
            problems.append(
                f"{place.as_posix()}: {len(missing)} images of the split have no row: {names}; evaluate all"
            )
    return problems


def _weights_that_differ(entries: Entries) -> list[str]:
    used: dict[tuple[tuple[str, ...], str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for place, entry in entries.items():
        if isinstance(entry, ComputedEntry):
            for name, digest in entry.result.weights_sha256.items():
                used[entry.board_key, name][digest].append(place.as_posix())
    return [
        f"{'; '.join(f'{digest[:12]} in {chr(44).join(places)}' for digest, places in hashes.items())}: "
        f"other files of the weights {name} in one table; evaluate with the same"
        for (_, name), hashes in used.items()
        if len(hashes) > 1
    ]
