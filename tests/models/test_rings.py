import numpy as np
import pytest
import torch

from sdd_bench.models.rings import rings_up_to


def slab(reach, height=5, width=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, 3, height + 2 * reach, width + 2 * reach, generator=generator, dtype=torch.float64)


def all_sums(rings, picture):
    columns = rings.columns(picture)
    sums = rings.sums(columns)
    return sums, rings.corner_sums(columns, sums)


def test_a_window_of_15_pixels_has_24_distinct_radii_up_to_7():
    rings = rings_up_to(7)
    assert len(rings.squared) == 24
    assert sum(rings.sizes) == 149  # pixels within 7 of the centre: the Gauss circle problem, OEIS A000328
    assert rings.corners[-1] == 15**2 - 149


@pytest.mark.parametrize("reach", [1, 2, 4, 7])
def test_sums_are_those_over_the_pixels_at_each_distance(reach):
    rings, picture = rings_up_to(reach), slab(reach)
    sums, corners = all_sums(rings, picture)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    distance = np.hypot(y, x)

    def summed(chosen):
        kernel = torch.from_numpy(chosen.astype(float)).expand(3, 1, -1, -1)
        return torch.nn.functional.conv2d(picture, kernel, groups=3).flatten(2)

    for squared, found in zip(rings.squared, sums, strict=True):
        torch.testing.assert_close(found, summed(np.isclose(distance, np.sqrt(squared))), atol=1e-12, rtol=0)
    for j in range(reach):
        window = np.maximum(abs(y), abs(x)) <= j + 1
        torch.testing.assert_close(corners[:, j], summed(window & (distance > j + 1)), atol=1e-12, rtol=0)


@pytest.mark.parametrize("reach", [1, 2, 4, 7])
def test_spreading_is_the_adjoint_of_summing(reach):
    rings, picture = rings_up_to(reach), slab(reach)
    sums, corners = all_sums(rings, picture)
    generator = torch.Generator().manual_seed(1)
    shares = [torch.randn(one.shape, generator=generator, dtype=one.dtype) for one in sums]
    corner_shares = torch.randn(corners.shape, generator=generator, dtype=corners.dtype)
    there = sum((a * b).sum() for a, b in zip(sums, shares, strict=True)) + (corners * corner_shares).sum()
    back = (picture * rings.spread(shares, corner_shares, 5)).sum()
    torch.testing.assert_close(there, back, atol=1e-9, rtol=0)
