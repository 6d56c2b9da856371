import csv
import errno
import hashlib
import json
import os

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from sdd_bench.errors import DeviceError, ModelError, OutputError, TrainingError, WeightsError
from sdd_bench.models import load_checkpoint
from sdd_bench.models.loading import resolve
from sdd_bench.training import checkpoints
from sdd_bench.training.networks import trained
from sdd_bench.training.run_folder import check_run, write_run
from sdd_bench.training.trainer import train

OWN = """
import os, signal
import torch

class Net(torch.nn.Module):
    def __init__(self, nan_at=None, interrupt_at=None):
        super().__init__()
        self.layer = torch.nn.Conv2d(3, 3, 3, padding=1)
        self.nan_at, self.interrupt_at, self.calls = nan_at, interrupt_at, 0

    def forward(self, blurry):
        self.calls += self.training
        if self.calls == self.interrupt_at:
            os.kill(os.getpid(), signal.SIGINT)
        return blurry + self.layer(blurry) * (float("nan") if self.calls == self.nan_at else 0.1)
"""


def as_it_is(blurry, sharp):
    return sharp, np.ones(sharp.shape[:2], bool)


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "own_net_of_test.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "own_net_of_test:Net"


def weights(folder, which="last"):
    return load_file(checkpoints.find(folder, which) / "network.safetensors")


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def log(folder):
    return list(csv.DictReader((folder / "log.csv").read_text().splitlines()))


def test_a_run_leaves_weights_log_strips_and_checkpoints(settings):
    result = train(settings(strips_every=2), as_it_is)
    rows = log(result.folder)
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert all(float(row["validation_psnr"]) > 10 and float(row["loss"]) > 0 for row in rows)
    assert rows[0]["reblurring"] == ""  # the first epoch has the deblurring loss alone
    assert float(rows[1]["reblurring"]) > 0
    assert sum(int(row["best"]) for row in rows) >= 1
    assert (result.folder / "strips/epoch_0002.png").stat().st_size > 10_000
    assert list((result.folder / "tensorboard").iterdir())
    network = load_checkpoint("unet", result.weights)
    assert same(network.state_dict(), weights(result.folder, "best"))
    assert result.validation_psnr == max(row["validation_psnr"] for row in result.log)
    assert result.log[result.best_epoch - 1]["validation_psnr"] == result.validation_psnr


@pytest.mark.parametrize("name", ["plain", "rgl", "no-isotropic"])
def test_every_kind_of_recipe_trains(settings, name):
    result = train(settings(name), as_it_is)
    assert len(result.log) == 2
    assert np.isfinite([row["loss"] for row in result.log]).all()


def test_two_runs_are_the_same_to_the_bit_and_another_seed_is_not(settings, two_torch_threads):
    first, again, other = (train(settings(out=o, seed=s), as_it_is).folder for o, s in (("a", 0), ("b", 0), ("c", 1)))
    assert same(weights(first), weights(again))
    assert not same(weights(first), weights(other))


def test_more_epochs_later_are_those_of_one_long_run(settings):
    long = train(settings(out="long", changes={"optimiser.epochs": 3}), as_it_is)
    train(settings(out="short", changes={"optimiser.epochs": 2}), as_it_is)
    resumed = train(settings(out="short", changes={"optimiser.epochs": 3}), as_it_is)
    assert same(weights(long.folder), weights(resumed.folder))
    states = [checkpoints.load_state(checkpoints.find(r.folder, "last")) for r in (long, resumed)]
    for key, value in states[0]["optimiser"]["state"].items():
        for name, tensor in value.items():
            assert torch.equal(tensor, states[1]["optimiser"]["state"][key][name])
    assert states[0]["best"] == states[1]["best"]
    ignored = {"seconds"}
    ours, theirs = ([{k: v for k, v in r.items() if k not in ignored} for r in log(f.folder)] for f in (long, resumed))
    assert ours == theirs


def test_ctrl_c_finishes_the_step_and_the_same_call_goes_on_to_the_bit(settings, own):
    whole = train(settings("plain", out="whole", model=own, options={}), as_it_is)
    halted = settings("plain", out="halted", model=own, options={"interrupt_at": 3})
    with pytest.raises(KeyboardInterrupt):
        train(halted, as_it_is)
    state = checkpoints.load_state(checkpoints.find(halted.out, "last"))
    assert (state["epoch"], state["step"]) == (0, 3)
    record = json.loads((halted.out / "run.json").read_text())
    (halted.out / "run.json").write_text(json.dumps(record | {"options": {}}))
    resumed = train(halted._replace(options={}), as_it_is)
    assert same(weights(whole.folder), weights(resumed.folder))
    assert log(whole.folder)[0]["loss"] == log(resumed.folder)[0]["loss"]


def test_bfloat16_trains_close_to_single_precision(settings):
    single = train(settings(out="single"), as_it_is)
    half = train(settings(out="half", precision="bf16-mixed"), as_it_is)
    assert half.log[0]["loss"] == pytest.approx(single.log[0]["loss"], rel=0.05)


def test_a_loss_that_is_not_finite_names_the_batch_and_keeps_the_last_checkpoint(settings, own):
    steps = len(log(train(settings("plain", out="fine", model=own, options={}), as_it_is).folder))
    assert steps == 2
    per_epoch = int(log(settings().out.parent / "fine")[0]["steps"])
    bad = settings("plain", out="bad", model=own, options={"nan_at": per_epoch + 2})
    with pytest.raises(TrainingError, match=r"epoch 2, step 2: .*scene_\d+_\d+.*is kept"):
        train(bad, as_it_is)
    state = checkpoints.load_state(checkpoints.find(bad.out, "last"))
    assert (state["epoch"], state["step"]) == (1, 0)
    assert all(torch.isfinite(tensor).all() for tensor in weights(bad.out).values())


