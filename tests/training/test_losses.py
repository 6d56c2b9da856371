import math

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sdd_bench.errors import TrainingError
from sdd_bench.training.losses import charbonnier, edge_loss


def pictures(n=2, height=9, width=12, count=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, n, 3, height, width, generator=generator, dtype=torch.float64).unbind()


def test_the_distance_of_equal_pictures_is_epsilon():
    a, _ = pictures()
    assert charbonnier(a, a).item() == pytest.approx(1e-3)
    assert edge_loss(a, a, epsilon=0.5).item() == pytest.approx(0.5)


@given(st.floats(-1, 1), st.floats(1e-4, 1))
def test_a_constant_difference_has_the_distance_of_its_one_value(difference, epsilon):
    a, _ = pictures()
    assert charbonnier(a + difference, a, epsilon=epsilon).item() == pytest.approx(math.hypot(difference, epsilon))


def test_masked_pixels_count_as_equal():
    a, b = pictures()
    mask = torch.rand(2, 1, 9, 12, generator=torch.Generator().manual_seed(3)) > 0.4
    places = list(np.ndindex(2, 3, 9, 12))
    values = [math.hypot((a - b)[n, c, y, x].item() if mask[n, 0, y, x] else 0, 1e-3) for n, c, y, x in places]
    assert charbonnier(a, b, mask).item() == pytest.approx(math.fsum(values) / len(values), rel=1e-12)


def test_gradients_are_those_of_finite_differences():
    a, b = (t.requires_grad_() for t in pictures(1, 4, 5))
    mask = torch.rand(1, 1, 4, 5, generator=torch.Generator().manual_seed(3)) > 0.4
    assert torch.autograd.gradcheck(lambda a, b: charbonnier(a, b, mask), (a, b))
    assert torch.autograd.gradcheck(edge_loss, (a, b))


def laplacian(plane):
    """By OpenCV, with the kernel as a 5 x 5 matrix; it repeats borders under the name of replication."""
    row = np.array([1, 5, 8, 5, 1]) / 20
    coarse = np.zeros_like(plane)
    coarse[::2, ::2] = 4 * cv2.filter2D(plane, -1, np.outer(row, row), borderType=cv2.BORDER_REPLICATE)[::2, ::2]
    return plane - cv2.filter2D(coarse, -1, np.outer(row, row), borderType=cv2.BORDER_REPLICATE)


@pytest.mark.parametrize("size", [(9, 12), (16, 7), (1, 1)])
def test_the_edge_loss_compares_laplacians(size):
    a, b = pictures(2, *size)
    planes = zip(a.flatten(0, 1).numpy(), b.flatten(0, 1).numpy(), strict=True)
    differences = np.stack([laplacian(p) - laplacian(q) for p, q in planes])
    assert edge_loss(a, b).item() == pytest.approx(np.sqrt(differences**2 + 1e-6).mean(), rel=1e-9)


def test_a_loss_does_not_lose_precision_under_autocast():
    a, b = (t.float() for t in pictures())
    expected = edge_loss(a, b)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert edge_loss(a, b) == expected


def test_shapes_that_do_not_fit_are_refused_with_the_reason():
    a, b = pictures()
    with pytest.raises(TrainingError, match=r"differ in shape: \(2, 3, 9, 12\) and \(2, 3, 9, 11\)"):
        charbonnier(a, b[..., 1:])
    with pytest.raises(TrainingError, match=r"a mask \(2, 9, 12\) does not fit pictures \(2, 3, 9, 12\)"):
        charbonnier(a, b, torch.ones(2, 9, 12))
    with pytest.raises(TrainingError, match="expected two tensors N x C x H x W"):
        edge_loss(a[0], b[0])
