"""Oracle: the network put together once more, from plain operations, with every sampling position written out.

The arithmetic `release` was also compared with the port itself, and `ptlflow` is compared in test_ptlflow.py.
"""

import dataclasses
import hashlib
import pickle
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from pydantic import ValidationError
from skimage import data
from torch.nn import functional

from sdd_bench import weights
from sdd_bench.alignment import flow, pwcnet, pwcnet_network
from sdd_bench.alignment.pwcnet import PwcNetFlow
from sdd_bench.alignment.pwcnet_checkpoints import read_layers
from sdd_bench.alignment.pwcnet_grids import full_flow, resize_picture, warp_features
from sdd_bench.alignment.pwcnet_network import correlate
from sdd_bench.errors import AlignmentError, WeightsError

pytestmark = pytest.mark.usefixtures("pwcnet_cache")
NAMES = ["pwcnet-ptlflow", "pwc-default"]


def views(height, width, dx=4, dy=-3):
    big = data.astronaut().astype(np.float32) / 255
    top, left = 40, 100
    return big[top : top + height, left : left + width], big[
        top - dy : top - dy + height, left - dx : left - dx + width
    ]


def plain_sample(features, x, y, least):
    """Bilinear at pixel positions; 0 outside, and 0 where less than `least` of the weight lies inside."""
    _, channels, height, width = features.shape
    total, share = torch.zeros(channels, *x.shape), torch.zeros(x.shape)
    for row in (y.floor(), y.floor() + 1):
        for column in (x.floor(), x.floor() + 1):
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            weight = (1 - (y - row).abs()) * (1 - (x - column).abs()) * inside
            total += weight * features[0][:, row.clamp(0, height - 1).long(), column.clamp(0, width - 1).long()]
            share += weight
    return (total * (share > least))[None]


def plain_warp(features, shift, grid):
    height, width = features.shape[2:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    if grid == "ptlflow":
        return plain_sample(features, x + shift[0, 0], y + shift[0, 1], 0.9999)
    return plain_sample(features, x + shift[0, 0] * width / (width - 1), y + shift[0, 1] * height / (height - 1), 0.999)


def plain_correlation(a, b):
    height, width = a.shape[2:]
    b = functional.pad(b, (4, 4, 4, 4))
    shifted = [b[:, :, dy : dy + height, dx : dx + width] for dy in range(9) for dx in range(9)]
    return torch.cat([(a * other).mean(1, keepdim=True) for other in shifted], 1)


def plain_network(layers, source, target, grid):
    def convolution(name, x, stride=1, dilation=1):
        return functional.conv2d(x, *layers[name], stride=stride, padding=dilation, dilation=dilation)

    def active(x):
        return functional.leaky_relu(x, 0.1)

    def pyramid(x):
        levels = [None]
        for level in range(1, 7):
            for k in range(3):
                x = active(convolution(f"pyramid.{level}.{k}", x, stride=2 if k == 0 else 1))
            levels.append(x)
        return levels

    ours, theirs = pyramid(source), pyramid(target)
    x, shift = active(plain_correlation(ours[6], theirs[6])), None
    for level in range(6, 1, -1):
        if shift is not None:
            up = functional.conv_transpose2d(shift, *layers[f"flow_up.{level + 1}"], stride=2, padding=1)
            features = functional.conv_transpose2d(x, *layers[f"features_up.{level + 1}"], stride=2, padding=1)
            warped = plain_warp(theirs[level], up * {5: 0.625, 4: 1.25, 3: 2.5, 2: 5.0}[level], grid)
            x = torch.cat((active(plain_correlation(ours[level], warped)), ours[level], up, features), 1)
        for k in range(5):
            x = torch.cat((active(convolution(f"dense.{level}.{k}", x)), x), 1)
        shift = convolution(f"flow.{level}", x)
    for k, dilation in enumerate((1, 2, 4, 8, 16, 1)):
        x = active(convolution(f"context.{k}", x, dilation=dilation))
    return 20 * (shift + convolution("context.6", x))


def half_pixel_resize(image, height, width):
    """OpenCV's bilinear resizing does not align corners either."""
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)


