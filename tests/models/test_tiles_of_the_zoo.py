"""What `predict` does with networks of the zoo, which must not change what they give; with fresh weights."""

import pytest
import torch

from sdd_bench.models import MODELS, create
from sdd_bench.models.inference import computing
from sdd_bench.models.padding import round_up
from sdd_bench.models.tiling import plan_tiles, run_tiled, smallest_side

SMALL = {"unet": {"width": 8}}
LARGEST = 130  # reach of networks that a test can run: time grows with its square


NETWORKS = [model for model in MODELS.values() if model.kind != "classical"]
LOCAL = [model for model in NETWORKS if model.reach is not None and model.reach <= LARGEST]


def fresh(model):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return create(model.name, **SMALL.get(model.name, {})).eval()


def random_picture(height, width):
    return torch.rand((1, 3, height, width), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("model", LOCAL, ids=lambda model: model.name)
def test_a_network_is_as_local_as_it_says_so_that_tiles_change_nothing(model):
    side = smallest_side(model.stride, model.reach)
    picture = random_picture(side - 1, side + model.stride)
    compute = computing(fresh(model), "cpu", "fp32", channels_last=False)
    with torch.inference_mode():
        whole = run_tiled(compute, picture, plan_tiles(None, model.stride, model.reach))
        tiled = run_tiled(compute, picture, plan_tiles(side, model.stride, model.reach))
    assert whole.std() > 1e-3
    assert (tiled - whole).abs().max() < 1e-5 * whole.abs().max()


@pytest.mark.parametrize("model", NETWORKS, ids=lambda model: model.name)
def test_the_layout_in_memory_changes_nothing(model):
    side = 2 * round_up(16, model.stride)
    picture, network = random_picture(side, side), fresh(model)
    with torch.inference_mode():
        first = computing(network, "cpu", "fp32", channels_last=False)(picture)
        last = computing(network.to(memory_format=torch.channels_last), "cpu", "fp32", channels_last=True)(picture)
    # Sums of another order: `unet-rgl` estimates a map first, whose last digits the rest magnifies.
    assert (first - last).abs().max() < 1e-4 * max(1, first.abs().max())
