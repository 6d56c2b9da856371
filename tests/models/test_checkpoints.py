import os
import pickle

import numpy as np
import pytest
import safetensors.torch
import torch

from sdd_bench import models
from sdd_bench.errors import ModelError, WeightsError
from sdd_bench.models import checkpoints


class Code:
    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self.marker,)


def small_unet():
    torch.manual_seed(0)
    return models.create("unet", width=2)


def hollow(name, **options):
    """A state dict of the right names and shapes that takes no room in a file."""
    state = checkpoints.blank(name, **options).state_dict()
    return {key: torch.zeros(1).expand(tensor.shape) for key, tensor in state.items()}


def test_what_is_saved_is_loaded_with_its_options(tmp_path):
    network = small_unet()
    path = tmp_path / "mine.safetensors"
    checkpoints.save(network, path, "unet", {"width": 2})
    for options in ({}, {"width": 2}, {"inputs": 3}):
        loaded = models.load_checkpoint("unet", path, **options)
        assert not loaded.training
        assert all(torch.equal(value, loaded.state_dict()[key]) for key, value in network.state_dict().items())


@pytest.mark.parametrize("options", ["{", "3", "[1]"])
def test_metadata_that_says_nothing_is_refused(options, tmp_path):
    path = tmp_path / "mine.safetensors"
    safetensors.torch.save_file(small_unet().state_dict(), path, metadata={"model": "unet", "options": options})
    with pytest.raises(WeightsError, match="no readable metadata"):
        models.load_checkpoint("unet", path)


def test_loading_leaves_the_generator_alone(tmp_path):
    checkpoints.save(small_unet(), tmp_path / "mine.safetensors", "unet", {"width": 2})
    before = torch.get_rng_state()
    models.load_checkpoint("unet", tmp_path / "mine.safetensors")
    assert torch.equal(torch.get_rng_state(), before)


def test_names_that_share_a_tensor_survive(tmp_path):
    network = models.create("mprnet")
    torch.nn.init.constant_(network.shallow_feat1[1].body[1].weight, 0.125)
    checkpoints.save(network, tmp_path / "mprnet.safetensors", "mprnet", {})
    loaded = models.load_checkpoint("mprnet", tmp_path / "mprnet.safetensors")
    assert loaded.stage3_orsnet.orb3.body[0].body[1].weight.item() == 0.125
    assert len(list(loaded.parameters())) == len(list(network.parameters()))


def test_our_files_say_what_they_are(tmp_path):
    path = tmp_path / "mine.safetensors"
    checkpoints.save(small_unet(), path, "unet", {"width": 2})
    with pytest.raises(ModelError, match=r"no checkpoint of mprnet: it holds unet\. Use --model unet"):
        models.load_checkpoint("mprnet", path)
    with pytest.raises(ModelError, match="holds unet with width=2, asked was width=4"):
        models.load_checkpoint("unet", path, width=4)
    with pytest.raises(ModelError, match=r"ends in \.safetensors"):
        checkpoints.save(small_unet(), tmp_path / "mine.pth", "unet", {})


@pytest.mark.parametrize("key", ["G_state_dict", "state_dict", "params", None])
@pytest.mark.parametrize("prefix", ["module.", ""])
def test_authors_files_are_read_under_their_key_and_prefix(key, prefix, tmp_path):
    state = {f"{prefix}{name}": tensor for name, tensor in small_unet().state_dict().items()}
    torch.save({key: state, "epoch": 3, "G_opt": {"state": {}}} if key else state, tmp_path / "theirs.pth")
    loaded = models.load_checkpoint("unet", tmp_path / "theirs.pth", width=2)
    assert torch.equal(loaded.state_dict()["up6.1.weight"], state[f"{prefix}up6.1.weight"])


@pytest.mark.parametrize("held", ["mprnet", "restormer", "dpdnet_s", "unet"])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_the_checkpoint_of_another_model_is_named(held, suffix, tmp_path):
    state = hollow(held)
    if suffix == ".pth":
        torch.save({"params": state}, tmp_path / "other.pth")
    else:
        small = {key: tensor.to(torch.bool).contiguous() for key, tensor in state.items()}  # a quarter of the room
        safetensors.torch.save_file(small, tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match=rf"other\{suffix} is no .* of dmphn: it holds {held}\. Use --model {held}\."):
        models.load_checkpoint("dmphn", tmp_path / f"other{suffix}")


def test_missing_foreign_and_misshapen_tensors_are_named(tmp_path):
    state = small_unet().state_dict()
    torch.save({name: tensor for name, tensor in state.items() if name != "out.0.bias"}, tmp_path / "few.pth")
    with pytest.raises(ModelError, match=r"of unet, width=2: out\.0\.bias is missing\. Use the file of its authors"):
        models.load_checkpoint("unet", tmp_path / "few.pth", width=2)
    torch.save(state | {"extra": torch.zeros(1)}, tmp_path / "many.pth")
    with pytest.raises(ModelError, match="extra is not expected"):
        models.load_checkpoint("unet", tmp_path / "many.pth", width=2)
    torch.save(state, tmp_path / "whole.pth")
    with pytest.raises(ModelError, match=r"has the shape \(2, 3, 3, 3\), expected \(3, 3, 3, 3\); .* and \d+ more"):
        models.load_checkpoint("unet", tmp_path / "whole.pth", width=3)


@pytest.mark.parametrize("suffix", [".pth", ".npz", ".hdf5", ".safetensors"])
def test_a_truncated_file_is_refused(suffix, tmp_path):
    path = tmp_path / f"cut{suffix}"
    if suffix == ".npz":
        np.savez(path, params=np.zeros(1000))
    elif suffix == ".hdf5":
        import h5py

        with h5py.File(path, "w") as file:
            file["model_weights/conv2d/kernel:0"] = np.zeros(10_000)
    elif suffix == ".pth":
        torch.save(small_unet().state_dict(), path)
    else:
        checkpoints.save(small_unet(), path, "unet", {"width": 2})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(WeightsError, match=r"truncated|no readable checkpoint"):
        models.load_checkpoint("unet", path)


@pytest.mark.parametrize("form", ["pickle", "zip", "npz", "part of a set"])
def test_code_in_a_file_is_refused_and_not_run(form, tmp_path):
    marker, path = tmp_path / "was run", tmp_path / "evil.pth"
    evil = {"weight": Code(marker)}
    if form == "npz":
        path = tmp_path / "evil.npz"
        listed = np.empty(1, object)
        listed[0] = evil
        np.savez(path, params=listed)
    elif form == "zip":
        torch.save(evil, path)
    else:
        path = tmp_path / "set" / "encoder_lv1.pkl" if form == "part of a set" else path
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(pickle.dumps(evil))
    name, given = ("dmphn", path.parent) if form == "part of a set" else ("unet", path)
    with pytest.raises(WeightsError, match=r"holds more than tensors|no readable checkpoint"):
        models.load_checkpoint(name, given)
    assert not marker.exists()


def test_a_missing_file_and_a_folder_without_a_set_are_refused(tmp_path):
    with pytest.raises(WeightsError, match=r"there is no checkpoint .*none\.pth"):
        models.load_checkpoint("unet", tmp_path / "none.pth")
    with pytest.raises(WeightsError, match=r"holds no \.pkl files"):
        models.load_checkpoint("dmphn", tmp_path)
