from __future__ import annotations

from typing import Any

import pytest

from sdd_bench.datasets.checks.rules import CHECKS, read_check_option
from sdd_bench.datasets.preset import Preset, load_preset
from sdd_bench.errors import DatasetError


def rules(**checks: Any) -> dict[str, tuple[str, float]]:
    return {name: (rule.level, rule.threshold) for name, rule in Preset(name="t", **checks).checks.items()}


def test_every_check_has_a_rule_where_a_preset_names_none() -> None:
    assert rules() == {name: (kind.level, kind.threshold) for name, kind in CHECKS.items()}


def test_a_level_or_a_threshold_alone_may_be_given() -> None:
    found = rules(checks={"exposure": "error", "clipped": 10, "colour": {"level": "off", "threshold": 1}})
    assert (found["exposure"], found["clipped"], found["colour"]) == (("error", 0.5), ("warn", 10), ("off", 1))
    assert found["leak"] == ("error", CHECKS["leak"].threshold)


def test_all_stands_for_checks_that_are_not_named() -> None:
    found = rules(checks={"exposure": "error", "all": "off"})
    assert found.pop("exposure") == ("error", 0.5)
    assert {level for level, _ in found.values()} == {"off"}


def test_a_threshold_switches_a_check_on_again() -> None:
    assert rules(checks={"all": "off", "exposure": 0.3})["exposure"] == ("warn", 0.3)


def test_changes_to_a_preset_leave_its_other_checks() -> None:
    first = load_preset("as-is", {"checks": {"exposure": 2, "leak": "warn"}})
    then = load_preset(first, {"checks": {"leak": 5}})
    assert (then.checks["exposure"].threshold, then.checks["leak"].level, then.checks["leak"].threshold) == (
        2,
        "warn",
        5,
    )


@pytest.mark.parametrize(
    ("checks", "message"),
    [
        ({"exposur": "off"}, r"unknown check 'exposur'. Did you mean exposure\?"),
        ({"size": "off"}, "'size' is always an error"),
        ({"unreadable": "warn"}, "'unreadable' is always an error"),
        ({"exposure": "quiet"}, r"checks.exposure.level: Input should be 'off', 'warn' or 'error'"),
        ({"exposure": {"limit": 2}}, "checks.exposure.limit: Extra inputs"),
        ({"exposure": float("nan")}, "checks.exposure.threshold"),
        (3, "checks"),
    ],
)
def test_wrong_checks_are_named(checks: Any, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        load_preset("as-is", {"checks": checks})


def test_the_command_line_gives_a_level_or_a_number() -> None:
    assert read_check_option("leak=warn") == ("leak", {"level": "warn"})
    assert read_check_option("leak=1e1") == ("leak", {"threshold": 10.0})
    for text in ("leak", "leak=", "leak=often"):
        with pytest.raises(DatasetError, match="expected NAME=LEVEL"):
            read_check_option(text)
