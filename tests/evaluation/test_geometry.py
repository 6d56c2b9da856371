"""How far predictions move content, from the folder of predictions to the tables."""

import csv
import shutil

import numpy as np
import pytest

from sdd_bench import open_dataset
from sdd_bench.evaluation import evaluator
from sdd_bench.evaluation.notes import MOVES_CONTENT, notes
from sdd_bench.evaluation.predictions import Prediction
from sdd_bench.evaluation.protocol import get_protocol
from sdd_bench.evaluation.results import Geometry, group_means
from sdd_bench.evaluation.run import evaluate_all
from sdd_bench.io.images import read_samples, write_image
from sdd_bench.leaderboard.table import markdown
from sdd_bench.metrics.deformation import Deformation

PROTOCOLS = ["sdd-v1", "dpdd2020", "jdrl2022-dis"]


def moving(rms):
    p95 = None if rms is None else 2 * rms
    return Geometry(deformation_rms=rms, deformation_p95=p95, deformation_share=0.8, zoom=1.001, shift=(0.5, -0.25))


@pytest.fixture
def row(image):
    def make(stem, rms, psnr=30.0, **fields):
        return image(stem, psnr, **fields).model_copy(update={"geometry": moving(rms)})

    return make


def test_the_blurry_input_moves_nothing_and_its_zoom_is_that_of_the_pair(prepared, tmp_path):
    dataset = open_dataset(prepared)
    (result,) = evaluate_all(prepared / "test" / "blur", dataset, ["dpdd2020"], cache=tmp_path, progress=False)
    for measured in result.images:
        assert (measured.geometry.deformation_rms, measured.geometry.deformation_p95) == (0, 0)
        assert (measured.geometry.zoom, measured.geometry.shift) == (measured.alignment.zoom, measured.alignment.shift)
    assert result.means["all"].deformation == 0


def test_all_protocols_share_one_measurement_of_the_same_pictures(prepared, tmp_path, monkeypatch):
    calls = []

    def counted(blurry, prediction):
        calls.append(blurry.shape)
        return Deformation(0.25, 0.5, 0.9)

    monkeypatch.setattr(evaluator, "deformation", counted)
    shutil.copytree(prepared / "test" / "blur", tmp_path / "predictions")
    dataset = open_dataset(prepared)
    results = evaluate_all(tmp_path / "predictions", dataset, PROTOCOLS, cache=tmp_path / "cache", progress=False)
    assert len(calls) == len(dataset)
    assert {measured.geometry.deformation_rms for result in results for measured in result.images} == {0.25}
    for path in (tmp_path / "predictions").iterdir():
        write_image(path, np.zeros_like(read_samples(path)), bit_depth=8)
    evaluate_all(tmp_path / "predictions", dataset, ["dpdd2020"], cache=tmp_path / "cache", progress=False)
    assert len(calls) == 2 * len(dataset)


def test_the_mean_deformation_is_over_the_images_that_tell(row):
    assert group_means([row("a", 0.5), row("b", 1.0), row("c", None)])["all"].deformation == 0.75
    assert group_means([row("a", None)])["all"].deformation is None


def test_the_csv_holds_the_geometry_of_the_prediction_beside_the_alignment(row, image, result, tmp_path):
    result([row("a", 0.5), image("b", 30.0)]).save(tmp_path)
    with (tmp_path / "per_image.csv").open() as file:
        told, untold = csv.DictReader(file)
    assert (told["deformation_rms"], told["deformation_p95"], told["deformation_share"]) == ("0.5", "1.0", "0.8")
    assert (told["prediction_zoom"], told["prediction_shift_x"], told["prediction_shift_y"]) == (
        "1.001",
        "0.5",
        "-0.25",
    )
    assert (told["zoom"], told["shift_x"]) == ("1.0", "0.0")
    assert (untold["deformation_rms"], untold["prediction_zoom"], untold["prediction_shift_x"]) == ("", "", "")


def test_the_leaderboard_has_a_column_for_it_where_a_result_tells(row, image, result):
    text = markdown([result([row("a", 0.5)], "wavy"), result([image("a", 20.0)], "old")])
    header, _, wavy, old = [line for line in text.splitlines() if line.startswith("|")][:4]
    assert header.endswith("| deformation ↓, px |")
    assert wavy.endswith("| 0.50 |")
    assert old.endswith("| n/a |")
    assert "deformation" not in markdown([result([image("a", 20.0)])])


def test_a_note_names_the_images_whose_content_is_moved(row, prepared):
    dataset = open_dataset(prepared)
    files = {stem: Prediction(stem, prepared, "0" * 64, lossy=False) for stem in "abc"}
    images = [row("a", MOVES_CONTENT + 0.25), row("b", MOVES_CONTENT - 0.25), row("c", None)]
    (note,) = [text for text in notes(get_protocol("sdd-v1"), images, files, dataset, {}) if "move content" in text]
    assert f"a ({MOVES_CONTENT + 0.25:.1f})" in note
    assert "b (" not in note
    assert not any("move content" in text for text in notes(get_protocol("sdd-v1"), images[1:], files, dataset, {}))
