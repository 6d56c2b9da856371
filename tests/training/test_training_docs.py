"""The example of docs/training.md runs."""

import re
from pathlib import Path

import torch

TEXT = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")


def test_the_example_gives_a_loss_with_gradients_for_the_picture_and_the_seeds() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    names: dict[str, torch.Tensor] = {}
    exec(code, names)
    assert torch.isfinite(names["loss"])
    for name in ("deblurred", "seeds"):
        assert names[name].grad.abs().max() > 0
