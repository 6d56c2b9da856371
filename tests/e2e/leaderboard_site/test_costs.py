"""Parameters and time of methods in a browser: columns, origins, sorting, copies, and the plot against them."""

import csv
import io
from urllib.parse import parse_qs, urlsplit

import pytest

ROWS = "#board tbody tr:visible"
COSTS = "cols=psnr_deformed_gt,parameters,seconds_per_megapixel"


def state(page):
    return {key: value for key, (value,) in parse_qs(urlsplit(page.url).fragment).items()}


def names(page):
    return page.locator(f"{ROWS} th.name bdi").all_inner_texts()


def heading(page, key):
    return page.locator(f'#board th[data-key="{key}"]')


def drawn(page):
    """The points by the name of their method: where each is, and how many error bars it has."""
    page.locator("#plot a.point").first.wait_for()
    found = page.locator("#plot a.point").evaluate_all(
        """points => points.map((point) => {
          const dot = point.querySelector(".dot");
          const bars = [...point.querySelectorAll(".whisker")].filter((bar) => bar.getBoundingClientRect().height > 3);
          const name = point.getAttribute("aria-label").split(":")[0];
          return [name, [dot.cx.baseVal.value, dot.cy.baseVal.value, bars.length]];
        })"""
    )
    return dict(found)


def labels(page):
    return page.locator("#plot svg > g > text:not(.title):not(.better)").all_text_contents()


def test_the_columns_are_there_for_whoever_wants_them_and_tell_none_from_not_known(open_page, site):
    assert not heading(open_page(site.board()), "parameters").is_visible()
    page = open_page(site.board(state=f"{COSTS}&q=method"))
    place = heading(page, "parameters").evaluate("cell => cell.cellIndex")
    shown = page.locator(ROWS).evaluate_all("(rows, at) => rows.map((row) => row.cells[at].textContent)", place)
    assert dict(zip(names(page), shown, strict=True)) == {
        "method 000": "31.0 M",
        "method 001": "none",
        "method 002": "487 k",
        "method 003": "31.0 M",
        "method 004": "7.23 M",
        "method 005": "none",
        "method 006": "n/a",
    }
    tip = page.get_by_role("tooltip")
    page.locator(ROWS, has_text="method 002").locator("td.num:not(.off)").nth(1).hover()
    assert "487,331, as stated with its entry." in tip.inner_text()
    page.locator(ROWS, has_text="method 000").locator("td.num:not(.off)").nth(2).hover()
    assert "On A processor, 2 threads" in tip.inner_text()
    assert page.locator("td.num.p1:not(.off), td.num.p2:not(.off)").evaluate_all(
        "cells => [...new Set(cells.map((cell) => cell.cellIndex))]"
    ) == [heading(page, "psnr_deformed_gt").evaluate("cell => cell.cellIndex")]


def test_by_time_methods_stand_machine_by_machine(open_page, site):
    page = open_page(site.board(state=f"{COSTS}&q=method"))
    heading(page, "seconds_per_megapixel").get_by_role("button").click()
    numbers = [2, 5, 0, 1, 3, 4, 6]  # the GPU's, the processor's, and the one of which nothing is known
    assert names(page) == [f"method {number:03}" for number in numbers]
    assert page.locator("#announce").inner_text().endswith("ascending, machine by machine")
    heading(page, "seconds_per_megapixel").get_by_role("button").click()
    numbers = [5, 2, 4, 3, 1, 0, 6]
    assert names(page) == [f"method {number:03}" for number in numbers]


def test_psnr_against_parameters_has_error_bars_a_logarithm_and_a_place_for_none(open_page, site):
    page = open_page(site.board())
    vertical, horizontal = page.locator("#plot select:visible").all()
    vertical.select_option("psnr_deformed_gt")
    horizontal.select_option("parameters")
    assert state(page) == {"x": "parameters", "y": "psnr_deformed_gt"}
    points = drawn(page)
    assert sorted(points) == [f"method {number:03}" for number in range(6)]
    assert {bars for _, _, bars in points.values()} == {1}
    across = {name[-1]: x for name, (x, _, _) in points.items()}
    assert across["1"] == across["5"] < across["2"] < across["4"] < across["0"] == across["3"]
    assert labels(page)[0] == "none"
    # On the scale of a logarithm: 487 k to 7.23 M is 2.70, from there to 31.0 M it is 1.46.
    assert (across["4"] - across["2"]) / (across["0"] - across["4"]) == pytest.approx(2.697 / 1.456, rel=0.01)
    assert page.locator("#plot .readout").inner_text() == "4 of the methods shown lack one of the two numbers."
    again = open_page(page.url)
    assert drawn(again) == points


