import pytest

from sdd_bench.device import find_device, processor_name
from sdd_bench.errors import DeviceError


@pytest.mark.parametrize(
    ("name", "available", "found"),
    [("cpu", True, "cpu"), ("auto", True, "cuda"), ("cuda", True, "cuda"), ("auto", False, "cpu")],
)
def test_a_device_is_taken_where_it_is_wanted_and_there(name, available, found, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: available)
    assert find_device(name) == found


def test_cuda_without_a_device_is_an_error_that_says_what_to_do(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(DeviceError, match=r"no CUDA device: .* Use --device cpu or auto"):
        find_device("cuda")


def test_an_unknown_device_names_the_nearest():
    with pytest.raises(DeviceError, match="Did you mean cuda"):
        find_device("cudda")


@pytest.mark.parametrize(
    ("system", "told", "found"),
    [
        (
            "Linux",
            "processor\t: 0\nmodel name\t: A  Processor @ 2 GHz \nmodel name\t: B\n",
            "A Processor @ 2 GHz",
        ),
        ("Linux", "processor\t: 0\nFeatures\t: fp asimd\n", "aarch64"),  # processors of Arm do not say
        ("Windows", "", "aarch64"),
    ],
)
def test_the_processor_is_called_what_it_calls_itself(system, told, found, monkeypatch):
    monkeypatch.setattr("platform.system", lambda: system)
    monkeypatch.setattr("platform.processor", lambda: "")
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    monkeypatch.setattr("pathlib.Path.read_text", lambda *_: told)
    assert processor_name() == found


def test_a_system_that_can_not_be_asked_leaves_the_architecture(monkeypatch):
    def missing(*_, **__):
        raise FileNotFoundError

    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setattr("platform.processor", lambda: "arm")
    monkeypatch.setattr("subprocess.run", missing)
    assert processor_name() == "arm"
