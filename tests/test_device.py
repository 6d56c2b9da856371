import pytest

from sdd_bench.device import find_device
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
