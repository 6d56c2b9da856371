"""Fresh weights of networks whose releases don't leave them to PyTorch: normal ones of convolutions, biases of zero."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn


def he_initialise(network: nn.Module) -> None:
    """Draw weights so that ReLUs keep the variance of what flows forward.

    Source: He et al.: Delving Deep into Rectifiers. ICCV 2015, eq. 10.
    """
    _initialise(network, lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"))


def normal_initialise(network: nn.Module, spread: float) -> None:
    """Draw weights of one standard deviation."""
    _initialise(network, lambda weight: nn.init.normal_(weight, std=spread))


def _initialise(network: nn.Module, draw: Callable[[Tensor], Tensor]) -> None:
    for parameter in network.parameters():
        if parameter.ndim > 1:
            draw(parameter)
        else:
            nn.init.zeros_(parameter)
