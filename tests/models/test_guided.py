import pytest
import torch

from sdd_bench.errors import ModelError
from sdd_bench.models import create, entry
from sdd_bench.models.guided import FUSED, DefocusEstimator, GuidedNetwork, guided, guided_unet


class Sharpen(torch.nn.Module):
    """Adds nothing to its input."""

    residual = True

    def forward(self, picture):
        return picture[:, :3]


def picture(n=1, side=32):
    return torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(1))


def test_the_unet_of_rgl_takes_picture_and_blur_map():
    network = guided_unet()
    assert network.network.encoder.block1[0].in_channels == FUSED == 38
    # The U-Net has 64 x 35 x 9 weights more than with three channels; then estimator and fusion as the paper has them.
    estimator = (3 * 9 + 1) * 32 + 6 * (32 * 9 + 1) * 32 + (32 * 9 + 1) * 35
    fusion = (38 + 1) * 2 + (2 + 1) * 38
    expected = entry("unet").parameters + 64 * 35 * 9 + estimator + fusion
    assert sum(p.numel() for p in network.parameters()) == expected == entry("unet-rgl").parameters


def test_the_estimator_begins_with_its_bias():
    convolutions = [layer for layer in DefocusEstimator().modules() if isinstance(layer, torch.nn.Conv2d)]
    assert len(convolutions) == 8
    assert all((layer.bias == 0.1).all() for layer in convolutions)


def test_seeds_come_with_the_picture_where_asked_for():
    network = create("unet-rgl", width=2)
    deblurred, seeds = network(picture(2), with_seeds=True)
    assert deblurred.shape == (2, 3, 32, 32)
    assert seeds.shape == (2, 35, 32, 32)


def test_a_faint_map_is_hardly_seen():
    torch.manual_seed(0)
    network = create("unet-rgl", width=2).eval()
    with torch.no_grad():
        none, faint, full = (network(picture(), strength=s) for s in (0.0, 1e-3, 1.0))
    assert (faint - none).abs().max() < 0.02 * (full - none).abs().max()


def test_a_residual_network_adds_to_the_blurry_picture_and_not_to_what_it_saw():
    blurry = picture()
    assert torch.allclose(GuidedNetwork(Sharpen(), takes_fused=False)(blurry), blurry, atol=1e-6)
    network = guided_unet(width=2, residual=True).eval()
    assert torch.allclose(network(blurry), blurry, atol=1e-6)  # its last layer begins with zeros


def test_a_network_behind_the_1x1_convolution_sees_the_picture_first():
    network = guided(torch.nn.Identity())
    blurry = picture()
    with torch.no_grad():
        network.attention.excite.weight.zero_()
        network.attention.excite.bias.zero_()  # attention of one half everywhere
        assert torch.allclose(network(blurry), blurry, atol=1e-6)


def test_the_map_is_a_radius_of_up_to_seven_pixels():
    radius = create("unet-rgl", width=2).defocus_map(picture())
    assert radius.shape == (1, 1, 32, 32)
    assert not radius.requires_grad
    assert radius.min() > 0
    assert radius.max() < 7 * 2**0.5


def test_guiding_twice_is_refused():
    with pytest.raises(ModelError, match="already"):
        guided(create("unet-rgl", width=2))
