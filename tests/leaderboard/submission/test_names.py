from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdd_bench.leaderboard.submission.layout import LIMITS
from sdd_bench.leaderboard.submission.names import collisions, name_problem, places

ROUGH = st.text(st.sampled_from(list("ab./\\:~* \0\n\u202eCcOoNn1-é\u0301😀")), max_size=12)
DOCUMENTS = ["meta.yaml", "result.json", "SHA256SUMS"]


@given(st.one_of(st.text(max_size=40), ROUGH))
def test_a_name_without_a_problem_stays_inside_on_any_system(name):
    if name_problem(name, LIMITS) is not None:
        return
    posix, windows = PurePosixPath("root", name), PureWindowsPath("root", name)
    for path in (posix, windows):
        assert path.parts[0] == "root"
        assert ".." not in path.parts
        assert not path.is_absolute()
    assert posix.parts == windows.parts == ("root", *name.removesuffix("/").split("/"))


@pytest.mark.parametrize("name", ["con", "Aux.png", "predictions/nul.tar.png", "com1", "lpt¹.png", "CON .png"])
def test_names_of_windows_devices_have_a_problem(name):
    assert "device on Windows" in name_problem(name, LIMITS)


@pytest.mark.parametrize(
    "name", ["predictions/0001.png", "predictions/Zürich 🚀.png", "a/שלום.png", "console.png", "predictions/", "-1.png"]
)
def test_names_that_people_give_have_none(name):
    assert name_problem(name, LIMITS) is None


@given(st.lists(ROUGH, unique=True, max_size=4))
def test_names_collide_in_any_order_or_in_none(names):
    assert bool(list(collisions(names))) == bool(list(collisions(names[::-1])))


@given(st.text(max_size=20))
def test_a_name_collides_with_its_other_cases(name):
    assert list(collisions([f"x{name}", f"x{name}".upper()]))


@pytest.mark.parametrize("names", [["a", "A"], ["ß", "SS"], ["é", "e\u0301"], ["a/b", "A"], ["a", "a/"], ["a", "a"]])
def test_names_that_are_one_file_somewhere_collide(names):
    assert len(list(collisions(names))) >= 1


def test_different_names_do_not_collide():
    assert list(collisions(["predictions/", "predictions/a.png", "predictions/b.png", "a.png"])) == []


def test_one_folder_around_everything_is_taken_off():
    names = ["x/", "x/predictions/", *(f"x/{name}" for name in DOCUMENTS), "x/predictions/a.PNG"]
    found, _, problems = places(names)
    assert problems == []
    assert found == {name.removeprefix("x/"): name for name in names if not name.endswith("/")}


@pytest.mark.parametrize(
    ("extra", "problem"),
    [
        ("y/z.png", "y/z.png: not a part of a submission"),
        ("predictions/run.sh", "predictions/run.sh: not a prediction"),
        ("predictions/deep/a.png", "predictions/deep/a.png: not a part"),
        ("predictions/a.npz", "not a prediction"),
        ("predictions/.hidden.png", "not a prediction"),
        ("Predictions/a.png", "not a part"),
        ("other/meta.yaml", "2 submissions in one archive, in the archive itself, other; give one"),
    ],
)
def test_everything_else_is_no_part_of_a_submission(extra, problem):
    _, _, problems = places([*DOCUMENTS, "predictions/a.png", extra])
    assert len(problems) == 1
    assert problem in problems[0]
