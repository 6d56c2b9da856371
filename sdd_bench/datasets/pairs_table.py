"""Save the pairs that were found as a `pairs.csv`, to be corrected and prepared from."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path

from sdd_bench.datasets.sources import SourcePair
from sdd_bench.errors import OutputError
from sdd_bench.io.atomic import write_text


def save_pairs(path: Path, raw: Path, pairs: Sequence[SourcePair]) -> None:
    """Write pairs as a CSV of layout `pairs.csv`; its folder is then the raw folder to prepare.

    Args:
        path: the CSV, named ``pairs.csv``; files are named relative to its folder.
        raw: the raw folder in which the pairs were found.
        pairs: the pairs.

    Raises:
        OutputError: if it has another name, is there already, or can't be written.
    """
    if path.name != "pairs.csv":
        raise OutputError(f"{path}: a table of pairs is named pairs.csv; its folder is the raw folder to prepare.")
    if path.exists():
        raise OutputError(f"{path} is there already. Choose another folder or delete it.")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["blur", "sharp", "aligned", "stem", "scene", "environment", "split", "x_evidence"])
    for pair in pairs:
        files = [
            Path(os.path.relpath(raw / pair.sources[kind], path.parent)).as_posix() if kind in pair.sources else ""
            for kind in ("blur", "gt", "aligned_gt")
        ]
        writer.writerow([*files, pair.stem, pair.scene, pair.environment or "", pair.split or "", pair.evidence])
    write_text(path, text.getvalue())
