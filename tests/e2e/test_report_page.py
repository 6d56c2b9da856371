"""The report in a browser, as a reader sees it: Chromium opens the file that `evaluate` wrote."""

import csv

import pytest
from click.testing import CliRunner

from sdd_bench import prepare, synthesize
from sdd_bench.cli import main
from sdd_bench.datasets.scenes import SceneSettings

# What may stand in names of files: everything but slashes and control characters.
METHOD = "<img src=x onerror=\"document.title='owned'\"> " + "Net" * 40
STEMS = ("<script>document.title='owned'<", "\"' onmouseover='document.title=1", "scene_" + "long" * 40)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A report of three images whose names, like the method's, are as bad as names can be."""
    folder = tmp_path_factory.mktemp("report")
    small = SceneSettings(width=160, height=128, shift=(-3.0, 3.0), max_blur_radius=(1.5, 2.5))
    synthesize(folder / "raw", test=3, seed=5, settings=small, progress=False)
    listed = folder / "raw" / "pairs.csv"
    with listed.open(newline="") as file:
        rows = list(csv.DictReader(file))
    with listed.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0], "stem"])
        writer.writeheader()
        for row, stem, environment in zip(rows, STEMS, ("indoor", "outdoor", "outdoor"), strict=True):
            writer.writerow(row | {"stem": stem, "environment": environment})
    prepare(folder / "raw", folder / "data", "as-is", name="<b>small", patch_size=64, stride=32, progress=False)
    given = ["evaluate", "--pred", str(folder / "data" / "test" / "blur"), "--dataset", str(folder / "data")]
    given += ["--method", METHOD, "--cache", str(folder / "cache")]
    done = CliRunner().invoke(main, [*given, "--out", str(folder / "out")], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    (path,) = (folder / "out").rglob("report.html")
    assert str(path) in done.output
    without = [*given, "--out", str(folder / "without"), "--no-report"]
    assert "report.html" not in CliRunner().invoke(main, without, catch_exceptions=False).output
    assert not list((folder / "without").rglob("report.html"))
    return path


@pytest.fixture
def open_report(open_page, report):
    """Opens the report."""
    return lambda width=1440, **options: open_page(report.as_uri(), width, **options)


def split(viewer):
    """Where the border of the two pictures is, in per cent of the width."""
    return viewer.evaluate(
        "v => 100 * (v.querySelector('.handle').getBoundingClientRect().x + 1 - v.getBoundingClientRect().x)"
        " / v.clientWidth"
    )


def column(page, number):
    return page.locator(f"#image-table tbody tr > :nth-child({number})").all_inner_texts()


def test_names_are_shown_as_they_are_and_do_nothing(open_report):
    page = open_report()
    assert page.locator("h1").inner_text() == METHOD
    assert page.title().startswith(METHOD)
    assert sorted(page.locator("#image-table tbody bdi").all_inner_texts()) == sorted(STEMS)
    assert sorted(page.locator("article h3 bdi").all_inner_texts()) == sorted(STEMS)


def test_a_script_that_is_not_the_pages_own_does_not_run(browser, report):
    page = browser.new_page()
    page.goto(report.as_uri())
    assert page.evaluate("document.documentElement.className") == "js"
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.owned = 1'}))"
    )
    assert page.evaluate("window.owned") is None
    page.close()


