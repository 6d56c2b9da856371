"""All checks of `prepare`: what each measures, what it is held against, and what happens when a pair does not pass.

Two more have no switch, since no dataset can be made of such pairs: files that can't be read, and pairs whose images
differ in size or bit depth.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from sdd_bench.errors import DatasetError, unknown_name

Level = Literal["off", "warn", "error"]
LEVELS: tuple[Level, ...] = ("off", "warn", "error")


class CheckKind(NamedTuple):
    """One check.

    Attributes:
        measures: what its value is.
        unit: of value and threshold.
        passes: which values pass: those up to the threshold, or those above it.
        level: what happens where a pair does not pass, if the preset says nothing else.
        threshold: likewise.
        message: what is the matter with a pair that does not pass.
        advice: what to do about it.
        unknown_passes: whether a pair passes whose value can't be told.
    """

    measures: str
    unit: str
    passes: Literal["at most", "above"]
    level: Level
    threshold: float
    message: str
    advice: str
    unknown_passes: bool = True


CHECKS: dict[str, CheckKind] = {
    "identical": CheckKind(
        measures="mean difference between blur and sharp",
        unit="of 255",
        passes="above",
        level="error",
        threshold=0.0,
        message="blur and sharp are the same picture",
        advice="replace one",
    ),
    "swapped": CheckKind(
        measures="how much more fine detail sharp has than blur",
        unit="log2",
        passes="above",
        level="error",
        threshold=-0.02,  # noise and coding make differences of this size between pictures that are equally sharp
        message="the sharp picture is the blurrier one",
        advice="swap the two",
    ),
    "exposure": CheckKind(
        measures="exposure of sharp against blur, either way",
        unit="stops",
        passes="at most",
        level="warn",
        threshold=0.5,
        message="blur and sharp are exposed differently",
        advice="develop both alike",
    ),
    "colour": CheckKind(
        measures="how far exposure differs between the colour channels",
        unit="stops",
        passes="at most",
        level="warn",
        threshold=0.2,
        message="blur and sharp differ in colour balance",
        advice="develop both with the same white balance",
    ),
    "clipped": CheckKind(
        measures="share of pixels with a channel at its maximum, the larger of the two pictures'",
        unit="%",
        passes="at most",
        level="warn",
        threshold=5.0,
        message="highlights are clipped",
        advice="expose less; blur of clipped light can't be undone",
    ),
    "misaligned": CheckKind(
        measures="how far zoom and shift move the corners, of the picture's longer side",
        unit="%",
        passes="at most",
        level="warn",
        threshold=5.0,
        message="the pair is further misaligned than scores allow for, or can't be aligned at all",
        advice="see whether both show the same scene",
        unknown_passes=False,
    ),
    "duplicate": CheckKind(
        measures="difference to the most similar scene of the same split",
        unit="% of hash bits",
        passes="above",
        level="warn",
        threshold=24.0,
        message="looks like another scene of its split",
        advice="put pairs of one place in one scene",
    ),
    "leak": CheckKind(
        measures="difference to the most similar scene of another split",
        unit="% of hash bits",
        passes="above",
        level="error",
        threshold=24.0,
        message="looks like a scene of another split",
        advice="put pairs of one place in one scene",
    ),
}

_NO_SWITCH = ("unreadable", "size")


class CheckRule(BaseModel):
    """How one check is used.

    Attributes:
        level: "off" does not measure; "warn" notes what does not pass; "error" refuses it before anything is written.
        threshold: in the check's unit; see `CHECKS` for which side of it passes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: Level
    threshold: Annotated[float, Field(allow_inf_nan=False)]


def complete_rules(*changes: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The rules of all checks: the defaults, changed by each of the given ones in turn.

    Args:
        changes: rules by the checks' names; ``all`` stands for every check that is not named itself. For a rule, its
            level or its threshold alone may be given: ``{"exposure": "off", "clipped": 10}``.

    Returns:
        Level and threshold of every check.

    Raises:
        ValueError: if a name is no check, or one that can't be switched.
    """
    complete = {name: {"level": kind.level, "threshold": kind.threshold} for name, kind in CHECKS.items()}
    for rules in changes:
        for name in rules:
            if name in _NO_SWITCH:
                raise ValueError(f"{name!r} is always an error: no dataset can be made of such a pair")
            if name not in CHECKS and name != "all":
                raise ValueError(unknown_name("check", name, [*CHECKS, "all"]))
        for name, fields in complete.items():
            for rule in (rules.get("all", {}), rules.get(name, {})):
                change = _fields(rule)
                if "threshold" in change and fields["level"] == "off":  # who sets a threshold wants the check
                    change = {"level": CHECKS[name].level, **change}
                fields.update(change)
    return complete


def _fields(rule: Any) -> dict[str, Any]:
    if isinstance(rule, CheckRule):
        return rule.model_dump()
    if isinstance(rule, dict):
        return dict(rule)
    return {"level": rule} if isinstance(rule, str) else {"threshold": rule}


def read_check_option(text: str) -> tuple[str, dict[str, Any]]:
    """Read ``NAME=LEVEL`` or ``NAME=THRESHOLD``, as the command line takes it.

    Returns:
        The name, and a rule as `complete_rules` takes it.

    Raises:
        DatasetError: if it is neither.
    """
    name, _, value = text.partition("=")
    if value in LEVELS:
        return name, {"level": value}
    try:
        return name, {"threshold": float(value)}
    except ValueError as error:
        raise DatasetError(
            f"check {text!r}: expected NAME=LEVEL, with a level of {', '.join(LEVELS)}, or NAME=NUMBER, a threshold."
        ) from error
