import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from sdd_bench.models.isotropic_kernels import kernel_radii, seed_channels


def explicit_kernel(seeds):
    """Methods of JDRL, word by word: the kernel of i seeds, (2i - 1) x (2i - 1)."""
    i = len(seeds)
    y, x = np.mgrid[-i + 1 : i, -i + 1 : i]
    rho = np.hypot(x, y)
    below = np.minimum(np.floor(rho).astype(int), i - 1)
    above = np.minimum(np.ceil(rho).astype(int), i - 1)
    a = np.abs(seeds)
    value = np.where(rho > i - 1, 0.0, a[below] + (rho - below) * (a[above] - a[below]))
    kernel = np.exp(value)
    return kernel / kernel.sum(), rho


@given(st.integers(0, 2**32 - 1), st.integers(2, 8), st.sampled_from([0.1, 1.0, 20.0]))
def test_radii_are_those_of_explicit_kernels(seed, radii, scale):
    rng = np.random.default_rng(seed)
    seeds = rng.normal(0, scale, seed_channels(radii))
    found = kernel_radii(torch.from_numpy(seeds)[None, :, None, None], radii)[0, :, 0, 0].numpy()
    assert found[0] == 0
    for i in range(2, radii + 1):
        kernel, rho = explicit_kernel(seeds[seed_channels(i - 1) : seed_channels(i)])
        np.testing.assert_allclose(found[i - 1], np.sqrt((kernel * rho**2).sum()), rtol=1e-9)


def test_every_pixel_has_its_own():
    seeds = torch.randn(2, 35, 3, 4, dtype=torch.float64)
    together = kernel_radii(seeds)
    assert together.shape == (2, 8, 3, 4)
    alone = kernel_radii(seeds[1:, :, 2:, 3:])
    torch.testing.assert_close(alone[0, :, 0, 0], together[1, :, 2, 3])