@pytest.mark.parametrize("width", [320, 390, 768, 1440])
def test_nothing_sticks_out_of_the_page(open_report, width):
    page = open_report(width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_label("detail", exact=True).first.check()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(open_report, text_contrasts, scheme):
    page = open_report(color_scheme=scheme)
    contrasts = text_contrasts(page)
    assert len(contrasts) > 80
    assert [pair for pair in contrasts if pair[0] < 4.5] == []
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(19, 20, 23)")


def test_the_slider_moves_the_border_by_mouse_and_by_keyboard(open_report):
    strip = open_report().locator("#strip-worst")
    viewer, slider = strip.locator(".viewer"), strip.get_by_role("slider")
    assert split(viewer) == pytest.approx(50, abs=0.5)
    box = viewer.bounding_box()
    viewer.click(position={"x": box["width"] * 0.2, "y": box["height"] / 2})
    assert split(viewer) == pytest.approx(20, abs=1)
    before = split(viewer)
    for _ in range(10):
        slider.press("ArrowRight")
    assert split(viewer) == pytest.approx(before + 5, abs=0.5)
    slider.press("Home")
    assert slider.get_attribute("aria-valuetext") == "Input 0 %, Prediction 100 %"


def test_the_border_shows_one_picture_at_its_left_and_the_other_at_its_right(open_report):
    strip = open_report().locator("#strip-worst")
    # The flow is the only picture of one pale colour, the error map the only dark one.
    strip.get_by_role("combobox", name="Left").select_option("flow")
    strip.get_by_role("combobox", name="Right").select_option("error")
    assert strip.locator(".of-left").inner_text() == "Flow"
    assert strip.locator(".of-right").inner_text() == "Error"
    sources = {
        side: strip.locator(f".viewer img.{side}").get_attribute("src")
        == strip.locator(f".thumbs:not(.off) figure[data-key={key}] img").get_attribute("src")
        for side, key in (("left", "flow"), ("right", "error"))
    }
    assert sources == {"left": True, "right": True}
    assert strip.locator(".viewer img.left").evaluate("i => getComputedStyle(i).clipPath") == "inset(0px 50% 0px 0px)"


def test_a_small_picture_is_put_at_the_right_and_the_detail_keeps_it(open_report):
    strip = open_report().locator("#strip-best")
    strip.get_by_role("button", name="Show at the right: Deformed GT").click()
    assert strip.get_by_role("combobox", name="Right").input_value() == "deformed_gt"
    strip.get_by_label("detail", exact=True).check()
    assert strip.locator(".of-right").inner_text() == "Deformed GT"
    assert strip.locator(".viewer img.right").get_attribute("src").startswith("data:image/png")
    strip.get_by_label("whole picture").check()
    strip.get_by_role("button", name="Show at the right: Flow").click()
    strip.get_by_label("detail", exact=True).check()  # which has no flow
    assert strip.locator(".of-right").inner_text() == "Prediction"


def test_the_table_is_sorted_by_a_click_on_a_heading(open_report):
    page = open_report()
    heading = page.get_by_role("columnheader", name="PSNR ↑", exact=True).last
    for order in ("ascending", "descending"):
        heading.get_by_role("button").click()
        values = [float(text.split()[0]) for text in column(page, 2)]
        assert values == sorted(values, reverse=order == "descending")
        assert heading.get_attribute("aria-sort") == order
    page.get_by_role("button", name="image", exact=True).click()
    assert page.locator("#image-table [aria-sort]").count() == 1
    assert column(page, 1)[-1].startswith("scene_")


def test_bars_are_one_stop_for_the_keyboard_and_lead_to_the_pictures(open_report):
    page = open_report()
    bars, readout = page.locator("#bars a"), page.locator("#readout")
    assert [bar.get_attribute("tabindex") for bar in bars.all()] == ["0", "-1", "-1"]
    bars.first.focus()
    page.keyboard.press("ArrowRight")
    assert readout.inner_text() == bars.nth(1).get_attribute("aria-label")
    assert "2 of 3 from the worst" in readout.inner_text()
    bars.nth(2).hover()
    assert "3 of 3 from the worst" in readout.inner_text()
    page.keyboard.press("Enter")  # the focus is still on the second
    assert page.url.endswith("#strip-median")


def test_without_scripts_and_on_paper_every_picture_is_there(open_report):
    page = open_report(java_script_enabled=False)
    assert page.locator("figure img:visible").count() == 3 * (7 + 5)
    assert page.locator(".viewer:visible").count() == 0
    printed = open_report()
    printed.emulate_media(media="print", color_scheme="dark")
    assert printed.locator("figure img:visible").count() == 3 * (7 + 5)
    assert printed.locator(".viewer:visible").count() == 0
    assert printed.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
