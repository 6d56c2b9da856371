import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdd_bench.errors import ProblemsError
from sdd_bench.leaderboard.checks import check, psnr_bounds
from sdd_bench.leaderboard.folder import load
from sdd_bench.leaderboard.records import (
    Method,
    computed_entry,
)
from sdd_bench.leaderboard.validate import validate_board


def problems(board, check=validate_board):
    with pytest.raises(ProblemsError) as caught:
        check(board)
    return caught.value.problems


def edit(path, change):
    content = json.loads(path.read_text("utf-8"))
    change(content)
    path.write_text(json.dumps(content), "utf-8")


@pytest.fixture
def checked(scored, result):
    """What is wrong with the entry of one image."""

    def make(psnr=20.0, about=None, **changes):
        in_result = {k: changes.pop(k) for k in ("protocol", "weights", "weights_sha256", "manifest") if k in changes}
        return check(computed_entry(result([scored("a", psnr, **changes)], **in_result), Method(name="m")))

    return make


def test_sound_entries_are_counted(entry, keep, published):
    assert validate_board(keep(entry("a"), entry("b"), published(psnr="25.0", mae="0.03"))) == 3


def test_an_empty_leaderboard_has_no_problem(tmp_path):
    assert validate_board(tmp_path) == 0


def test_an_edited_number_is_found_in_computed_and_published_entries(entry, keep, published):
    board = keep(entry("a"), published(psnr="25.0"))
    (computed,), (copied,) = (list((board / name).iterdir()) for name in ("entries", "published"))
    edit(computed, lambda content: content["result"]["images"][0]["gt"].update(psnr=29.0))
    edit(copied, lambda content: content["scores"][0]["psnr"].update(value=26.0))
    found = problems(board)
    assert sum("the file was edited" in problem for problem in found) == 2
    assert sum("its means are not those of its images" in problem for problem in found) == 1
    assert len(problems(board, load)) == 2


def test_every_unreadable_file_is_named_in_one_report(entry, keep):
    board = keep(entry("a"))
    (sound,) = (board / "entries").iterdir()
    (board / "broken.json").write_text("{")
    (board / "list.json").write_text("[]")
    (board / "other.json").write_text('{"schema_version": 1}')
    (board / "newer.json").write_text('{"schema_version": 9, "entry_sha256": ""}')
    content = json.loads(sound.read_text())
    (board / "typed.json").write_text(json.dumps(content | {"surplus": 1}))
    (board / "status.json").write_text(json.dumps(content | {"status": "best"}))
    (board / "schema.json").write_text("{}")
    wanted = {
        "broken.json": "not a JSON file",
        "list.json": "not an entry",
        "other.json": "not an entry",
        "newer.json": "schema version 9, this version of sdd-bench reads 1",
        "typed.json": "surplus: Extra inputs are not permitted",
        "status.json": "'self-reported'",
    }
    found = dict(problem.split(": ", 1) for problem in problems(board))
    assert set(found) == set(wanted)
    assert all(text in found[name] for name, text in wanted.items())


def test_a_file_under_another_name_and_two_of_one_id_are_named(entry, keep):
    board = keep(entry("a"))
    (path,) = (board / "entries").iterdir()
    (board / "renamed.json").write_bytes(path.read_bytes())
    found = problems(board)
    assert any(f"named {path.name}" in problem for problem in found)
    assert any("are the same entry" in problem and path.name in problem for problem in found)


def test_random_weights_are_refused_by_validation_and_by_tables(entry, keep):
    board = keep(entry("a", weights="random"))
    assert ["random weights" in problem for problem in problems(board)] == [True]
    assert ["random weights" in problem for problem in problems(board, load)] == [True]


def test_the_same_predictions_under_two_names_are_found(scored, result, keep):
    made = result([scored("a", 20.0)])
    found = problems(keep(computed_entry(made, Method(name="mine")), computed_entry(made, Method(name="yours"))))
    assert ["same prediction files" in problem for problem in found] == [True]


def test_a_result_without_the_hardest_images_is_found(entry, keep, published):
    board = keep(entry("all", (20.0, 21.0, 22.0, 18.0)), entry("some", (20.0, 21.0)), published(psnr="25.0"))
    (problem,) = problems(board)
    assert problem.startswith("entries/data-some-")
    assert problem.endswith(".json: 2 images of the split have no row: 02, 03; evaluate all")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_numbers_that_are_not_finite_are_refused(entry, keep, number):
    board = keep(entry("a"))
    (path,) = (board / "entries").iterdir()
    path.write_text(path.read_text().replace('"zoom": 1.0', f'"zoom": {number}', 1))
    assert len(problems(board)) == 1


