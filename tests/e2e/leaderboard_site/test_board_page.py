"""The page of a table in a browser: sorting, filters, columns, origins, copies, the plot, and the link to it all."""

import csv
import io
from urllib.parse import parse_qs, urlsplit

import pytest

from sdd_bench.leaderboard.boards_latex import latex_boards
from sdd_bench.leaderboard.site.addresses import compare_page

ROWS = "#board tbody tr:visible"


def state(page):
    return {key: value for key, (value,) in parse_qs(urlsplit(page.url).fragment).items()}


def names(page):
    return page.locator(f"{ROWS} th.name bdi").all_inner_texts()


def column(page, title):
    place = page.locator("#board thead th").evaluate_all(
        "(all, title) => all.findIndex((one) => one.dataset.title === title)", title
    )
    return page.locator(ROWS).evaluate_all("(rows, place) => rows.map((row) => row.cells[place].dataset.v)", place)


def heading(page, key):
    return page.locator(f'#board th[data-key="{key}"]')


def test_headings_sort_best_first_and_the_link_keeps_the_order(open_page, site):
    page = open_page(site.board())
    assert heading(page, "psnr_deformed_gt").get_attribute("aria-sort") == "descending"
    heading(page, "lpips_deformed_gt").get_by_role("button").click()
    values = [float(value) for value in column(page, "LPIPS ↓, deformed GT")]
    assert values == sorted(values)
    assert state(page) == {"sort": "lpips_deformed_gt"}
    assert page.locator("#announce").inner_text().startswith("Sorted by LPIPS")
    heading(page, "lpips_deformed_gt").get_by_role("button").press("Enter")
    assert state(page) == {"sort": "-lpips_deformed_gt"}
    order = names(page)
    assert names(open_page(page.url)) == order
    heading(page, "method").get_by_role("button").click()
    sorted_names = names(page)
    assert sorted_names.index("method 000") + 6 == sorted_names.index("method 006")
    heading(page, "psnr_deformed_gt").get_by_role("button").click()
    assert state(page) == {}  # as the page is from the start


def test_filters_by_text_and_status_and_the_link_keeps_them(open_page, site):
    page = open_page(site.board())
    assert page.locator("#count").inner_text() == "10 methods"
    page.get_by_label("Filter").fill("METHOD dpdd lfdof")
    assert sorted(names(page)) == ["method 002", "method 005"]
    assert page.locator("#count").inner_text() == "2 of 10 methods"
    page.locator("#statuses").get_by_label("verified", exact=True).uncheck()
    assert names(page) == ["method 002"]
    assert state(page) == {"q": "METHOD dpdd lfdof", "status": "self-reported"}
    assert names(open_page(page.url)) == ["method 002"]
    page.get_by_role("button", name="Reset").click()
    assert (len(names(page)), state(page)) == (10, {})


def test_columns_are_chosen_and_the_link_keeps_them(open_page, site):
    page = open_page(site.board())
    assert not heading(page, "authors").is_visible()
    page.get_by_text("Columns").click()
    menu = page.get_by_role("group", name="Columns")
    menu.get_by_label("authors").check()
    menu.get_by_label("SSIM ↑, deformed GT").uncheck()
    assert page.get_by_text("Author 3 and others").is_visible()
    assert not heading(page, "ssim_deformed_gt").is_visible()
    again = open_page(page.url)
    assert again.get_by_text("Author 3 and others").is_visible()
    assert not heading(again, "ssim_deformed_gt").is_visible()
    page.keyboard.press("Escape")
    assert not menu.is_visible()


def test_the_state_goes_along_to_the_table_of_other_images(open_page, site):
    page = open_page(site.board(state="q=method&sort=method"))
    page.get_by_role("navigation", name="Images").get_by_role("link", name="indoor").click()
    page.wait_for_url("**indoor**")
    assert state(page) == {"q": "method", "sort": "method"}
    assert names(page) == sorted(names(page)) and len(names(page)) == 7


def test_a_number_says_where_it_comes_from_under_the_pointer_and_in_focus(open_page, site):
    page = open_page(site.board())
    tip = page.get_by_role("tooltip")
    row = page.locator("#board tbody tr", has_text="method 000")
    row.locator("td.num:not(.off)").nth(2).hover()
    assert "95 % interval of the mean" in tip.inner_text()
    assert "File entries/data-method-000-" in tip.inner_text()
    page.mouse.move(0, 0)
    tip.wait_for(state="hidden")
    page.locator('td.num[tabindex="0"]').focus()
    assert "PSNR ↑, GT" in tip.inner_text()
    focused = page.locator("td.num:focus")
    assert focused.get_attribute("aria-describedby") == "origin"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    first, second = names(page)[:2]
    assert second in tip.inner_text() and first not in tip.inner_text()
    assert "SSIM" in tip.inner_text() or "PSNR ↑, deformed GT" in tip.inner_text()
    assert page.locator('td.num[tabindex="0"]').count() == 1
    page.keyboard.press("Escape")
    assert not tip.is_visible()


def test_a_copied_number_names_its_source_and_its_doubts(open_page, site):
    page = open_page(site.address(next(name for name in site.pages() if "another-paper" in name)))
    page.locator("td.num:not(.off)").first.hover()
    assert "Nobody read the code." in page.get_by_role("tooltip").inner_text()
    assert "Copied from Another paper" in page.locator(".lede").inner_text()


