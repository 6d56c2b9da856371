"""How weights begin."""

from __future__ import annotations

from typing import Literal

from torch import nn


def initialise(module: nn.Module, how: Literal["he", "he-fan-out", "xavier"]) -> None:
    """Draws the weights of all convolutions anew, from torch's global generator, and sets their biases to 0.

    Args:
        module: whose convolutions; anything else in it stays.
        how: ``he``: normal with variance 2 / fan in (He et al., ICCV 2015); ``he-fan-out``: 2 / fan out, as the JDRL
            release draws its U-Net; ``xavier``: 2 / (fan in + fan out) (Glorot, Bengio, AISTATS 2010), as it draws its
            reblurring module.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            if how == "xavier":
                nn.init.xavier_normal_(layer.weight)
            else:
                nn.init.kaiming_normal_(layer.weight, mode="fan_in" if how == "he" else "fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
