"""The release's own network, run with the same weights, gives the same bits: docs/reference/models.md."""

from itertools import pairwise

import torch

from sdd_bench import models
from sdd_bench.models import restormer
from sdd_bench.models.checkpoints import blank


def test_names_and_shapes_are_those_of_the_release():
    expected = {"patch_embed.proj.weight": (48, 3, 3, 3), "output.weight": (3, 96, 3, 3)}
    groups = {
        "encoder_level1": (4, 48, 1),
        "encoder_level2": (6, 96, 2),
        "encoder_level3": (6, 192, 4),
        "latent": (8, 384, 8),
        "decoder_level3": (6, 192, 4),
        "decoder_level2": (6, 96, 2),
        "decoder_level1": (4, 96, 1),
        "refinement": (4, 96, 1),
    }
    for group, (count, width, heads) in groups.items():
        for block in (f"{group}.{number}" for number in range(count)):
            inside = int(2.66 * width)
            for norm in ("norm1", "norm2"):
                expected |= {f"{block}.{norm}.body.weight": (width,), f"{block}.{norm}.body.bias": (width,)}
            expected |= {
                f"{block}.attn.temperature": (heads, 1, 1),
                f"{block}.attn.qkv.weight": (3 * width, width, 1, 1),
                f"{block}.attn.qkv_dwconv.weight": (3 * width, 1, 3, 3),
                f"{block}.attn.project_out.weight": (width, width, 1, 1),
                f"{block}.ffn.project_in.weight": (2 * inside, width, 1, 1),
                f"{block}.ffn.dwconv.weight": (2 * inside, 1, 3, 3),
                f"{block}.ffn.project_out.weight": (width, inside, 1, 1),
            }
    for name, width in (("down1_2", 48), ("down2_3", 96), ("down3_4", 192)):
        expected[f"{name}.body.0.weight"] = (width // 2, width, 3, 3)
    for name, width in (("up4_3", 384), ("up3_2", 192), ("up2_1", 96)):
        expected[f"{name}.body.0.weight"] = (2 * width, width, 3, 3)
    expected |= {"reduce_chan_level3.weight": (192, 384, 1, 1), "reduce_chan_level2.weight": (96, 192, 1, 1)}
    assert {name: tuple(tensor.shape) for name, tensor in blank("restormer").state_dict().items()} == expected


def test_what_the_last_convolution_makes_is_added_to_the_picture():
    network = models.create("restormer").eval()
    picture = torch.rand(1, 3, 16, 8)
    with torch.no_grad():
        changed = network(picture)
        network.output.weight.neg_()
        torch.testing.assert_close(changed - picture, picture - network(picture))
    assert (changed - picture).abs().max() > 0.01


def test_attention_compares_the_channels_of_each_head_over_all_pixels():
    torch.manual_seed(0)
    layer = restormer.ChannelAttention(6, heads=2)
    features = torch.rand(1, 6, 3, 5)
    with torch.no_grad():
        layer.temperature.copy_(torch.tensor([0.5, 2.0]).reshape(2, 1, 1))
        query, key, value = layer.qkv_dwconv(layer.qkv(features))[0].flatten(1).split(6)
        attended = torch.zeros(6, 15)
        for channel in range(6):
            head = channel // 3
            others = range(3 * head, 3 * head + 3)
            likeness = torch.stack([torch.cosine_similarity(query[channel], key[other], dim=0) for other in others])
            weights = torch.softmax(likeness * layer.temperature[head].item(), dim=0)
            attended[channel] = sum(weight * value[other] for weight, other in zip(weights, others, strict=True))
        torch.testing.assert_close(layer(features), layer.project_out(attended.reshape(1, 6, 3, 5)))


def test_pixels_are_normalised_over_their_channels():
    layer = restormer.ChannelNorm(5)
    with torch.no_grad():
        layer.body.weight.uniform_(0.5, 2)
        layer.body.bias.uniform_(-1, 1)
    features = 3 * torch.rand(2, 5, 4, 3)
    expected = torch.nn.functional.layer_norm(features.movedim(1, -1), (5,), layer.body.weight, layer.body.bias)
    torch.testing.assert_close(layer(features), expected.movedim(-1, 1))


def test_levels_are_joined_with_what_comes_up_first(traced):
    given, gave = traced(models.create("restormer"), torch.rand(1, 3, 16, 24))
    for joined, up, kept in (
        ("reduce_chan_level3", "up4_3", "encoder_level3"),
        ("reduce_chan_level2", "up3_2", "encoder_level2"),
        ("decoder_level1", "up2_1", "encoder_level1"),
    ):
        assert torch.equal(given[joined], torch.cat([gave[up], gave[kept]], dim=1))
    chain = ["encoder_level1", "down1_2", "encoder_level2", "down2_3", "encoder_level3", "down3_4", "latent", "up4_3"]
    chain_up = ["reduce_chan_level3", "decoder_level3", "up3_2"], ["reduce_chan_level2", "decoder_level2", "up2_1"]
    for names in (chain, *chain_up, ["decoder_level1", "refinement", "output"]):
        for before, after in pairwise(names):
            assert torch.equal(given[after], gave[before])


def test_blocks_add_attention_and_then_the_gated_part(traced):
    block = restormer.Block(8, heads=2)
    features = torch.rand(1, 8, 4, 5)
    given, gave = traced(block, features)
    middle = features + gave["attn"]
    assert torch.equal(given["norm1"], features) and torch.equal(given["norm2"], middle)
    assert torch.equal(gave[""], middle + gave["ffn"])
    gate, passed = gave["ffn.dwconv"].chunk(2, dim=1)
    smooth = gate * 0.5 * (1 + torch.erf(gate / 2**0.5))
    torch.testing.assert_close(given["ffn.project_out"], smooth * passed)
