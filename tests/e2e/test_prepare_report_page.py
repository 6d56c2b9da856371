"""The preparation report in a browser, as a reader sees it."""

import csv

import pytest
from click.testing import CliRunner

from sdd_bench import synthesize
from sdd_bench.cli import main
from sdd_bench.datasets.scenes import SceneSettings

STEMS = ("<script>document.title='owned'<", "\"' onmouseover='document.title=1", "scene_" + "long" * 40)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The report of three pairs whose names are as bad as names can be."""
    folder = tmp_path_factory.mktemp("prepared")
    small = SceneSettings(width=320, height=256, shift=(-3.0, 3.0), max_blur_radius=(1.5, 2.5))
    synthesize(folder / "raw", test=1, train=2, seed=5, settings=small, progress=False)
    with (folder / "raw" / "pairs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    with (folder / "raw" / "pairs.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0], "stem"])
        writer.writeheader()
        writer.writerows(row | {"stem": stem.replace("/", "")} for row, stem in zip(rows, STEMS, strict=True))
    options = ["--preset", "as-is", "--patch-size", "96", "--stride", "48", "--name", "<b>" + "name" * 30]
    done = CliRunner().invoke(main, ["prepare", str(folder / "raw"), "--out", str(folder / "out"), *options])
    assert done.exit_code == 0, done.output
    return folder / "out" / "prepare_report.html"


@pytest.fixture
def open_report(open_page, report):
    """Opens the report."""
    return lambda width=1280, **options: open_page(report.as_uri(), width, **options)


def test_names_are_shown_as_they_are_and_do_nothing(open_report):
    page = open_report()
    assert page.locator("h1").inner_text() == "<b>" + "name" * 30
    assert page.title().startswith("<b>name")
    assert sorted(page.locator(".pair strong bdi").all_inner_texts()) == sorted(STEMS)


@pytest.mark.parametrize("width", [320, 390, 768, 1440])
def test_nothing_sticks_out_of_the_page(open_report, width):
    assert open_report(width).evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(open_report, text_contrasts, scheme):
    page = open_report(color_scheme=scheme)
    contrasts = text_contrasts(page)
    assert len(contrasts) > 60
    assert [pair for pair in contrasts if pair[0] < 4.5] == []
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(19, 20, 23)")


def test_every_picture_is_there_and_cells_lie_on_the_picture_of_the_grid(open_report):
    page = open_report()
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 100)")
    picture, cells = page.locator(".grid img").bounding_box(), page.locator(".grid .cell")
    boxes = [cell.bounding_box() for cell in cells.all()]
    assert sum(box["width"] * box["height"] for box in boxes) == pytest.approx(
        picture["width"] * picture["height"], rel=0.03
    )  # they tile it; a stroke adds to each


def test_the_patch_under_the_pointer_is_framed(open_report):
    page = open_report()
    patch = page.locator(".grid .patch").nth(7)
    assert patch.locator(".whole").evaluate("e => getComputedStyle(e).display") == "none"
    patch.locator(".cell").hover()
    assert patch.locator(".whole").evaluate("e => getComputedStyle(e).display") == "inline"
    picture, whole = page.locator(".grid img").bounding_box(), patch.locator(".whole").bounding_box()
    assert whole["width"] / picture["width"] == pytest.approx(96 / 320, abs=0.02)
