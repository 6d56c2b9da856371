"""Oracle: the network evaluated once more by NumPy, in the layout and by the padding rule of TensorFlow.

The layers, their order in the released list and the outputs were also compared with the release itself, run by
TensorFlow: docs/reference/models.md.
"""

from functools import partial
from itertools import pairwise

import numpy as np
import pytest

from sdd_bench import models
from sdd_bench.errors import ModelError


def shapes(levels):
    """Of the list in the release's file, written down from ``model.py``; a layer's weight comes before its bias."""
    widths = [48, 48, 96, 96][: levels + 1]
    layers = [(5, 3, 48), (3, 48, 48)]
    for given, made in pairwise(widths):
        layers += [(3, given, made), (3, made, made)]
    for _ in range(2):
        layers += [(5, 96, 48, None), (5, 96, 32), (5, 32, 32), (5, 32, 16), (5, 16, 16), (5, 16, 5)]
        layers += [(1, 96, 12), (1, 12, 48), (3, 240, 96)]
    layers += [(3, 288, 96), (3, 96, 96)]
    if levels == 3:
        layers += [(4, 96, 96, "up"), (3, 192, 96)]
    layers += [(4, 96, 48, "up"), (3, 96, 48), (4, 48, 48, "up"), (5, 96, 3)]
    for size, given, made, *kind in layers:
        yield (size, size, made, given) if kind == ["up"] else (size, size, given, made)
        if kind != [None]:
            yield (made,)


def released(levels):
    random = np.random.default_rng(levels)
    arrays = []
    for shape in shapes(levels):
        scale = np.sqrt(2 / np.prod(shape[:3])) if len(shape) == 4 else 0.1
        arrays.append((scale * random.standard_normal(shape)).astype(np.float32))
    return arrays


def save(path, arrays):
    listed = np.empty(len(arrays), object)
    listed[:] = arrays
    np.savez(path, params=listed)
    return path


def leaky(values):
    return np.where(values > 0, values, 0.2 * values)


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def transposed(picture, kernel, bias):
    """Every pixel adds its kernel to twice the size; SAME leaves out one row and column on each side."""
    height, width, _ = picture.shape
    found = np.zeros((2 * height + 2, 2 * width + 2, kernel.shape[2]))
    for row, column in np.ndindex(4, 4):
        found[row : row + 2 * height : 2, column : column + 2 * width : 2] += picture @ kernel[row, column].T
    return found[1:-1, 1:-1] + bias


def evaluate(arrays, levels, picture, conv):
    left = iter(arrays)

    def step(x, stride=1, rate=1):
        return leaky(conv(x, next(left), next(left), stride, rate))

    x = step(2 * picture - 1)
    x = step(x)
    skips = []
    for _ in range(levels):
        skips.append(x)
        x = step(x, stride=2)
        x = step(x)
    gathered = [x]
    for _ in range(2):
        kernel = next(left)
        branches = [leaky(conv(x, kernel, rate=rate)) for rate in (1, 2, 3, 4, 5)]
        scale = x
        for _ in range(4):
            scale = step(scale, rate=2)
        scale = sigmoid(conv(scale, next(left), next(left)))
        channels = step(x.mean((0, 1), keepdims=True))
        channels = sigmoid(conv(channels, next(left), next(left)))
        x = np.concatenate([branch * scale[..., k, None] * channels for k, branch in enumerate(branches)], axis=2)
        x = step(x)
        gathered.append(x)
    x = step(np.concatenate(gathered, axis=2))
    x = step(x)
    while skips:
        x = leaky(transposed(x, next(left), next(left)))
        x = np.concatenate([x, skips.pop()], axis=2)
        x = step(x) if skips else conv(x, next(left), next(left))
    assert next(left, None) is None
    return (2 * picture - 1 + x + 1) / 2


@pytest.mark.parametrize("levels", [2, 3])
def test_released_weights_give_what_the_layers_say(levels, tmp_path, against_layers):
    arrays = released(levels)
    network = models.load_checkpoint(f"kpac-{levels}level", save(tmp_path / "single.npz", arrays))
    found, expected = against_layers(network, partial(evaluate, arrays, levels), 16, 24)
    assert expected.std() > 0.1
    np.testing.assert_allclose(found, expected, atol=2e-5)


@pytest.mark.parametrize(("asked", "held"), [(2, 3), (3, 2)])
def test_the_other_variant_is_named(asked, held, tmp_path):
    path = save(tmp_path / "single.npz", released(held))
    with pytest.raises(ModelError, match=rf"no checkpoint of kpac-{asked}level: it holds kpac-{held}level"):
        models.load_checkpoint(f"kpac-{asked}level", path)


def test_a_list_of_another_length_or_shape_is_refused(tmp_path):
    arrays = released(2)
    with pytest.raises(ModelError, match=r"up\.3\.bias is missing"):
        models.load_checkpoint("kpac-2level", save(tmp_path / "short.npz", arrays[:-1]))
    with pytest.raises(ModelError, match=r"params\.58 is not expected"):
        models.load_checkpoint("kpac-2level", save(tmp_path / "long.npz", [*arrays, arrays[1]]))
    arrays[0] = arrays[0][:3]
    with pytest.raises(ModelError, match=r"down\.0\.weight has the shape \(48, 3, 3, 5\), expected \(48, 3, 5, 5\)"):
        models.load_checkpoint("kpac-2level", save(tmp_path / "shape.npz", arrays))
