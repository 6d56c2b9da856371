import subprocess
import sys

import numpy as np
import pytest
from skimage import data

from sdd_bench.errors import ModelError
from sdd_bench.models.classical import DECONVOLUTIONS, MAPS, METHODS, deconvolve_with, defocus_map, restore


@pytest.fixture(scope="module")
def picture():
    return (data.chelsea()[60:140, 100:220] / 255).astype(np.float32)


def test_every_map_goes_with_every_deconvolution():
    assert set(METHODS) == {f"{m}+{d}" for m in ("jnb", "ebdb") for d in ("deconv", "richardson-lucy", "wiener")}


@pytest.mark.parametrize("part", [*MAPS.values(), *DECONVOLUTIONS.values()], ids=lambda part: part.name)
def test_what_is_registered_is_there(part):
    assert callable(part.load())


@pytest.mark.parametrize("name", ["ebdb+deconv", "jnb+wiener"])
def test_a_combination_is_its_map_and_then_its_deconvolution(name, picture):
    map_name, deconvolution = name.split("+")
    radius = defocus_map(map_name, picture)
    restored = restore(name, picture)
    assert restored.shape == picture.shape
    assert restored.dtype == np.float32
    assert np.array_equal(restored, deconvolve_with(deconvolution, picture, radius))
    assert np.array_equal(radius, defocus_map(name, picture))


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda p: restore("jnb+decov", p), r"jnb\+deconv"),
        (lambda p: defocus_map("edbd", p), "ebdb"),
        (lambda p: deconvolve_with("weiner", p, p[..., 0]), "wiener"),
    ],
)
def test_an_unknown_name_names_the_nearest(call, hint, picture):
    with pytest.raises(ModelError, match=f"Did you mean .*{hint}"):
        call(picture)


def test_listing_the_methods_imports_nothing_heavy():
    code = (
        "import sys, sdd_bench.models.classical as c; assert c.METHODS; "
        "print([m for m in ('numpy', 'scipy', 'cv2', 'skimage', 'torch') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
