"""Names in an archive: which of them may become files, and where."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath

from sdd_bench.leaderboard.characters import misleading, shown
from sdd_bench.leaderboard.prediction_files import CLUTTER
from sdd_bench.leaderboard.submission.layout import DOCUMENTS, META, PREDICTIONS, SUFFIXES, Limits

# https://learn.microsoft.com/windows/win32/fileio/naming-a-file
_WINDOWS_CHARACTERS = frozenset('<>:"|?*')
_WINDOWS_DEVICES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])", re.IGNORECASE)
_DRIVE = re.compile(r"[A-Za-z]:")


def name_problem(name: str, limits: Limits) -> str | None:
    """Why a name may not become a file on any system; None if it may.

    Args:
        name: as stored, parts separated by slashes; that of a folder ends with one.
        limits: of its length.
    """
    if controls := misleading(name):
        return f"its name holds the character U+{ord(controls[0]):04X}"
    if len(name.encode()) > limits.name:
        return f"its name has {len(name.encode()):,} bytes; at most {limits.name} are read"
    if _DRIVE.match(name):
        return "its name begins with a drive letter"
    if "\\" in name:
        return "its name holds a backslash; folders are separated by /"
    if name.startswith("/"):
        return "its name is an absolute path"
    parts = name.removesuffix("/").split("/")
    if ".." in parts:
        return "its name leads out of the archive by .."
    if "" in parts or "." in parts:
        return "its name has an empty part"
    return next((problem for part in parts if (problem := _windows_problem(part))), None)


def _windows_problem(part: str) -> str | None:
    bad = sorted(_WINDOWS_CHARACTERS & set(part))
    if bad:
        return f"its name holds {bad[0]}, which Windows does not allow"
    if part[-1] in ". ":
        return "a part of its name ends with a dot or a space, which Windows drops"
    if _WINDOWS_DEVICES.fullmatch(part.partition(".")[0].rstrip(" ")):
        return "a part of its name is that of a device on Windows"
    return None


def collisions(names: Iterable[str]) -> Iterator[str]:
    """Names that are one file on some system: equal, or but for case or the encoding of letters; files in files."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[_folded(name.removesuffix("/"))].append(name)
    for alike in groups.values():
        if len(alike) > 1:
            same = len(set(alike)) == 1
            how = "is there more than once" if same else "are one name where case and encoding don't count"
            yield f"{' and '.join(map(shown, sorted(set(alike))))}: {how}"
    files = {folded for folded, alike in groups.items() if not alike[0].endswith("/")}
    for folded, alike in groups.items():
        if any(parent.as_posix() in files for parent in PurePosixPath(folded).parents):
            yield f"{shown(alike[0])}: it lies in what is a file"


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def places(names: Sequence[str]) -> tuple[dict[str, str], list[str], list[str]]:
    """Where the files of a submission go.

    One folder around everything is taken off, and what file managers add is passed over.

    Args:
        names: of all members, without problems.

    Returns:
        Names by their place in a submission; names that are passed over; what is wrong, one line each.
    """
    clutter = [name for name in names if _is_clutter(name)]
    rest = [name for name in names if not _is_clutter(name)]
    folders = sorted({name.rpartition("/")[0] for name in rest if name.rpartition("/")[2] == META})
    if len(folders) > 1:
        where = ", ".join(shown(folder) or "the archive itself" for folder in folders)
        return {}, clutter, [f"{len(folders)} submissions in one archive, in {where}; give one"]
    if folders and "/" in folders[0]:
        return {}, clutter, [f"everything lies in {shown(folders[0])}; only one folder may be around it"]
    root = _root(rest)
    found, problems = {}, []
    for name in rest:
        place = name.removeprefix(root)
        if place in ("", f"{PREDICTIONS}/"):
            continue
        folder, _, file = place.rpartition("/")
        if place in DOCUMENTS or (folder == PREDICTIONS and _is_prediction(file)):
            found[place] = name
        else:
            problems.append(f"{shown(name)}: {_stranger(place)}")
    problems += [f"missing: no {name} directly in the archive" for name in DOCUMENTS if name not in found]
    if not any(place.startswith(f"{PREDICTIONS}/") for place in found):
        problems.append(f"missing: no prediction in {PREDICTIONS}/")
    return found, clutter, problems


def _is_clutter(name: str) -> bool:
    parts = name.removesuffix("/").split("/")
    return parts[0].lower() == "__macosx" or parts[-1].lower() in CLUTTER or parts[-1].startswith("._")


def _is_prediction(file: str) -> bool:
    return not file.startswith(".") and PurePosixPath(file.lower()).suffix in SUFFIXES


def _root(names: Sequence[str]) -> str:
    """The one folder around everything, with its slash; empty if there is none."""
    firsts = {name.split("/")[0] for name in names}
    if len(firsts) == 1 and (first := next(iter(firsts))) != PREDICTIONS and f"{first}/{META}" in names:
        return f"{first}/"
    return ""


def _stranger(place: str) -> str:
    folder = place.rpartition("/")[0]
    if folder == PREDICTIONS:
        return f"not a prediction ({', '.join(SUFFIXES)})"
    return f"not a part of a submission, which has {', '.join(DOCUMENTS)} and {PREDICTIONS}/"
