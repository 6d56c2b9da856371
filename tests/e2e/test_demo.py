"""The demo shows what it promises."""

import json

import pytest

from sdd_bench.demo.run import PER_PAIR, PER_PREDICTION, run_demo
from sdd_bench.demo.table import demo_rows
from sdd_bench.errors import OutputError
from sdd_bench.io.images import read_image


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "demo"
    return out, run_demo(out, workers=2, progress=False)


def test_scores_per_pair_tell_the_truth_where_the_other_two_do_not(demo):
    rows = dict(demo_rows(demo[1].results, PER_PREDICTION, PER_PAIR))
    assert list(rows) == ["blurry input", "unsharp mask", "nearly perfect", "sharp but wavy", "ebdb+wiener"]
    for as_it_is, _, truth, per_pair, same_pixels in rows.values():
        assert abs(per_pair - same_pixels) < 0.3
        assert truth - as_it_is > 4
    assert 31 < rows["nearly perfect"][2] < 33
    _, per_prediction, truth, _, _ = rows["sharp but wavy"]
    assert per_prediction > truth + 5


def test_the_demo_writes_a_table_a_picture_and_a_leaderboard(demo):
    out, result = demo
    assert "What to see" in result.table.read_text()
    assert read_image(result.picture).shape[1] == 1500
    assert result.leaderboard.read_text().count("## demo (test)") == 2
    manifest = json.loads((out / "dataset" / "dataset.json").read_text())
    assert [pair["split"] for pair in manifest["pairs"]].count("train") == 2


def test_the_demo_ends_with_a_page_that_has_the_pictures_of_all_methods(demo):
    out, result = demo
    assert result.site == out / "site" / "index.html"
    text = result.site.read_text()
    assert all(
        name in "".join(p.read_text() for p in (out / "site").rglob("*.html"))
        for name in ("ebdb+wiener", "sharp but wavy")
    )
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert len(list((out / "site" / "pictures").glob("*.json"))) == 10


def test_a_second_run_makes_the_same_table_from_what_is_there(demo):
    out, result = demo
    before = result.table.read_bytes()
    again = run_demo(out, progress=False)
    assert again.table.read_bytes() == before
    assert [r.images for r in again.results] == [r.images for r in result.results]


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(OutputError, match="not a demo's folder"):
        run_demo(tmp_path, progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
