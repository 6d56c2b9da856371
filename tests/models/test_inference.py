import numpy as np
import pytest
import torch
from torch import nn

from sdd_bench.errors import PredictionError
from sdd_bench.models import inference
from sdd_bench.models.inference import computing, start
from sdd_bench.models.loading import Facts, Loaded


def loaded(network, *, stride=1, reach=None, kind="network"):
    return Loaded(
        "test", kind, network, Facts(stride, reach, "" if reach is not None else "it is a test"), "none", None
    )


def ready(network, *, tile="none", precision="fp32", ensemble=False, **facts):
    return start(
        loaded(network, **facts),
        device="cpu",
        precision=precision,
        ensemble=ensemble,
        tile=tile,
        largest=(64, 64),
    )


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.forward = function


@pytest.fixture
def picture():
    return np.random.default_rng(0).random((20, 30, 3), np.float32)


def skewed(channels=3):
    """A convolution that is different in every direction."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return nn.Conv2d(3, channels, 3, padding=1)


def test_the_ensemble_is_the_mean_over_the_eight_orientations_each_turned_back(picture):
    network = skewed()
    single, mean = ready(network, reach=1), ready(network, reach=1, ensemble=True)
    expected = []
    for turns in range(4):
        for mirror in (False, True):
            turned = np.rot90(picture, turns)
            turned = turned[:, ::-1] if mirror else turned
            with torch.inference_mode():
                found = network(torch.from_numpy(turned.transpose(2, 0, 1).copy())[None])[0].numpy().transpose(1, 2, 0)
            found = found[:, ::-1] if mirror else found
            expected.append(np.rot90(found, -turns))
    assert np.allclose(mean.restore(picture), np.clip(np.mean(expected, axis=0), 0, 1), atol=1e-6)
    assert np.abs(mean.restore(picture) - single.restore(picture)).max() > 0.01


def test_of_several_stages_the_first_is_the_result_and_it_is_clipped(picture):
    network = Function(lambda x: [2 * x - 0.5, x])
    assert np.allclose(ready(network, reach=0).restore(picture), np.clip(2 * picture - 0.5, 0, 1))


def test_maps_are_what_the_method_of_that_name_gives_and_of_a_map_network_its_output(picture):
    network = nn.Identity()
    network.defocus_map = lambda x: x[:, :1] * 7
    assert np.allclose(ready(network, reach=0).defocus_map(picture), picture[..., 0] * 7)
    plain = Function(lambda x: x[:, 1:2] * 3)
    tiled = ready(plain, reach=0, tile=8, kind="map", ensemble=True)
    assert np.allclose(tiled.defocus_map(picture), picture[..., 1] * 3, atol=1e-6)


def test_a_network_of_ones_own_gets_the_usual_layout(picture):
    flatten = Function(lambda x: x.view(1, 3, -1).view(x.shape))  # fails where channels come last
    for ensemble in (False, True):
        assert np.allclose(ready(flatten, reach=0, ensemble=ensemble, tile=16).restore(picture), picture, atol=1e-6)


def test_bfloat16_is_used_and_is_close(picture):
    network = skewed()
    seen = []
    network.register_forward_hook(lambda module, given, made: seen.append(made.dtype))
    exact, rough = (ready(network, reach=1, precision=precision).restore(picture) for precision in ("fp32", "bf16"))
    assert seen == [torch.float32, torch.bfloat16]
    assert 0 < np.abs(exact - rough).max() < 0.02


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: {"result": x}, "gave a dict: expected a tensor"),
        (lambda x: x[:, :1], "made 1 channels, expected 3"),
        (lambda x: x / 0 * 0, "values that are NaN or infinite: its weights are not for it, or fp32"),
        (lambda x: x[:, :, 1:], "expected a picture of the same size"),
        (lambda x: x.view(7, 7), r"failed on 30 x 20 pixels: RuntimeError: shape .*test_inference.py, line \d+"),
    ],
)
def test_what_is_no_picture_is_an_error_that_says_so(function, message, picture):
    with pytest.raises(PredictionError, match=message):
        ready(Function(function), reach=0).restore(picture)


def raising(error):
    def run(x):
        raise error

    return Function(run)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"
        ),
        RuntimeError("[enforce fail at alloc_cpu.cpp:114] data. DefaultCPUAllocator: not enough memory: you tried"),
        MemoryError(),
    ],
)
def test_too_little_memory_is_an_error_that_suggests_a_tile(error, picture):
    network = raising(error)
    with pytest.raises(PredictionError, match=r"whole pictures of 30 x 20. Use --tile 12"):
        ready(network, reach=2, stride=4).restore(picture)
    with pytest.raises(PredictionError, match=r"tiles of 24 x 24. Use --tile 12"):
        ready(network, reach=2, stride=4, tile=24).restore(picture)
    with pytest.raises(PredictionError, match=r"tiles of 12 x 12. No smaller tile would do: use --precision bf16"):
        ready(network, reach=2, stride=4, tile=12).restore(picture)


def test_real_exhaustion_of_memory_is_recognised(picture):
    with pytest.raises(PredictionError, match="out of memory with whole pictures of 30 x 20"):
        ready(Function(lambda x: x.new_empty(1 << 55)), reach=0).restore(picture)


def test_more_than_is_free_is_refused_before_any_work_with_a_tile_that_fits(monkeypatch):
    monkeypatch.setattr(inference, "free_memory", lambda device: 10**9)
    given = {"device": "cpu", "precision": "fp32", "ensemble": False, "largest": (2000, 3000)}
    wide = nn.Sequential(nn.Conv2d(3, 64, 1), nn.Conv2d(64, 3, 1))  # 280 bytes per pixel: input, features, result
    with pytest.raises(PredictionError, match=r"3000 x 2000 pixels at once take at least 1.7 GB, and 1.0 GB are free"):
        start(loaded(wide, reach=0), tile="none", **given)
    with pytest.raises(PredictionError) as raised:
        start(loaded(wide, reach=0), tile=1940, **given)
    advised = int(str(raised.value).removesuffix(".").split("--tile ")[1])
    assert 300 < advised < 1000
    assert start(loaded(wide, reach=0), tile=advised, **given).tiles.size == (advised, advised)
    assert start(loaded(wide, reach=0), tile="auto", **given).tiles.size == (advised, advised)


def test_results_are_float32_on_the_cpu_whatever_the_network_computes_in():
    made = computing(lambda x: x.double(), "cpu", "fp32", False)(torch.zeros((1, 3, 4, 4)))
    assert made.dtype == torch.float32


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_gives_what_the_cpu_gives(picture):
    network = skewed()
    on_cpu = ready(network, reach=1).restore(picture)
    for tile in ("auto", "none", 16):
        there = start(
            loaded(network, reach=1),
            device="cuda",
            precision="fp32",
            ensemble=False,
            tile=tile,
            largest=picture.shape[:2],
        )
        assert np.allclose(there.restore(picture), on_cpu, atol=1e-5)
        network.cpu()