@pytest.mark.parametrize("size", [(128, 192), (100, 150), (65, 129)])
def test_release_is_the_ports_arithmetic_on_bgr(pwcnet_layers, size):
    source, target = views(*size)
    height, width = (-(-side // 64) * 64 for side in size)
    tensors = [
        torch.from_numpy(half_pixel_resize(np.ascontiguousarray(view[..., ::-1]), height, width)).permute(2, 0, 1)[None]
        for view in (source, target)
    ]
    quarter = plain_network(pwcnet_layers, *tensors, "release")[0].permute(1, 2, 0).numpy()
    expected = half_pixel_resize(quarter, *size) * np.float32([size[1] / width, size[0] / height])
    found = PwcNetFlow(grid="release", weights="pwc-default")(source, target)
    assert found.shape == (*size, 2)
    assert found.dtype == np.float32
    assert found.std(axis=(0, 1)).min() > 0.2
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_ptlflows_arithmetic_is_another(pwcnet_layers):
    source, target = views(128, 192)
    tensors = [torch.from_numpy(view.copy()).permute(2, 0, 1)[None] for view in (source, target)]
    quarter = plain_network(pwcnet_layers, *tensors, "ptlflow")
    expected = functional.interpolate(quarter, scale_factor=4, mode="bilinear", align_corners=True)[0].permute(1, 2, 0)
    found = PwcNetFlow(grid="ptlflow")(source, target)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    release = PwcNetFlow(grid="release")(source, target)
    assert 0.005 < np.abs(release - found).mean() < 1


def test_release_samples_features_too_far_by_one_part_in_the_width():
    ramp = torch.arange(32.0).expand(1, 1, 8, 32)
    shift = torch.zeros(1, 2, 8, 32)
    shift[:, 0] = 3.0
    release, ptlflow = (warp_features(ramp, shift, grid)[0, 0, 4] for grid in ("release", "ptlflow"))
    # i + F 32 / 31 = i + 3.0968, inside up to 31: i <= 27
    np.testing.assert_allclose(release, [i + 3 * 32 / 31 if i <= 27 else 0 for i in range(32)], atol=1e-4)
    np.testing.assert_allclose(ptlflow, [i + 3 if i <= 28 else 0 for i in range(32)], atol=1e-4)


@pytest.mark.parametrize(("grid", "limit"), [("release", 1e-3), ("ptlflow", 1e-4)])
def test_a_sample_counts_up_to_a_small_share_outside(grid, limit):
    ones = torch.ones(1, 1, 16, 16)
    for outside, expected in ((0.5 * limit, 1), (2 * limit, 0)):
        shift = torch.zeros(1, 2, 16, 16)
        shift[:, 1] = -outside
        assert round(warp_features(ones, shift, grid)[0, 0, 0, 5].item()) == expected


@pytest.mark.parametrize("grid", ["release", "ptlflow"])
def test_zero_flow_leaves_features_as_they_are(grid):
    features = torch.rand(1, 3, 11, 13, generator=torch.Generator().manual_seed(0))
    np.testing.assert_allclose(warp_features(features, torch.zeros(1, 2, 11, 13), grid), features, atol=1e-5)


def test_pictures_are_resized_with_aligned_corners_only_for_ptlflow():
    picture = torch.rand(1, 3, 70, 90, generator=torch.Generator().manual_seed(0))
    # Where row 1 of 128 comes from, of 70: corners on corners, or edges on edges.
    for grid, row in (("ptlflow", 69 / 127), ("release", 1.5 * 70 / 128 - 0.5)):
        resized = resize_picture(picture, grid)
        assert resized.shape == (1, 3, 128, 128)
        expected = (1 - row) * picture[..., 0, 0] + row * picture[..., 1, 0]
        np.testing.assert_allclose(resized[..., 1, 0], expected, atol=1e-5)


def test_flow_is_scaled_with_the_picture():
    quarter = torch.tensor([6.0, 10.0])[None, :, None, None].expand(1, 2, 16, 32)
    for grid in ("ptlflow", "release"):
        flow = full_flow(quarter, 48, 96, grid)
        assert flow.shape == (1, 2, 48, 96)
        np.testing.assert_allclose(flow[0, :, 20, 20], [6 * 96 / 128, 10 * 48 / 64], rtol=1e-6)


@pytest.mark.parametrize("shape", [(3, 5, 7), (196, 1, 1), (32, 9, 40), (16, 2, 16)])
def test_correlation_is_the_mean_product_with_81_neighbours(shape):
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(2, *shape, generator=generator).contiguous(memory_format=torch.channels_last) for _ in range(2))
    out = torch.empty(2, *shape[1:], 81)
    correlate(a, b, out)
    expected = functional.leaky_relu(plain_correlation(a, b), 0.1).permute(0, 2, 3, 1)
    np.testing.assert_allclose(out, expected, atol=1e-6)


def test_the_number_of_stripes_and_bands_does_not_matter(monkeypatch):
    source, target = views(128, 192)
    once = PwcNetFlow()(source, target)
    monkeypatch.setattr(pwcnet_network, "STRIPE_VALUES", 7 * 48 * 500)
    monkeypatch.setattr(pwcnet_network, "BAND", 5)
    np.testing.assert_allclose(PwcNetFlow()(source, target), once, atol=1e-4)


def test_both_files_give_the_same_flow_but_for_the_order_of_colours():
    source, target = views(70, 90)
    rgb = PwcNetFlow(grid="release", weights="pwcnet-ptlflow")
    bgr = PwcNetFlow(grid="release", weights="pwc-default")
    assert np.array_equal(rgb(source, target), bgr(source[..., ::-1], target[..., ::-1]))
    assert np.abs(rgb(source, target) - bgr(source, target)).mean() > 0.02


def test_both_files_hold_the_126_tensors_of_the_network(pwcnet_states):
    for state in pwcnet_states.values():
        assert len(state) == 126
        assert sum(value.numel() for value in state.values()) == 9_374_274


def drop(key):
    return lambda state: {name: value for name, value in state.items() if name != key}


def put(key, shape):
    return lambda state: state | {key: torch.zeros(shape)}


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("pwcnet-ptlflow", drop("conv3aa.0.bias"), "conv3aa.0.bias is missing"),
        ("pwcnet-ptlflow", put("deconv2.weight", (2, 2, 4, 4)), "deconv2.weight is not expected"),
        ("pwcnet-ptlflow", put("upfeat4.weight", (2, 661, 4, 4)), r"upfeat4.weight has the shape \(2, 661, 4, 4\)"),
        ("pwc-default", drop("moduleTwo.moduleUpfeat.weight"), "moduleTwo.moduleUpfeat.weight is missing"),
        ("pwc-default", put("moduleRefiner.moduleMain.12.bias", (3,)), r"has the shape \(3,\), expected \(2,\)"),
    ],
)
def test_a_file_that_is_not_exactly_the_network_is_refused(tmp_path, pwcnet_states, save_pwcnet, name, change, message):
    file = save_pwcnet(tmp_path / "file", name, change(pwcnet_states[name]))
    with pytest.raises(WeightsError, match=message) as raised:
        read_layers(file, name)
    assert f"sdd-bench weights fetch {name}" in str(raised.value)