def test_a_full_disk_leaves_the_last_checkpoint_whole(settings, monkeypatch):
    first = train(settings("plain"), as_it_is)
    before = hashlib.sha256((checkpoints.find(first.folder, "last") / "state.pt").read_bytes()).hexdigest()

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", full)
        with pytest.raises(OutputError, match="No space left"):
            train(settings("plain", changes={"optimiser.epochs": 3}), as_it_is)
    after = checkpoints.find(first.folder, "last") / "state.pt"
    assert hashlib.sha256(after.read_bytes()).hexdigest() == before
    assert len(train(settings("plain", changes={"optimiser.epochs": 3}), as_it_is).log) == 3


def test_what_a_killed_run_left_half_written_is_gone_when_it_goes_on(settings):
    made = settings("plain")
    record = check_run(made)
    for name in (".sdd-bench-tmp-1.json", "strips/.sdd-bench-tmp-2.png"):
        (made.out / name).parent.mkdir(parents=True, exist_ok=True)
        (made.out / name).touch()
    write_run(made.out, record)
    assert [path.name for path in made.out.rglob("*") if path.is_file()] == ["run.json"]


def test_a_run_is_only_resumed_as_what_it_was(settings):
    train(settings("plain"), as_it_is)
    with pytest.raises(TrainingError) as error:
        train(settings("plain", changes={"data.crop": 32}, seed=3, options={"width": 3, "residual": True}), as_it_is)
    for part in ("recipe.data.crop: 64 there, 32 now", "seed: 0 there, 3 now", "options.width: 2 there, 3 now"):
        assert part in str(error.value)


def test_a_folder_of_something_else_is_left_alone(settings):
    made = settings("plain")
    made.out.mkdir()
    (made.out / "thesis.tex").write_text("?")
    with pytest.raises(TrainingError, match="no training run"):
        train(made, as_it_is)


@pytest.mark.parametrize("harm", ["code", "truncated", "gone"])
def test_a_harmful_or_damaged_checkpoint_is_refused_and_nothing_in_it_runs(settings, tmp_path, harm):
    folder = train(settings("plain"), as_it_is).folder
    state = checkpoints.find(folder, "last") / "state.pt"
    touched = tmp_path / "touched"
    if harm == "code":
        torch.save({"epoch": Evil(touched)}, state)
    elif harm == "truncated":
        state.write_bytes(state.read_bytes()[:100])
    else:
        state.unlink()
    with pytest.raises(TrainingError, match=r"state of a training run|not whole"):
        train(settings("plain", changes={"optimiser.epochs": 3}), as_it_is)
    assert not touched.exists()


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_reblurring_that_cannot_be_fused_is_refused_before_anything_is_written(settings):
    asked = settings(fused_reblurring=True)
    with pytest.raises(DeviceError, match="fused reblurring"):
        train(asked, as_it_is)
    assert not asked.out.exists()


def test_weights_of_another_network_are_refused(settings):
    narrow = train(settings("plain"), as_it_is)
    with pytest.raises(TrainingError, match="weights of another network"):
        train(settings("plain", out="wide", options={"width": 3}, start_from=narrow.weights), as_it_is)


def test_training_goes_on_from_given_weights(settings):
    first = train(settings("plain"), as_it_is)
    slow = {"optimiser.learning_rate": 1e-12, "optimiser.epochs": 1}
    second = train(settings("plain", out="next", start_from=first.weights, changes=slow), as_it_is)
    for name, tensor in load_file(first.weights).items():
        torch.testing.assert_close(weights(second.folder)[name], tensor, rtol=0, atol=1e-9)


def test_a_network_that_is_none_is_named(settings, own):
    with pytest.raises(ModelError, match="there is no module no_such_module"):
        train(settings("plain", model="no_such_module:Net", options={}), as_it_is)
    with pytest.raises(TrainingError, match="can't be made with the options"):
        train(settings("plain", model=own, options={"depth": 3}), as_it_is)
    with pytest.raises(TrainingError, match=r"expected a torch\.nn\.Module"):
        train(settings("plain", out="x", model="collections:OrderedDict", options={}), as_it_is)
    with pytest.raises(TrainingError, match="mprnet can't be trained by RGL here"):
        train(settings("rgl", out="y", model="mprnet", options={}), as_it_is)


def test_a_network_of_ones_own_behind_the_prior_of_rgl_is_found_by_its_name(settings, own):
    folder = train(settings("rgl", model=own, options={}), as_it_is).folder
    model, checkpoint, options = trained(folder)
    assert model == f"{own}-rgl"
    found = resolve(model, checkpoint, options)
    assert found.weights == "given"
    assert callable(found.network.defocus_map)
    assert same(found.network.state_dict(), weights(folder, "best"))


def test_a_recipe_that_deforms_nothing_asks_for_no_flow(settings):
    # That of PWC-Net has no weights here.
    assert len(train(settings("plain", changes={"objective.flow.name": "pwcnet"}), as_it_is).log) == 2
    with pytest.raises(WeightsError, match="a flow that needs none: --flow dis"):
        train(settings("jdrl", out="with", changes={"objective.flow.name": "pwcnet"}), as_it_is)


def test_flow_settings_reach_the_flow(settings):
    with pytest.raises(TrainingError, match="the flow dis has no patchsize"):
        train(settings(changes={"objective.flow.parameters": {"patchsize": 4}}), as_it_is)
