"""`dataset.json`: what a prepared dataset consists of, where it came from, and a hash that pins it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sdd_bench.datasets.preset import Preset, validation_text
from sdd_bench.errors import DatasetError
from sdd_bench.io.atomic import write_json

SCHEMA_VERSION = 2
MANIFEST_NAME = "dataset.json"

Environment = Literal["indoor", "outdoor"]
Split = Literal["train", "val", "test"]
Kind = Literal["blur", "gt", "aligned_gt"]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Pixels = Annotated[int, Field(gt=0)]
Offset = Annotated[int, Field(ge=0)]

_NAMED = 3  # pairs that a warning names
_COUNTED = ("pairs", "indoor", "outdoor", "unknown", "patches")


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SourceFile(_Record):
    """A raw file: its path as found, relative to the raw folder, and its SHA-256."""

    path: str
    sha256: Sha256


class PatchPlace(_Record):
    """A kept training patch: its index in the grid (the number in its file name) and its top left corner, pixels."""

    index: Offset
    x: Offset
    y: Offset


class Check(_Record):
    """What one check found in a pair before it was prepared; see `sdd_bench.datasets.checks.rules`.

    Attributes:
        name: of the check.
        level: "warning" where the pair did not pass; what is worse is in no dataset.
        message: what is the matter, or what was measured; the same words for all pairs of one name and level.
        value: as measured; None where there is no number, or it can't be told.
        threshold: what the value was held against.
        unit: of value and threshold.
        detail: what else is known of this pair, for people.
    """

    name: str
    level: Literal["info", "warning"]
    message: str
    value: float | None = None
    threshold: float | None = None
    unit: str = ""
    detail: str = ""


class PairRecord(_Record):
    """One blurry/sharp pair of a prepared dataset.

    Attributes:
        stem: name of the pair; predictions are matched by it.
        scene: pairs of one scene are never in different splits.
        environment: "indoor", "outdoor", or None where it is not known.
        split: "train" or "test".
        size: (width, height) of the prepared images, pixels.
        bit_depth: bits per channel of the prepared images.
        sources: the raw files.
        files: SHA-256 of every file written, by its path relative to the dataset's folder.
        patches: the kept training patches, in the order of the grid.
        checks: what the checks found.
    """

    stem: str
    scene: str
    environment: Environment | None
    split: Split
    size: tuple[Pixels, Pixels]
    bit_depth: Literal[8, 16]
    sources: dict[Kind, SourceFile]
    files: dict[str, Sha256]
    patches: tuple[PatchPlace, ...] = ()
    checks: tuple[Check, ...] = ()

    def image(self, kind: Kind) -> str:
        """Path of this pair's image of a kind, relative to the dataset's folder.

        It is the full image, or the patch itself where the raw folder held patches and no full images.
        """
        whole = image_path(self.split, kind, self.stem)
        return whole if whole in self.files or not self.patches else patch_path(kind, self.stem, self.patches[0].index)


class DatasetManifest(_Record):
    """The record of a prepared dataset, kept in its `dataset.json`.

    Attributes:
        schema_version: version of this format.
        name: the dataset's name, a label for tables.
        tool_version: the version of sdd-bench that prepared it.
        layout: how pairs were found in the raw folder.
        preset: the parameters it was prepared with.
        pairs: all pairs, sorted by stem.
        notes: what to know of the dataset as a whole.
    """

    schema_version: Literal[2] = 2
    name: str
    tool_version: str
    layout: str
    preset: Preset
    pairs: tuple[PairRecord, ...]
    notes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _stems_are_unique(self) -> DatasetManifest:
        twice = [stem for stem, count in Counter(pair.stem for pair in self.pairs).items() if count > 1]
        if twice:
            raise ValueError(f"stems that occur more than once: {', '.join(twice)}")
        return self

    @cached_property
    def manifest_hash(self) -> str:
        """SHA-256 (64 hex digits) of the manifest as canonical JSON: sorted keys, no spaces, UTF-8.

        What changes no number that is measured on the dataset is left out: ``name``, ``tool_version``, the preset's
        ``description``, what was checked and found (``checks`` of the preset and of the pairs, ``notes``), and the
        paths (not the hashes) of the raw files, which may name places of one machine.
        """
        content = self.model_dump(
            mode="json",
            exclude={
                "name": True,
                "tool_version": True,
                "notes": True,
                "preset": {"description", "checks"},
                "pairs": {"__all__": {"sources": {"__all__": {"path"}}, "checks": True}},
            },
        )
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8")).hexdigest()

    def counts(self) -> dict[Split, dict[str, int]]:
        """Numbers per split: "pairs", of these "indoor", "outdoor" and "unknown"; and "patches"."""
        counts: dict[Split, dict[str, int]] = {split: dict.fromkeys(_COUNTED, 0) for split in get_args(Split)}
        for pair in self.pairs:
            of_split = counts[pair.split]
            of_split["pairs"] += 1
            of_split[pair.environment or "unknown"] += 1
            of_split["patches"] += len(pair.patches)
        return counts

    def warnings(self) -> list[str]:
        """The notes, then one line per kind of warning with the number of pairs it concerns and the first of them."""
        return [*self.notes, *check_warnings({pair.stem: pair.checks for pair in self.pairs})]


def check_warnings(checks: Mapping[str, tuple[Check, ...]]) -> list[str]:
    """One line per kind of warning, with the number of pairs it concerns and the first of them.

    Args:
        checks: by stem.
    """
    kinds: dict[tuple[str, str], list[str]] = {}
    for stem, rows in checks.items():
        for check in rows:
            if check.level == "warning":
                kinds.setdefault((check.name, check.message), []).append(stem + _amount(check))
    lines = []
    for (name, message), found in kinds.items():
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        lines.append(f"{name}: {message} ({len(found)} of {len(checks)} pairs: {', '.join(found[:_NAMED])}{more})")
    return lines


def _amount(check: Check) -> str:
    return "" if check.value is None else f" {check.value:.3g} {check.unit}".rstrip()


def image_path(split: str, kind: str, stem: str) -> str:
    """Path of a full image relative to the dataset's folder; ``kind`` is "blur", "gt" or "aligned_gt"."""
    return f"{split}/{kind}/{stem}.png"


