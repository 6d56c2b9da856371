import json
import shutil

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from sdd_bench import open_dataset
from sdd_bench.cli import main
from sdd_bench.errors import ProblemsError, ResultError
from sdd_bench.evaluation.report_pictures import error_colours
from sdd_bench.evaluation.run import evaluate
from sdd_bench.io.images import write_image
from sdd_bench.leaderboard.records import Method, computed_entry
from sdd_bench.leaderboard.site.build import build_site, claim
from sdd_bench.leaderboard.site.picture_files import read_pictures
from sdd_bench.leaderboard.site.pictures import ERROR_SCALE, add_pictures


@pytest.fixture(scope="module")
def scored(prepared, tmp_path_factory):
    """Two methods' predictions, scored: the input as it is, and brightened by 0.1."""
    folder = tmp_path_factory.mktemp("scored")
    predictions = {"input": prepared / "test" / "blur", "bright": folder / "bright"}
    for pair in open_dataset(prepared):
        write_image(predictions["bright"] / f"{pair.stem}.png", np.clip(pair.blur() + 0.1, 0, 1))
    entries = {}
    for name, pred in predictions.items():
        result = evaluate(pred, prepared, method=name, cache=folder / "cache", progress=False)
        entries[name] = computed_entry(result, Method(name=name))
    return entries, predictions, folder / "cache"


@pytest.fixture
def draw(scored, prepared, tmp_path):
    entries, predictions, cache = scored

    def make(*names, site="site", **options):
        claim(tmp_path / site)
        folders = {entries[name].id: predictions[name] for name in names}
        chosen = list(entries.values())
        add_pictures(tmp_path / site, chosen, folders, [prepared], cache=cache, progress=False, **options)
        return build_site(chosen, tmp_path / site)

    return make


def picture(site, name):
    return cv2.imread(str(site / "pictures" / "files" / name))[..., ::-1]


def test_pictures_are_of_the_predictions_and_shared_ones_are_one_file(draw, scored, prepared, tmp_path):
    entries, _, _ = scored
    built = draw("input", "bright")
    site = tmp_path / "site"
    assert set(built.with_pictures) == {entry.id for entry in entries.values()}
    found = {name: read_pictures(site, entry) for name, entry in entries.items()}
    stem = open_dataset(prepared).stems[0]
    of = {name: pictures.images[stem].files for name, pictures in found.items()}
    for layer in ("blur", "gt", "deformed_gt", "flow", "mask"):
        assert of["input"][layer] == of["bright"][layer]
    assert of["input"]["prediction"] == of["input"]["blur"]
    assert of["input"]["error"] != of["bright"]["error"]
    difference = picture(site, of["bright"]["prediction"]).astype(float) - picture(site, of["input"]["prediction"])
    assert np.median(difference) == pytest.approx(25.5, abs=1)


def test_error_maps_of_all_methods_have_one_scale(draw, scored, prepared, tmp_path):
    entries, _, _ = scored
    draw("bright")
    pair = next(iter(open_dataset(prepared)))
    image = read_pictures(tmp_path / "site", entries["bright"]).images[pair.stem]
    shown = picture(tmp_path / "site", image.files["error"]).astype(float)
    deformed = picture(tmp_path / "site", image.files["deformed_gt"]) / 255
    prediction = picture(tmp_path / "site", image.files["prediction"]) / 255
    error = np.abs(prediction - deformed).mean(-1).astype(np.float32)
    wrong = np.abs(shown - error_colours(error, ERROR_SCALE)).mean(-1)
    assert np.median(wrong) < 12  # JPEG's own error, and that of the photographs it is computed from


def test_longest_side_reduces_and_the_page_knows_both_sizes(draw, scored, prepared, tmp_path):
    entries, _, _ = scored
    draw("input", longest_side=80)
    pair = next(iter(open_dataset(prepared)))
    image = read_pictures(tmp_path / "site", entries["input"]).images[pair.stem]
    assert (image.size, image.shown) == ((160, 128), (80, 64))
    assert picture(tmp_path / "site", image.files["gt"]).shape == (64, 80, 3)
    (data,) = [path for path in (tmp_path / "site" / "data").iterdir() if path.stem == entries["input"].id]
    content = json.loads(data.read_text().removeprefix("SDD.entry(").removesuffix(");\n"))
    assert content["pictures"]["images"][pair.stem]["files"] == image.files


