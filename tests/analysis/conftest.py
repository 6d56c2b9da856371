import shutil
from pathlib import Path

import numpy as np
import pytest

from sdd_bench import analyze, prepare, synthesize
from sdd_bench.datasets.scenes import SceneSettings
from sdd_bench.io.images import write_image

SETTINGS = SceneSettings(width=192, height=144, shift=(-3.0, 3.0), max_blur_radius=(1.5, 2.5), parallax=(0.0, 0.0))


@pytest.fixture(scope="session")
def raw(tmp_path_factory) -> Path:
    """Three synthetic pairs of flat scenes, in both splits."""
    return synthesize(
        tmp_path_factory.mktemp("analysis") / "raw", test=2, train=1, seed=3, settings=SETTINGS, progress=False
    )


@pytest.fixture(scope="session")
def data(raw) -> Path:
    """They, prepared, and a fourth whose pictures show different things."""
    unlike = raw.with_name("unlike")
    shutil.copytree(raw, unlike)
    rng = np.random.default_rng(0)
    for folder in ("blur", "sharp"):
        write_image(unlike / folder / "noise.png", rng.random((144, 192, 3), np.float32))
    with (unlike / "pairs.csv").open("a") as file:
        file.write("blur/noise.png,sharp/noise.png,,noise,outdoor,test\n")
    prepare(
        unlike,
        raw.with_name("data"),
        "as-is",
        patch_size=64,
        stride=32,
        checks={"all": {"level": "off"}},
        progress=False,
    )
    return raw.with_name("data")


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="session")
def result(data, cache):
    return analyze(data, cache=cache, progress=False)
