from collections.abc import Callable

import numpy as np
import pytest
import torch


@pytest.fixture(scope="session")
def same_convolution() -> Callable:
    """TensorFlow's convolution with padding SAME, from its documentation: H x W x C and a kernel H x W x in x out."""

    def convolve(picture, kernel, bias=0.0, stride=1, rate=1):
        extents = [(size - 1) * rate + 1 for size in kernel.shape[:2]]
        sizes = [-(-side // stride) for side in picture.shape[:2]]
        totals = [
            max(0, (made - 1) * stride + extent - side)
            for made, extent, side in zip(sizes, extents, picture.shape, strict=False)
        ]
        padded = np.pad(picture, [(total // 2, total - total // 2) for total in totals] + [(0, 0)])
        found = np.zeros((*sizes, kernel.shape[3]))
        for row, column in np.ndindex(*kernel.shape[:2]):
            rows = slice(row * rate, row * rate + (sizes[0] - 1) * stride + 1, stride)
            columns = slice(column * rate, column * rate + (sizes[1] - 1) * stride + 1, stride)
            found += padded[rows, columns] @ kernel[row, column]
        return found + bias

    return convolve


@pytest.fixture(scope="session")
def as_tensor() -> Callable:
    """H x W x C to 1 x C x H x W."""
    return lambda picture: torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float()


@pytest.fixture(scope="session")
def as_array() -> Callable:
    """1 x C x H x W to H x W x C."""
    return lambda pictures: pictures.detach()[0].permute(1, 2, 0).double().numpy()


@pytest.fixture(scope="session")
def against_layers(same_convolution, as_tensor, as_array) -> Callable:
    """Makes a random picture and gives what a network makes of it, and what NumPy does, layer by layer."""

    def run(network, evaluate, height, width):
        picture = np.random.default_rng(1).random((height, width, 3))
        with torch.no_grad():
            found = as_array(network(as_tensor(picture)))
        return found, evaluate(picture, same_convolution)

    return run


@pytest.fixture(scope="session")
def traced() -> Callable:
    """Runs a network and tells what each of its layers, by name, was given first and gave last."""

    def run(network, picture):
        given, gave = {}, {}

        def record(name):
            def hook(_, inputs, output):
                given.setdefault(name, inputs[0])
                gave[name] = output

            return hook

        handles = [layer.register_forward_hook(record(name)) for name, layer in network.named_modules()]
        with torch.no_grad():
            network(picture)
        for handle in handles:
            handle.remove()
        return given, gave

    return run
