"""The example of docs/howto/training.md runs."""

import re
from pathlib import Path

import torch

from sdd_bench.training.recipe import get_recipe, recipe_names

TEXT = (Path(__file__).parents[2] / "docs" / "howto" / "training.md").read_text(encoding="utf-8")


def test_the_example_gives_a_loss_with_gradients_for_the_picture_and_the_seeds() -> None:
    (code,) = (found for found in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL) if "loss.backward()" in found)
    names: dict[str, torch.Tensor] = {}
    exec(code, names)
    assert torch.isfinite(names["loss"])
    for name in ("deblurred", "seeds"):
        assert names[name].grad.abs().max() > 0


def test_the_recipe_file_of_the_text_is_a_recipe(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    assert get_recipe(tmp_path / "mine.yaml").objective.mask == "none"


def test_every_recipe_is_in_the_text_and_none_that_is_not_there() -> None:
    table = TEXT[TEXT.index("| recipe |") : TEXT.index("Flow is PWC-Net's")]
    rows = [row.split("|")[1] for row in table.splitlines()[2:] if row]
    assert {name for row in rows for name in re.findall(r"`([a-z-]+)`", row)} == set(recipe_names())


def test_the_network_of_the_text_has_what_training_asks_for() -> None:
    (code,) = (found for found in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL) if "class MyNet" in found)
    names = {"torch": torch}
    exec(code.replace("...  ", "return blurry  "), names)
    network = names["MyNet"]()  # type: ignore[operator]
    assert network.stride == 8
    assert network(torch.rand(1, 3, 8, 8)).shape == (1, 3, 8, 8)