def test_the_same_pictures_give_the_same_bytes_and_stay_until_their_entry_goes(draw, scored, tmp_path):
    entries, _, _ = scored
    draw("input", "bright")
    draw("bright", "input", site="again")
    files = [
        {p.relative_to(tmp_path / site): p.read_bytes() for p in (tmp_path / site).rglob("*") if p.is_file()}
        for site in ("site", "again")
    ]
    assert files[0] == files[1]
    assert build_site(list(entries.values()), tmp_path / "site").picture_bytes > 0
    built = build_site([entries["input"]], tmp_path / "site")
    assert built.with_pictures == (entries["input"].id,)
    kept = {
        name
        for image in read_pictures(tmp_path / "site", entries["input"]).images.values()
        for name in image.files.values()
    }
    assert {path.name for path in (tmp_path / "site" / "pictures" / "files").iterdir()} == kept


def test_pictures_of_other_predictions_are_not_shown_and_a_change_of_status_keeps_them(draw, scored, tmp_path):
    entries, _, _ = scored
    draw("input")
    entry = entries["input"]
    assert read_pictures(tmp_path / "site", entry.model_copy(update={"status": "verified"})) is not None
    images = (entry.result.images[0].model_copy(update={"prediction_sha256": "1" * 64}), *entry.result.images[1:])
    other = entry.model_copy(update={"result": entry.result.model_copy(update={"images": images})})
    assert read_pictures(tmp_path / "site", other) is None
    next((tmp_path / "site" / "pictures" / "files").iterdir()).unlink()
    assert read_pictures(tmp_path / "site", entry) is None


def test_files_that_were_not_scored_are_refused_by_name(scored, prepared, tmp_path):
    entries, predictions, cache = scored
    changed = tmp_path / "changed"
    shutil.copytree(predictions["bright"], changed)
    stem = open_dataset(prepared).stems[1]
    shutil.copy(predictions["input"] / f"{stem}.png", changed / f"{stem}.png")
    entry = entries["bright"]
    with pytest.raises(ProblemsError) as caught:
        add_pictures(tmp_path / "site", [entry], {entry.id: changed}, [prepared], cache=cache, progress=False)
    assert caught.value.problems == [f"{stem}.png: not the file that was scored"]
    assert not (tmp_path / "site").exists()


def test_a_wrong_entry_suggests_the_nearest_and_a_missing_dataset_is_named(scored, prepared, tmp_path):
    entries, predictions, cache = scored
    entry = entries["input"]
    wrong = entry.id[:-1] + "x"
    with pytest.raises(ResultError, match=f"unknown computed entry '{wrong}'. Did you mean {entry.id}"):
        add_pictures(tmp_path, [entry], {wrong: predictions["input"]}, [prepared], cache=cache)
    with pytest.raises(ResultError, match=f"is the dataset of {entry.id}: small, manifest"):
        add_pictures(tmp_path, [entry], {entry.id: predictions["input"]}, [], cache=cache)


def test_the_command_draws_pictures_and_says_how_many(scored, prepared, tmp_path):
    entries, predictions, _ = scored
    entry = entries["input"]
    (tmp_path / "board" / "entries").mkdir(parents=True)
    (tmp_path / "board" / "entries" / f"{entry.id}.json").write_text(entry.to_json(), "utf-8")
    given = ["leaderboard", "build", str(tmp_path / "board"), "--site", str(tmp_path / "site")]
    given += ["--predictions", f"entries/{entry.id}.json={predictions['input']}", "--dataset-folder", str(prepared)]
    done = CliRunner().invoke(main, given, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "of 1 entries, pictures of 1 of them" in done.output
