"""The release's own network, run with the same weights, agrees within 1e-6: docs/reference/models.md."""

import pytest
import torch
from torch.nn.functional import leaky_relu

from sdd_bench import models
from sdd_bench.errors import ModelError
from sdd_bench.models import ifan
from sdd_bench.models.checkpoints import blank


def convolution(name, given, made, size=3):
    return {f"{name}.weight": (made, given, size, size), f"{name}.bias": (made,)}


def residual(name, width, pairs):
    made = {}
    for pair in range(pairs):
        made |= convolution(f"{name}.stem.{pair}.0", width, width) | convolution(f"{name}.stem.{pair}.2", width, width)
    return made


def expected(iterations):
    widths = {1: (3, 32), 2: (32, 64), 3: (64, 128), 4: (128, 128)}
    made = {}
    for prefix in ("conv", "kconv"):
        for level, (given, width) in widths.items():
            made |= convolution(f"{prefix}{level}_1.0", given, width)
            made |= convolution(f"{prefix}{level}_2.0", width, width)
            made |= convolution(f"{prefix}{level}_3.0", width, width)
    for name, given in (("DME", 128), ("conv4_4", 256), ("F", 128)):
        made |= convolution(f"{name}.0.0", given, 128) | residual(f"{name}.1", 128, 2) | residual(f"{name}.2", 128, 2)
    made |= convolution("DME.3", 128, 1) | convolution("conv_DME.0", 1, 128) | convolution("conv4_4.3.0", 128, 128)
    made |= convolution("F.3", 128, iterations * 128 * 7, size=1)
    made |= convolution("conv_res.0.0", 128, 128) | convolution("conv_res.2.0", 128, 128)
    made |= residual("conv_res.1", 128, 3)
    for level, given, width in ((3, 128, 128), (2, 128, 64), (1, 64, 32)):
        made |= {f"upconv{level}_u.0.weight": (given, width, 4, 4), f"upconv{level}_u.0.bias": (width,)}
        made |= residual(f"upconv{level}_1", width, 1) | residual(f"upconv{level}_2", width, 1)
    return made | convolution("out_res.0", 32, 3)


@pytest.mark.parametrize("iterations", [17, 8])
def test_names_and_shapes_are_those_of_the_release(iterations):
    found = blank("ifan", iterations=iterations).state_dict()
    assert {name: tuple(tensor.shape) for name, tensor in found.items()} == expected(iterations)


@pytest.mark.parametrize("dimension", [2, 3])
def test_each_place_is_a_weighted_sum_of_its_neighbours_with_repeated_edges(dimension):
    features, weights = torch.rand(1, 2, 4, 5), torch.rand(1, 2, 3, 4, 5)
    found = ifan._filter(features, weights, dimension)
    for channel, row, column in [(0, 0, 0), (1, 3, 4), (0, 2, 2), (1, 0, 3)]:
        total = 0.0
        for tap in (0, 1, 2):
            place = [row, column]
            place[dimension - 2] = min(max(place[dimension - 2] + tap - 1, 0), features.shape[dimension] - 1)
            total += features[0, channel, place[0], place[1]] * weights[0, channel, tap, row, column]
        torch.testing.assert_close(found[0, channel, row, column], total)


@pytest.mark.parametrize("two_filters", [False, True])
def test_filters_are_applied_in_turn_those_of_the_rows_for_both_unless_told_otherwise(two_filters):
    network = models.create("ifan", iterations=2, two_filters=two_filters)
    features, filters = torch.rand(1, 128, 3, 4), torch.randn(1, 2 * 128 * 7, 3, 4)
    expected = features
    for number in (0, 1):
        rows, columns = filters[:, 768 * number : 768 * (number + 1)].split(384, dim=1)
        bias = filters[:, 1536 + 128 * number : 1536 + 128 * (number + 1)]
        expected = ifan._filter(expected, rows.reshape(1, 128, 3, 3, 4), 2)
        expected = ifan._filter(expected, (columns if two_filters else rows).reshape(1, 128, 3, 3, 4), 3)
        expected = leaky_relu(expected + bias, 0.1)
    torch.testing.assert_close(network._deblur(features, filters), expected)


def test_results_are_cut_to_the_range_except_in_training():
    network = models.create("ifan", iterations=1)
    with torch.no_grad():
        network.out_res[0].bias.fill_(2.0)
        picture = torch.rand(1, 3, 8, 8)
        assert network(picture).max() > 1
        assert network.eval()(picture).max() == 1


def test_a_released_file_may_hold_the_reblurring_network_of_training_and_nothing_else(tmp_path):
    torch.manual_seed(0)
    network = models.create("ifan", iterations=2)
    state = {f"module.Network.{name}": tensor for name, tensor in network.state_dict().items()}
    state["module.reblurNet.RBF.0.0.weight"] = torch.zeros(1)
    torch.save(state, tmp_path / "IFAN.pytorch")
    loaded = models.load_checkpoint("ifan", tmp_path / "IFAN.pytorch", iterations=2)
    assert torch.equal(loaded.out_res[0].weight, network.out_res[0].weight)
    with pytest.raises(ModelError, match=r"F\.3\.weight has the shape \(1792, .*expected \(15232, "):
        models.load_checkpoint("ifan", tmp_path / "IFAN.pytorch")
    torch.save(state | {"module.LPIPS.net": torch.zeros(1)}, tmp_path / "more.pytorch")
    with pytest.raises(ModelError, match=r"LPIPS\.net is not expected"):
        models.load_checkpoint("ifan", tmp_path / "more.pytorch", iterations=2)


def test_parts_hand_on_what_the_paper_says(traced):
    network = models.create("ifan", iterations=1)
    given, gave = traced(network, torch.rand(1, 3, 16, 24))
    assert torch.equal(given["conv_DME.0"], gave["DME"])
    assert torch.equal(given["conv4_4.0"], torch.cat([gave["kconv4_3"], gave["conv_DME"]], dim=1))
    assert torch.equal(given["F.0"], gave["conv4_4"])
    torch.testing.assert_close(given["conv_res.0"], network._deblur(gave["conv4_3"], gave["F"]))
    for level in (3, 2, 1):
        assert torch.equal(given[f"upconv{level}_1"], gave[f"upconv{level}_u"] + gave[f"conv{level}_3"])
        assert torch.equal(gave[f"upconv{level}_2"], given["out_res" if level == 1 else f"upconv{level - 1}_u"])
    torch.testing.assert_close(gave[""], given[""] + gave["out_res"])


def test_residual_pairs_add_up_and_several_add_the_first_again(traced):
    features = torch.rand(1, 4, 3, 3) - 0.5
    single, double = ifan.Residual(4, 1), ifan.Residual(4, 2)
    _, gave = traced(single, features)
    torch.testing.assert_close(gave[""], leaky_relu(features + gave["stem.0"], 0.1))
    given, gave = traced(double, features)
    torch.testing.assert_close(gave[""], leaky_relu(given["stem.1"] + gave["stem.1"], 0.1) + features)