def patch_path(kind: str, stem: str, index: int) -> str:
    """Path of a training patch relative to the dataset's folder; ``index`` is its place in the grid."""
    return f"train_patches/{kind}/{stem}_{index:02d}.png"


def write_manifest(folder: Path, manifest: DatasetManifest) -> None:
    """Write a manifest, with its hash, as ``dataset.json`` of a folder."""
    write_json(folder / MANIFEST_NAME, {"manifest_hash": manifest.manifest_hash, **manifest.model_dump(mode="json")})


def read_manifest(folder: Path) -> DatasetManifest:
    """Read the manifest of a prepared dataset and check that it is whole and unchanged.

    Args:
        folder: the dataset's folder.

    Raises:
        DatasetError: if the folder holds no manifest, or one that is broken, of another schema version, or edited.
    """
    path = folder / MANIFEST_NAME
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        found = "there is no such folder" if not folder.is_dir() else f"it holds no {MANIFEST_NAME}"
        raise DatasetError(
            f"{folder} is not a prepared dataset: {found}. Make one with: sdd-bench prepare RAW --out {folder}"
        ) from error
    except OSError as error:
        raise DatasetError(f"{path}: can't be read: {error.strerror}.") from error
    except ValueError as error:
        raise DatasetError(f"{path}: broken, not JSON: {error}. {_AGAIN}") from error
    return _checked(path, content)


_AGAIN = "Prepare the dataset again from its raw folder."


def _checked(path: Path, content: Any) -> DatasetManifest:
    if not isinstance(content, dict):
        raise DatasetError(f"{path}: expected a JSON object, got {type(content).__name__}. {_AGAIN}")
    version = content.get("schema_version")
    if version != SCHEMA_VERSION:
        raise DatasetError(
            f"{path}: schema version {version!r}; this version of sdd-bench reads {SCHEMA_VERSION}. "
            "Use the version that wrote it, or prepare the dataset again."
        )
    stated = content.pop("manifest_hash", None)
    try:
        manifest = DatasetManifest.model_validate(content)
    except ValidationError as error:
        raise DatasetError(f"{path}: edited or damaged: {validation_text(error)}\n{_AGAIN}") from error
    if stated != manifest.manifest_hash:
        raise DatasetError(
            f"{path}: edited after it was written: the hash of its content is {manifest.manifest_hash}, "
            f"it states {stated}. {_AGAIN}"
        )
    return manifest
