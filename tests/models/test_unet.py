"""The release's own network, run with the same weights, gives the same bits: docs/reference/models.md."""

import pytest
import torch
from torch import nn

from sdd_bench import models
from sdd_bench.errors import ModelError
from sdd_bench.models.checkpoints import blank
from sdd_bench.models.unet import upsample


def test_names_and_shapes_are_those_of_the_release():
    found = {name: tuple(tensor.shape) for name, tensor in blank("unet").state_dict().items()}
    expected = {}
    given = 3
    for level, width in enumerate((64, 128, 256, 512, 1024), 1):
        expected[f"encoder.block{level}.0.weight"] = (width, given, 3, 3)
        expected[f"encoder.block{level}.2.weight"] = (width, width, 3, 3)
        given = width
    for level, width in ((6, 512), (7, 256), (8, 128), (9, 64)):
        expected[f"up{level}.1.weight"] = (width, 2 * width, 2, 2)
        expected[f"block{level}.0.weight"] = (width, 2 * width, 3, 3)
        expected[f"block{level}.2.weight"] = (width, width, 3, 3)
    expected["out.0.weight"] = (3, 64, 3, 3)
    expected |= {name.replace("weight", "bias"): shape[:1] for name, shape in expected.items()}
    assert found == expected


def test_the_upsampling_kernel_reads_the_pixel_the_next_right_and_below_and_nothing_beyond_the_edge():
    layer = upsample(1, 1)
    with torch.no_grad():
        layer[-1].weight.copy_(torch.tensor([[[[1.0, 10.0], [100.0, 1000.0]]]]))
        layer[-1].bias.zero_()
        found = layer(torch.tensor([[[[1.0, 2.0]]]]))[0, 0]
    # Doubled: 1 1 2 2 in both rows.
    assert found.tolist() == [[1111.0, 2121.0, 2222.0, 202.0], [11.0, 21.0, 22.0, 2.0]]


def test_what_comes_up_is_joined_before_what_was_kept():
    network = models.create("unet", width=1).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.encoder.block1[0].bias.fill_(3.0)
        network.encoder.block1[2].weight[0, 0, 1, 1] = 1.0
        network.block9[0].weight[0, 1, 1, 1] = 1.0  # the second channel: what the first level kept
        network.block9[2].weight[0, 0, 1, 1] = 1.0
        network.out[0].weight[:, 0, 1, 1] = 1.0
        found = network(torch.zeros(1, 3, 16, 16))
    torch.testing.assert_close(found, torch.full_like(found, 3.0).sigmoid())


def test_released_weights_read_and_give_blue_green_red(tmp_path):
    network = models.create("unet", width=2).eval()
    torch.save({"G_state_dict": network.state_dict()}, tmp_path / "unet-jdrl-sdd.pth")
    ours = models.load_checkpoint("unet", tmp_path / "unet-jdrl-sdd.pth", width=2)
    picture = torch.rand(2, 3, 16, 32)
    with torch.no_grad():
        assert not torch.allclose(ours(picture), network(picture), atol=1e-4)
        torch.testing.assert_close(ours(picture).flip(1), network(picture.flip(1)))


def test_dropout_is_applied_to_the_two_coarsest_levels_in_training_alone():
    encoder = models.create("unet", width=8).encoder
    picture = torch.rand(1, 3, 32, 32)
    kept = [level.clone() for level in encoder.eval()(picture)]
    dropped = encoder.train()(picture)
    assert [torch.equal(a, b) for a, b in zip(kept, dropped, strict=True)] == [True, True, True, False, False]


def test_a_picture_sees_no_further_than_the_registry_says():
    network = models.create("unet", width=2, residual=True).eval()  # without the sigmoid, which saturates
    network.encoder.pool = nn.AvgPool2d(2)  # so that every pixel counts
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(1 / parameter[0].numel())
    reach = models.entry("unet").reach
    picture = torch.rand(1, 3, 16, 288).requires_grad_()
    farthest = 0
    made = network(picture)
    for column in range(144, 160):
        (seen,) = torch.autograd.grad(made[0, 0, 8, column], picture, retain_graph=True)
        columns = seen[0].abs().sum((0, 1)).nonzero()
        farthest = max(farthest, column - columns.min().item(), columns.max().item() - column)
    assert farthest == reach


@pytest.mark.parametrize("shape", [(1, 3, 16, 24), (1, 4, 16, 16), (3, 16, 16), (1, 3, 0, 16)])
def test_pictures_it_is_not_defined_for_are_refused(shape):
    with pytest.raises(ModelError, match="expected"):
        models.create("unet", width=2)(torch.zeros(shape))


def test_eight_bit_pictures_are_refused():
    with pytest.raises(ModelError, match="floats in"):
        models.create("unet", width=2)(torch.zeros(1, 3, 16, 16, dtype=torch.uint8))


def test_more_inputs_and_other_widths_are_possible():
    network = models.create("unet", width=3, inputs=38)
    assert network(torch.rand(1, 38, 16, 16)).shape == (1, 3, 16, 16)
