import numpy as np
import pytest
from skimage import data

from sdd_bench.alignment.blur import defocus
from sdd_bench.alignment.light import linear_to_srgb, srgb_to_linear
from sdd_bench.models.classical.jnb import jnb_map, radius_from_count
from sdd_bench.models.classical.jnb_dictionary import RADII, atom_count, edge_patches, learn_sparsity, load_sparsity
from sdd_bench.models.classical.sparse_coding import learn_dictionary, matching_pursuit


@pytest.fixture(scope="module")
def coded():
    rng = np.random.default_rng(0)
    dictionary = rng.normal(size=(24, 16)).astype(np.float32)
    dictionary /= np.linalg.norm(dictionary, axis=1, keepdims=True)
    patches = rng.normal(size=(30, 16)).astype(np.float32)
    return patches, dictionary, *matching_pursuit(patches, dictionary, 6)


def test_what_is_left_is_what_least_squares_leaves(coded):
    patches, dictionary, taken, norms, left = coded
    for patch, atoms, norm, rest in zip(patches, taken, norms, left, strict=True):
        assert len(set(atoms)) == 6
        for count in range(1, 7):
            chosen = dictionary[atoms[:count]].T
            expected = patch - chosen @ np.linalg.lstsq(chosen, patch, rcond=None)[0]
            assert norm[count] == pytest.approx(np.linalg.norm(expected), abs=1e-4)
        assert rest == pytest.approx(expected, abs=1e-4)


def test_every_step_takes_the_atom_most_like_what_is_left(coded):
    patches, dictionary, taken, _, _ = coded
    for patch, atoms in zip(patches, taken, strict=True):
        rest = patch
        for count in range(6):
            assert atoms[count] == np.abs(dictionary @ rest).argmax()
            chosen = dictionary[atoms[: count + 1]].T
            rest = patch - chosen @ np.linalg.lstsq(chosen, patch, rcond=None)[0]


def test_learning_finds_a_dictionary_that_fits_better_than_its_start():
    rng = np.random.default_rng(1)
    atoms = np.linalg.qr(rng.normal(size=(16, 16)))[0].astype(np.float32)
    codes = np.zeros((600, 16), np.float32)
    for row in codes:
        row[rng.choice(16, 2, replace=False)] = rng.normal(size=2)
    patches = codes @ atoms
    patches /= np.linalg.norm(patches, axis=1, keepdims=True)
    dictionary, misfits = learn_dictionary(patches, 16, atoms=2, rounds=15, rng=rng)
    assert misfits[-1] < 0.75 * misfits[0]
    assert np.linalg.norm(dictionary, axis=1) == pytest.approx(np.ones(16), abs=1e-5)


def test_what_was_learned_is_whole_and_tells_blurs_apart():
    dictionary, feature = load_sparsity()
    assert dictionary.shape == (64, 64)
    assert np.linalg.norm(dictionary, axis=1) == pytest.approx(np.ones(64), abs=1e-5)
    assert feature.shape == (len(RADII),)
    assert (np.diff(feature) < 0).all()
    assert feature[0] > 4 * feature[-1]


def test_learning_makes_the_file_again():
    # Another machine's rounding may lead to other atoms, but not to another feature.
    assert learn_sparsity().feature == pytest.approx(load_sparsity().feature, abs=0.5)


def test_the_radius_falls_with_the_number_of_atoms():
    sparsity = load_sparsity()
    assert radius_from_count(sparsity.feature, sparsity) == pytest.approx(RADII)
    assert (np.diff(radius_from_count(np.linspace(0, 20, 50, dtype=np.float32), sparsity)) <= 0).all()


def test_atoms_of_the_dictionary_are_represented_by_one():
    dictionary = load_sparsity().dictionary
    assert (atom_count(dictionary, dictionary) <= 1).all()


def test_patches_are_those_around_their_places():
    light = np.random.default_rng(2).random((30, 40), np.float32)
    patch = edge_patches(light, np.array([[10, 20]]))[0].reshape(8, 8)
    around = light[6:14, 16:24]
    assert patch == pytest.approx(around - around.mean(), abs=1e-6)


def test_more_blur_has_a_larger_radius():
    sharp = srgb_to_linear((data.coffee()[80:240:2, 200:400:2] / 255).astype(np.float32))
    maps = [jnb_map(linear_to_srgb(defocus(sharp, radius, "disc"))) for radius in (0, 1.5, 2.5)]
    first, second, third = (float(np.median(radius)) for radius in maps)
    assert first + 0.2 < second < third - 0.2
    assert all((radius >= 0).all() and (radius <= RADII[-1] + 1e-5).all() for radius in maps)


def test_a_plain_picture_has_no_blur():
    assert not jnb_map(np.full((40, 60, 3), 0.4, np.float32)).any()
