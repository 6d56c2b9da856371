"""An output that is there already: what it is, and how it differs from what is wanted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import Any

from sdd_bench.datasets.layouts import find_pairs
from sdd_bench.datasets.manifest import MANIFEST_NAME, DatasetManifest, read_manifest
from sdd_bench.errors import OutputError
from sdd_bench.io.staging import refuse_occupied

_NAMED = 3


def refuse_existing(out: Path, raw: Path, layout: str | None, wanted: Mapping[str, Any]) -> None:
    """Refuse to prepare over what is there; of a prepared dataset, say how it differs from what is asked for.

    Args:
        out: the output folder.
        raw: the raw folder.
        layout: name of its layout; None finds it out.
        wanted: name, preset and tool version that are asked for, as in a manifest.

    Raises:
        OutputError: if there is anything.
        DatasetError: if there is a dataset whose manifest is damaged.
    """
    try:
        refuse_occupied(out)
    except OutputError:
        if not (out / MANIFEST_NAME).exists():
            raise
        manifest = read_manifest(out)
    else:
        return
    found_layout, found = find_pairs(raw, layout)
    differences = [
        *_parameters(manifest, {**wanted, "layout": found_layout}),
        *_pairs({pair.stem for pair in manifest.pairs}, {pair.stem for pair in found.pairs}),
    ]
    if not differences:
        raise OutputError(
            f"{out} already exists: it was prepared with the same parameters, from pairs of the same names. Use it "
            f"(sdd-bench verify {out} reads every file), or delete it to prepare it again."
        )
    listed = "".join(f"\n  - {line}" for line in differences)
    raise OutputError(
        f"{out} already exists: it is another dataset. There, and asked for here:{listed}\n"
        "Choose another name, or delete it."
    )


def _parameters(manifest: DatasetManifest, wanted: Mapping[str, Any]) -> Iterator[str]:
    there = manifest.model_dump(mode="json", include={"name", "layout", "tool_version"})
    for name, value in there.items():
        if value != wanted[name]:
            yield f"{name}: {value}, {wanted[name]}"
    yield from _fields("", manifest.preset.model_dump(mode="json"), wanted["preset"])


def _fields(prefix: str, there: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    for field in there:
        if there[field] == wanted[field] or field == "description":
            continue
        if field == "checks":
            for check in there[field].keys() | wanted[field].keys():
                yield from _fields(f"check {check} ", there[field].get(check, {}), wanted[field].get(check, {}))
        else:
            yield f"{prefix}{'preset' if field == 'name' else field}: {there[field]}, {wanted[field]}"


def _pairs(there: Set[str], wanted: Set[str]) -> Iterator[str]:
    for only, where in ((there - wanted, "only there"), (wanted - there, "only here")):
        if only:
            more = f" and {len(only) - _NAMED} more" if len(only) > _NAMED else ""
            yield f"{len(only)} pairs {where}: {', '.join(sorted(only)[:_NAMED])}{more}"
