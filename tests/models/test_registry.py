import subprocess
import sys

import pytest
import torch

from sdd_bench import models, weights
from sdd_bench.errors import ModelError
from sdd_bench.models.checkpoints import blank
from sdd_bench.models.registry import MODELS

NETWORKS = [name for name, model in MODELS.items() if model.kind != "classical"]
# Counted in the releases' own networks, run beside these.
RELEASED = {
    "unet": 31_033_411,
    "mprnet": 20_127_073,
    "dmphn": 7_232_524,
    "dpdnet_s": 31_033_423,
    "kpac-2level": 1_578_277,
    "kpac-3level": 2_057_893,
    "ifan": 10_476_996,
    "restormer": 26_126_644,
    # 26,939,819 with the maps of the coarser levels, which only training looks at.
    "dmenet": 26_939_819
    - sum(9 * c * m + 2 * m + 9 * m + 2 for c, m in ((512, 256), (256, 128), (128, 64), (64, 32)))
    - (9 * 64 * 32 + 2 * 32 + 9 * 32 + 2),
}


@pytest.mark.parametrize("name", RELEASED)
def test_parameters_are_as_many_as_in_the_release(name):
    network = blank(name)
    assert sum(parameter.numel() for parameter in network.parameters()) == MODELS[name].parameters == RELEASED[name]


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_known_of_a_network_agrees_with_it_and_is_whole(name):
    model = MODELS[name]
    assert model.name == name and model.title and model.paper and model.licence and model.code.startswith("https://")
    assert (model.reach is None) == bool(model.global_because)
    assert getattr(blank(name), "stride", 1) == model.stride
    for file in model.weights:
        assert weights.entry(file).used_by.startswith(f"model {name}")


def test_weight_files_of_the_zoo_belong_to_a_model_of_it():
    listed = {file for model in MODELS.values() for file in model.weights}
    for name, entry in weights.REGISTRY.items():
        assert not entry.used_by.startswith("model ") or name in listed


def encoded(counts, *, pool=True):
    """Layers from fine to coarse: how many 3 x 3 convolutions each level has, and how the next one is reached."""
    for level, count in enumerate(counts):
        if level:
            yield "pool" if pool else "stride"
        yield from ["conv"] * (count if pool or not level else count - 1)


def seen(layers, pixel):
    """First and last place that a place of the output depends on, layer by layer from the last to the first."""
    first = last = pixel
    for layer in reversed(layers):
        if layer == "conv":
            first, last = first - 1, last + 1
        elif layer == "pool":
            first, last = 2 * first, 2 * last + 1
        elif layer == "stride":  # 3 x 3 at every other place
            first, last = 2 * first - 1, 2 * last + 1
        elif layer == "double":
            first, last = first // 2, last // 2
        elif layer == "double, 2 x 2":  # which sees the place and the next
            first, last = first // 2, (last + 1) // 2
        elif layer == "transposed":  # 4 x 4, of which two taps meet a place
            first, last = (first - 1) // 2, (last + 1) // 2
    return first, last


UNET = [*encoded([2] * 5), *["double, 2 x 2", "conv", "conv"] * 4]
RESIDUAL = ["conv"] * 2
LAYERS = {
    "unet": [*UNET, "conv"],
    "dpdnet_s": [*UNET, "conv"],
    "dmenet": [
        *encoded([2, 2, 4, 4, 4]),
        *["double", *["conv"] * 3] * 3,
        "double",
        "conv",
        *RESIDUAL * 7,
        *["conv"] * 3,
    ],
    "ifan": [
        *encoded([3, 3, 3, 3], pool=False),
        *["conv", *RESIDUAL * 4, "conv"],  # disparity
        *["conv", "conv", *RESIDUAL * 4, "conv"],  # put in, joined
        *["conv", *RESIDUAL * 4],  # filters
        *["conv"] * 17,  # applied
        *["conv", *RESIDUAL * 3, "conv"],
        *["transposed", *RESIDUAL * 2] * 3,
        "conv",
    ],
}


@pytest.mark.parametrize("name", LAYERS)
def test_reach_follows_from_the_layers(name):
    stride = MODELS[name].stride
    places = [(pixel, *seen(LAYERS[name], pixel)) for pixel in range(10 * stride, 11 * stride)]
    assert max(max(pixel - first, last - pixel) for pixel, first, last in places) == MODELS[name].reach


def test_every_local_network_has_its_reach_checked():
    assert {name for name in NETWORKS if MODELS[name].reach is not None} == set(LAYERS)


def test_an_unknown_model_lists_the_nearest():
    with pytest.raises(ModelError, match="Did you mean unet"):
        models.create("unnet")


def test_an_option_that_a_network_has_not_is_refused_with_those_it_has():
    with pytest.raises(ModelError, match=r"'depth'.*It has: width, inputs"):
        models.create("unet", depth=3)


def test_fresh_networks_are_in_training_and_follow_the_generator():
    made = []
    for _ in range(2):
        torch.manual_seed(3)
        network = models.create("unet", width=2)
        assert network.training
        made.append(network.out[0].weight)
    assert torch.equal(*made)


def test_listing_the_models_imports_no_network():
    code = "import sys; from sdd_bench import models; list(models.MODELS); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
