"""Oracle: the network evaluated once more by NumPy, from the names and padding of the release.

Names and outputs were also compared with the release itself, run by TensorFlow and
TensorLayer: docs/reference/models.md.
"""

from functools import partial

import numpy as np
import pytest
import torch

from sdd_bench import models
from sdd_bench.errors import ModelError

ENCODER = {1: (3, 64, 2), 2: (64, 128, 2), 3: (128, 256, 4), 4: (256, 512, 4), 5: (512, 512, 4)}
DECODER = {"u3": (1024, 256), "u2": (512, 128), "u1": (256, 64)}
ROOT = "main_net/defocus_net"


@pytest.fixture(scope="module")
def released():
    random = np.random.default_rng(0)
    arrays = {}

    def convolution(name, given, made, size=3):
        kernel = random.standard_normal((size, size, given, made), np.float32) * np.sqrt(2 / (size * size * given))
        arrays[f"{ROOT}/{name}/kernel:0"] = kernel.astype(np.float32)
        arrays[f"{ROOT}/{name}/bias:0"] = random.uniform(-0.1, 0.1, made).astype(np.float32)

    def step(folder, name, given, made, size=3):
        convolution(f"decoder/{folder}/c{name}", given, made, size)
        for part, low, high in (("beta", -0.1, 0.1), ("moving_mean", -0.1, 0.1), ("moving_variance", 0.5, 1.5)):
            arrays[f"{ROOT}/decoder/{folder}/b{name}/{part}:0"] = random.uniform(low, high, made).astype(np.float32)

    for level, (given, made, count) in ENCODER.items():
        for number in range(1, count + 1):
            convolution(f"encoder/conv{level}_{number}", given if number == 1 else made, made)
    for folder, (given, made) in DECODER.items():
        for number in (1, 2, 3):
            step(folder, number, given if number == 1 else made, made)
    step("u0", "_init", 128, 64)
    for number in range(7):
        step("u0", f"_res{number}", 64, 64, size=1)
        step("u0", f"{number}_1", 64, 64)
        step("u0", f"{number}_2", 64, 64)
    step("uf", 1, 64, 64)
    step("uf", 2, 64, 32)
    convolution("decoder/uf/c3", 32, 1)
    arrays[f"{ROOT}/encoder/conv1_1/kernel:0"] /= 100  # the pictures have 255 levels
    arrays[f"{ROOT}/decoder/uf/c3/kernel:0"] /= 300  # the refinements add up
    return arrays


def evaluate(arrays, picture, conv):
    def convolve(x, name):
        kernel, bias = arrays[f"{ROOT}/{name}/kernel:0"], arrays[f"{ROOT}/{name}/bias:0"]
        reach = kernel.shape[0] // 2
        padded = np.pad(x, ((reach, reach), (reach, reach), (0, 0)), mode="symmetric")
        found = conv(padded, kernel, bias)
        return found[reach : found.shape[0] - reach, reach : found.shape[1] - reach]

    def step(x, folder, name):
        beta, mean, variance = (
            arrays[f"{ROOT}/decoder/{folder}/b{name}/{part}:0"] for part in ("beta", "moving_mean", "moving_variance")
        )
        x = (convolve(x, f"decoder/{folder}/c{name}") - mean) / np.sqrt(variance + 1e-5) + beta
        return np.where(x > 0, x, 0.2 * x)

    def double(x):
        """TensorFlow's nearest neighbour with aligned corners."""
        rows, columns = (np.floor(np.arange(2 * n) * ((n - 1) / (2 * n - 1)) + 0.5).astype(int) for n in x.shape[:2])
        return x[rows][:, columns]

    x = 255 * picture[..., ::-1] - (103.939, 116.779, 123.68)
    levels = []
    for level, (_, _, count) in ENCODER.items():
        if level > 1:
            x = x.reshape(x.shape[0] // 2, 2, x.shape[1] // 2, 2, -1).max((1, 3))
        for number in range(1, count + 1):
            x = np.maximum(convolve(x, f"encoder/conv{level}_{number}"), 0)
        levels.append(x)
    levels.pop()
    for folder in DECODER:
        x = np.concatenate([double(x), levels.pop()], axis=2)
        for number in (1, 2, 3):
            x = step(x, folder, number)
    x = step(np.concatenate([double(x), levels.pop()], axis=2), "u0", "_init")
    for number in range(7):
        x = step(step(x, "u0", f"{number}_1"), "u0", f"{number}_2") + step(x, "u0", f"_res{number}")
    x = convolve(step(step(x, "uf", 1), "uf", 2), "decoder/uf/c3")
    return 15 / (1 + np.exp(-x))


def test_released_weights_give_what_the_layers_say(released, tmp_path, against_layers):
    np.savez(tmp_path / "DMENet.npz", **released)
    network = models.load_checkpoint("dmenet", tmp_path / "DMENet.npz")
    found, expected = against_layers(network, partial(evaluate, released), 32, 48)
    assert expected.std() > 0.1
    np.testing.assert_allclose(found, expected, atol=5e-5)


def test_parts_that_only_training_uses_are_left_out_and_others_refused(released, tmp_path):
    one = np.zeros(1, np.float32)
    training = (
        f"{ROOT}/encoder/conv6_1/kernel:0",
        f"{ROOT}/encoder/c_logits_1/W:0",
        f"{ROOT}/decoder/u4_aux/b1/beta:0",
        "main_net/binary_net/l1/c1/kernel:0",
        "discriminator/feature/h0/c1/kernel:0",
    )
    np.savez(tmp_path / "whole.npz", **released, **dict.fromkeys(training, one))
    assert models.load_checkpoint("dmenet", tmp_path / "whole.npz")
    np.savez(tmp_path / "more.npz", **released, **{f"{ROOT}/decoder/u0/c7_1/kernel:0": one})
    with pytest.raises(ModelError, match=r"decoder\.u0_7_1\.convolution\.weight is not expected"):
        models.load_checkpoint("dmenet", tmp_path / "more.npz")
    fewer = {name: array for name, array in released.items() if not name.endswith("uf/b2/beta:0")}
    np.savez(tmp_path / "fewer.npz", **fewer)
    with pytest.raises(ModelError, match=r"decoder\.uf_2\.shift is missing"):
        models.load_checkpoint("dmenet", tmp_path / "fewer.npz")


def test_training_normalises_by_the_batch_and_remembers_it():
    network = models.create("dmenet")
    before = network.decoder["u0_init"].mean.clone()
    made = network(torch.rand(1, 3, 16, 16))
    assert made.shape == (1, 1, 16, 16) and 0 < made.min() < made.max() < 15
    assert not torch.equal(network.decoder["u0_init"].mean, before)
