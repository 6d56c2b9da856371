from pathlib import Path

import pytest

from sdd_bench.training.recipe import get_recipe
from sdd_bench.training.run_folder import TrainingSettings


@pytest.fixture(scope="session")
def pairs(tmp_path_factory) -> Path:
    """A prepared dataset of five small training scenes and a test one, patches of 64; read it, do not change it."""
    from sdd_bench import prepare, synthesize
    from sdd_bench.datasets.scenes import SceneSettings

    folder = tmp_path_factory.mktemp("training")
    small = SceneSettings(width=128, height=96, shift=(-3.0, 3.0), max_blur_radius=(1.5, 2.5))
    synthesize(folder / "raw", test=1, train=5, seed=5, settings=small, progress=False)
    prepare(folder / "raw", folder / "prepared", "as-is", name="small", patch_size=64, stride=64, progress=False)
    return folder / "prepared"


TINY = {
    "objective.flow.name": "dis",
    "objective.initial_epochs": 1,
    "optimiser.epochs": 2,
    "optimiser.batch": 2,
    "optimiser.learning_rate": 1e-3,
    "data.crop": 64,
    "validation.crop": 64,
}


@pytest.fixture
def settings(pairs, tmp_path):
    """Makes the settings of a run that takes seconds."""

    def make(name="jdrl", out="run", changes=None, **fields):
        recipe = get_recipe(name, {**TINY, **(changes or {})})
        if recipe.objective.reblurring is not None:
            recipe = get_recipe(name, {**TINY, "objective.reblurring.width": 4, **(changes or {})})
        given = {
            "dataset": pairs,
            "out": tmp_path / out,
            "model": "unet",
            "options": {"width": 2, "residual": True},
            "recipe": recipe,
            "seed": 0,
            "start_from": None,
            "device": "cpu",
            "devices": 1,
            "precision": "32-true",
            "workers": 0,
            "strips_every": 0,
            "progress": False,
        }
        return TrainingSettings(**(given | fields))

    return make
