"""Recipes: everything that decides what a training run computes, as data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sdd_bench.errors import TrainingError, unknown_name

_FILES = resources.files("sdd_bench.training") / "recipes"

METHODS = {"plain": "plain", "jdrl": "jdrl-paper", "rgl": "rgl-paper"}
"""What a method's name stands for where no recipe is given."""
_FLOW = "objective.flow.name"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class FlowSettings(_Record):
    """Which optical flow, see `sdd_bench.alignment.flow`."""

    name: str = "pwcnet"
    parameters: dict[str, Any] = Field(default={}, description="of the backend, where they are not its defaults")


class ReblurringSettings(_Record):
    """The reblurring module and what its loss weighs (alpha of the paper)."""

    weight: float = Field(default=0.5, ge=0)
    kernels: Literal["isotropic", "single", "free"] = "isotropic"
    width: int = Field(default=64, ge=4, description="channels of both branches; fewer for a narrow network")


class GuidanceSettings(_Record):
    """RGL: the defocus map as a prior, learned from the seeds of the reblurring module."""

    weight: float = Field(default=0.5, ge=0)
    detach: bool = Field(
        default=True,
        description="the seeds are a target; the release lets the gradient into them too (here also in epochs alone)",
    )


class ObjectiveSettings(_Record):
    """The loss L = L_d + weight L_r (+ weight L_p), and how it begins."""

    deform: bool = Field(default=True, description="deform the sharp picture towards the deblurred one (L_d)")
    cycle: bool = Field(default=True, description="deform the deblurred picture towards the sharp one, too")
    mask: Literal["paper", "release", "none"] = Field(default="paper", description="calibration mask")
    inside_only: bool = Field(
        default=False,
        description="leave out pixels that the flow takes out of the other picture; the papers count them",
    )
    reblurring: ReblurringSettings | None = ReblurringSettings()
    guidance: GuidanceSettings | None = None
    edge_weight: float = Field(default=0.0, ge=0, description="of the edge loss; MPRNet's own recipe has 0.05")
    initial_epochs: int = Field(
        default=15, ge=0, description="epochs with flow from the blurry picture and nothing else in the loss"
    )
    flow: FlowSettings = FlowSettings()
    interpolation: Literal["bilinear", "lanczos4", "lanczos6", "jdrl2022"] = Field(
        default="bilinear", description="sampling kernel of the deformation; jdrl2022 is off by up to half a pixel"
    )

    @model_validator(mode="after")
    def _consistent(self) -> ObjectiveSettings:
        if self.guidance is not None and (self.reblurring is None or self.reblurring.kernels != "isotropic"):
            raise ValueError("guidance: its targets are the seeds of isotropic reblurring, which is not there")
        if not self.deform and (wrong := [name for name in ("cycle", "inside_only") if getattr(self, name)]):
            raise ValueError(f"{', '.join(wrong)}: about a deformation; must be false where deform is false")
        return self


class OptimiserSettings(_Record):
    """Adam and its schedule."""

    epochs: int = Field(default=100, ge=1)
    learning_rate: float = Field(default=2e-5, gt=0)
    halve_every: int = Field(default=60, ge=1, description="epochs")
    warm_up: int = Field(default=0, ge=0, description="steps in which the rate grows from 0; the papers have none")
    batch: int = Field(default=1, ge=1, description="crops per step, over all devices")
    clip: float | None = Field(default=None, gt=0, description="largest norm of the gradient; None does not clip")
    reblurring_alone: int = Field(
        default=0,
        ge=0,
        description="epochs for the reblurring module alone, after the initial ones: for a network that comes trained",
    )
    initialisation: Literal["paper", "release"] = Field(
        default="paper", description="paper: He, fan in; release: fan out for the network, Xavier for reblurring"
    )


class DataSettings(_Record):
    """What the network sees of the training patches."""

    crop: int = Field(default=256, ge=16, description="side of the crops, pixels")
    crop_from: Literal["anywhere", "top-left-half"] = Field(
        default="anywhere", description="where crops are taken; the release has the half by a slip"
    )
    augment: bool = Field(default=True, description="turn and mirror")
    repeat: int = Field(default=1, ge=1, description="crops of each patch per epoch")
    align_once: bool = Field(
        default=False,
        description="crops of full images whose sharp picture was deformed before, once, as for validation",
    )


class ValidationSettings(_Record):
    """How the best epoch is chosen. The test split is never looked at."""

    share: float = Field(default=0.1, gt=0, lt=1, description="of the training scenes, if there is no val split")
    every: int = Field(default=1, ge=1, description="epochs")
    crop: int | None = Field(default=512, ge=32, description="side of the middle of each picture; None: all of it")


