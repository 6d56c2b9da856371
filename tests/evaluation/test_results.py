import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdd_bench.errors import ResultError
from sdd_bench.evaluation.protocol import get_protocol
from sdd_bench.evaluation.references import Alignment
from sdd_bench.evaluation.results import (
    DatasetReference,
    EvaluationResult,
    ImageResult,
    Run,
    Scores,
    group_means,
)
from sdd_bench.metrics.fidelity import Fidelity

ALIGNED = Alignment(zoom=1.0, shift=(0.0, 0.0), mean_flow=0.0, forward_backward_error=None, left_out=0.0)


def image(stem, psnr, environment="indoor", lpips=None, error=None):
    scores = None if error else Scores.of(Fidelity(psnr=psnr, ssim=0.5, mae=0.1), lpips)
    return ImageResult(
        stem=stem,
        scene=stem,
        environment=environment,
        prediction_sha256="0" * 64,
        gt=scores,
        deformed_gt=scores,
        aligned_gt=None,
        alignment=ALIGNED,
        error=error,
    )


def result(images, method="a method", **changes):
    protocol = get_protocol("sdd-v1.dev")
    fields = {
        "method": method,
        "protocol": protocol,
        "protocol_sha256": protocol.hash,
        "dataset": DatasetReference(name="data", manifest_sha256="1" * 64, split="test"),
        "notes": ("a note",),
        "weights": "none",
        "weights_sha256": {},
        "images": tuple(images),
        "means": group_means(images),
        "run": Run(command=None, started="2026-01-01T00:00:00", wall_seconds=1.0, workers=1, versions={}, machine={}),
    }
    return EvaluationResult(**(fields | changes))


@given(st.lists(st.floats(5, 60), min_size=1, max_size=30))
def test_means_are_means_of_images(values):
    means = group_means([image(str(i), value) for i, value in enumerate(values)])
    assert means["all"].gt.psnr == pytest.approx(sum(values) / len(values), rel=1e-12)
    assert means["all"].images == len(values)


def test_identical_images_are_left_out_of_the_mean_psnr_and_counted():
    means = group_means([image("a", 30.0), image("b", math.inf), image("c", 20.0)])
    assert (means["all"].gt.psnr, means["all"].gt.identical) == (25.0, 1)
    assert group_means([image("a", math.inf)])["all"].gt.psnr is None


def test_environments_have_their_own_means_where_there_are_images():
    means = group_means([image("a", 30.0), image("b", 20.0, "outdoor"), image("c", 10.0, None)])
    assert means["all"].gt.psnr == 20.0
    assert means["indoor"].gt.psnr == 30.0
    assert means["outdoor"].gt.psnr == 20.0
    assert set(group_means([image("a", 30.0, None)])) == {"all"}


def test_images_without_scores_are_counted_and_in_no_mean():
    means = group_means([image("a", 30.0), image("b", 0.0, error="lost")])
    assert (means["all"].images, means["all"].failed, means["all"].gt.psnr) == (1, 1, 30.0)


def test_a_mean_of_lpips_needs_all_of_them():
    assert group_means([image("a", 30.0, lpips=0.1), image("b", 30.0, lpips=0.3)])["all"].gt.lpips == pytest.approx(0.2)
    assert group_means([image("a", 30.0, lpips=0.1), image("b", 30.0)])["all"].gt.lpips is None


def test_a_saved_result_comes_back_equal(tmp_path):
    written = result([image("a", 30.123456789012345), image("b", math.inf)])
    assert EvaluationResult.load(written.save(tmp_path)) == written
    content = json.loads((tmp_path / "result.json").read_text())
    assert content["images"][1]["gt"]["psnr"] is None
    assert content["images"][1]["gt"]["identical"] is True


def test_the_table_and_the_csv_hold_one_row_per_image(tmp_path):
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
        ('{"schema_version": 1}', "not a sound result file"),
    ],
)
def test_files_that_are_no_results_are_refused_with_the_reason(tmp_path, content, message):
    (tmp_path / "result.json").write_text(content)
    with pytest.raises(ResultError, match=message):
        EvaluationResult.load(tmp_path / "result.json")


def test_a_result_with_an_unknown_key_is_refused(tmp_path):
    path = result([image("a", 30.0)]).save(tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"score": 1}))
    with pytest.raises(ResultError, match="score"):
        EvaluationResult.load(path)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda content: content["means"]["all"]["gt"].update(psnr=99.0), "means are not those of its images"),
        (lambda content: content["images"][0]["gt"].update(psnr=99.0), "means are not those of its images"),
        (lambda content: content["protocol"].update(warp="bilinear"), "protocol is not the one its hash names"),
    ],
)
def test_an_edited_result_is_refused(tmp_path, edit, message):
    path = result([image("a", 30.0), image("b", 20.0)]).save(tmp_path)
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ResultError, match=message):
        EvaluationResult.load(path)
