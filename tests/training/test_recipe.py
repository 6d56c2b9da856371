import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdd_bench.errors import TrainingError
from sdd_bench.training.recipe import METHODS, Recipe, get_recipe, recipe_names

ABLATIONS = {"plain", "no-deform", "no-cycle", "no-mask", "no-reblur", "no-isotropic", "no-weights"}


def test_all_recipes_of_the_papers_and_releases_are_there():
    assert {
        "jdrl-paper",
        "jdrl-release",
        "rgl-paper",
        "rgl-release",
        "align-once",
        "tiny",
        "tiny-rgl",
    } | ABLATIONS == set(recipe_names())
    assert set(METHODS.values()) <= set(recipe_names())


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_survives_being_written_and_read(name):
    recipe = get_recipe(name)
    assert recipe.name == name
    assert recipe.description
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


def test_jdrl_has_the_numbers_of_its_paper():
    # Li et al., AAAI 2023, section "Implementation details", and equation 4 for alpha.
    recipe = get_recipe("jdrl")
    assert recipe.optimiser.learning_rate == 2e-5
    assert recipe.optimiser.halve_every == 60
    assert recipe.optimiser.epochs == 100
    assert recipe.data.crop == 256
    assert recipe.objective.initial_epochs == 15
    assert recipe.objective.reblurring.weight == 0.5
    assert recipe.objective.reblurring.kernels == "isotropic"
    assert recipe.objective.mask == "paper"
    assert recipe.objective.flow.name == "pwcnet"


def test_releases_keep_their_slips_and_papers_do_not():
    assert get_recipe("jdrl-release").data.crop_from == "top-left-half"
    assert get_recipe("jdrl-release").objective.interpolation == "jdrl2022"
    assert get_recipe("rgl-release").optimiser.learning_rate == 1e-5
    assert not get_recipe("rgl-release").objective.guidance.detach
    assert get_recipe("rgl-paper").objective.guidance.detach
    assert get_recipe("jdrl-paper").data.crop_from == "anywhere"


@pytest.mark.parametrize("name", sorted(ABLATIONS - {"plain", "no-deform"}))
def test_an_ablation_differs_from_jdrl_in_one_setting(name):
    ours, base = (get_recipe(each).model_dump() for each in (name, "jdrl-paper"))
    assert {key for key in ours["objective"] if ours["objective"][key] != base["objective"][key]} in (
        {"cycle"},
        {"mask"},
        {"reblurring"},
    )
    assert all(ours[key] == base[key] for key in ("optimiser", "data", "validation"))


def test_changes_reach_their_setting():
    recipe = get_recipe("jdrl", {"objective.reblurring.kernels": "free", "optimiser.epochs": 3})
    assert recipe.objective.reblurring.kernels == "free"
    assert recipe.optimiser.epochs == 3
    assert recipe.optimiser.learning_rate == get_recipe("jdrl").optimiser.learning_rate


def test_the_hash_follows_settings_and_not_names():
    assert get_recipe("jdrl").hash == get_recipe("jdrl", {"name": "mine", "description": "?"}).hash
    assert get_recipe("jdrl").hash != get_recipe("jdrl", {"data.crop": 128}).hash


def test_all_that_is_wrong_is_said_at_once():
    with pytest.raises(TrainingError) as error:
        get_recipe("jdrl", {"objective.masc": "none", "optimiser.epochs": 0, "data.crop": "large"})
    for part in ("3 problem(s)", "objective.masc: there is no such setting", "optimiser.epochs", "data.crop"):
        assert part in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objective.deform": False}, "cycle: about a deformation; must be false where deform is false"),
        ({"objective.deform": False, "objective.inside_only": True}, "cycle, inside_only: about a deformation"),
        (
            {"objective.deform": False, "objective.cycle": False, "objective.inside_only": True},
            "error, inside_only: about",
        ),
        ({"objective.reblurring": None, "optimiser.reblurring_alone": 2}, "that could learn alone"),
        ({"optimiser.epochs": 20, "optimiser.reblurring_alone": 5}, "alone until epoch 20 of 20, and none is left"),
        ({"objective.guidance": {}, "objective.reblurring": None}, "seeds of isotropic reblurring"),
        ({"objective.guidance": {}, "objective.reblurring.kernels": "free"}, "seeds of isotropic reblurring"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes, message):
    with pytest.raises(TrainingError, match=message):
        get_recipe("jdrl", changes)


def test_a_file_begins_from_a_recipe_and_changes_what_it_names(tmp_path):
    (tmp_path / "mine.yaml").write_text("base: no-mask\ndata: {crop: 128}\n")
    (tmp_path / "next.yaml").write_text(f"base: {tmp_path / 'mine.yaml'}\noptimiser: {{epochs: 7}}\n")
    recipe = get_recipe(tmp_path / "next.yaml")
    assert (recipe.name, recipe.objective.mask, recipe.data.crop, recipe.optimiser.epochs) == ("next", "none", 128, 7)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("base: [1]", "expected the name of a recipe"),
        ("- a\n- b", "expected settings by name, got list"),
        ("a: [", "not YAML"),
        ("base: SELF", "begins from itself"),
        ("!!python/object/apply:os.system ['true']", "not YAML"),
    ],
)
def test_files_that_are_no_recipe_are_refused(tmp_path, text, message):
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace("SELF", str(path)))
    with pytest.raises(TrainingError, match=message):
        get_recipe(path)


def test_an_unknown_recipe_names_the_nearest():
    with pytest.raises(TrainingError, match="Did you mean no-cycle"):
        get_recipe("no-cycles")
    with pytest.raises(TrainingError, match="can't be read"):
        get_recipe("missing.yaml")


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_no_rate_but_a_positive_finite_one_is_taken(rate):
    if 0 < rate < float("inf"):
        assert get_recipe("jdrl", {"optimiser.learning_rate": rate}).optimiser.learning_rate == rate
    else:
        with pytest.raises(TrainingError, match=r"optimiser\.learning_rate"):
            get_recipe("jdrl", {"optimiser.learning_rate": rate})


def test_another_flow_does_not_inherit_the_parameters_of_the_one_it_replaces(tmp_path):
    assert get_recipe("tiny").objective.flow.parameters
    assert get_recipe("tiny", {"objective.flow.name": "dis"}) == get_recipe("tiny")
    other = get_recipe("tiny", {"objective.flow.name": "pwcnet"}).objective.flow
    assert (other.name, other.parameters) == ("pwcnet", {})
    given = {"objective.flow.parameters": {"some": 1}, "objective.flow.name": "pwcnet"}
    assert get_recipe("tiny", given).objective.flow.parameters == {"some": 1}
    (tmp_path / "mine.yaml").write_text("base: tiny\nobjective: {flow: {name: pwcnet}}")
    assert get_recipe(tmp_path / "mine.yaml").objective.flow == other
