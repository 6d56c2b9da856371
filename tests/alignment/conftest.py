import dataclasses
import math

import numpy as np
import pytest
import torch
from skimage import data

from sdd_bench import weights
from sdd_bench.alignment import Similarity
from sdd_bench.alignment.pwcnet_checkpoints import port_names, ptlflow_names
from sdd_bench.alignment.pwcnet_network import weight_shapes

NAMES = {"pwcnet-ptlflow": ptlflow_names(), "pwc-default": port_names()}


@pytest.fixture(scope="session")
def photograph():
    """Reads one of scikit-image's photographs as gray values in [0, 1]."""

    def read(name):
        picture = getattr(data, name)().astype(np.float64) / 255
        return picture if picture.ndim == 2 else picture @ [0.299, 0.587, 0.114]

    return read


@pytest.fixture(scope="session")
def corner_error():
    """Measures the largest distance between where two similarities put a corner, in pixels."""

    def measure(similarity, zoom, shift, shape, rotation=0.0):
        corners = np.array([[x, y] for x in (0, shape[1] - 1) for y in (0, shape[0] - 1)], dtype=float)
        true = Similarity(zoom, tuple(shift), rotation=rotation)
        return np.linalg.norm(similarity.apply(corners, shape) - true.apply(corners, shape), axis=1).max()

    return measure


@pytest.fixture(scope="session")
def pwcnet_layers():
    """Random weight and bias per layer, scaled so that the flow depends on the pictures and varies by some pixels."""
    generator = torch.Generator().manual_seed(0)
    layers = {}
    for name, shape in weight_shapes().items():
        up = "_up." in name
        gain = 0.3 if name.startswith(("flow.", "features_up.", "context.6")) else math.sqrt(2)
        scale = gain / math.sqrt(shape[0] * 4 if up else shape[1] * 9)
        bias = 0.05 * torch.randn(shape[1] if up else shape[0], generator=generator)
        layers[name] = scale * torch.randn(shape, generator=generator), bias
    return layers


@pytest.fixture(scope="session")
def pwcnet_states(pwcnet_layers):
    """The same values as either author names them."""
    return {
        author: {
            f"{names[layer]}.{part}": value
            for layer, pair in pwcnet_layers.items()
            for part, value in zip(("weight", "bias"), pair, strict=True)
        }
        for author, names in NAMES.items()
    }


@pytest.fixture(scope="session")
def save_pwcnet():
    """Write a state dict as either author does."""

    def save(path, author, state):
        torch.save({"state_dict": state, "epoch": 3} if author == "pwcnet-ptlflow" else state, path)
        return path

    return save


@pytest.fixture(scope="module")
def pwcnet_cache(tmp_path_factory, pwcnet_states, save_pwcnet):
    """Both authors' files, named like the weights, and a cache that holds them."""
    folder = tmp_path_factory.mktemp("pwcnet")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SDD_BENCH_CACHE", str(folder / "cache"))
        for author, state in pwcnet_states.items():
            patch.setitem(weights.REGISTRY, author, dataclasses.replace(weights.entry(author), sha256=""))
            weights.add(author, save_pwcnet(folder / author, author, state))
        yield folder
