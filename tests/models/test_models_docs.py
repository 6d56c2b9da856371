"""docs/reference/models.md agrees with the registry, and its example runs."""

import re
from pathlib import Path

import pytest

from sdd_bench.models.registry import MODELS

TEXT = (Path(__file__).parents[2] / "docs" / "reference" / "models.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `([\w-]+)` \| (.*) \|$", TEXT, re.MULTILINE))


def test_the_example_runs():
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    names = {}
    exec(code, names)
    assert names["deblurred"].shape == (1, 3, 64, 96)


@pytest.mark.parametrize("name", [name for name, model in MODELS.items() if model.kind != "classical" and model.build])
def test_every_network_has_its_facts_and_a_card(name):
    model = MODELS[name]
    cells = [cell.strip() for cell in ROWS[name].split("|")]
    assert cells[:3] == [f"{model.parameters:,}", str(model.stride), str(model.reach or "whole picture")]
    card = next(card for card in TEXT.split("\n### ") if f"`{name}`" in card.split("\n", 1)[0])
    assert model.code in card
    for file in model.weights:
        assert f"`{file}`" in card
