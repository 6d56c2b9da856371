"""A browser for the tests of pages."""

import os
import shutil

import pytest
from playwright.sync_api import sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Ratio of luminances (WCAG 2.2) of every text on the page and what lies behind it.
CONTRASTS = """
() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => [r, g, b]
    .map((value) => value / 255)
    .map((value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
  const behind = (element) => {
    for (; element; element = element.parentElement) {
      const colour = channels(getComputedStyle(element).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("main *")) {
    if (element.closest(".viewer, option") || !element.checkVisibility()) continue;
    if (![...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim())) continue;
    const style = getComputedStyle(element);
    const [low, high] = [channels(element.closest("svg") ? style.fill : style.color), behind(element)]
      .map(luminance).sort((a, b) => a - b);
    found.push([(high + 0.05) / (low + 0.05), element.textContent.trim().slice(0, 40)]);
  }
  return found;
}
"""


@pytest.fixture(scope="module")
def browser():
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        reason = f"no browser found ({', '.join(BROWSERS)}): apt-get install chromium"
        if os.environ.get("SDD_BENCH_REQUIRE_BROWSER"):
            pytest.fail(reason)
        pytest.skip(reason)
    # Its sandbox does not start for root; without a network, its background requests only fill the log.
    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=flags)
        yield chromium
        chromium.close()


@pytest.fixture
def may_be_asked():
    """Which addresses a page may ask for besides its own: a report is one file."""
    return lambda url: url.startswith("data:")


@pytest.fixture
def open_page(browser, may_be_asked):
    """Opens an address; whatever the browser complains about, or asks for and should not, fails the test."""
    contexts, opened, complaints = [], [], []

    def open_at(address, width=1280, **options):
        context = browser.new_context(viewport={"width": width, "height": 900}, reduced_motion="reduce", **options)
        contexts.append(context)
        opened.append(address.partition("#")[0])
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message) or dialog.dismiss())
        page.on("request", lambda request: None if known(request.url) else complaints.append(request.url))
        page.goto(address)
        return page

    def known(url):
        return url.partition("#")[0] in opened or may_be_asked(url)

    yield open_at
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def text_contrasts():
    """Of an open page: the contrast of every text with what lies behind it, and the text."""
    return lambda page: page.evaluate(CONTRASTS)
