"""Presets: all numbers that decide what `prepare` makes of a raw folder, as data that users copy and change."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from sdd_bench.datasets.checks.rules import CheckRule, complete_rules
from sdd_bench.datasets.patches import MIN_SIZE
from sdd_bench.errors import DatasetError, unknown_name

Stratum = Literal["indoor", "outdoor", "unknown"]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]

_FOLDER = Path(__file__).parent / "presets"


class Preset(BaseModel):
    """Parameters of `prepare`.

    Attributes:
        name: name of the preset.
        description: where the numbers come from.
        size: (width, height) every image is reduced to by area averaging, pixels; None keeps each image's own size.
        bit_depth: "keep" writes the depth of the source files (8 or 16 bits); 8 writes 8 bits.
        patch_size: side of the training patches, pixels; None writes no patches.
        stride: distance of neighbouring patches, pixels; at most ``patch_size``.
        keep_share: share of the patches of an image that is kept, those with the most sharpness energy.
        test_share: share of scenes in the test split where the raw folder names no split: one number, or one per
            environment ("unknown" for scenes without).
        test_count: number of scenes in the test split, likewise; used instead of ``test_share`` if given.
        seed: seed of the split.
        environments: "required" asks for the environment of every scene, "optional" does without.
        scene_counts: how many scenes of each environment each split should have; a difference is a warning.
        checks: how pairs are checked, by the check's name; see `sdd_bench.datasets.checks.rules`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    description: str = ""
    size: tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]] | None = None
    bit_depth: Literal["keep", 8] = "keep"
    patch_size: Annotated[int, Field(ge=MIN_SIZE)] | None = 512
    stride: Annotated[int, Field(gt=0)] = 153
    keep_share: Annotated[float, Field(gt=0, le=1)] = 0.7
    test_share: Share | dict[Stratum, Share] = 0.2
    test_count: Count | dict[Stratum, Count] | None = None
    seed: Annotated[int, Field(ge=0)] = 0
    environments: Literal["required", "optional"] = "optional"
    scene_counts: dict[Literal["train", "val", "test"], dict[Stratum, Count]] | None = None
    checks: dict[str, CheckRule] = Field(default_factory=dict, validate_default=True)

    @field_validator("checks", mode="before")
    @classmethod
    def _every_check_has_a_rule(cls, rules: Any) -> Any:
        return complete_rules(rules) if isinstance(rules, Mapping) else rules

    @model_validator(mode="after")
    def _patches_cover_the_image(self) -> Preset:
        if self.patch_size is not None and self.stride > self.patch_size:
            raise ValueError(
                f"stride {self.stride} is larger than patch_size {self.patch_size}: parts would be in no patch"
            )
        return self


def preset_names() -> list[str]:
    """Names of the presets that come with this package."""
    return sorted(path.stem for path in _FOLDER.glob("*.json"))


def load_preset(preset: str | Path | Mapping[str, Any] | Preset, changes: Mapping[str, Any] | None = None) -> Preset:
    """Read a preset and apply changes to it.

    Args:
        preset: a name of `preset_names`, a JSON file (anything that ends in ``.json``), its content, or a preset.
        changes: fields of `Preset` with the values to use instead; ``checks`` changes only the checks it names.

    Raises:
        DatasetError: if there is no such preset or field, or a value is out of its range.
    """
    if isinstance(preset, Preset):
        source, fields = preset.name, preset.model_dump()
    elif isinstance(preset, Mapping):
        source, fields = "given", dict(preset)
    else:
        source, fields = str(preset), _read(preset)
    given_rules = fields.get("checks", {})
    for name in changes or {}:
        if name not in Preset.model_fields:
            raise DatasetError(unknown_name("preset parameter", name, Preset.model_fields))
    fields |= changes or {}
    try:
        if changes and "checks" in changes:
            fields["checks"] = complete_rules(given_rules, changes["checks"])
        return Preset.model_validate(fields)
    except ValidationError as error:
        raise DatasetError(f"preset {source!r}: {validation_text(error)}") from error
    except (TypeError, ValueError) as error:
        raise DatasetError(f"preset {source!r}: checks: {error}") from error


def validation_text(error: ValidationError) -> str:
    """One line per wrong field: where, and what is wrong with it."""
    lines = [": ".join(filter(None, [".".join(map(str, e["loc"])), e["msg"]])) for e in error.errors()]
    return lines[0] if len(lines) == 1 else "".join(f"\n  - {line}" for line in lines)


def _read(preset: str | Path) -> dict[str, Any]:
    if str(preset).endswith(".json"):
        try:
            text = Path(preset).read_text(encoding="utf-8")
        except OSError as error:
            raise DatasetError(f"preset file {preset}: can't be read: {error.strerror}.") from error
    elif preset in preset_names():
        text = (_FOLDER / f"{preset}.json").read_text(encoding="utf-8")
    else:
        raise DatasetError(unknown_name("preset", str(preset), preset_names()) + " A preset of your own: a .json file.")
    try:
        fields = json.loads(text)
    except ValueError as error:
        raise DatasetError(f"preset {preset}: not JSON: {error}.") from error
    if not isinstance(fields, dict):
        raise DatasetError(f"preset {preset}: expected a JSON object of parameters, got {type(fields).__name__}.")
    return fields
