"""Training in other processes: in two on the CPU, though one may fail and the other not, and in one that is killed."""

import csv
import importlib
import multiprocessing
import signal
import time

import pytest
import torch
from lightning.fabric import Fabric
from lightning.fabric.strategies import DDPStrategy
from safetensors.torch import load_file

from sdd_bench.errors import OutputError, TrainingError
from sdd_bench.leaderboard.reference import align_for_validation
from sdd_bench.training import checkpoints
from sdd_bench.training.processes import launch_all
from sdd_bench.training.trainer import train

THEIRS = """
from pathlib import Path
import numpy as np
import torch
from sdd_bench.errors import TrainingError

class Net(torch.nn.Module):
    '''May put a file where the first process makes the folder of checkpoints.'''

    def __init__(self, in_the_way=None):
        super().__init__()
        self.layer = torch.nn.Conv2d(3, 3, 3, padding=1)
        self.in_the_way = in_the_way

    def forward(self, blurry):
        if self.in_the_way is not None:
            Path(self.in_the_way).touch()
        return blurry + self.layer(blurry) * 0.1

def as_it_is(blurry, sharp):
    return sharp, np.ones(sharp.shape[:2], bool)

def fail_in_the_second(fabric):
    if fabric.global_rank == 1:
        raise TrainingError("what happened " * 10_000)
    fabric.barrier()

def say_much(fabric):
    return fabric.global_rank, "0123456789" * 100_000
"""


@pytest.fixture
def theirs(tmp_path, monkeypatch):
    """A module that the processes can import, too."""
    (tmp_path / "module_of_processes.py").write_text(THEIRS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield importlib.import_module("module_of_processes")
    importlib.sys.modules.pop("module_of_processes")


@pytest.fixture(autouse=True)
def limit():
    """Processes that wait for each other would do so for ever."""

    def end(*_):
        for child in multiprocessing.active_children():
            child.kill()
        pytest.fail("the processes did not end within 4 minutes")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(240)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def server():
    """Forks processes that are as new as spawned ones: it has imported, once for all, what takes them seconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["sdd_bench.training.trainer"])
    return context


@pytest.fixture
def fabric(server):
    return Fabric(accelerator="cpu", devices=2, strategy=DDPStrategy(start_method=server.get_start_method()))


def weights(folder):
    return load_file(checkpoints.find(folder, "last") / "network.safetensors")


def log(folder):
    return list(csv.DictReader((folder / "log.csv").read_text().splitlines()))


def test_what_only_the_first_process_cannot_write_is_one_error(settings, theirs, tmp_path, capfd):
    in_the_way = tmp_path / "run" / "checkpoints"
    options = {"in_the_way": str(in_the_way)}
    with pytest.raises(OutputError, match=f"{in_the_way}"):
        train(settings("plain", model="module_of_processes:Net", options=options, devices=2), theirs.as_it_is)
    said = "".join(capfd.readouterr())
    assert "Traceback" not in said and "SIGTERM" not in said


def test_an_error_of_the_second_process_arrives_however_long_it_is(fabric, theirs):
    with pytest.raises(TrainingError) as error:
        launch_all(fabric, theirs.fail_in_the_second, 2)
    assert str(error.value) == "what happened " * 10_000


def test_what_the_first_process_returns_arrives_however_long_it_is(fabric, theirs):
    assert launch_all(fabric, theirs.say_much, 2) == (0, "0123456789" * 100_000)


def test_two_processes_train_as_one(settings, theirs):
    given = {"model": "module_of_processes:Net", "options": {}, "changes": {"optimiser.epochs": 1}}
    alone = train(settings("plain", out="alone", **given), align_for_validation)
    both = train(settings("plain", out="both", **given, devices=2), align_for_validation)
    for name, tensor in weights(alone.folder).items():
        torch.testing.assert_close(weights(both.folder)[name], tensor, rtol=0, atol=1e-6)
    assert float(log(both.folder)[0]["loss"]) == pytest.approx(float(log(alone.folder)[0]["loss"]), rel=1e-4)


def test_kill_9_loses_at_most_the_epoch_and_changes_nothing(settings, theirs, server):
    def started(chosen):
        # Of its own, so that all are alike in what is global to one, such as what set threads before.
        process = server.Process(target=train, args=(chosen, theirs.as_it_is))
        process.start()
        return process

    def ended(process):
        process.join()
        return process.exitcode

    whole, killed = (settings(out=out, changes={"optimiser.epochs": 4}) for out in ("whole", "killed"))
    process = started(killed)
    while process.is_alive() and not (killed.out / "last.json").is_file():
        time.sleep(0.01)
    process.kill()
    assert ended(process) == -9, "it ended before it was killed"
    assert len(log(killed.out)) < 4
    assert [ended(started(each)) for each in (whole, killed)] == [0, 0]
    found, expected = weights(killed.out), weights(whole.out)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    assert (whole.out / "best.json").read_bytes() == (killed.out / "best.json").read_bytes()
    assert not list(killed.out.rglob(".sdd-bench-tmp-*"))
