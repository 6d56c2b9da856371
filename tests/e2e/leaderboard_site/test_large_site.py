"""The pages of a leaderboard with 500 methods: as quick as others, and all of it in reach."""

import pytest


def rows(page):
    return page.locator("#board tbody tr:visible")


def names(page):
    return rows(page).locator("th.name bdi").all_inner_texts()


def test_a_long_table_comes_in_parts_and_the_plot_reaches_all_of_it(open_page, large_site):
    page = open_page(large_site.board())
    assert rows(page).count() == 100
    assert page.locator("#count").inner_text() == "500 methods"
    page.locator(".scroll.tall").evaluate("box => { box.scrollTop = box.scrollHeight }")
    page.locator("#board tbody tr").nth(150).wait_for(state="visible")
    page.locator("#plot a.point").first.focus()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    assert page.locator(":focus").inner_text().startswith("method 4")
    page.locator('#board th[data-key="method"]').get_by_role("button").click()
    assert names(page)[0] == "method 000"
    page.get_by_label("Filter").fill("method 49")
    expected = [f"method {number:03}" for number in range(500) if "49" in f"{number:03}"]
    assert sorted(names(page)) == expected


def test_without_scripts_the_table_and_its_notes_are_there(open_page, large_site):
    page = open_page(large_site.board(), java_script_enabled=False)
    assert rows(page).count() == 500
    assert page.locator(".tools:visible, #plot:visible").count() == 0


@pytest.mark.parametrize("kind", ["home", "board", "compare"])
def test_500_entries_take_less_than_a_second_to_load(open_page, large_site, kind):
    address = {
        "home": large_site.address("index.html"),
        "board": large_site.board(),
        "compare": large_site.compare("data"),
    }[kind]
    page = open_page(address)
    session = page.context.new_cdp_session(page)
    # Time of the page's own thread: what else this machine does meanwhile is no part of the page.
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    before = busy(session)
    page.reload()
    page.locator("#images tbody tr, #board tbody tr, .card").first.wait_for()
    assert 0.01 < busy(session) - before < 1


def busy(session):
    metrics = {metric["name"]: metric["value"] for metric in session.send("Performance.getMetrics")["metrics"]}
    return metrics["TaskDuration"]
