from dataclasses import replace

import numpy as np
import pytest

from sdd_bench.alignment.similarity_fit import even_fit, precise_fit
from sdd_bench.alignment.similarity_tiles import NoTextureError, Tiles

TRUE = np.array([0.004, 1.5, -0.7])


def tiles(seed, displacement, sigma, energy=1.0, across=12, down=8):
    """Tiles on a grid of 100 px that know their displacement to `sigma`, as noisy as they say."""
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid((np.arange(across) - across / 2) * 100.0, (np.arange(down) - down / 2) * 100.0)
    place = np.stack([x, y], axis=-1).reshape(-1, 2)
    sigma = np.broadcast_to(sigma, len(place))
    moved = displacement(place) + rng.normal(size=place.shape) * sigma[:, None]
    information = np.eye(2) / sigma[:, None, None] ** 2
    weight = np.broadcast_to(energy, len(place))
    return Tiles(
        place=place,
        information=information,
        pull=(information @ moved[..., None])[..., 0],
        energy=np.eye(2) * weight[:, None, None],
        push=moved * weight[:, None],
        noise=sigma**2 * weight,
    )


def rigid(place):
    return TRUE[0] * place + TRUE[1:]


def deep(place):
    """A part of the scene, a third of it, moves by 3 px more."""
    return rigid(place) + np.where(place[:, :1] > 200, [[3.0, 0.0]], [[0.0, 0.0]])


@pytest.mark.parametrize("fit", [precise_fit, even_fit])
def test_exact_displacements_give_the_exact_change(fit):
    found = fit([tiles(0, rigid, 1e-9)])
    np.testing.assert_allclose(found.change, TRUE, atol=1e-8)


@pytest.mark.parametrize("fit", [precise_fit, even_fit])
def test_influence_says_how_the_change_follows_the_displacements(fit):
    # Oracle: both fits are linear in the displacements once their weights are fixed; influences rebuild the change.
    bands = [tiles(1, rigid, 0.01)]
    found = fit(bands)
    displacement = np.linalg.solve(bands[0].information, bands[0].pull[..., None])[..., 0]
    np.testing.assert_allclose(np.einsum("nij,nj->i", found.influence, displacement), found.change, rtol=1e-9)


def test_the_precise_fit_weighs_by_what_tiles_know():
    sigma = np.where(np.arange(96) % 2, 0.01, 1.0)
    errors = [precise_fit([tiles(seed, rigid, sigma)]).change - TRUE for seed in range(20)]
    even = [even_fit([tiles(seed, rigid, sigma)]).change - TRUE for seed in range(20)]
    assert np.std(errors, axis=0)[1] < 0.1 * np.std(even, axis=0)[1]


def test_the_precise_fit_rejects_what_moves_differently():
    def crossed(place):
        return rigid(place) + np.where(np.arange(len(place))[:, None] % 9, 0.0, 5.0)

    found = precise_fit([tiles(2, crossed, 0.02)])
    assert (np.abs(found.change - TRUE) < [1e-4, 0.02, 0.02]).all()
    assert found.inlier_share == pytest.approx(1 - 11 / 96, abs=0.03)


def test_the_even_fit_does_not_depend_on_what_is_known_where():
    # In one pair only the part that moves more is in focus in both pictures, in the other only the rest.
    pair = tiles(3, deep, 0.02)
    right = pair.place[:, 0] > 200
    focused = [replace(pair, information=pair.information * part[:, None, None]) for part in (right, ~right)]
    even = [even_fit([tiles]).change for tiles in focused]
    precise = [precise_fit([tiles.trusted()]).change for tiles in focused]
    np.testing.assert_array_equal(even[0], even[1])
    assert np.abs(precise[0] - precise[1])[1] > 2.5


@pytest.mark.parametrize("fit", [precise_fit, even_fit])
def test_intervals_hold_the_truth_as_often_as_they_say(fit):
    inside = []
    for seed in range(200):
        found = fit([tiles(seed, rigid, 0.05)])
        off = found.change - TRUE
        # The 95 % quantile of chi squared with three degrees of freedom.
        inside.append(off @ np.linalg.solve(found.covariance, off) < 7.81)
    assert 0.85 < np.mean(inside) < 0.99


def test_bands_that_disagree_widen_the_error():
    def shifted(place):
        return rigid(place) + np.array([0.5, 0.0])

    agreeing = precise_fit([tiles(0, rigid, 0.05), tiles(1, rigid, 0.05)])
    disagreeing = precise_fit([tiles(0, rigid, 0.05), tiles(1, shifted, 0.05)])
    assert disagreeing.covariance[1, 1] > 20 * agreeing.covariance[1, 1]
    assert np.sqrt(disagreeing.covariance[1, 1]) > 0.1


def test_scatter_is_told_from_noise():
    still, moving = (precise_fit([tiles(4, motion, 0.05)]) for motion in (rigid, deep))
    # The root mean square over two axes of noise of 0.05 each has the median 0.05 sqrt(ln 2).
    assert still.expected[0] == pytest.approx(1.4826 * 0.05 * np.sqrt(np.log(2)), rel=0.01)
    assert still.scatter[0] == pytest.approx(still.expected[0], rel=0.25)
    assert moving.scatter[0] > 5 * moving.expected[0]


@pytest.mark.parametrize("fit", [precise_fit, even_fit])
def test_one_place_alone_determines_no_zoom(fit):
    band = tiles(0, rigid, 0.05, across=1, down=1)
    same = Tiles(*(np.repeat(getattr(band, name), 6, axis=0) for name in Tiles.__dataclass_fields__))
    with pytest.raises(NoTextureError, match="determine"):
        fit([same])


def test_too_few_tiles_are_refused():
    with pytest.raises(NoTextureError, match="too few"):
        precise_fit([tiles(0, rigid, 0.05, across=3, down=1)])
