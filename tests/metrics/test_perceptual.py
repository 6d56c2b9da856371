"""Oracle: the lpips package itself, with the same seeded AlexNet weights and its own linear weights."""

import dataclasses
import math
import shutil
import warnings
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sdd_bench import weights
from sdd_bench.errors import MetricError, WeightsError
from sdd_bench.io.hashing import sha256
from sdd_bench.metrics import LPIPS, alexnet, perceptual


def random_state(seed=0):
    """Convolutions under torchvision's names and shapes; the biases are large, so that zero padding shows."""
    generator = torch.Generator().manual_seed(seed)
    state = {"classifier.6.bias": torch.zeros(1000)}
    for layer in alexnet.LAYERS:
        scale = math.sqrt(2 / math.prod(layer.shape[1:]))
        state[f"features.{layer.number}.weight"] = scale * torch.randn(layer.shape, generator=generator)
        state[f"features.{layer.number}.bias"] = 0.3 * torch.randn(layer.shape[0], generator=generator)
    return state


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "alexnet.pth"
    torch.save(random_state(), path)
    return path


@pytest.fixture(scope="module")
def metric(file):
    return LPIPS(weights=file, allow_random=True)


@pytest.fixture(scope="module")
def package(file):
    """The package's metric, [0, 1] arrays in, with the convolutions of the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package calls torchvision by arguments of the past
        import lpips

        model = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    state = torch.load(file, weights_only=True)
    for slice_ in (model.net.slice1, model.net.slice2, model.net.slice3, model.net.slice4, model.net.slice5):
        for number, layer in slice_.named_children():
            if hasattr(layer, "weight"):
                layer.load_state_dict({part: state[f"features.{number}.{part}"] for part in ("weight", "bias")})

    def distance(pred, ref):
        with torch.no_grad():
            return model(tensor(pred).float(), tensor(ref).float(), normalize=True).item()

    return distance


def tensor(*images):
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)


def pictures(height, width, count=3, seed=0, dtype=np.float32):
    """A smooth random picture, then copies of it that are ever noisier."""
    rng = np.random.default_rng(seed)
    first = np.clip(cv2.GaussianBlur(rng.random((height, width, 3)), (0, 0), 2) * 4 - 1.5, 0, 1)
    noise = rng.standard_normal((count - 1, *first.shape)) * np.linspace(0.02, 0.2, count - 1)[:, None, None, None]
    return [first.astype(dtype), *np.clip(first + noise, 0, 1).astype(dtype)]


@pytest.mark.parametrize("size", [(31, 31), (33, 46), (64, 80), (157, 211)])
def test_distances_are_those_of_the_package(metric, package, size):
    pred, *refs = pictures(*size)
    found = metric(pred, *refs)
    assert found == pytest.approx([package(pred, ref) for ref in refs], abs=1e-5, rel=1e-4)
    assert 0.001 < found[0] < found[1]


@pytest.mark.parametrize("size", [(47, 200), (150, 157), (211, 330), (400, 96)])
@pytest.mark.parametrize(("side", "pixels"), [(64, 64 * 64), (150, 150 * 100), (4096, 40 * 150)])
def test_tiles_give_the_distances_of_the_whole_picture(metric, package, monkeypatch, size, side, pixels):
    pred, *refs = pictures(*size)
    monkeypatch.setattr(perceptual, "TILE_SIDE", 10**9)
    monkeypatch.setattr(perceptual, "TILE_PIXELS", 10**9)
    whole = metric(pred, *refs)
    assert whole == pytest.approx([package(pred, ref) for ref in refs], abs=1e-5, rel=1e-4)
    monkeypatch.setattr(perceptual, "TILE_SIDE", side)
    monkeypatch.setattr(perceptual, "TILE_PIXELS", pixels)
    calls = []
    inner = LPIPS._own_features
    monkeypatch.setattr(LPIPS, "_own_features", lambda *args: calls.append(1) or inner(*args))
    assert metric(pred, *refs) == pytest.approx(whole, abs=1e-7, rel=1e-6)
    assert len(calls) > 1


@given(st.integers(alexnet.SMALLEST, 5000), st.integers(1, 12))
def test_every_cell_belongs_to_one_tile_that_sees_all_its_pixels(size, count):
    """The cone of a cell is followed back layer by layer: kernel, stride and padding, pooling 3 with stride 2."""
    tiles = list(alexnet.spans(size, count))
    assert tiles[0].start == 0 and tiles[-1].stop == size
    for k, number in enumerate(alexnet.cells(size)):
        step = alexnet.LAYERS[k].step
        owned = [range(t.start // step + t.own[k].start, t.start // step + t.own[k].stop) for t in tiles]
        assert [cell for cells in owned for cell in cells] == list(range(number))
        for tile, cells in zip(tiles, owned, strict=True):
            assert tile.start % alexnet.STEP == 0
            assert tile.own[k].stop <= alexnet.cells(tile.stop - tile.start)[k]
            if cells:
                low, high = cells[0], cells[-1]
                for layer in reversed(alexnet.LAYERS[: k + 1]):
                    low, high = low * layer.stride - layer.padding, high * layer.stride - layer.padding
                    high += layer.shape[2] - 1
                    if layer.pool:
                        low, high = 2 * low, 2 * high + 2
                assert tile.start <= max(low, 0) and tile.stop >= min(high + 1, size)


@pytest.mark.parametrize("size", range(31, 80))
def test_the_number_of_cells_is_what_the_network_gives(size):
    features = torch.zeros(1, 3, size, size, device="meta")
    for layer, number in zip(alexnet.LAYERS, alexnet.cells(size), strict=True):
        weight = torch.zeros(layer.shape, device="meta")
        features = alexnet.apply(layer, features, weight, weight[:, 0, 0, 0])
        assert features.shape[2:] == (number, number)


def test_the_layers_are_those_of_torchvision():
    from torchvision.models import AlexNet

    with torch.device("meta"):
        network = AlexNet().features
    convolutions = [m for m in network if isinstance(m, torch.nn.Conv2d)]
    for layer, module in zip(alexnet.LAYERS, convolutions, strict=True):
        assert network[layer.number] is module
        assert (layer.shape, layer.stride, layer.padding) == (module.weight.shape, module.stride[0], module.padding[0])
        assert layer.pool == (layer.number > 0 and isinstance(network[layer.number - 1], torch.nn.MaxPool2d))


@pytest.mark.parametrize(("size", "side", "pixels"), [((97, 130), 4096, 4_500_000), ((260, 330), 150, 20_000)])
def test_kept_features_give_the_distances_of_the_pictures(metric, monkeypatch, size, side, pixels):
    monkeypatch.setattr(perceptual, "TILE_SIDE", side)
    monkeypatch.setattr(perceptual, "TILE_PIXELS", pixels)
    prediction, *references = pictures(*size)
    kept = [metric.features(reference) for reference in references]
    found, expected = metric.between(prediction, *kept), metric(prediction, *references)
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-6)
    assert metric.between(references[0], kept[0])[0] < 1e-5
    assert sum(layer.nbytes for layer in kept[0]) < 21 * size[0] * size[1]


def test_features_of_another_size_are_refused(metric):
    small, large = pictures(64, 80, 1)[0], pictures(96, 80, 1)[0]
    with pytest.raises(MetricError, match="96 x 80"):
        metric.between(large, metric.features(small))


def test_several_references_cost_nothing_in_accuracy(metric):
    pred, *refs = pictures(70, 90, count=5)
    together = metric(pred, *refs)
    assert together == pytest.approx([metric(pred, ref)[0] for ref in refs], rel=1e-6)


def test_the_number_of_threads_does_not_change_a_digit(metric):
    # Worker processes have one thread each, and their rows must be those that this process would find.
    images = pictures(300, 400)  # with fewer pixels nothing is split
    found = set()
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        found.add(metric(*images))
    assert len(found) == 1


def test_tensors_and_float64_and_views_give_the_same(metric):
    pred, *refs = pictures(64, 75)
    expected = metric(pred, *refs)
    batch = metric(*(tensor(image, image[::-1].copy()) for image in (pred, *refs)))
    for values, value in zip(batch, expected, strict=True):
        assert values.dtype == torch.float64 and values.shape == (2,)
        assert values[0].item() == pytest.approx(value, rel=1e-6)
    assert metric(*(image.astype(np.float64) for image in (pred, *refs))) == pytest.approx(expected, rel=1e-6)
    flipped = [image[::-1, ::-1] for image in (pred, *refs)]
    for image in flipped:
        image.flags.writeable = False
    assert metric(*flipped) == pytest.approx(metric(*(image.copy() for image in flipped)), rel=1e-6)


def test_a_distance_is_symmetric_and_zero_only_for_the_same_picture(metric):
    pred, ref, _ = pictures(64, 64)
    assert metric(pred, pred.copy()) == (0.0,)
    assert metric(pred, ref) == pytest.approx(metric(ref, pred), rel=1e-6)
    assert not metric(tensor(pred).requires_grad_(), tensor(ref))[0].requires_grad


def test_inputs_are_left_as_they_were(metric):
    images = pictures(40, 40)
    copies, tensors = [image.copy() for image in images], [tensor(image) for image in images]
    metric(*images)
    metric(*tensors)
    for image, copy, t in zip(images, copies, tensors, strict=True):
        assert np.array_equal(image, copy) and torch.equal(t, tensor(copy))


GOOD = np.full((40, 40, 3), 0.5, np.float32)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([GOOD], "got no reference"),
        ([GOOD[:30], GOOD[:30]], "at least 31 x 31 pixels, got 30 x 40"),
        ([GOOD, GOOD[:, 1:]], r"same shape.*reference 1 \(40, 39, 3\)"),
        ([GOOD, (GOOD * 255).astype(np.uint8)], "reference 1: expected float32 or float64.*uint8"),
        ([GOOD, GOOD, GOOD * 2.5], r"reference 2: expected values in \[0, 1\], got 1.25"),
        ([GOOD * np.nan, GOOD], "pred: has NaN"),
        ([GOOD, tensor(GOOD)], "reference 1: expected a ndarray, got a Tensor"),
        ([tensor(GOOD), tensor(GOOD).to("meta")], "same device.*reference 1 meta"),
        ([tensor(GOOD)[0], tensor(GOOD)[0]], "pred: expected RGB of shape N x 3 x H x W"),
        ([tensor(GOOD) - 1, tensor(GOOD)], r"pred: expected values in \[0, 1\], got -0.5"),
        (["a.png", "b.png"], "pred: expected a Tensor, got a str"),
    ],
)
def test_pictures_that_have_no_distance_are_refused_with_the_reason(metric, images, message):
    with pytest.raises(MetricError, match=message):
        metric(*images)


def test_an_unknown_network_is_refused_by_name(file):
    with pytest.raises(MetricError, match="unknown LPIPS net 'vgg'"):
        LPIPS(net="vgg", weights=file, allow_random=True)


def test_random_weights_are_refused_unless_asked_for_and_then_marked(file, metric):
    with pytest.raises(WeightsError, match=r"is not torchvision's AlexNet: SHA-256.*sdd-bench weights fetch alexnet"):
        LPIPS(weights=file)
    assert metric.weights_status == "random"
    assert metric.weights_sha256 == sha256(file)


def test_the_official_file_is_verified_and_found_in_the_cache(file, metric, monkeypatch, tmp_path):
    monkeypatch.setenv("SDD_BENCH_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match=r"missing.*sdd-bench weights add alexnet FILE"):
        LPIPS()
    official = dataclasses.replace(weights.entry("alexnet"), sha256=sha256(file))
    monkeypatch.setitem(weights.REGISTRY, "alexnet", official)
    weights.add("alexnet", file)
    for made in (LPIPS(), LPIPS(weights=file), LPIPS(weights=str(file), allow_random=True)):
        assert made.weights_status == "verified"
    images = pictures(40, 40)
    assert LPIPS()(*images) == metric(*images)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("features.8.bias"), r"expected features\.8\.weight"),
        (
            lambda state: state.update({"features.3.weight": torch.zeros(192, 64, 3, 3)}),
            r"expected features\.3\.weight",
        ),
    ],
)
def test_a_file_of_another_network_is_refused(tmp_path, change, message):
    state = random_state()
    change(state)
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match=message):
        LPIPS(weights=tmp_path / "other.pth", allow_random=True)
    with pytest.raises(WeightsError, match="is no file"):
        LPIPS(weights=tmp_path / "none.pth", allow_random=True)


def test_changed_or_negative_linear_weights_are_refused(file, monkeypatch, tmp_path):
    real = Path(find_spec("lpips").origin).parent / "weights" / "v0.1" / "alex.pth"
    fake = tmp_path / "weights" / "v0.1" / "alex.pth"
    fake.parent.mkdir(parents=True)
    monkeypatch.setattr(
        perceptual, "find_spec", lambda name: ModuleSpec(name, None, origin=str(tmp_path / "__init__.py"))
    )
    with pytest.raises(WeightsError, match=r"found no such file.*pip install lpips"):
        LPIPS(weights=file, allow_random=True)
    shutil.copyfile(real, fake)
    assert LPIPS(weights=file, allow_random=True)
    state = torch.load(real, map_location="cpu", weights_only=True)
    state["lin2.model.1.weight"][0, 7] = -1e-9
    torch.save(state, fake)
    with pytest.raises(WeightsError, match="expected SHA-256 df73285e"):
        LPIPS(weights=file, allow_random=True)
    monkeypatch.setattr(perceptual, "LINEAR_SHA256", sha256(fake))
    with pytest.raises(WeightsError, match="negative"):
        LPIPS(weights=file, allow_random=True)
    monkeypatch.setattr(perceptual, "find_spec", lambda name: None)
    with pytest.raises(WeightsError, match=r"the package lpips.*is missing"):
        LPIPS(weights=file, allow_random=True)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_cuda_device_gives_the_numbers_of_the_cpu(file, metric):
    pred, *refs = pictures(157, 211)
    expected = metric(pred, *refs)
    on_device = LPIPS(weights=file, allow_random=True, device="cuda")
    assert on_device(pred, *refs) == pytest.approx(expected, abs=1e-5)
    values = on_device(*(tensor(image).cuda() for image in (pred, *refs)))
    assert values[0].is_cuda and values[0].item() == pytest.approx(expected[0], abs=1e-5)
    with pytest.raises(MetricError, match="same device"):
        on_device(*(tensor(image) for image in (pred, *refs)))


def test_importing_the_metrics_brings_no_torch():
    import subprocess
    import sys

    code = "import sys, sdd_bench.metrics; print([m for m in ('torch', 'lpips', 'skimage') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
