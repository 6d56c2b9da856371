import numpy as np
import pytest
import torch

from sdd_bench.alignment.flow import flow
from sdd_bench.models import create
from sdd_bench.training.deformation import deblurring_loss, deform
from sdd_bench.training.losses import charbonnier, edge_loss
from sdd_bench.training.objective import Objective
from sdd_bench.training.reblurring_network import ReblurringNetwork
from sdd_bench.training.recipe import get_recipe

DIS = flow("dis")


@pytest.fixture(scope="module")
def batch(pairs):
    from sdd_bench import open_dataset

    pair = next(iter(open_dataset(pairs, "train")))
    return tuple(torch.from_numpy(p[:64, :64]).permute(2, 0, 1)[None] for p in (pair.blur(), pair.gt()))


def objective(name, changes=None, reblurring_alone=0):
    return Objective(get_recipe(name, changes).objective, DIS, reblurring_alone)


class Twice(torch.nn.Module):
    """Two stages: the input a little brighter, and the input."""

    def forward(self, blurry):
        return blurry * 1.01, blurry


def test_plain_training_holds_the_output_against_the_sharp_picture(batch):
    step = objective("plain")(torch.nn.Identity(), None, *batch, epoch=0)
    torch.testing.assert_close(step.loss, charbonnier(*batch))
    assert step.terms.keys() == {"deblurring"}
    assert step.reblurred is None


def test_the_first_epochs_deform_towards_the_blurry_picture_and_nothing_else(batch):
    blurry, sharp = batch
    step = objective("jdrl")(torch.nn.Identity(), ReblurringNetwork(width=4), *batch, epoch=14)
    torch.testing.assert_close(step.loss, charbonnier(blurry, deform(sharp, blurry, DIS, mask="none").picture))
    assert step.terms.keys() == {"deblurring"}


def test_jdrl_adds_half_the_reblurring_loss(batch):
    torch.manual_seed(0)
    blurry, sharp = batch
    reblurring = ReblurringNetwork(width=4)
    step = objective("jdrl")(torch.nn.Identity(), reblurring, *batch, epoch=15)
    expected = deblurring_loss(blurry, sharp, DIS).loss
    torch.testing.assert_close(step.terms["deblurring"], expected)
    torch.testing.assert_close(step.terms["reblurring"], 0.5 * charbonnier(blurry, reblurring(*[blurry] * 2).picture))
    torch.testing.assert_close(step.loss, step.terms["deblurring"] + step.terms["reblurring"])
    assert step.mask.dtype == torch.bool


def test_every_ablation_leaves_out_what_it_says(batch):
    blurry, sharp = batch
    reblurring = ReblurringNetwork(width=4)

    def terms(name):
        return objective(name)(torch.nn.Identity(), None if name == "no-reblur" else reblurring, *batch, epoch=20).terms

    torch.testing.assert_close(terms("no-deform")["deblurring"], charbonnier(blurry, sharp))
    torch.testing.assert_close(terms("no-cycle")["deblurring"], deblurring_loss(blurry, sharp, DIS, cycle=False).loss)
    torch.testing.assert_close(terms("no-mask")["deblurring"], deblurring_loss(blurry, sharp, DIS, mask="none").loss)
    assert terms("no-reblur").keys() == {"deblurring"}


def test_all_stages_are_trained_and_edges_count_where_the_recipe_says(batch):
    blurry, sharp = batch
    step = objective("plain", {"objective.edge_weight": 0.05})(Twice(), None, *batch, epoch=0)
    torch.testing.assert_close(step.terms["deblurring"], charbonnier(blurry * 1.01, sharp) + charbonnier(blurry, sharp))
    edges = edge_loss(blurry * 1.01, sharp) + edge_loss(blurry, sharp)
    torch.testing.assert_close(step.terms["edges"], 0.05 * edges)
    torch.testing.assert_close(step.deblurred, blurry * 1.01)


@pytest.mark.parametrize("name", ["rgl-paper", "rgl-release"])
def test_rgl_teaches_the_estimator_and_only_the_release_the_reblurring_module(name, batch):
    torch.manual_seed(0)
    network, reblurring = create("unet-rgl", width=2), ReblurringNetwork(width=4)
    found = objective(name, {"objective.flow.name": "dis"})(network, reblurring, *batch, epoch=30)
    assert found.terms.keys() == {"deblurring", "reblurring", "defocus_map"}
    _, seeds = network(batch[0], with_seeds=True)
    expected = 0.5 * charbonnier(seeds, found.reblurred.seeds)
    torch.testing.assert_close(found.terms["defocus_map"], expected.detach())
    # The gradient of that term alone.
    aim = found.reblurred.seeds.detach() if name == "rgl-paper" else found.reblurred.seeds
    (charbonnier(seeds, aim)).backward()
    assert network.estimator[0].weight.grad.abs().sum() > 0
    assert (reblurring.seeds[0].weight.grad is None) == (name == "rgl-paper")