def clipboard(page, button):
    page.locator("#copy summary").click()
    page.get_by_role("button", name=button).click()
    page.get_by_text("Copied", exact=True).wait_for()
    return page.evaluate("navigator.clipboard.readText()")


def test_latex_of_the_whole_table_is_that_of_the_command_and_else_what_is_shown(open_page, site):
    allowed = {"permissions": ["clipboard-read", "clipboard-write"]}
    board = site.boards["data", "all"]
    everything = ",".join(["trained_on", *(column.key for column in board.columns)])
    page = open_page(site.board(state=f"cols={everything}"), **allowed)
    assert clipboard(page, "As LaTeX") == latex_boards([board])
    page = open_page(site.board(state="q=method+00&cols=psnr_deformed_gt&sort=psnr_deformed_gt"), **allowed)
    rows = [line for line in clipboard(page, "As LaTeX").splitlines() if line.startswith("method")]
    assert [row.split(" &")[0] for row in rows] == names(page)
    assert rows[-1].count("&") == 1 and "\\textbf{" in rows[-1]


def test_csv_has_the_numbers_in_full_and_quotes_what_needs_it(open_page, site):
    page = open_page(
        site.board(state="cols=authors,psnr_deformed_gt"), permissions=["clipboard-read", "clipboard-write"]
    )
    rows = list(csv.DictReader(io.StringIO(clipboard(page, "As CSV"))))
    board = site.boards["data", "all"]
    place = [column.key for column in board.columns].index("psnr_deformed_gt")
    assert [row["method"] for row in rows] == [row.entry.method.label for row in board.rows]
    for row, expected in zip(rows, board.rows, strict=True):
        cell = expected.cells[place]
        assert float(row["psnr_deformed_gt"]) == cell.value
        assert (float(row["psnr_deformed_gt_lower"]), float(row["psnr_deformed_gt_upper"])) == cell.interval
        assert row["psnr_deformed_gt_place"] == str(cell.place or "")


def test_without_a_clipboard_the_text_is_there_to_be_copied(open_page, site):
    page = open_page(site.board())
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('no')) }")
    page.locator("#copy summary").click()
    page.get_by_role("button", name="As CSV").click()
    area = page.get_by_role("dialog").get_by_role("textbox")
    assert area.input_value().startswith("method,")
    page.get_by_role("button", name="Close").click()
    assert not area.is_visible()


def test_the_plot_shows_any_two_columns_of_the_rows_that_are_shown(open_page, site):
    page = open_page(site.board())
    points = page.locator("#plot a.point")
    assert points.count() == 10
    vertical, horizontal = page.locator("#plot select:visible").all()
    assert (vertical.input_value(), horizontal.input_value()) == ("lpips_deformed_gt", "psnr_deformed_gt")
    assert page.locator("#plot .whisker").count() == 20
    horizontal.select_option("year")
    assert state(page) == {"x": "year"}
    assert page.locator("#plot svg").get_attribute("aria-label") == "LPIPS ↓, deformed GT against year, 10 methods"
    page.get_by_label("Filter").fill("method 00")
    assert points.count() == 7


def test_points_and_rows_know_each_other(open_page, site):
    page = open_page(site.board())
    assert page.locator('#plot a.point[tabindex="0"]').count() == 1
    page.locator('#plot a.point[tabindex="0"]').focus()
    page.keyboard.press("End")
    point = page.locator("#plot a.point:focus")
    name = point.get_attribute("aria-label").split(":")[0]
    assert page.locator("#plot .readout").inner_text() == point.get_attribute("aria-label")
    assert page.locator("#board tr.lit th.name bdi").inner_text() == name
    page.keyboard.press("Enter")
    assert page.locator(":focus").inner_text() == name
    assert open_page(page.url).locator("#board tr.lit th.name bdi").inner_text() == name
    page.locator("#board tbody tr").nth(4).hover()
    lit = page.locator("#plot a.point.lit").evaluate_all("points => points.map((point) => point.dataset.id)")
    assert page.locator("#board tbody tr").nth(4).get_attribute("data-id") in lit


def test_two_to_four_methods_are_chosen_for_the_comparison(open_page, site):
    page = open_page(site.board())
    boxes = page.locator("#board .pick input")
    for place in (4, 0, 2, 5):
        boxes.nth(place).check()
    assert page.locator("#board .pick input:enabled").count() == 4
    link = page.get_by_role("link", name="Compare images of 4")
    ids = page.locator("#board tbody tr").evaluate_all("rows => rows.map((row) => row.dataset.id)")
    assert link.get_attribute("href").endswith(
        f"{compare_page(site.boards['data', 'all'])}#m={','.join(ids[place] for place in (4, 0, 2, 5))}"
    )
    boxes.nth(0).uncheck()
    assert page.locator("#board .pick input:enabled").count() == 10


@pytest.mark.parametrize("width", [320, 1280])
def test_on_a_narrow_screen_numbers_come_right_after_names(open_page, site, width):
    page = open_page(site.board(), width=width)
    shown = page.locator("#board thead th:visible").evaluate_all("all => all.map((one) => one.dataset.key)")
    assert ("trained_on" in shown) == (width > 600)
    status = page.locator("#board tbody tr").first.locator(".badge:visible")
    assert (status.count(), status.inner_text()) == (1, "self-reported")
