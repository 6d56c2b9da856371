import numpy as np
import pytest

from sdd_bench.models.classical.windows import fit, guided, windows


@pytest.fixture(scope="module")
def sparse():
    rng = np.random.default_rng(0)
    guide, values = rng.random((9, 11, 3)), rng.random((9, 11))
    weight = rng.random((9, 11)) * (rng.random((9, 11)) < 0.6)
    return guide, values, weight


def by_least_squares(guide, values, weight, row, column, radius, penalty):
    """The weighted ridge regression of one window: rows sqrt(w) (I, 1), and sqrt(penalty sum w) on the slopes."""
    rows = slice(max(row - radius, 0), row + radius + 1)
    columns = slice(max(column - radius, 0), column + radius + 1)
    w = np.sqrt(weight[rows, columns].ravel())
    colours = np.c_[guide[rows, columns].reshape(-1, 3), np.ones(w.size)]
    ridge = np.sqrt(penalty * (w**2).sum()) * np.eye(3, 4)
    right = np.r_[w * values[rows, columns].ravel(), np.zeros(3)]
    return np.linalg.lstsq(np.r_[w[:, None] * colours, ridge], right, rcond=None)[0]


@pytest.mark.parametrize("radius", [1, 2])
def test_every_window_is_fitted_by_least_squares(sparse, radius):
    guide, values, weight = sparse
    slope, offset = fit(windows(guide, weight, radius, 1e-2), values)
    for row, column in np.ndindex(values.shape):
        expected = by_least_squares(guide, values, weight, row, column, radius, 1e-2)
        assert np.r_[slope[row, column], offset[row, column]] == pytest.approx(expected, abs=1e-6)


def test_the_map_averages_the_fits_by_their_weights(sparse):
    guide, values, weight = sparse
    stats = windows(guide, weight, 1, 1e-2)
    found, evidence = guided(stats, values)
    total = value = 0.0
    for row, column in np.ndindex(3, 3):  # the windows around pixel (4, 5)
        centre = (row + 3, column + 4)
        fitted = by_least_squares(guide, values, weight, *centre, 1, 1e-2)
        total += stats.total[centre]
        value += stats.total[centre] * (fitted[:3] @ guide[4, 5] + fitted[3])
    assert found[4, 5] == pytest.approx(value / total)
    assert evidence[4, 5] == pytest.approx(total)


def test_far_from_all_values_there_is_no_evidence(sparse):
    guide, values, weight = sparse
    alone = np.zeros_like(weight)
    alone[0, 0] = 1.0
    found, evidence = guided(windows(guide, alone, 1, 1e-2), values)
    assert evidence[0, 0] > 0
    assert found[0, 0] == pytest.approx(values[0, 0])
    assert evidence[4, 4] == 0
    assert found[4, 4] == 0