def test_the_map_of_rgl_grows_from_faint_to_full_in_the_first_epochs(batch):
    seen = []

    class Spy(torch.nn.Module):
        def forward(self, blurry, strength, with_seeds):
            seen.append(strength)
            return blurry, torch.zeros(1, 35, *blurry.shape[2:])

    for epoch in (0, 7, 14, 15, 99):
        objective("rgl")(Spy(), ReblurringNetwork(width=4), *batch, epoch=epoch)
    # 0.001 + 0.999 (e + 1) / 15 at epoch e, then 1.
    np.testing.assert_allclose(seen, [0.001 + 0.999 / 15, 0.001 + 0.999 * 8 / 15, 1, 1, 1])


def test_gradients_reach_network_and_reblurring_module_and_no_flow(batch):
    torch.manual_seed(0)
    network, reblurring = create("unet", width=2), ReblurringNetwork(width=4)
    objective("jdrl")(network, reblurring, *batch, epoch=20).loss.backward()
    assert all(p.grad is not None for module in (network, reblurring) for p in module.parameters())


@pytest.mark.parametrize("detach", [False, True])
def test_alone_it_learns_from_the_estimator_only_where_its_seeds_are_no_mere_target(batch, detach):
    torch.manual_seed(0)
    reblurring, network = ReblurringNetwork(width=4), create("unet-rgl", width=2).eval()
    changes = {"objective.initial_epochs": 0, "objective.guidance.weight": 0.01, "objective.guidance.detach": detach}
    step = objective("rgl", changes, reblurring_alone=1)(network, reblurring, *batch, epoch=0)
    expected = 0.5 * charbonnier(batch[0], step.reblurred.picture)
    if not detach:
        with torch.no_grad():
            seeds = network(batch[0], with_seeds=True)[1]
        expected = expected + 0.01 * charbonnier(seeds, step.reblurred.seeds)
    torch.testing.assert_close(step.loss, expected)
    step.loss.backward()
    assert all(parameter.grad is not None for parameter in reblurring.parameters())
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize("initial", [0, 3])
def test_the_reblurring_module_may_learn_alone_between_the_initial_epochs_and_the_others(batch, initial):
    torch.manual_seed(0)
    network, reblurring = create("unet", width=2), ReblurringNetwork(width=4)
    of = objective("jdrl", {"objective.initial_epochs": initial}, reblurring_alone=2)
    stages = [set(of(network, reblurring, *batch, epoch=epoch).terms) for epoch in range(initial + 3)]
    assert stages == [{"deblurring"}] * initial + [{"reblurring"}] * 2 + [{"deblurring", "reblurring"}]
    of(network, reblurring, *batch, epoch=initial).loss.backward()
    assert all(p.grad is None for p in network.parameters())
    assert all(p.grad is not None for p in reblurring.parameters())


def test_what_lies_outside_of_the_sharp_picture_has_no_say_where_the_recipe_says_so(batch):
    """Its border alone is known there: the loss must not depend on how the blurry picture looks."""
    blurry, sharp = batch
    shifted = torch.cat([sharp[..., 16:], torch.rand(1, 3, 64, 16, generator=torch.Generator().manual_seed(0))], 3)

    class Known:
        def on(self, device):
            return self

        def __call__(self, source, target):  # the picture's own columns 0 ... 15 are in no other picture
            return np.stack([np.full((64, 64), -16.0), np.zeros((64, 64))], -1).astype(np.float32)

    def loss(changes, epoch, picture):
        settings = get_recipe("no-reblur", {"objective.cycle": False, **changes}).objective
        return Objective(settings, Known())(torch.nn.Identity(), None, picture, shifted, epoch).loss

    spoilt = blurry.clone()
    spoilt[..., :16] = 0
    for epoch in (0, 15):
        torch.testing.assert_close(
            loss({"objective.inside_only": True}, epoch, spoilt), loss({"objective.inside_only": True}, epoch, blurry)
        )
        assert loss({}, epoch, spoilt) > 1.2 * loss({}, epoch, blurry)
