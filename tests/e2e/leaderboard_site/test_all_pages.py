"""What holds of every page of the leaderboard's site: it can be read, used and trusted, wherever it is opened from."""

import functools
import http.server
import threading

import pytest
from axe_playwright_python.sync_playwright import Axe

# Found by what they begin with; the names' hashes change with every change of the synthetic entries.
KINDS = {
    "home": "index.html",
    "traps": "traps.html",
    "computed table": "boards/data-test-sdd-v1-",
    "copied table": "boards/realdof-a-paper-",
    "comparison with pictures": "compare/small-",
    "comparison without pictures": "compare/data-",
    "computed method": "methods/input-",
    "copied method": "methods/restormer-",
    "method with a bad name": "methods/script-",
}


@pytest.fixture
def opened(open_page, site):
    """Opens a page of a kind and waits until it is complete."""

    def make(kind, width=1280, **options):
        (name,) = [name for name in site.pages() if name.startswith(KINDS[kind])]
        page = open_page(site.address(name), width, **options)
        if kind.startswith("comparison"):
            page.locator("#images tbody tr").first.wait_for()
        return page

    return make


@pytest.mark.parametrize("kind", KINDS)
def test_every_page_can_be_used_and_read_by_day_and_by_night(opened, text_contrasts, kind):
    page = opened(kind, color_scheme="light")
    # Without `preload`: the page's policy keeps axe from fetching the style sheet, as it keeps everyone.
    found = Axe().run(page, options={"preload": False, "resultTypes": ["violations"]})
    assert found.response["violations"] == []
    for scheme, background in (("light", "rgb(255, 255, 255)"), ("dark", "rgb(19, 20, 23)")):
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == background
        contrasts = text_contrasts(page)
        assert len(contrasts) > 10
        assert [pair for pair in contrasts if pair[0] < 4.5] == []


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_sticks_out_of_any_page_and_bad_names_do_nothing(opened, kind):
    page = opened(kind, 320)
    assert page.title() != "owned"
    assert page.locator("img[src=x]").count() == 0
    assert page.evaluate("[...document.scripts].every((one) => one.src || one.type === 'application/json')")
    for width in (320, 768, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for menu in page.locator("details.menu summary").all():
            menu.click()
            assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_names_in_any_script_are_shown_as_they_are(opened, site):
    page = opened("computed table")
    shown = page.locator("#board th.name bdi").all_inner_texts()
    assert set(shown) == {row.entry.method.label for row in site.boards["data", "all"].rows}
    assert opened("method with a bad name").locator("h1").inner_text().startswith("<script>document.title='owned'<")


def test_a_script_that_is_not_the_sites_own_does_not_run(browser, site):
    page = browser.new_page()
    page.goto(site.board())
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.owned = 1'}))"
    )
    assert page.evaluate("window.owned") is None
    page.close()


def test_the_tab_key_goes_through_a_table_in_few_steps(opened):
    page = opened("computed table")
    stops = []
    for _ in range(60):
        page.keyboard.press("Tab")
        stops.append(
            page.evaluate("(document.activeElement.closest('#plot a, td.num') || document.activeElement).tagName")
        )
    assert stops.count("a") == 1  # one point of the plot
    assert stops.count("TD") == 1  # one number of the table


def test_the_skip_link_goes_to_the_content_and_leaves_the_state_alone(open_page, site):
    page = open_page(site.board(state="q=method"))
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    assert page.url.endswith("#q=method")


def test_sources_are_filtered_by_dataset_and_by_method(opened):
    page = opened("home")
    rows = page.locator("#sources tbody tr:visible")
    assert rows.count() == 3
    page.get_by_label("Filter").fill("dpdnet realdof")
    assert rows.count() == 1
    assert page.locator("[data-count]").inner_text() == "1 of 3"


def test_images_of_a_method_lead_to_the_comparison(opened):
    page = opened("computed method")
    link = page.locator(".images-table tbody a").first
    stem = link.inner_text()
    link.click()
    page.locator("#images tbody tr").first.wait_for()
    assert page.locator("#stage-title").inner_text() == stem
    assert page.get_by_label("Method A").evaluate("select => select.selectedOptions[0].text") == "input"


def test_a_static_host_serves_it_as_well(open_page, site):
    handler = functools.partial(QuietHandler, directory=site.folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = site.compare(state=f"m={site.ids['input']},{site.ids['bright']}")
        page = open_page(address.replace(site.folder.as_uri(), f"http://127.0.0.1:{server.server_port}"))
        page.locator("#images tbody tr").first.wait_for()
        widths = page.locator("#viewer img").evaluate_all(
            "all => Promise.all(all.map((image) => image.decode().then(() => image.naturalWidth)))"
        )
        server.shutdown()
    assert widths == [160, 160, 160]


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass
