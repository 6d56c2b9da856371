"""Oracle: the network evaluated once more by NumPy, in the layout and by the padding rule of Keras.

The outputs were also compared with the release's own function, run by Keras: docs/reference/models.md.
"""

from functools import partial

import h5py
import numpy as np
import pytest

from sdd_bench import models
from sdd_bench.errors import ModelError

LAYERS = [
    *[(3, 3, 64), (3, 64, 64), (3, 64, 128), (3, 128, 128), (3, 128, 256), (3, 256, 256), (3, 256, 512), (3, 512, 512)],
    *[(3, 512, 1024), (3, 1024, 1024)],
    *[(2, 1024, 512), (3, 1024, 512), (3, 512, 512), (2, 512, 256), (3, 512, 256), (3, 256, 256)],
    *[(2, 256, 128), (3, 256, 128), (3, 128, 128), (2, 128, 64), (3, 128, 64), (3, 64, 64), (3, 64, 3), (1, 3, 3)],
]


@pytest.fixture(scope="module")
def layers():
    random = np.random.default_rng(0)
    made = []
    for size, given, out in LAYERS:
        kernel = random.standard_normal((size, size, given, out), np.float32) * np.sqrt(2 / (size * size * given))
        made.append((kernel.astype(np.float32), random.uniform(-0.1, 0.1, out).astype(np.float32)))
    return made


def save(path, layers, first=1):
    """As Keras 2 saves a model: weights in a group per layer, beside the optimiser's and layers that have none."""
    with h5py.File(path, "w") as file:
        weights = file.create_group("model_weights")
        weights.create_group("dropout_1")
        for number, (kernel, bias) in enumerate(layers, first):
            name = f"conv2d_{number}" if number else "conv2d"
            weights[f"{name}/{name}/kernel:0"] = kernel
            weights[f"{name}/{name}/bias:0"] = bias
        file["optimizer_weights/Adam/iterations:0"] = 3
    return path


def evaluate(layers, picture, conv):
    left = iter(layers)

    def step(x):
        return np.maximum(conv(x, *next(left)), 0)

    def pool(x):
        return x.reshape(x.shape[0] // 2, 2, x.shape[1] // 2, 2, -1).max((1, 3))

    x, skips = picture[..., ::-1], []
    for level in range(5):
        x = step(step(pool(x) if level else x))
        skips.append(x)
    skips.pop()
    for _ in range(4):
        x = step(x.repeat(2, 0).repeat(2, 1))
        x = step(step(np.concatenate([skips.pop(), x], axis=2)))
    x = conv(step(x), *next(left))
    assert next(left, None) is None
    return 1 / (1 + np.exp(-x[..., ::-1]))


@pytest.mark.parametrize("first", [0, 1, 25])
def test_keras_weights_give_what_the_layers_say(first, layers, tmp_path, against_layers):
    network = models.load_checkpoint("dpdnet_s", save(tmp_path / "model.hdf5", layers, first))
    found, expected = against_layers(network, partial(evaluate, layers), 16, 32)
    assert expected.std() > 0.01
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_dual_pixel_model_is_refused_by_its_six_channels(layers, tmp_path):
    (kernel, bias), *others = layers
    path = save(tmp_path / "dual.hdf5", [(np.concatenate([kernel, kernel], axis=2), bias), *others])
    with pytest.raises(ModelError, match=r"block1\.0\.weight has the shape \(64, 6, 3, 3\), expected \(64, 3, 3, 3\)"):
        models.load_checkpoint("dpdnet_s", path)


def test_a_model_of_other_layers_is_refused(layers, tmp_path):
    with pytest.raises(ModelError, match=r"out\.2\.weight is missing"):
        models.load_checkpoint("dpdnet_s", save(tmp_path / "short.h5", layers[:-1]))
    with pytest.raises(ModelError, match="conv2d_25/bias is not expected"):
        models.load_checkpoint("dpdnet_s", save(tmp_path / "long.h5", [*layers, layers[-1]]))
