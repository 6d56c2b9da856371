"""How the pairs of a raw folder are found: the layouts that are known, and which one a folder has.

Pairs are matched by name or by what the camera noted, never by order. All problems of a folder are collected and
reported at once.

A `pairs.csv` is a statement and goes before what folders and names suggest; photographs are looked at for what the
camera noted only where nothing else is recognised. Between these, two layouts that both fit are an error.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sdd_bench.datasets.captures import CAPTURES
from sdd_bench.datasets.csv_layout import PAIRS_CSV
from sdd_bench.datasets.dpdd_layout import DPDD
from sdd_bench.datasets.folder_layout import REALDOF, SDD, SDD_RELEASED
from sdd_bench.datasets.manifest import MANIFEST_NAME
from sdd_bench.datasets.name_layouts import SCENES, SUFFIX
from sdd_bench.datasets.sources import Found
from sdd_bench.errors import DatasetError, ProblemsError, unknown_name

_NAMED = (SDD, SDD_RELEASED, DPDD, REALDOF, SCENES, SUFFIX)
LAYOUTS = {layout.name: layout for layout in (PAIRS_CSV, *_NAMED, CAPTURES)}
"""All layouts by name."""


def find_pairs(raw: Path, layout: str | None = None) -> tuple[str, Found]:
    """List the pairs of a raw folder.

    Args:
        raw: the folder.
        layout: name of a layout of `LAYOUTS`; None finds it out.

    Returns:
        The layout's name, and what it found, without problems, the pairs sorted by stem.

    Raises:
        DatasetError: if the folder does not exist, is a prepared dataset, or has no known layout or several.
        ProblemsError: if any pair is not complete and unambiguous.
    """
    if not raw.is_dir():
        raise DatasetError(f"raw folder {raw}: {'not a folder' if raw.exists() else 'does not exist'}.")
    if (raw / MANIFEST_NAME).exists():
        raise DatasetError(
            f"{raw} is a prepared dataset already (it holds {MANIFEST_NAME}); prepare takes the raw folder."
        )
    if layout is not None and layout not in LAYOUTS:
        raise DatasetError(unknown_name("layout", layout, LAYOUTS))
    try:
        name = layout or _recognise(raw)
        found = LAYOUTS[name].find(raw)
    except OSError as error:
        raise DatasetError(f"{error.filename or raw}: can't be read: {error.strerror}.") from error
    problems = [*found.problems, *_name_problems([pair.stem for pair in found.pairs])]
    if not found.pairs and not problems:
        problems = [f"no pairs found; expected {LAYOUTS[name].looks_like}"]
    if problems:
        raise ProblemsError(f"{raw}, read with layout {name!r}", problems)
    return name, replace(found, pairs=sorted(found.pairs, key=lambda pair: pair.stem))


def _recognise(raw: Path) -> str:
    if PAIRS_CSV.recognises(raw):
        return PAIRS_CSV.name
    fitting = [layout.name for layout in _NAMED if layout.recognises(raw)]
    if len(fitting) > 1:
        raise DatasetError(
            f"{raw} can be read with layout {' and with layout '.join(fitting)}. Say which one with --layout; "
            "what does not belong to it has to be moved away."
        )
    if fitting:
        return fitting[0]
    if CAPTURES.recognises(raw):
        return CAPTURES.name
    names = sorted(path.name + "/" * path.is_dir() for path in raw.iterdir())
    found = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    known = "".join(f"\n  - {layout.name}: {layout.looks_like}" for layout in LAYOUTS.values())
    raise DatasetError(f"{raw} has no layout that is known; it holds {found or 'nothing'}. Known layouts:{known}")


def _name_problems(stems: Sequence[str]) -> list[str]:
    unprintable = [stem for stem in stems if any(unicodedata.category(c) in ("Cc", "Cs") for c in stem)]
    problems = [f"stem {stem!r}: holds control characters or is not Unicode; rename the files" for stem in unprintable]
    # Files are named by stems and must not overwrite each other on file systems that ignore case.
    groups: dict[str, list[str]] = {}
    for stem in stems:
        groups.setdefault(stem.casefold(), []).append(stem)
    for group in groups.values():
        spellings = sorted(set(group))
        if len(spellings) > 1:
            problems.append(f"stems that differ only in case: {', '.join(spellings)}; rename all but one")
        problems += [
            f"stem {stem!r} occurs {group.count(stem)} times; rename, or name the pairs in a column 'stem' of pairs.csv"
            for stem in spellings
            if group.count(stem) > 1
        ]
    return problems