def test_psnr_against_time_shows_one_machine_at_a_time_and_the_link_keeps_it(open_page, site):
    page = open_page(site.board(state="x=seconds_per_megapixel&y=psnr_deformed_gt&q=method"))
    machine = page.locator("#plot select").nth(2)
    assert machine.locator("option").all_inner_texts() == ["A processor, 2 threads", "A GPU"]
    assert sorted(drawn(page)) == ["method 000", "method 001", "method 003", "method 004"]
    said = page.locator("#plot .readout").inner_text()
    assert said == "1 of the methods shown lacks one of the two numbers. 2 were timed on other machines."
    machine.select_option("A GPU")
    assert state(page)["on"] == "A GPU"
    points = drawn(page)
    assert {name: bars for name, (_, _, bars) in points.items()} == {"method 002": 1, "method 005": 1}
    again = open_page(page.url)
    assert drawn(again) == points
    point = again.locator('#plot a.point[aria-label^="method 005"]')
    point.focus()
    assert again.locator("#board tr.lit th.name bdi").inner_text() == "method 005"
    point.press("Enter")
    assert again.locator(":focus").inner_text() == "method 005"
    again.get_by_role("button", name="Reset").click()
    assert state(again) == {}
    assert not again.locator("#plot select").nth(2).is_visible()


def test_points_that_would_hide_each_other_are_drawn_side_by_side(open_page, site):
    page = open_page(site.board(state="x=parameters&y=parameters&q=method"))
    points = drawn(page)
    beside = abs(points["method 000"][0] - points["method 003"][0])
    assert beside >= 11
    assert "Points in one place are drawn side by side." in page.locator("#plot .readout").inner_text()


@pytest.mark.parametrize("width", [320, 1280])
def test_no_label_of_an_axis_is_cut_off_or_on_another(open_page, site, width):
    page = open_page(site.board(state="x=parameters&y=seconds_per_megapixel&q=method"), width=width)
    boxes = page.locator("#plot svg > g > text:not(.title):not(.better)").evaluate_all(
        """all => all.map((one) => one.getBoundingClientRect())
          .map(({ left, right, top, bottom }) => [left, right, top, bottom])"""
    )
    assert len(boxes) > 3
    assert all(left >= 0 and right <= width for left, right, _, _ in boxes)
    for place, (left, right, top, bottom) in enumerate(boxes):
        for other in boxes[place + 1 :]:
            assert right <= other[0] or left >= other[1] or bottom <= other[2] + 4 or top >= other[3] - 4


def test_the_copy_as_csv_says_on_what_times_were_measured(open_page, site):
    page = open_page(site.board(state=f"{COSTS}&q=method"), permissions=["clipboard-read", "clipboard-write"])
    page.locator("#copy summary").click()
    page.get_by_role("button", name="As CSV").click()
    page.get_by_text("Copied", exact=True).wait_for()
    rows = list(csv.DictReader(io.StringIO(page.evaluate("navigator.clipboard.readText()"))))
    told = {row["method"]: (row["parameters"], row["seconds_per_megapixel"], row["measured_on"]) for row in rows}
    assert told["method 002"] == ("487331", "0.8", "A GPU")
    assert told["method 001"] == ("0", "0.2", "A processor, 2 threads")
    assert told["method 006"] == ("", "", "")
    assert "parameters_place" not in rows[0]


def test_the_page_of_a_method_says_what_it_takes(open_page, site):
    page = open_page(site.board())
    page.get_by_role("link", name="method 000", exact=True).click()
    facts = page.locator("dl.about").inner_text()
    assert "31,033,411" in facts
    assert "0.0500 s per megapixel on A processor, 2 threads" in facts
