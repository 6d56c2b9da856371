import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sdd_bench.datasets.scenes import PHOTOGRAPHS, SceneSettings, circle_of_confusion, load_photograph, random_scene
from sdd_bench.errors import DatasetError


def test_a_point_in_focus_has_no_circle_of_confusion_and_one_at_infinity_has_the_largest_behind_focus():
    assert circle_of_confusion(2.0, 2.0, 5.0) == 0
    assert circle_of_confusion(1e12, 2.0, 5.0) == pytest.approx(5.0)


def test_the_circle_of_confusion_is_that_of_a_thin_lens():
    # By the lens equation 1/f = 1/d + 1/v: a point at d is imaged at v(d), the sensor stands at v(d_f), and the cone
    # from an aperture of diameter D has there the diameter D |v(d_f) - v(d)| / v(d). Here: 50 mm, f/2, 10 um pixels.
    focal, focus, depth, pixel = 0.05, 1.5, 4.0, 1e-5
    aperture = focal / 2
    image = lambda distance: 1 / (1 / focal - 1 / distance)  # noqa: E731 - a formula
    radius = aperture * abs(image(focus) - image(depth)) / image(depth) / pixel / 2
    at_infinity = aperture * abs(image(focus) - focal) / focal / pixel / 2
    assert circle_of_confusion(depth, focus, at_infinity) == pytest.approx(radius, rel=1e-12)


@given(st.integers(0, 2**32 - 1))
def test_every_scene_lies_within_its_settings(seed):
    settings = SceneSettings()
    scene = random_scene(settings, np.random.default_rng(seed))
    depths = [layer.depth for layer in scene.layers]
    assert depths == sorted(depths)
    assert scene.layers[-1].outline is None
    assert all(layer.outline is not None for layer in scene.layers[:-1])
    assert scene.environment == PHOTOGRAPHS[scene.layers[-1].photograph].environment
    assert settings.zoom[0] <= scene.zoom - 1 <= settings.zoom[1]
    low, high = settings.max_blur_radius
    assert low - 1e-9 <= max(layer.blur_radius for layer in scene.layers) <= high + 1e-9
    # Parallax is relative to the background and largest for the nearest layer.
    moved = [np.hypot(*np.subtract(layer.displacement, scene.shift)) for layer in scene.layers]
    assert moved[-1] == pytest.approx(0, abs=1e-12)
    assert settings.parallax[0] - 1e-9 <= moved[0] <= settings.parallax[1] + 1e-9
    assert moved == sorted(moved, reverse=True)


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_every_photograph_is_there_without_a_download(name, monkeypatch):
    import pooch

    monkeypatch.setattr(pooch, "retrieve", lambda *_, **__: pytest.fail("download"))
    monkeypatch.setattr(pooch.Pooch, "fetch", lambda *_, **__: pytest.fail("download"))
    load_photograph.cache_clear()
    picture = load_photograph(name)
    assert picture.dtype == np.uint8
    assert picture.ndim == 3
    assert picture.shape[2] == 3
    assert min(picture.shape[:2]) >= (190 if PHOTOGRAPHS[name].held_back else 300)


def test_an_unknown_photograph_names_the_nearest():
    with pytest.raises(DatasetError, match="Did you mean astronaut"):
        load_photograph("astronout")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"photographs": ["astronout"]}, "Did you mean astronaut"),
        ({"photographs": ["astronaut"]}, "none of them can fill the background"),
        ({"zoom": (0.1, -0.1)}, "not a range"),
        ({"max_blur_radius": (-1, 2)}, "max_blur_radius"),
        ({"foreground_layers": (0, 0)}, "foreground_layers"),
        ({"zoom": (-2, -2)}, "zoom"),
        ({"shift": (float("-inf"), 0)}, "finite"),
        ({"texture_density": 1.0}, "greater than or equal to 2"),
        ({"supersampling": 1}, "greater than or equal to 2"),
        ({"colour": "red"}, "Extra inputs"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        SceneSettings(**settings)