@pytest.mark.parametrize("name", NAMES)
def test_the_other_authors_file_is_refused(pwcnet_cache, name):
    other = next(other for other in NAMES if other != name)
    with pytest.raises(WeightsError, match=f"is not {name}.* and 249 more"):
        read_layers(pwcnet_cache / other, name)


def test_a_truncated_file_is_refused(pwcnet_cache, tmp_path, monkeypatch):
    monkeypatch.setenv("SDD_BENCH_CACHE", str(tmp_path))
    whole = (pwcnet_cache / "pwc-default").read_bytes()
    weights.folder().mkdir()
    (weights.folder() / weights.entry("pwc-default").file).write_bytes(whole[:-1000])
    with pytest.raises(WeightsError, match="truncated"):
        PwcNetFlow(weights="pwc-default")(*views(64, 64))


@pytest.mark.parametrize("name", NAMES)
def test_without_weights_there_is_no_flow(tmp_path, monkeypatch, name):
    monkeypatch.setenv("SDD_BENCH_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match=f"the weights {name} .* are missing.*weights fetch.*weights add"):
        PwcNetFlow(weights=name)(*views(64, 64))


def test_a_file_of_another_hash_is_refused(pwcnet_cache, monkeypatch):
    entry = dataclasses.replace(weights.entry("pwcnet-ptlflow"), sha256="cc223701")
    monkeypatch.setitem(weights.REGISTRY, entry.name, entry)
    with pytest.raises(WeightsError, match="expected SHA-256 cc223701"):
        weights.add(entry.name, pwcnet_cache / entry.name)


def test_weights_are_read_once_per_process(monkeypatch):
    reads = []
    monkeypatch.setattr(weights, "verify", lambda name, verify=weights.verify: reads.append(name) or verify(name))
    pwcnet._network.cache_clear()
    for grid in ("ptlflow", "release", "ptlflow"):
        PwcNetFlow(grid=grid)(*views(64, 64))
    assert reads == ["pwcnet-ptlflow"]


def test_the_hash_of_the_weights_can_be_recorded(pwcnet_cache):
    expected = hashlib.sha256((pwcnet_cache / "pwc-default").read_bytes()).hexdigest()
    assert PwcNetFlow(weights="pwc-default").weights_sha256 == expected


def test_the_backend_is_frozen_data_and_the_device_is_no_part_of_it():
    backend = PwcNetFlow(grid="release", weights="pwc-default").on("cuda")
    assert backend.device == "cuda"
    assert backend.model_dump() == {"name": "pwcnet", "grid": "release", "weights": "pwc-default"}
    assert PwcNetFlow.model_validate_json(backend.model_dump_json()) == backend.on("cpu")
    assert pickle.loads(pickle.dumps(backend)) == backend
    assert flow("pwcnet") == PwcNetFlow()
    with pytest.raises(ValidationError):
        backend.grid = "ptlflow"
    with pytest.raises(ValidationError):
        PwcNetFlow(weights="alexnet")


@pytest.mark.parametrize(("grid", "weights_name"), [("ptlflow", "pwcnet-ptlflow"), ("release", "pwc-default")])
def test_flow_of_a_batch_is_that_of_its_pairs(grid, weights_name):
    backend = PwcNetFlow(grid=grid, weights=weights_name)
    pairs = [views(70, 100), views(70, 100, dx=-6, dy=2), views(70, 100, dx=0, dy=0)]
    source, target = (torch.from_numpy(np.stack(views)).movedim(3, 1) for views in zip(*pairs, strict=True))
    found = backend.batch(source.double().requires_grad_(), target)
    assert found.shape == (3, 2, 70, 100) and found.dtype == torch.float32
    assert not found.requires_grad and not found.is_inference()  # losses are computed along it
    for flow_of_pair, pair in zip(found, pairs, strict=True):
        np.testing.assert_allclose(flow_of_pair.movedim(0, 2), backend(*pair), atol=1e-4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(backend.batch(source, target), found)


@pytest.mark.parametrize("size", [(1, 1), (3, 150), (64, 64), (65, 2)])
@pytest.mark.parametrize("grid", ["ptlflow", "release"])
def test_small_pictures_give_finite_flow(size, grid):
    found = PwcNetFlow(grid=grid)(*views(*size))
    assert found.shape == (*size, 2)
    assert np.isfinite(found).all()


def test_pictures_are_left_alone_and_clipped():
    source, target = (view.copy() for view in views(64, 64))
    source[:5] = 1.5
    target[:5] = -0.5
    source.setflags(write=False)
    target.setflags(write=False)
    clipped = [np.clip(picture, 0, 1) for picture in (source, target)]
    assert np.array_equal(PwcNetFlow()(source, target), PwcNetFlow()(*clipped))
    assert source[0, 0, 0] == 1.5


def test_unfit_pictures_are_named():
    source, target = views(64, 64)
    with pytest.raises(AlignmentError, match="differ in shape"):
        PwcNetFlow()(source, target[:-1])


def test_the_backend_can_be_declared_without_torch():
    code = (
        "import sys; from sdd_bench.alignment.pwcnet import PwcNetFlow; "
        "PwcNetFlow().model_dump_json(); print('torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("grid", ["ptlflow", "release"])
def test_the_flow_is_the_same_on_cuda(grid):
    source, target = views(128, 192)
    found = PwcNetFlow(grid=grid).on("cuda")(source, target)
    np.testing.assert_allclose(found, PwcNetFlow(grid=grid)(source, target), atol=1e-3)
