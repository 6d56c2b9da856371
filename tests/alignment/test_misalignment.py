import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdd_bench.alignment.misalignment import misalignment
from sdd_bench.alignment.similarity import Similarity

SHAPE = (60, 101, 3)
zooms = st.floats(0.9, 1.1)
shifts = st.tuples(st.floats(-9, 9), st.floats(-9, 9))


@given(zooms, shifts)
def test_lengths_are_those_of_the_similarity_s_flow(zoom, shift):
    similarity = Similarity(zoom, shift)
    lengths = np.linalg.norm(similarity.flow(SHAPE).astype(float), axis=-1)
    found = misalignment(similarity, SHAPE)
    corners = lengths[[0, 0, -1, -1], [0, -1, 0, -1]]
    assert found.corner == pytest.approx(corners.max(), abs=1e-4)
    assert found.rms == pytest.approx(math.sqrt((lengths**2).mean()), abs=1e-4)
    assert found.rms**2 == pytest.approx(found.zoom_rms**2 + found.shift**2)


@pytest.mark.parametrize(("zoom", "shift", "dominant"), [(1.02, (0.1, 0), "zoom"), (1.0001, (3, 4), "shift")])
def test_the_type_that_moves_the_frame_more_dominates(zoom, shift, dominant):
    assert misalignment(Similarity(zoom, shift), SHAPE).dominant == dominant


@given(zooms, shifts, st.integers(0, 100))
def test_the_corner_s_deviation_is_the_scatter_of_corners_of_drawn_similarities(zoom, shift, seed):
    rng = np.random.default_rng(seed)
    factor = rng.normal(size=(3, 3)) * [[1e-5], [2e-3], [2e-3]]
    centre = np.array([zoom, *shift])
    found = misalignment(Similarity(zoom, shift, factor @ factor.T), SHAPE)
    if found.corner < 0.5:  # near zero a length isn't linear in what it is of
        return
    half = np.array([(SHAPE[1] - 1) / 2, (SHAPE[0] - 1) / 2])
    corners = np.array([[-1, -1], [1, -1], [-1, 1], [1, 1]]) * half
    farthest = corners[np.linalg.norm((zoom - 1) * corners + shift, axis=1).argmax()]
    drawn = centre + rng.normal(size=(4000, 3)) @ factor.T
    lengths = np.linalg.norm((drawn[:, :1] - 1) * farthest + drawn[:, 1:], axis=1)
    assert found.corner_sd == pytest.approx(lengths.std(), rel=0.1)


def test_without_a_covariance_nothing_is_said_of_the_deviation():
    assert misalignment(Similarity(1.01, (1.0, 2.0)), SHAPE).corner_sd is None
