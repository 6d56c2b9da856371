import json
import math

import pytest

from sdd_bench.errors import ProblemsError, ResultError
from sdd_bench.evaluation import DEFAULT_PROTOCOL
from sdd_bench.leaderboard.table import collect, markdown


@pytest.fixture
def save(image, result):
    def of_one_image(folder, method, psnr, environment=None, **changes):
        result([image("a", psnr, environment)], method, **changes).save(folder)

    return of_one_image


def methods(text):
    rows = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")]
    return [row for row in rows if row != "method"]


def test_methods_are_ordered_by_psnr_against_the_deformed_ground_truth(save, tmp_path):
    for name, psnr in (("low", 20.0), ("high", 30.0), ("perfect", math.inf), ("middle", 25.0)):
        save(tmp_path / name, name, psnr)
    text = markdown(collect(tmp_path))
    assert methods(text) == ["perfect", "high", "middle", "low"]
    assert "| high | 1 | 30.00 | 0.5000 | 0.1000 | n/a | 30.00 | 0.5000 | 0.1000 | n/a |" in text
    assert "| perfect | 1 | identical |" in text


def test_where_the_ground_truth_is_not_deformed_methods_are_ordered_by_psnr_against_it(image, result, tmp_path):
    for name, psnr in (("low", 20.0), ("high", 30.0)):
        row = image("a", psnr).model_copy(update={"deformed_gt": None})
        result([row], name, protocol="dpdd2020").save(tmp_path / name)
    assert methods(markdown(collect(tmp_path))) == ["high", "low"] * 2  # all, indoor


def test_means_come_with_intervals_and_a_line_says_what_they_are(image, result, tmp_path):
    results = [result([image(str(i), 20.0 + i, None) for i in range(7)])]
    text = markdown(results)
    lower, upper = results[0].means["all"].gt.intervals.psnr
    assert f"| a method | 7 | 23.00 ± {(upper - lower) / 2:.2f} | 0.5000 ± 0.0000 |" in text
    assert text.count("95 % bootstrap interval") == 1
    assert "±" not in markdown([result([image("a", 20.0)])])


def test_protocols_and_datasets_never_share_a_table(save, tmp_path):
    save(tmp_path / "1", "m", 20.0)
    save(tmp_path / "2", "m", 21.0, protocol="jdrl2022-dis")
    save(tmp_path / "3", "m", 22.0, manifest="2" * 64)
    text = markdown(collect(tmp_path))
    assert sum(line.startswith("## ") for line in text.splitlines()) == 3
    assert methods(text) == ["m", "m", "m"]


def test_the_same_results_give_the_same_bytes_wherever_they_lie(save, tmp_path):
    for folder, order in (("x", "abc"), ("y", "cab")):
        for place, name in enumerate(order):
            save(tmp_path / folder / str(place), name, 20.0 + ord(name))
    assert markdown(collect(tmp_path / "x")) == markdown(collect(tmp_path / "y"))


def test_two_results_of_one_method_in_one_table_are_refused(save, tmp_path):
    save(tmp_path / "1", "m", 20.0)
    save(tmp_path / "2", "m", 21.0)
    with pytest.raises(ProblemsError, match="m has 2 results"):
        markdown(collect(tmp_path))


def test_markup_in_a_method_name_stays_text(save, tmp_path):
    save(tmp_path / "1", "<script>|*x*", 20.0)
    row = next(line for line in markdown(collect(tmp_path)).splitlines() if "script" in line)
    assert row.startswith("| \\<script\\>\\|\\*x\\* |")


def test_every_file_that_is_no_result_is_named(save, tmp_path):
    save(tmp_path / "sound", "m", 20.0)
    for name, content in (("broken", "{"), ("newer", json.dumps({"schema_version": 9}))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "result.json").write_text(content)
    with pytest.raises(ProblemsError) as caught:
        collect(tmp_path)
    assert [("broken" in problem, "newer" in problem) for problem in caught.value.problems] == [
        (True, False),
        (False, True),
    ]


def test_an_empty_folder_says_how_to_fill_it(tmp_path):
    with pytest.raises(ResultError, match="sdd-bench evaluate"):
        collect(tmp_path)


def test_a_note_is_told_once_with_the_methods_it_is_about(save, tmp_path):
    save(tmp_path / "1", "a", 20.0, notes=("of all", "of one"))
    save(tmp_path / "2", "b", 21.0, notes=("of all",))
    lines = markdown(collect(tmp_path)).splitlines()
    assert lines[-3:] == ["", "- all methods: of all", "- a: of one"]


def test_results_with_random_weights_are_refused(save, tmp_path):
    save(tmp_path / "1", "m", 20.0, weights="random")
    with pytest.raises(ProblemsError, match="m: computed with random weights"):
        markdown(collect(tmp_path))


def test_environments_have_tables_of_their_own(save, tmp_path):
    save(tmp_path / "1", "m", 20.0, environment="indoor")
    titles = [line for line in markdown(collect(tmp_path)).splitlines() if line.startswith("#")]
    assert titles == [f"## data (test), {DEFAULT_PROTOCOL}", "### all", "### indoor"]


def test_headings_say_where_better_is(save, tmp_path):
    save(tmp_path / "1", "m", 20.0)
    header = next(line for line in markdown(collect(tmp_path)).splitlines() if line.startswith("| method"))
    assert [cell.strip() for cell in header.split("|")[3:7]] == ["PSNR ↑, GT", "SSIM ↑, GT", "MAE ↓, GT", "LPIPS ↓, GT"]
