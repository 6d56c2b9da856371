"""The documentation's site: it builds without a warning, asks nothing of anyone, and can be read and searched."""

import functools
import http.server
import re
import subprocess
import sys
import threading
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe

ROOT = Path(__file__).parents[2]
# Attributes by which a page loads something as it is opened.
LOADS = {"src", "srcset", "poster", "data"}
LOADING_RELATIONS = {
    "stylesheet",
    "icon",
    "preload",
    "prefetch",
    "modulepreload",
    "preconnect",
    "dns-prefetch",
    "manifest",
}
# Without `preload`: pages opened as files may not read other files.
AXE = {"preload": False, "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site."""
    for module in ("sphinx", "furo", "myst_parser", "sphinx_copybutton"):
        pytest.importorskip(module, reason=f"needs {module}: pip install sdd-bench[docs]")
    folder = tmp_path_factory.mktemp("docs")
    options = ("--fail-on-warning", "--keep-going", "--quiet", "--doctree-dir", folder / "doctrees")
    command = [sys.executable, "-m", "sphinx", *options, ROOT / "docs", folder / "site"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stderr
    return folder / "site"


class Page(HTMLParser):
    """What a page loads, where it leads, what can be led to, and pictures without a description."""

    def __init__(self, path):
        super().__init__()
        self.loads, self.links, self.ids, self.silent = [], [], set(), []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.ids.add(given.get("id"))
        self.loads += [value for name, value in attrs if name in LOADS and value]
        if tag == "link" and LOADING_RELATIONS & set((given.get("rel") or "").split()):
            self.loads.append(given["href"])
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        if tag == "img" and not given.get("alt"):
            self.silent.append(given["src"])


@pytest.fixture(scope="module")
def pages(site):
    """All pages, parsed, by their path in the site."""
    return {path: Page(path) for path in site.rglob("*.html")}


def foreign(address):
    return bool(urlsplit(address).netloc) or urlsplit(address).scheme not in ("", "data")


def test_nothing_is_loaded_from_elsewhere(site, pages):
    asked = {address for page in pages.values() for address in page.loads}
    for path in [*site.rglob("*.css"), *site.rglob("*.js"), *site.rglob("*.svg")]:
        text = path.read_text("utf-8")
        asked |= set(re.findall(r"""url\(\s*["']?([^"')]+)""", text)) if path.suffix == ".css" else set()
        asked |= set(re.findall(r"""@import\s+["']([^"']+)""", text))
        asked |= set(re.findall(r"""(?:import|fetch)\(\s*["']([^"']+)""", text))
    assert len(asked) > 10
    assert [address for address in asked if foreign(address)] == []


def test_every_link_within_the_site_leads_somewhere(pages):
    broken = []
    for path, page in pages.items():
        for address in page.links:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file():
                broken.append(f"{path.name}: {address}")
            # From a module's source Sphinx leads to names of that module, though the page may have a shorter one.
            elif "_modules" not in path.parts and parts.fragment and unquote(parts.fragment) not in pages[target].ids:
                broken.append(f"{path.name}: {address}, no such place")
    assert broken == []


def test_every_page_of_the_documentation_is_there_and_in_the_contents(site, pages):
    sources = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")}
    home = pages[site / "index.html"]
    api = pages[site / "reference/api/index.html"]
    listed = {Path(link) for link in home.links} | {Path("reference/api") / link for link in api.links}
    assert sources - {Path("index.html")} - listed == set()


def test_every_picture_has_a_description(pages):
    assert {path.name: page.silent for path, page in pages.items() if page.silent} == {}


@pytest.fixture
def may_be_asked(site):
    return lambda url: url.startswith((site.as_uri(), "data:", "http://127.0.0.1:"))


@pytest.fixture(scope="module")
def served(site):
    """The site's address on a static host."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def search(page, words):
    page.get_by_role("textbox", name="Search").first.fill(words)
    page.keyboard.press("Enter")
    page.get_by_text("Search finished").wait_for(timeout=120_000)
    return page.locator("#search-results li a").all_inner_texts()


def test_the_search_finds_pages_when_the_site_is_opened_as_a_file(open_page, site):
    page = open_page((site / "index.html").as_uri())
    assert "Protocols" in search(page, "measurement limit")


def test_the_search_shows_excerpts_on_a_host(open_page, served):
    page = open_page(f"{served}/howto/prepare.html")
    assert "Evaluate predictions" in search(page, "deformed")
    page.locator("#search-results p.context").first.wait_for(timeout=120_000)
    assert "deformed" in " ".join(page.locator("#search-results p.context").all_inner_texts())


def test_dark_and_light_are_the_systems_and_can_be_chosen(browser, site):
    def background(scheme):
        page.emulate_media(color_scheme=scheme)
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    # Not by `open_page`: the theme says on the console what was chosen.
    page = browser.new_page()
    page.goto((site / "index.html").as_uri())
    light, dark = background("light"), background("dark")
    assert light == "rgb(255, 255, 255)"
    assert max(map(int, re.findall(r"\d+", dark))) < 40
    seen = []
    for _ in range(3):
        page.locator(".theme-toggle:visible").first.click()
        seen.append((background("light"), background("dark")))
    assert sorted(seen) == sorted([(light, light), (dark, dark), (light, dark)])
    page.close()


def test_no_page_is_wider_than_the_screen(open_page, site, pages):
    page = open_page((site / "index.html").as_uri())
    wide = []
    for path in pages:
        if "_modules" in path.parts:
            continue
        page.goto(path.as_uri())
        for width in (320, 1280):
            page.set_viewport_size({"width": width, "height": 900})
            if page.evaluate("document.documentElement.scrollWidth") > width:
                wide.append((path.name, width))
    assert wide == []


def test_the_contents_open_on_a_narrow_screen(open_page, site):
    page = open_page((site / "howto/prepare.html").as_uri(), 390)
    link = page.get_by_role("link", name="The demo, step by step").first
    assert not link.is_visible() or link.bounding_box()["x"] < 0
    page.locator("label[for='__navigation']:visible").first.click()
    page.wait_for_timeout(400)
    assert link.bounding_box()["x"] >= 0
    link.click()
    assert page.locator("h1").inner_text().startswith("The demo, step by step")


@pytest.mark.parametrize("name", ["index", "howto/evaluate", "reference/commands", "reference/api/models"])
def test_nobody_is_shut_out(open_page, site, name):
    page = open_page((site / f"{name}.html").as_uri())
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = Axe().run(page, options=AXE).response["violations"]
        assert [(rule["id"], node["html"][:200]) for rule in found for node in rule["nodes"]] == []
