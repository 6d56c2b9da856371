"""Two processes on the CPU, one of which meets an error that the other knows nothing of."""

import importlib
import multiprocessing
import signal

import pytest
from lightning.fabric import Fabric

from sdd_bench.errors import OutputError, TrainingError
from sdd_bench.training.processes import launch_all
from sdd_bench.training.trainer import train

THEIRS = """
from pathlib import Path
import numpy as np
import torch
from sdd_bench.errors import TrainingError

class Net(torch.nn.Module):
    '''Puts a file where the first process makes the folder of checkpoints.'''

    def __init__(self, in_the_way):
        super().__init__()
        self.layer = torch.nn.Conv2d(3, 3, 3, padding=1)
        self.in_the_way = in_the_way

    def forward(self, blurry):
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


@pytest.fixture
def fabric():
    return Fabric(accelerator="cpu", devices=2, strategy="ddp_spawn")


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