def test_text_that_misleads_is_found_wherever_it_stands(entry, keep):
    board = keep(entry("a", notes=("two\nlines",)))
    (problem,) = problems(board)
    assert "note 1: found the character U+000A" in problem


def test_one_table_takes_one_file_of_each_weights(entry, keep):
    board = keep(*(entry(name, weights="verified", weights_sha256={"alexnet": name * 64}) for name in "ab"))
    assert ["other files of the weights alexnet" in problem for problem in problems(board)] == [True]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"psnr": -1.0, "mae": 1.0}, "psnr -1; expected 0 to 200"),
        ({"psnr": 250.0, "mae": 1e-13}, "psnr 250; expected 0 to 200"),
        ({"ssim": 1.01}, "ssim 1.01; expected -1 to 1"),
        ({"mae": 1.5}, "mae 1.5; expected 0 to 1"),
        ({"mae": -0.1}, "mae -0.1; expected 0 to 1"),
        ({"lpips": -0.1, "weights_sha256": {"alexnet": "a" * 64}}, "lpips -0.1; expected 0 to 2"),
        ({"lpips": 0.1}, "LPIPS without a hash of its weights alexnet"),
        ({"psnr": 31.0}, "PSNR 31 dB can't go with MAE 0.03"),
        ({"psnr": 15.0}, "PSNR 15 dB can't go with MAE 0.03"),
        ({"psnr": float("inf")}, "identical is True, PSNR None and MAE 0.03"),
        ({"manifest": "short"}, "dataset.manifest_sha256: found 'short'; expected a SHA-256"),
        ({"protocol": "jdrl2022"}, "no hash of the flow's weights pwc-default"),
    ],
)
def test_what_can_not_be_true_is_named(checked, changes, problem):
    found = checked(**changes)
    assert found
    assert all(problem in text for text in found)


def test_scores_have_to_be_those_of_the_protocol(checked):
    (problem,) = checked(protocol="dpdd2020")
    assert problem == "a: scores against gt, deformed_gt; protocol dpdd2020 gives gt, and not deformed_gt"


def test_a_protocol_of_another_arithmetic_or_name_is_named(scored, result):
    from sdd_bench.evaluation.protocol import get_protocol

    def check_protocol(**changes):
        record = get_protocol("sdd-v1").model_copy(update=changes)
        made = result([scored("a", 20.0)]).model_copy(update={"protocol": record, "protocol_sha256": record.hash})
        return check(computed_entry(made, Method(name="m")))

    assert check_protocol() == []
    assert "evaluate again" in check_protocol(arithmetic=999)[0]
    assert "Did you mean sdd-v1" in check_protocol(id="sdd-v11")[0]
    assert any("may still change" in problem for problem in check_protocol(id="sdd-v2.dev"))
    made = result([scored("a", 20.0)]).model_copy(update={"protocol_sha256": "0" * 64})
    assert any("not the one its hash names" in problem for problem in check(computed_entry(made, Method(name="m"))))


def test_an_image_stands_once(scored, result):
    made = result([scored("a", 20.0), scored("a", 21.0)])
    assert check(computed_entry(made, Method(name="m"))) == ["a: 2 rows; expected one"]


def test_published_numbers_are_checked_as_far_as_they_are_printed(published):
    assert check(published(psnr="24.06", ssim="0.720", mae="0.0400", lpips="0.443")) == []
    # -20 log10(0.035) = 29.12: an MAE printed as 0.04 may be 0.035
    assert check(published(psnr="29.1", mae="0.04")) == []
    assert "can't go with MAE 0.04" in check(published(psnr="29.3", mae="0.04"))[0]
    assert "psnr -3" in check(published(psnr="-3.0"))[0]
    assert check(published(psnr=None)) == ["all against gt: no number; expected one or more"]


@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=50))
def test_the_bounds_hold_for_any_errors_of_pictures(errors):
    psnr = -10 * math.log10(math.fsum(error**2 for error in errors) / len(errors))
    lowest, highest = psnr_bounds(math.fsum(errors) / len(errors))
    assert lowest - 1e-9 <= psnr <= highest + 1e-9


def test_the_bounds_are_reached():
    # Every pixel off by 0.1: MSE 0.01. One pixel in ten off by 1: MSE 0.1, the MAE is the same.
    assert psnr_bounds(0.1) == pytest.approx((10.0, 20.0))
    assert psnr_bounds(0.0) == (math.inf, math.inf)
