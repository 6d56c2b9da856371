import numpy as np
import pytest

from sdd_bench.alignment.similarity_depth import share_of_precise
from sdd_bench.alignment.similarity_fit import EvenFit, PreciseFit

REACH = np.array([500.0, 1.0, 1.0])
# Of a change of zoom, shift x and shift y by noise alone, in the even fit: 0.1 px at the border, all together.
EVEN_NOISE = np.diag((0.1 / np.sqrt(3) / REACH) ** 2)
TOGETHER = np.zeros(3)
# Shares of the places that the bands of the precise fit see, the finest first, and what noise makes of their scatter.
SEES = (0.7, 1.0, 1.0, 1.0, 0.2)
EXPECTED = (0.03, 0.04, 0.06, 0.2, 0.4)


def grid(across, down):
    x, y = np.meshgrid(np.linspace(-450, 450, across), np.linspace(-300, 300, down))
    return np.stack([x, y], axis=-1).reshape(-1, 2)


def influence(place, weight):
    """Of displacements on the change in a weighted least-squares fit of zoom and shift."""
    design = np.zeros((len(place), 2, 3))
    design[:, :, 0] = place
    design[:, 0, 1] = design[:, 1, 2] = 1
    normal = np.einsum("nki,nkj,n->ij", design, design, weight)
    return np.einsum("ij,nkj,n->nik", np.linalg.inv(normal), design, weight)


def decide(scatter, edition, apart=TOGETHER, sees=SEES):
    """The share for bands that scatter so much, where the precise fit listens to the left half of the picture only."""
    places = grid(8, 5)
    bands = [places[: round(share * len(places))] for share in sees]
    place = np.concatenate(bands)
    left = np.where(place[:, 0] < 0, 1.0, 0.02)
    precise = PreciseFit(
        change=TOGETHER,
        covariance=np.diag((0.005 / REACH) ** 2),
        place=place,
        influence=influence(place, left),
        counts=[len(band) for band in bands],
        inlier_share=1.0,
        scatter=list(scatter),
        expected=list(EXPECTED),
    )
    even = EvenFit(
        change=TOGETHER,
        covariance=EVEN_NOISE,
        place=places,
        influence=influence(places, np.ones(len(places))),
        counts=[len(places)],
        noise=EVEN_NOISE,
    )
    return share_of_precise(precise, even, apart, REACH, edition)


@pytest.mark.parametrize("edition", [1, 2])
def test_where_displacements_scatter_as_noise_does_the_precise_answer_is_believed(edition):
    assert decide(EXPECTED, edition) > 0.99


@pytest.mark.parametrize("edition", [1, 2])
def test_where_all_bands_scatter_more_the_even_answer_is_believed(edition):
    assert decide(5 * np.array(EXPECTED), edition) < 0.01


def test_a_coarse_band_that_scatters_by_chance_is_overruled_by_a_fine_one_that_saw_the_scene():
    by_chance = (*EXPECTED[:3], 2 * EXPECTED[3], EXPECTED[4])
    assert decide(by_chance, edition=1) < 0.01
    assert decide(by_chance, edition=2) > 0.99


def test_a_fine_band_that_saw_a_part_of_the_scene_overrules_nothing():
    deep_elsewhere = (*EXPECTED[:2], 5 * EXPECTED[2], 2 * EXPECTED[3], EXPECTED[4])
    assert decide(deep_elsewhere, edition=2, sees=(0.4, 0.6, 1.0, 1.0, 0.2)) < 0.01


def test_answers_that_lie_apart_are_no_sign_of_depth_where_a_fine_band_says_that_the_scene_is_flat():
    apart = np.array([0.0, 0.5, 0.0])  # five times what noise does
    assert decide(EXPECTED, edition=1, apart=apart) < 0.01
    assert decide(EXPECTED, edition=2, apart=apart) > 0.99


def test_with_no_band_that_saw_the_scene_answers_that_lie_apart_are_a_sign_of_depth():
    apart = np.array([0.0, 0.5, 0.0])
    assert decide(EXPECTED, edition=2, apart=apart, sees=(0.5, 0.6, 0.6, 0.7, 0.2)) < 0.01
