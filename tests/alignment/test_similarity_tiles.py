import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdd_bench.alignment import similarity_tiles
from sdd_bench.alignment.octaves import Placement
from sdd_bench.alignment.similarity_tiles import NoTextureError, measure_from_source, measure_halfway

SIZE = (176, 240)
CENTRE = ((SIZE[1] - 1) / 2, (SIZE[0] - 1) / 2)
STILL = Placement(1.0, 0.0, 0.0, *CENTRE)

placements = st.builds(
    Placement, st.floats(0.5, 2), st.floats(-50, 50), st.floats(-50, 50), st.just(CENTRE[0]), st.just(CENTRE[1])
)


def waves(shift=(0.0, 0.0), gain=1.0, blur=0.0):
    """A sum of plane waves of periods from 6 to 20 px: its shift, gain and Gaussian blur are exact."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[0 : SIZE[0], 0 : SIZE[1]].astype(float)
    out = np.zeros(SIZE)
    for _ in range(60):
        frequency, angle, phase = 2 * np.pi / rng.uniform(6, 20), rng.uniform(0, 2 * np.pi), rng.uniform(0, 2 * np.pi)
        along = np.cos(angle) * (x - shift[0]) + np.sin(angle) * (y - shift[1])
        out += 0.02 * np.exp(-0.5 * (blur * frequency) ** 2) * np.cos(frequency * along + phase)
    return (gain * out).astype(np.float32)


def displacement(tiles):
    return np.linalg.solve(tiles.information, tiles.pull[..., None])[..., 0]


@given(placements)
def test_half_of_a_placement_applied_twice_is_the_placement(placement):
    half = placement.half()
    zoom, x, y = half[:3]
    np.testing.assert_allclose([zoom**2, zoom * x + x, zoom * y + y], placement[:3], rtol=1e-12, atol=1e-12)


@given(placements)
def test_the_way_back_has_the_half_of_the_inverse(placement):
    np.testing.assert_allclose(placement.inverse().half(), placement.half().inverse(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("gain", [1.0, 0.6, 1.5])
@pytest.mark.parametrize("blur", [0.0, 0.5])
@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.3, -0.2), (-0.1, 0.4)])
def test_displacement_is_found_whatever_gain_and_blur(gain, blur, shift):
    source, target = waves(), waves(shift, gain, blur)
    for tiles in (
        measure_from_source(source, target, STILL, 0),
        measure_halfway(source, target, STILL, 0, everywhere=False),
    ):
        np.testing.assert_allclose(np.median(displacement(tiles), axis=0), shift, atol=0.03)


def test_displacements_are_in_full_pixels_at_every_level():
    tiles = measure_from_source(waves(), waves((0.2, 0.1)), STILL._replace(centre_x=480, centre_y=352), 2)
    np.testing.assert_allclose(np.median(displacement(tiles), axis=0), (0.8, 0.4), atol=0.08)
    assert np.ptp(tiles.place[:, 0]) > 4 * 150


@pytest.mark.parametrize("everywhere", [False, True])
def test_swapping_the_pictures_turns_displacements_round(everywhere):
    source, target = waves(), waves((0.3, -0.2), 0.8, 0.4)
    placement = Placement(1.01, 0.5, -0.25, *CENTRE)
    there = measure_halfway(source, target, placement, 0, everywhere)
    back = measure_halfway(target, source, placement.inverse(), 0, everywhere)
    np.testing.assert_allclose(back.place, there.place)
    np.testing.assert_allclose(back.energy, there.energy, rtol=1e-4, atol=1e-8)
    np.testing.assert_allclose(back.push, -there.push, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(back.noise, there.noise, rtol=1e-3)


def test_energy_is_that_of_the_slopes_on_average():
    # Oracle: the integral of the squared slopes of both pictures, by numpy's gradient.
    source, target = waves(), waves(gain=0.5)
    tiles = measure_halfway(source, target, STILL, 0, everywhere=True)
    first, last = (tiles.place[k] + CENTRE for k in (0, -1))
    rows, columns = (slice(int(first[k] - 7.5), int(last[k] + 8.5)) for k in (1, 0))
    squares = sum(np.square(g)[rows, columns].sum() for p in (source, target) for g in np.gradient(p)) / 2
    assert np.trace(tiles.energy, axis1=1, axis2=2).sum() == pytest.approx(squares, rel=0.02)


def test_strips_change_nothing(monkeypatch):
    source, target = waves(), waves((0.3, -0.2), 0.8, 0.4)
    whole = measure_halfway(source, target, STILL, 0, everywhere=False)
    monkeypatch.setattr(similarity_tiles, "_STRIP_PIXELS", 1)
    for name in ("place", "information", "pull", "energy", "push", "noise"):
        in_strips = getattr(measure_halfway(source, target, STILL, 0, everywhere=False), name)
        np.testing.assert_allclose(in_strips, getattr(whole, name), rtol=1e-5, atol=1e-9)


def test_tiles_that_nothing_explains_are_not_trusted():
    target = waves()
    target[:, 120:] = np.random.default_rng(0).normal(0, 0.05, (SIZE[0], 120))
    tiles = measure_from_source(waves(), target, STILL, 0)
    kept = tiles.trusted()
    assert 0 < len(kept.place) < len(tiles.place)
    assert kept.place[:, 0].max() < 16
    assert len(tiles.energy) == len(tiles.place)


def test_pictures_without_overlap_are_refused():
    with pytest.raises(NoTextureError, match="hardly overlap"):
        measure_halfway(waves(), waves(), STILL._replace(shift_x=500), 0, everywhere=False)