class Recipe(_Record):
    """Everything that decides what a training run computes, but for network, dataset and seed.

    Attributes:
        name: what it is called.
        description: what it is.
    """

    name: str
    description: str = ""
    objective: ObjectiveSettings = ObjectiveSettings()
    optimiser: OptimiserSettings = OptimiserSettings()
    data: DataSettings = DataSettings()
    validation: ValidationSettings = ValidationSettings()

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        if self.data.align_once and self.objective.deform:
            raise ValueError(
                "data.align_once: pictures that were deformed once are not deformed again; "
                "set objective.deform to false"
            )
        if self.optimiser.reblurring_alone and self.objective.reblurring is None:
            raise ValueError("optimiser.reblurring_alone: there is no objective.reblurring that could learn alone")
        before = self.objective.initial_epochs + self.optimiser.reblurring_alone
        if self.optimiser.reblurring_alone and self.optimiser.epochs <= before:
            raise ValueError(
                f"optimiser.reblurring_alone: alone until epoch {before} of {self.optimiser.epochs}, and none is left "
                "in which the network learns from the module; more optimiser.epochs, or fewer of those before"
            )
        return self

    @property
    def hash(self) -> str:
        """SHA-256 (64 hex digits) of all settings as canonical JSON; name and description are left out."""
        content = self.model_dump(mode="json", exclude={"name", "description"})
        return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def recipe_names() -> list[str]:
    """Names of the recipes that come with this package."""
    return sorted(Path(file.name).stem for file in _FILES.iterdir() if file.name.endswith(".yaml"))


def get_recipe(name: str | Path, changes: Mapping[str, Any] | None = None) -> Recipe:
    """A recipe by name or from a file, with changes.

    A recipe's file may begin from another one: ``base: jdrl-paper``, then only what differs.

    Args:
        name: one of `recipe_names`, a method of `METHODS`, or the path of a YAML file.
        changes: values by dotted name, for example ``{"objective.mask": "none", "optimiser.epochs": 20}``. Another flow
            begins from its own defaults, here as in a file.

    Raises:
        TrainingError: the name is unknown, the file can't be read, or a setting is unknown or out of its range; all
            that is wrong with it is said at once.
    """
    content = _load(str(name), ())
    changes = dict(changes or {})
    if _FLOW in changes:
        content = _merged(content, {"objective": {"flow": {"name": changes.pop(_FLOW)}}})
    for key, value in changes.items():
        *parents, last = key.split(".")
        place = content
        for parent in parents:
            if not isinstance(place.get(parent), dict):
                place[parent] = {}
            place = place[parent]
        place[last] = value
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, each['loc'])) or 'recipe'}: {_told(each)}" for each in error.errors()]
        raise TrainingError("\n  - ".join([f"recipe {name}: {len(lines)} problem(s)", *lines])) from error


def _told(problem: Any) -> str:
    message = str(problem["msg"])
    if problem["type"] == "extra_forbidden":
        return "there is no such setting"
    return message if problem["type"] == "value_error" else f"{message}, got {problem['input']!r}"


def _load(name: str, seen: tuple[str, ...]) -> dict[str, Any]:
    if name in seen:
        raise TrainingError(f"recipe {seen[0]}: begins from itself ({' -> '.join((*seen, name))}).")
    content = _read(name)
    base = content.pop("base", None)
    if base is None:
        return content
    if not isinstance(base, str):
        raise TrainingError(f"recipe {name}: base: expected the name of a recipe, got {base!r}.")
    beneath = _load(base, (*seen, name))
    return _merged({k: v for k, v in beneath.items() if k != "description"}, content)


def _read(name: str) -> dict[str, Any]:
    import yaml

    known = METHODS.get(name, name)
    if known in recipe_names():
        text, shown = (_FILES / f"{known}.yaml").read_text("utf-8"), known
    elif name.endswith((".yaml", ".yml")):
        try:
            text, shown = Path(name).read_text("utf-8"), name
        except (OSError, UnicodeDecodeError) as error:
            raise TrainingError(f"recipe {name}: can't be read: {error}.") from error
    else:
        raise TrainingError(unknown_name("recipe", name, [*recipe_names(), *METHODS]) + " Or give a .yaml file.")
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise TrainingError(f"recipe {shown}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise TrainingError(f"recipe {shown}: expected settings by name, got {type(content).__name__}.")
    return {"name": Path(shown).stem, **content}


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict) and not _another_flow(key, old, value):
            value = _merged(old, value)
        merged[key] = value
    return merged


def _another_flow(key: str, below: Mapping[str, Any], above: Mapping[str, Any]) -> bool:
    """The parameters of a flow mean nothing to another one."""
    return key == "flow" and above.get("name", below.get("name")) != below.get("name")
