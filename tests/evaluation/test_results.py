import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdd_bench.errors import ResultError
from sdd_bench.evaluation.results import EvaluationResult, group_means
from sdd_bench.evaluation.statistics import mean_intervals


@given(st.lists(st.floats(5, 60), min_size=1, max_size=30))
def test_means_are_means_of_images(image, values):
    means = group_means([image(str(i), value) for i, value in enumerate(values)])
    assert means["all"].gt.psnr == pytest.approx(sum(values) / len(values), rel=1e-12)
    assert means["all"].images == len(values)


def test_identical_images_are_left_out_of_the_mean_psnr_and_counted(image):
    means = group_means([image("a", 30.0), image("b", math.inf), image("c", 20.0)])
    assert (means["all"].gt.psnr, means["all"].gt.identical) == (25.0, 1)
    assert group_means([image("a", math.inf)])["all"].gt.psnr is None


def test_environments_have_their_own_means_where_there_are_images(image):
    means = group_means([image("a", 30.0), image("b", 20.0, "outdoor"), image("c", 10.0, None)])
    assert means["all"].gt.psnr == 20.0
    assert means["indoor"].gt.psnr == 30.0
    assert means["outdoor"].gt.psnr == 20.0
    assert set(group_means([image("a", 30.0, None)])) == {"all"}


def test_images_without_scores_are_counted_and_in_no_mean(image):
    means = group_means([image("a", 30.0), image("b", 0.0, error="lost")])
    assert (means["all"].images, means["all"].failed, means["all"].gt.psnr) == (1, 1, 30.0)


def test_a_mean_of_lpips_needs_all_of_them(image):
    assert group_means([image("a", 30.0, lpips=0.1), image("b", 30.0, lpips=0.3)])["all"].gt.lpips == pytest.approx(0.2)
    assert group_means([image("a", 30.0, lpips=0.1), image("b", 30.0)])["all"].gt.lpips is None


def test_every_mean_has_the_interval_of_the_values_behind_it(image):
    values = [20.0, 23.0, 21.5, 30.0, 26.0, 22.0, 28.5]
    rows = [image(str(i), value, "indoor", ssim=value / 40, lpips=0.1) for i, value in enumerate(values)]
    rows += [image("identical", math.inf, "outdoor", ssim=1.0, lpips=0.0)]
    means = group_means(rows)
    for group, ssim in (
        ("all", [value / 40 for value in values] + [1.0]),
        ("indoor", [value / 40 for value in values]),
    ):
        found = means[group].deformed_gt.intervals
        assert [found.psnr] == mean_intervals(np.array([values]))  # without the infinite one
        assert [found.ssim] == mean_intervals(np.array([ssim]))
        assert found.mae == (0.1, 0.1)
    assert means["outdoor"].gt.intervals.model_dump() == dict.fromkeys(("psnr", "ssim", "mae", "lpips"))


def test_a_mean_that_is_missing_has_no_interval(image):
    rows = [image(str(i), math.inf, lpips=None if i else 0.1) for i in range(8)]
    intervals = group_means(rows)["all"].gt.intervals
    assert intervals.psnr is None
    assert intervals.lpips is None
    assert intervals.ssim == (0.5, 0.5)


def test_a_saved_result_comes_back_equal(image, result, tmp_path):
    written = result(
        [image("a", 30.123456789012345), image("b", math.inf), *(image(str(i), 20 + i / 3) for i in range(7))]
    )
    assert written.means["all"].gt.intervals.psnr is not None
    assert EvaluationResult.load(written.save(tmp_path)) == written
    content = json.loads((tmp_path / "result.json").read_text())
    assert content["images"][1]["gt"]["psnr"] is None
    assert content["images"][1]["gt"]["identical"] is True


def test_the_table_and_the_csv_hold_one_row_per_image(image, result, tmp_path):
    import pandas as pd

    written = result([image("a", 30.123456789012345), image("b", math.inf)])
    written.save(tmp_path)
    table = written.table()
    assert list(table.index) == ["a", "b"]
    assert table.loc["a", "psnr_gt"] == 30.123456789012345
    assert table.loc["b", "psnr_deformed_gt"] == math.inf
    read = pd.read_csv(tmp_path / "per_image.csv", index_col="stem", float_precision="round_trip")
    assert read["psnr_gt"].tolist() == table["psnr_gt"].tolist()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not a result file"),
        ("[]", "not a result file"),
        ('{"schema_version": 99}', "schema version 99"),
        ('{"schema_version": 1}', "schema version 1, .* --overwrite"),
        ('{"schema_version": 2}', "not a sound result file"),
        ("[" * 100_000, "not a result file"),
        ('{"schema_version": 2, "images": ' + "[" * 100_000 + "]" * 100_000 + "}", "not a result file"),
        ('{"schema_version": 2' + "0" * 5000 + "}", "not a result file"),
    ],
)
def test_files_that_are_no_results_are_refused_with_the_reason(tmp_path, content, message):
    (tmp_path / "result.json").write_text(content)
    with pytest.raises(ResultError, match=message):
        EvaluationResult.load(tmp_path / "result.json")


def test_a_result_with_an_unknown_key_is_refused(image, result, tmp_path):
    path = result([image("a", 30.0)]).save(tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"score": 1}))
    with pytest.raises(ResultError, match="score"):
        EvaluationResult.load(path)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda content: content["means"]["all"]["gt"].update(psnr=99.0), "means are not those of its images"),
        (lambda content: content["images"][0]["gt"].update(psnr=99.0), "means are not those of its images"),
        (lambda content: content["means"]["all"]["gt"]["intervals"].update(psnr=[29.9, 30.1]), "means are not those"),
        (lambda content: content["images"][0]["gt"].update(ssim=math.nan), "not a sound result file"),
        (lambda content: content["images"][0]["alignment"].update(zoom=math.inf), "not a sound result file"),
        (lambda content: content["images"][0]["alignment"].update(zoom=10**400), "not a sound result file"),
        (lambda content: [row["gt"].update(psnr=1e308) for row in content["images"]], "too large to be added up"),
        (lambda content: content["protocol"].update(warp="bilinear"), "protocol is not the one its hash names"),
    ],
)
def test_an_edited_result_is_refused(image, result, tmp_path, edit, message):
    path = result([image("a", 30.0), image("b", 20.0)]).save(tmp_path)
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ResultError, match=message):
        EvaluationResult.load(path)
