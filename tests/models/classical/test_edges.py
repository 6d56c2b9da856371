import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdd_bench.alignment.light import linear_to_srgb
from sdd_bench.models.classical.ebdb import along_edges, ebdb_map, edge_radii
from sdd_bench.models.classical.edges import LARGEST, SHARP, crests, gradient, radius_from_ratio, reblurring_ratio


def smoothed_edge(spread, smoothing):
    """Slope in the middle of an ideal step, blurred by a profile and a Gaussian, by sums on a fine grid."""
    x = np.arange(-40, 40, 0.01)
    return float((spread(x) * np.exp(-0.5 * (x / smoothing) ** 2)).sum() * 0.01 / (smoothing * np.sqrt(2 * np.pi)))


@pytest.mark.parametrize("radius", [1.0, 3.0, 7.0])
def test_the_ratio_of_a_disc_is_that_of_its_cross_section(radius):
    def disc(x):
        return 2 * np.sqrt(np.maximum(radius**2 - x**2, 0)) / (np.pi * radius**2)

    expected = smoothed_edge(disc, 1.0) / smoothed_edge(disc, 1.6)
    assert float(reblurring_ratio(radius, 1.0, 1.6, "disc")) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("radius", [1.0, 3.0, 7.0])
def test_the_ratio_of_a_gaussian_is_the_closed_form(radius):
    sigma = radius / 2

    def gaussian(x):
        return np.exp(-0.5 * (x / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))

    expected = smoothed_edge(gaussian, 1.0) / smoothed_edge(gaussian, 1.6)
    assert float(reblurring_ratio(radius, 1.0, 1.6, "gaussian")) == pytest.approx(expected, rel=1e-3)


@given(st.floats(0.3, 12), st.sampled_from(["disc", "gaussian"]))
def test_the_radius_is_read_back_from_its_ratio(radius, aperture):
    fine, coarse = np.hypot(1.0, SHARP), np.hypot(1.6, SHARP)
    ratio = reblurring_ratio(radius, float(fine), float(coarse), aperture)
    assert float(radius_from_ratio(ratio, 1.0, 1.6, aperture)) == pytest.approx(radius, rel=0.03, abs=0.03)


@given(st.floats(0, 10))
def test_radii_are_within_their_range_whatever_the_ratio(ratio):
    assert 0 <= float(radius_from_ratio(np.float32(ratio), 1.0, 1.6, "disc")) <= LARGEST


def bars(radius, shape="disc"):
    """Wide vertical bars, blurred on a grid of 8 samples a pixel and averaged over pixels; H x W in linear light."""
    fine = 8
    line = (np.maximum(np.arange(192 * fine) - fine // 2, 0) // (48 * fine) % 2 * 0.4 + 0.2).astype(np.float64)
    x = (np.arange(-20 * fine, 20 * fine + 1)) / fine
    if shape == "disc":
        profile = np.sqrt(np.maximum(radius**2 - x**2, 0))
    else:
        profile = np.exp(-0.5 * (x / (radius / 2)) ** 2)
    blurred = np.convolve(np.pad(line, 20 * fine, "edge"), profile / profile.sum(), "valid")
    return np.tile(blurred.reshape(-1, fine).mean(1).astype(np.float32), (96, 1))


def seen(radius):
    """What a lone edge is read as: pixels and differences blur it (1/12 and 1/3), SHARP is allowed for."""
    return np.sqrt(radius**2 + 4 * (1 / 12 + 1 / 3 - SHARP**2))


@pytest.mark.parametrize("shape", ["disc", "gaussian"])
@pytest.mark.parametrize("radius", [1.5, 3.0, 5.0])
def test_the_blur_of_lone_edges_is_measured(radius, shape):
    found, confidence = edge_radii(bars(radius, shape), 0.0, shape)
    assert (confidence > 0).sum() >= 3 * 90
    assert np.median(found[confidence > 0]) == pytest.approx(seen(radius), rel=0.06)


def test_the_map_covers_the_picture_and_separates_two_blurs():
    light = np.concatenate([bars(1.5), bars(4.0)], 1)
    radius = ebdb_map(linear_to_srgb(np.repeat(light[..., None], 3, 2)), noise=0.0)
    assert radius.shape == light.shape
    assert np.isfinite(radius).all()
    assert np.median(radius[:, 20:160]) == pytest.approx(seen(1.5), abs=0.5)
    assert np.median(radius[:, 224:360]) == pytest.approx(seen(4.0), abs=0.5)


def test_a_plain_picture_has_no_edges_and_no_blur():
    assert not ebdb_map(np.full((40, 60, 3), 0.4, np.float32)).any()


def test_edges_are_thin_and_where_the_step_is():
    edges = crests(gradient(bars(2.0), 1.0), 0.01, 0.02)
    assert edges[48].sum() == 3
    assert np.abs(np.flatnonzero(edges[48]) - [48, 96, 144]).max() <= 1


def test_measurements_travel_along_edges_but_not_across_gaps():
    confidence = np.zeros((9, 20), np.float32)
    confidence[4, 2:9] = 1
    confidence[4, 11:18] = 1
    radius = np.where(np.arange(20) < 10, 2.0, 6.0).astype(np.float32) * (confidence > 0)
    radius[4, 5] = 4.0
    averaged = along_edges(radius, confidence, 30)
    assert averaged[4, 11:18] == pytest.approx(6.0)
    assert np.ptp(averaged[4, 2:9]) < 0.2
    assert 2.0 < averaged[4, 3] < 2.7
    assert not averaged[confidence == 0].any()
