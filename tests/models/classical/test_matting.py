import numpy as np
import pytest

from sdd_bench.models.classical.matting import matting_laplacian, solve_matting


def by_definition(guide, epsilon):
    """Levin et al., eq. 12, entry by entry."""
    height, width = guide.shape[:2]
    laplacian = np.zeros((height * width, height * width))
    for row, column in np.ndindex(height - 2, width - 2):
        members = [(row + i) * width + column + j for i in range(3) for j in range(3)]
        colours = guide.reshape(-1, 3)[members]
        mean = colours.mean(0)
        covariance = sum(np.outer(c - mean, c - mean) for c in colours) / 9
        inverse = np.linalg.inv(covariance + epsilon / 9 * np.eye(3))
        for a, i in enumerate(members):
            for b, j in enumerate(members):
                laplacian[i, j] += (i == j) - (1 + (colours[a] - mean) @ inverse @ (colours[b] - mean)) / 9
    return laplacian


@pytest.fixture(scope="module")
def guide():
    return np.random.default_rng(0).random((6, 7, 3))


def test_the_laplacian_is_that_of_its_definition(guide):
    assert matting_laplacian(guide, 1e-3).toarray() == pytest.approx(by_definition(guide, 1e-3), abs=1e-9)


def test_it_costs_nothing_to_be_constant_and_nothing_negative_to_be_anything(guide):
    dense = matting_laplacian(guide, 1e-3).toarray()
    assert dense.sum(1) == pytest.approx(np.zeros(42), abs=1e-9)
    assert np.linalg.eigvalsh(dense).min() > -1e-9


def test_a_linear_function_of_colour_costs_next_to_nothing(guide):
    linear = (guide @ [0.3, -0.5, 0.7] + 0.2).ravel()
    random = np.random.default_rng(1).permutation(linear)
    laplacian = matting_laplacian(guide, 1e-7)
    assert linear @ laplacian @ linear < 1e-5 * (random @ laplacian @ random)


def test_the_solution_is_that_of_the_dense_system(guide):
    rng = np.random.default_rng(2)
    measured, pull = rng.random((6, 7)), 0.1 * (rng.random((6, 7)) < 0.3)
    dense = by_definition(guide, 1e-3) + np.diag(pull.ravel())
    expected = np.linalg.solve(dense, (pull * measured).ravel()).reshape(6, 7)
    assert solve_matting(guide, measured, pull, 1e-3) == pytest.approx(expected, abs=1e-5)


def test_two_colours_keep_two_values_apart():
    guide = np.zeros((12, 20, 3))
    guide[:, 10:] = 1.0
    measured, pull = np.zeros((12, 20)), np.zeros((12, 20))
    measured[6, 4], measured[6, 15] = 1.0, 5.0
    pull[6, 4] = pull[6, 15] = 1.0
    found = solve_matting(guide, measured, pull)
    assert found[:, :9] == pytest.approx(1.0, abs=0.05)
    assert found[:, 11:] == pytest.approx(5.0, abs=0.05)
