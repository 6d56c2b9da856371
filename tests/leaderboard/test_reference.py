import pytest

from sdd_bench.leaderboard.reference import variant
from sdd_bench.training.recipe import METHODS, get_recipe


@pytest.mark.parametrize("method", METHODS)
def test_a_method_as_it_is_has_no_variant(method):
    assert variant(get_recipe(method)) is None


@pytest.mark.parametrize("changes", [{"optimiser.epochs": 5}, {"objective.flow.name": "dis"}])
def test_changed_settings_of_a_method_are_a_variant_of_their_own(changes):
    changed = get_recipe("jdrl", changes)
    assert variant(changed) == f"jdrl-paper-{changed.hash[:8]}"


def test_settings_given_as_they_are_change_nothing():
    kept = get_recipe("jdrl", {"optimiser.epochs": get_recipe("jdrl").optimiser.epochs})
    assert variant(kept) is None


def test_an_ablation_as_it_is_has_its_name_and_changed_its_hash_too():
    assert variant(get_recipe("no-mask")) == "no-mask"
    changed = get_recipe("no-mask", {"data.crop": 64})
    assert variant(changed) == f"no-mask-{changed.hash[:8]}"


def test_a_file_is_told_from_a_recipe_of_the_same_name(tmp_path):
    path = tmp_path / "no-mask.yaml"
    path.write_text("base: no-mask\ndata:\n  crop: 64\n")
    assert variant(get_recipe(path)) == f"no-mask-{get_recipe(path).hash[:8]}"
    path.write_text("base: jdrl\n")
    assert variant(get_recipe(path)) is None
