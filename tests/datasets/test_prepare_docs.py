"""The tables of docs/howto/prepare.md are those of the code."""

from pathlib import Path

from sdd_bench.datasets.checks.rules import CHECKS
from sdd_bench.datasets.layouts import LAYOUTS

TEXT = (Path(__file__).parents[2] / "docs" / "howto" / "prepare.md").read_text(encoding="utf-8")


def rows(section: str) -> list[list[str]]:
    table = TEXT.partition(f"## {section}\n")[2].partition("\n## ")[0]
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_checks_are_documented_as_they_are() -> None:
    assert rows("Checks") == [
        [f"`{name}`", kind.measures, f"{kind.passes} {kind.threshold:g} {kind.unit}", kind.level]
        for name, kind in CHECKS.items()
    ]


def test_the_layouts_are_documented_in_the_order_in_which_they_are_tried() -> None:
    assert [row[0] for row in rows("Layouts")] == [f"`{name}`" for name in LAYOUTS]
