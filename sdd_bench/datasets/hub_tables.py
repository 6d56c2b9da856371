"""`metadata.jsonl`: one line per pair of a folder, as Hugging Face's ``imagefolder`` reads it.

JSON lines and not CSV, because a stem such as ``007`` stays text. ``README.md`` names the configurations.
"""

from __future__ import annotations

import json
from typing import Any, get_args

from sdd_bench.datasets.manifest import DatasetManifest, Kind, PairRecord, Split, patch_path

TABLE_NAME = "metadata.jsonl"


def hub_tables(manifest: DatasetManifest) -> dict[str, list[dict[str, Any]]]:
    """The rows of every table, by the folder that it lies in; folders without pairs have none.

    Columns that end in ``_file_name`` are paths relative to the table; ``imagefolder`` makes pictures of them.

    Args:
        manifest: of the dataset.

    Returns:
        "train", "val" and "test": a row per pair with full images. "train_patches": a row per patch.
    """
    tables: dict[str, list[dict[str, Any]]] = {}
    kinds: list[Kind] = ["blur", "gt"]
    # All tables must have the same columns, with a value in every row.
    if all("aligned_gt" in pair.sources for pair in manifest.pairs):
        kinds.append("aligned_gt")
    for split in get_args(Split):
        pairs = [pair for pair in manifest.pairs if pair.image("blur").startswith(f"{split}/")]
        if pairs:
            tables[split] = [_pair_row(pair, kinds) for pair in pairs]
    patches = [row for pair in manifest.pairs for row in _patch_rows(pair)]
    if patches:
        tables["train_patches"] = patches
    return tables


def table_path(folder: str) -> str:
    """Path of a table relative to the dataset's folder."""
    return f"{folder}/{TABLE_NAME}"


def table_text(rows: list[dict[str, Any]]) -> str:
    """A table as JSON lines."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _pair_row(pair: PairRecord, kinds: list[Kind]) -> dict[str, Any]:
    return {
        **{f"{kind}_file_name": _within(pair.image(kind)) for kind in kinds},
        **_names(pair),
        **{"width": pair.size[0], "height": pair.size[1], "bit_depth": pair.bit_depth},
    }


def _patch_rows(pair: PairRecord) -> list[dict[str, Any]]:
    return [
        {
            **{f"{kind}_file_name": _within(patch_path(kind, pair.stem, patch.index)) for kind in ("blur", "gt")},
            **_names(pair),
            **{"index": patch.index, "x": patch.x, "y": patch.y},
        }
        for patch in pair.patches
    ]


def _names(pair: PairRecord) -> dict[str, str]:
    return {"stem": pair.stem, "scene": pair.scene, "environment": pair.environment or "unknown"}


def _within(path: str) -> str:
    return path.partition("/")[2]
