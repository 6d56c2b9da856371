import numpy as np
import pytest
import torch

from sdd_bench.training.initialisation import initialise
from sdd_bench.training.reblurring_network import ReblurringNetwork, defocus_map


def pictures(side=24):
    generator = torch.Generator().manual_seed(3)
    return torch.rand(2, 3, side, side, generator=generator), torch.rand(2, 3, side, side, generator=generator)


@pytest.mark.parametrize(("kernels", "channels"), [("isotropic", 35), ("single", 8), ("free", 225)])
def test_kernels_of_every_kind_blur(kernels, channels):
    torch.manual_seed(0)
    network = ReblurringNetwork(kernels, width=4)
    found = network(*pictures())
    assert found.picture.shape == (2, 3, 24, 24)
    assert found.seeds.shape[1] == channels
    assert (found.weights is None) == (kernels != "isotropic")
    found.picture.sum().backward()
    assert all(p.grad is not None for p in network.parameters())


@pytest.mark.parametrize("kernels", ["isotropic", "single", "free"])
def test_blur_keeps_a_constant_away_from_the_border(kernels):
    torch.manual_seed(0)
    flat = torch.full((1, 3, 31, 31), 0.5)
    found = ReblurringNetwork(kernels, width=4)(flat, pictures(31)[1][:1])
    torch.testing.assert_close(found.picture[..., 7:-7, 7:-7], flat[..., 7:-7, 7:-7])


def test_the_full_module_has_the_size_of_the_release():
    # conv 6 -> 64, three blocks of two 64 -> 64, conv 64 -> 35 and 64 -> 8, all 3 x 3 with bias.
    branch = (6 * 9 + 1) * 64 + 6 * (64 * 9 + 1) * 64
    expected = 2 * branch + (64 * 9 + 1) * (35 + 8)
    assert sum(p.numel() for p in ReblurringNetwork().parameters()) == expected


def test_free_kernels_are_the_softmax_of_their_values():
    torch.manual_seed(0)
    deblurred, blurry = (p[:1].double() for p in pictures())
    network = ReblurringNetwork("free", width=4).double()
    found = network(deblurred, blurry)
    y, x = 11, 9
    kernel = torch.softmax(found.seeds[0, :, y, x], 0).reshape(15, 15)
    window = torch.nn.functional.pad(deblurred, (7,) * 4)[0, :, y : y + 15, x : x + 15]
    torch.testing.assert_close(found.picture[0, :, y, x], (window.float() * kernel.float()).sum((1, 2)))


def test_a_map_of_one_kernel_is_its_radius():
    found = ReblurringNetwork("isotropic", width=4)(*pictures())
    first, last = torch.zeros_like(found.weights), torch.zeros_like(found.weights)
    first[:, 0] = last[:, 7] = 1
    assert (defocus_map(found._replace(weights=first)) == 0).all()
    # Seeds of zero make the largest kernel uniform over its 15 x 15 window: r^2 = 2 (15^2 - 1) / 12.
    uniform = defocus_map(found._replace(weights=last, seeds=torch.zeros_like(found.seeds)))
    np.testing.assert_allclose(uniform.numpy(), np.sqrt(2 * (15**2 - 1) / 12), rtol=1e-5)


@pytest.mark.parametrize(("how", "fan"), [("he", 8), ("he-fan-out", 32), ("xavier", 40)])
def test_weights_begin_with_the_variance_they_should_have(how, fan):
    # Fan in 8 x 9, fan out 32 x 9, and for Xavier their sum.
    torch.manual_seed(0)
    layer = torch.nn.Conv2d(8, 32, 3)
    initialise(layer, how)
    assert layer.weight.var().item() == pytest.approx(2 / (9 * fan), rel=0.1)
    assert (layer.bias == 0).all()
