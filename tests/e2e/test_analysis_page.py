"""The page of `analyze` in a browser, wide and narrow, light and dark."""

import pytest
from click.testing import CliRunner

from sdd_bench.cli import main


@pytest.fixture(scope="module")
def report(prepared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("analysis")
    given = ["analyze", str(prepared), "--out", str(folder), "--cache", str(folder / "cache")]
    assert CliRunner().invoke(main, given).exit_code == 0
    return folder / "analysis.html"


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "dark")])
def test_the_page_fits_its_window_loads_nothing_and_can_be_read(open_page, report, text_contrasts, width, scheme):
    page = open_page(report.as_uri(), width, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert min(text_contrasts(page))[0] >= 4.5
    assert page.locator("circle.point").count() == 3
    heading = page.locator("#image-table th button", has_text="corner")
    heading.click()
    cells = page.locator("#image-table tbody tr > :nth-child(4)").all_inner_texts()
    assert cells == sorted(cells, key=float)
