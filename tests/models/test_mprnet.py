"""The release's own network, run with the same weights, agrees within 1e-6: docs/reference/models.md."""

import pytest
import torch
from torch.nn.functional import interpolate

from sdd_bench import models
from sdd_bench.models import mprnet
from sdd_bench.models.checkpoints import blank
from sdd_bench.models.patches import COLUMNS, ROWS, halve, rejoin


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return models.create("mprnet").eval()


def block(name, channels):
    return {
        f"{name}.CA.conv_du.0.weight": (channels // 4, channels, 1, 1),
        f"{name}.CA.conv_du.2.weight": (channels, channels // 4, 1, 1),
        f"{name}.body.0.weight": (channels, channels, 3, 3),
        f"{name}.body.1.weight": (1,),
        f"{name}.body.2.weight": (channels, channels, 3, 3),
    }


def test_names_and_shapes_are_those_of_the_release():
    sizes = {1: 96, 2: 144, 3: 192}
    expected = {}
    for stage in (1, 2, 3):
        expected |= {f"shallow_feat{stage}.0.weight": (96, 3, 3, 3)} | block(f"shallow_feat{stage}.1", 96)
    for stage in (1, 2):
        for level, size in sizes.items():
            for number in (0, 1):
                expected |= block(f"stage{stage}_encoder.encoder_level{level}.{number}", size)
                expected |= block(f"stage{stage}_decoder.decoder_level{level}.{number}", size)
            if stage == 2:
                expected |= {f"stage2_encoder.csff_{side}{level}.weight": (size, size, 1, 1) for side in ("enc", "dec")}
        for fine, coarse in ((1, 2), (2, 3)):
            down, up = f"down{fine}{coarse}.down.1.weight", f"up{coarse}{fine}.up.1.weight"
            expected[f"stage{stage}_encoder.{down}"] = (sizes[coarse], sizes[fine], 1, 1)
            expected[f"stage{stage}_decoder.{up}"] = (sizes[fine], sizes[coarse], 1, 1)
        expected |= block(f"stage{stage}_decoder.skip_attn1", 96) | block(f"stage{stage}_decoder.skip_attn2", 144)
    for group in (1, 2, 3):
        for number in range(8):
            expected |= block(f"stage3_orsnet.orb{group}.body.{number}", 128)
        expected[f"stage3_orsnet.orb{group}.body.8.weight"] = (128, 128, 3, 3)
        for side in ("enc", "dec"):
            expected[f"stage3_orsnet.conv_{side}{group}.weight"] = (128, 96, 1, 1)
    for side in ("enc", "dec"):
        expected[f"stage3_orsnet.up_{side}1.up.1.weight"] = (96, 144, 1, 1)
        expected[f"stage3_orsnet.up_{side}2.0.up.1.weight"] = (144, 192, 1, 1)
        expected[f"stage3_orsnet.up_{side}2.1.up.1.weight"] = (96, 144, 1, 1)
    for sam in ("sam12", "sam23"):
        expected |= {f"{sam}.conv1.weight": (96, 96, 1, 1), f"{sam}.conv2.weight": (3, 96, 1, 1)}
        expected[f"{sam}.conv3.weight"] = (96, 3, 1, 1)
    expected |= {"concat12.weight": (96, 192, 3, 3), "concat23.weight": (128, 192, 3, 3), "tail.weight": (3, 128, 3, 3)}
    assert {name: tuple(tensor.shape) for name, tensor in blank("mprnet").state_dict().items()} == expected


def test_the_final_stage_comes_first_and_each_adds_to_the_picture(network):
    picture = torch.rand(1, 3, 16, 24)
    with torch.no_grad():
        before = network(picture)
        kept = [layer.weight.clone() for layer in (network.tail, network.sam23.conv2, network.sam12.conv2)]
        for number, layer in enumerate((network.tail, network.sam23.conv2, network.sam12.conv2)):
            layer.weight.zero_()
            after = network(picture)
            assert torch.equal(after[number], picture) and not torch.equal(before[number], picture)
            layer.weight.copy_(kept[number])
    assert len(before) == 3 and all(stage.shape == picture.shape for stage in before)


def test_the_first_stage_encodes_quarters_and_decodes_halves_that_do_not_see_each_other(network):
    picture = torch.rand(1, 3, 16, 16).requires_grad_()
    _, second, first = network(picture)
    (seen,) = torch.autograd.grad(first[0, :, 2, 2].sum(), picture, retain_graph=True)
    assert seen[..., :8, :].abs().sum() > 0 and seen[..., 8:, :].abs().sum() == 0
    (seen,) = torch.autograd.grad(second[0, :, 2, 2].sum(), picture)
    assert seen[..., 8:, :].abs().sum() > 0


def test_channel_attention_weighs_channels_by_their_means():
    attention = mprnet.ChannelAttention(4)
    squeeze, spread = torch.tensor([1.0, 0.0, 0.0, 2.0]), torch.tensor([1.0, -1.0, 0.0, 2.0])
    with torch.no_grad():
        attention.conv_du[0].weight.copy_(squeeze.reshape(1, 4, 1, 1))
        attention.conv_du[2].weight.copy_(spread.reshape(4, 1, 1, 1))
        features = torch.rand(2, 4, 3, 5)
        found = attention(features)
    for picture, result in zip(features, found, strict=True):
        inside = (picture.mean((1, 2)) * squeeze).sum().clamp(min=0)
        torch.testing.assert_close(result, picture * torch.sigmoid(spread * inside)[:, None, None])


def test_levels_are_halved_and_doubled_bilinearly_and_then_mixed(network):
    features = torch.rand(1, 96, 6, 8)
    layer = network.stage1_encoder.down12
    means = features.unfold(2, 2, 2).unfold(3, 2, 2).mean((4, 5))
    expected = torch.einsum("oi,nihw->nohw", layer.down[1].weight[..., 0, 0], means)
    torch.testing.assert_close(layer(features), expected)
    features, layer = torch.rand(1, 144, 3, 4), network.stage1_decoder.up21
    doubled = interpolate(features, scale_factor=2, mode="bilinear", align_corners=False)
    expected = torch.einsum("oi,nihw->nohw", layer.up[1].weight[..., 0, 0], doubled)
    torch.testing.assert_close(layer(features), expected)


@pytest.mark.parametrize("dimension", [ROWS, COLUMNS])
def test_rejoining_undoes_halving(dimension):
    pictures = torch.rand(3, 2, 4, 6)
    halves = halve(pictures, dimension)
    assert torch.equal(halves[:3], pictures.narrow(dimension, 0, pictures.shape[dimension] // 2))
    assert torch.equal(rejoin(halves, dimension), pictures)


def test_stages_hand_on_what_the_paper_says(network, traced):
    picture = torch.rand(1, 3, 16, 24)
    given, gave = traced(network, picture)
    halves = torch.cat([picture[:, :, :8], picture[:, :, 8:]])
    first, second = "stage1_encoder.", "stage2_encoder."
    assert torch.equal(given["shallow_feat2"], halves) and torch.equal(given["shallow_feat3"], picture)
    assert torch.equal(given["concat12"], torch.cat([gave["shallow_feat2"], gave["sam12"][0]], dim=1))
    assert torch.equal(given["concat23"], torch.cat([gave["shallow_feat3"], gave["sam23"][0]], dim=1))
    torch.testing.assert_close(gave["sam12"][1], halves + gave["sam12.conv2"])
    for level in (1, 2, 3):
        # Quarters of the first stage, side by side, are halves.
        left, right = gave[first + f"encoder_level{level}"].chunk(2)
        assert torch.equal(given[second + f"csff_enc{level}"], torch.cat([left, right], dim=3))
        assert torch.equal(given[second + f"csff_dec{level}"], gave[f"stage1_decoder.decoder_level{level}"])
    for level, coarser in ((1, "down12"), (2, "down23")):
        names = (f"encoder_level{level}", f"csff_enc{level}", f"csff_dec{level}")
        torch.testing.assert_close(given[second + coarser], sum(gave[second + name] for name in names))
    torch.testing.assert_close(
        given["stage2_decoder.decoder_level1"], gave["stage2_decoder.up21"] + gave["stage2_decoder.skip_attn1"]
    )
    last = "stage3_orsnet."
    for level in (2, 3):
        before = (f"orb{level - 1}", f"conv_enc{level - 1}", f"conv_dec{level - 1}")
        torch.testing.assert_close(given[last + f"orb{level}"], sum(gave[last + name] for name in before))
    torch.testing.assert_close(given["tail"], sum(gave[last + name] for name in ("orb3", "conv_enc3", "conv_dec3")))
    assert torch.equal(given[last + "conv_dec1"], gave["stage2_decoder.decoder_level1"])
    assert torch.equal(given[last + "up_dec2"], gave["stage2_decoder.decoder_level3"])
    torch.testing.assert_close(network(picture)[0], picture + gave["tail"])


def test_blocks_add_what_attention_leaves_of_two_convolutions(traced):
    slope = torch.nn.PReLU()
    given, gave = traced(mprnet.AttentionBlock(8, slope), torch.rand(1, 8, 4, 5))
    assert torch.equal(given["CA"], gave["body"])
    torch.testing.assert_close(gave[""], given[""] + gave["CA"])
