import hashlib
import pickle
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from sdd_bench import models, weights
from sdd_bench.errors import ModelError, WeightsError
from sdd_bench.models.checkpoints import save
from sdd_bench.models.guided import GuidedNetwork
from sdd_bench.models.loading import Facts, resolve, sha256_of

MODULE = """
import torch

class Net(torch.nn.Module):
    stride, reach = 4, 9

    def __init__(self, width=2):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, width, 1)

class Plain(torch.nn.Module):
    def forward(self, x):
        return x

class Wrong(Plain):
    stride = "4"

def number():
    return 4
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The current folder holds a module of the user's; gives its name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    name = f"own_{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:8]}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    return name


def test_a_class_of_ones_own_is_loaded_with_its_checkpoint_and_says_what_tiles_need(own, tmp_path):
    tensors = {"conv.weight": torch.randn(5, 3, 1, 1), "conv.bias": torch.randn(5)}
    save_file(tensors, tmp_path / "f.safetensors")
    found = resolve(f"{own}:Net", tmp_path / "f.safetensors", {"width": 5})
    assert all(torch.equal(found.network.state_dict()[key], tensor) for key, tensor in tensors.items())
    assert (found.facts, found.weights) == (Facts(4, 9), "given")
    assert found.checkpoint_sha256 == hashlib.sha256((tmp_path / "f.safetensors").read_bytes()).hexdigest()
    assert not found.network.training


def test_a_class_of_ones_own_is_put_behind_the_prior_of_rgl_by_its_name(own):
    found = resolve(f"{own}:Net-rgl", random_weights=True, options={"width": 5})
    assert isinstance(found.network, GuidedNetwork)
    assert found.network.network.conv.out_channels == 5
    # Squeeze-and-excitation sees the whole picture, whatever reach the class has.
    assert (found.facts.stride, found.facts.reach) == (4, None)
    assert "takes means over the picture" in found.facts.global_because
    with pytest.raises(ModelError, match="has no reach: squeeze-and-excitation takes means"):
        resolve(f"{own}:Net-rgl", random_weights=True, reach=8)
    with pytest.raises(ModelError, match=r"Nett'. Did you mean Net"):
        resolve(f"{own}:Nett-rgl", random_weights=True)
    with pytest.raises(ModelError, match="can't be called with the options"):
        resolve(f"{own}:Net-rgl", random_weights=True, options={"depth": 5})


def test_what_the_user_says_comes_before_the_attributes(own):
    assert resolve(f"{own}:Net", random_weights=True, stride=8, reach=0).facts == Facts(8, 0)
    assert "--reach says it" in resolve(f"{own}:Plain").facts.global_because


def test_random_weights_are_the_same_every_time_and_disturb_no_generator(own):
    state = torch.get_rng_state()
    first, second = (resolve(f"{own}:Net", random_weights=True) for _ in range(2))
    assert torch.equal(first.network.conv.weight, second.network.conv.weight)
    assert torch.equal(torch.get_rng_state(), state)
    assert first.weights == "random"


def test_a_network_without_parameters_needs_no_weights(own):
    assert resolve(f"{own}:Plain").weights == "none"


@pytest.mark.parametrize(
    ("spec", "options", "message"),
    [
        ("{own}:Nett", {}, "unknown class or function of .* 'Nett'. Did you mean Net"),
        ("{own}x:Net", {}, "there is no module"),
        (".:Net", {}, "expected module:Class"),
        ("{own}:Net", {"depth": 3}, "can't be called with the options"),
        ("{own}:number", {}, "was named made a int"),
        ("{own}:Wrong", {}, "attribute `stride` is '4'"),
    ],
)
def test_what_is_no_network_is_named(own, spec, options, message):
    with pytest.raises(ModelError, match=message):
        resolve(spec.format(own=own), None, options, random_weights=True)


def test_a_module_that_needs_one_that_is_not_there_is_told_from_one_that_is_missing(own, tmp_path):
    (tmp_path / f"{own}_needy.py").write_text("import surely_not_there\n")
    with pytest.raises(ModelError, match="it needs surely_not_there"):
        resolve(f"{own}_needy:Net")


def test_no_weights_is_an_error_that_names_both_ways(own):
    with pytest.raises(WeightsError, match=r"no checkpoint. Give --checkpoint FILE .*--random-weights is for tests"):
        resolve(f"{own}:Net")
    with pytest.raises(WeightsError, match=r"unet has no weights.*--checkpoint FILE"):
        resolve("unet")


def test_a_checkpoint_of_something_else_is_refused_with_what_is_wrong(own, tmp_path):
    save_file({"conv.weight": torch.zeros(5, 3, 1, 1), "other": torch.zeros(1)}, tmp_path / "f.safetensors")
    with pytest.raises(ModelError, match=r"conv.bias is missing; other is not expected; conv.weight has the shape"):
        resolve(f"{own}:Net", tmp_path / "f.safetensors")
    with pytest.raises(WeightsError, match="there is no checkpoint"):
        resolve(f"{own}:Net", tmp_path / "g.safetensors")


class Evil:
    def __reduce__(self):
        return (pytest.fail, ("code of a checkpoint was run",))


def test_code_in_a_checkpoint_is_not_run(own, tmp_path):
    torch.save({"conv.weight": Evil()}, tmp_path / "f.pth")
    (tmp_path / "g.pth").write_bytes(pickle.dumps({"conv.weight": Evil()}))
    for name in ("f.pth", "g.pth"):
        with pytest.raises(WeightsError, match=r"Nothing of it was run|no readable checkpoint"):
            resolve(f"{own}:Net", tmp_path / name)


def test_a_network_of_the_zoo_takes_a_file(tmp_path):
    network = models.create("unet", width=4)
    save(network, tmp_path / "f.safetensors", "unet", {"width": 4})
    found = resolve("unet", tmp_path / "f.safetensors")
    assert torch.equal(found.network.out[0].weight, network.out[0].weight)
    assert (found.name, found.facts, found.weights) == ("unet", Facts(16, 123), "given")
    with pytest.raises(ModelError, match="stride and reach of unet are known"):
        resolve("unet", tmp_path / "f.safetensors", reach=3)
    with pytest.raises(ModelError, match="leave one of them out"):
        resolve("unet", tmp_path / "f.safetensors", random_weights=True)


def test_released_weights_are_found_in_the_cache_or_named(tmp_path, monkeypatch):
    from dataclasses import replace

    from sdd_bench.models import registry

    monkeypatch.setenv("SDD_BENCH_CACHE", str(tmp_path))
    released = weights.WeightFile(
        "unet-test", "unet", "unet.pth", "https://example.org/unet.pth", "", None, "MIT", "me"
    )
    monkeypatch.setitem(weights.REGISTRY, "unet-test", released)
    monkeypatch.setitem(registry.MODELS, "unet", replace(registry.MODELS["unet"], weights=("unet-test",)))
    with pytest.raises(WeightsError, match=r"unet-test is not here. Run .*fetch unet-test.*--checkpoint FILE"):
        resolve("unet", None, {"width": 4})
    torch.save({"G_state_dict": models.create("unet", width=4).state_dict()}, tmp_path / "mine.pth")
    weights.add("unet-test", tmp_path / "mine.pth")
    found = resolve("unet", None, {"width": 4})
    assert found.weights == "unverified"
    assert found.checkpoint_sha256 == weights.verify("unet-test")
    assert resolve("unet", Path("unet-test"), {"width": 4}).weights == "unverified"
    with pytest.raises(WeightsError, match="there is no checkpoint unet-other"):
        resolve("unet", Path("unet-other"), {"width": 4})


def test_an_unknown_name_lists_the_nearest_and_the_other_ways():
    with pytest.raises(ModelError, match=r"'unett'. Did you mean unet.*module:Class"):
        resolve("unett")


def test_a_network_in_memory_is_known_by_its_tensors():
    first, second = (nn.Sequential(nn.Conv2d(3, 3, 1)) for _ in range(2))
    digests = {resolve(network).checkpoint_sha256 for network in (first, first, second)}
    assert len(digests) == 2
    second.load_state_dict(first.state_dict())
    assert resolve(second).checkpoint_sha256 == resolve(first).checkpoint_sha256
    with pytest.raises(ModelError, match="with its weights"):
        resolve(first, random_weights=True)


def test_the_hash_of_a_folder_changes_with_each_of_its_files(tmp_path):
    for name in ("a.pkl", "b.pkl"):
        (tmp_path / name).write_text(name)
    before = sha256_of(tmp_path)
    (tmp_path / "b.pkl").write_text("b")
    assert sha256_of(tmp_path) != before
