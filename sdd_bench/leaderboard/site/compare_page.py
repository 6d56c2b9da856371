"""What the comparison needs to know: which methods there are, and the per-image scores and pictures of each."""

from __future__ import annotations

import json
from typing import Any

from sdd_bench.evaluation.display import FACTS, REFERENCE_TITLES, heading
from sdd_bench.evaluation.results import ImageResult, Scores
from sdd_bench.leaderboard.boards import Board
from sdd_bench.leaderboard.records import ComputedEntry
from sdd_bench.leaderboard.site.board_page import ordering_column
from sdd_bench.leaderboard.site.picture_files import EntryPictures


def comparison(board: Board, with_pictures: set[str]) -> dict[str, Any]:
    """The methods and measures of a table of computed scores.

    Args:
        board: of all images.
        with_pictures: ids of the entries that have pictures.
    """
    first = ordering_column(board)
    columns = sorted(board.columns, key=lambda column: column.reference != first.reference)
    return {
        "methods": [
            {
                "id": row.entry.id,
                "label": row.entry.method.label,
                "trained": row.entry.method.trained_on,
                "status": row.entry.status,
                "pictures": row.entry.id in with_pictures,
            }
            for row in board.rows
        ],
        "measures": [
            {
                "key": column.key,
                "title": f"{heading(column.metric)} against {REFERENCE_TITLES[column.reference]}",
                "short": heading(column.metric),
                "against": REFERENCE_TITLES[column.reference],
                "decimals": FACTS[column.metric].decimals,
                "unit": FACTS[column.metric].unit,
                "higher": FACTS[column.metric].higher_is_better,
                "main": column.reference == first.reference,
            }
            for column in columns
        ],
    }


def entry_script(entry: ComputedEntry, board: Board, pictures: EntryPictures | None) -> str:
    """An entry's per-image scores, six significant digits of each, and its pictures, as a script.

    Args:
        entry: it.
        board: of all images, in which it stands.
        pictures: None if there are none.
    """
    images = entry.result.images
    content = {
        "id": entry.id,
        "stems": [image.stem for image in images],
        "environments": [image.environment for image in images],
        "errors": {image.stem: image.error for image in images if image.error is not None},
        "scores": {
            column.key: [_score(image, column.reference, column.metric) for image in images] for column in board.columns
        },
        "pictures": None
        if pictures is None
        else {
            "error": pictures.error_scale,
            "images": {
                stem: {"flow": found.flow_scale, "size": found.size, "shown": found.shown, "files": found.files}
                for stem, found in sorted(pictures.images.items())
            },
        },
    }
    return f"SDD.entry({json.dumps(content, separators=(',', ':'), allow_nan=False)});\n"


def _score(image: ImageResult, reference: str, metric: str) -> float | str | None:
    scores: Scores | None = getattr(image, reference, None)
    if scores is None:
        return None
    if metric == "psnr" and scores.identical:
        return "identical"
    value: float | None = getattr(scores, metric)
    return None if value is None else float(f"{value:.6g}")
