from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# The first example of a property often pays for an import or a cache; that is no failure.
settings.register_profile("sdd-bench", deadline=None)
settings.load_profile("sdd-bench")


@pytest.fixture(scope="session", autouse=True)
def empty_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test sees the weights or finished work in the cache of whoever runs it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SDD_BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared dataset of three small synthetic test pairs with known truth; read it, do not change it."""
    from sdd_bench import prepare, synthesize
    from sdd_bench.datasets.scenes import SceneSettings

    folder = tmp_path_factory.mktemp("dataset")
    small = SceneSettings(width=160, height=128, shift=(-3.0, 3.0), max_blur_radius=(1.5, 2.5))
    synthesize(folder / "raw", test=3, seed=5, settings=small, progress=False)
    prepare(folder / "raw", folder / "prepared", "as-is", name="small", patch_size=64, stride=32, progress=False)
    return folder / "prepared"
