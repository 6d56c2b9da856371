import json
import re
from html.parser import HTMLParser
from pathlib import PurePosixPath
from urllib.parse import urldefrag

import pytest
from click.testing import CliRunner

from sdd_bench.cli import main
from sdd_bench.errors import OutputError
from sdd_bench.leaderboard.boards import make_boards
from sdd_bench.leaderboard.boards_latex import latex_boards
from sdd_bench.leaderboard.records import Method
from sdd_bench.leaderboard.site.build import MARK, build_site, site_files
from sdd_bench.leaderboard.site.traps_page import traps


class Links(HTMLParser):
    """Every address a page names, and whatever could run or load something."""

    def __init__(self, text):
        super().__init__()
        self.addresses, self.ids, self.tags = [], set(), []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append((tag, given))
        self.ids.add(given.get("id"))
        self.addresses += [given[name] for name in ("href", "src") if name in given]


@pytest.fixture
def entries(entry, published):
    return [
        entry("low", [20.0 + i / 5 for i in range(8)]),
        entry("high", [24.0 + i / 5 for i in range(8)], status="verified"),
        published("p", title="A paper, Table 1"),
        published("q", "25.10", title="A paper, Table 1", doubts=("a doubt",)),
        published("p", "25.90", title="Another paper"),
    ]


def files_of(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def pages(files):
    return {name: data.decode() for name, data in files.items() if name.endswith(".html")}


def test_any_order_of_the_entries_gives_the_same_bytes_and_so_does_a_second_build(entries, tmp_path):
    build_site(entries, tmp_path / "a")
    build_site(entries[::-1], tmp_path / "b")
    first = files_of(tmp_path / "a")
    assert first == files_of(tmp_path / "b")
    build_site(entries, tmp_path / "a")
    assert files_of(tmp_path / "a") == first


def test_every_link_leads_to_a_file_of_the_site_and_every_jump_to_a_place_on_its_page(entries):
    files = site_files(entries, {})
    seen = 0
    for name, text in pages(files).items():
        links = Links(text)
        for address in links.addresses:
            if address == "data:,":
                continue
            path, fragment = urldefrag(address)
            parts = []
            for part in (PurePosixPath(name).parent / path if path else PurePosixPath(name)).parts:
                parts = parts[:-1] if part == ".." else [*parts, part]
            assert "/".join(parts) in files, (name, address)
            if fragment and not path:
                assert fragment in links.ids, (name, address)
            seen += 1
    assert seen > 50


def test_pages_name_no_other_host_and_run_no_script_but_the_sites_own(entries):
    for text in pages(site_files(entries, {})).values():
        links = Links(text)
        assert not [address for address in links.addresses if "//" in address]
        (policy,) = [given["content"] for tag, given in links.tags if given.get("http-equiv")]
        assert "default-src 'none'" in policy
        assert "unsafe-inline" not in policy.partition("script-src")[2]
        inline = [given for tag, given in links.tags if tag == "script" and "src" not in given]
        assert all(given.get("type") == "application/json" for given in inline)
        assert not [name for _, given in links.tags for name in given if name.startswith("on")]


def test_markup_in_names_stays_text_everywhere(entry, published):
    name = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
    hostile = [entry(name, about=Method(name=name, authors=name, paper=name, code="javascript:alert(1)"))]
    hostile.append(published(name, title=name, notes=(name,)))
    for page, text in pages(site_files(hostile, {})).items():
        tags = Links(text).tags
        assert not [tag for tag, given in tags if tag == "img" or "onerror" in given], page
        assert not [given for tag, given in tags if given.get("href", "").startswith("javascript")], page
    data = next(data for path, data in site_files(hostile, {}).items() if path.startswith("data/"))
    assert data.startswith(b"SDD.entry({")


def test_an_empty_leaderboard_says_how_to_fill_it(tmp_path):
    (tmp_path / "board").mkdir()
    done = CliRunner().invoke(
        main,
        ["leaderboard", "build", str(tmp_path / "board"), "--site", str(tmp_path / "site")],
        catch_exceptions=False,
    )
    assert done.exit_code == 0, done.output
    assert f"Open {tmp_path / 'site' / 'index.html'}" in done.output
    home = (tmp_path / "site" / "index.html").read_text("utf-8")
    assert "There is no entry yet" in home
    assert "sdd-bench leaderboard add" in home
    assert "Six reasons" in (tmp_path / "site" / "traps.html").read_text("utf-8")


def test_a_folder_with_something_else_in_it_is_left_alone(entries, tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(OutputError, match="not a leaderboard's site"):
        build_site(entries, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_pages_of_entries_that_are_gone_go_and_other_files_stay(entries, tmp_path):
    build_site(entries, tmp_path / "site")
    (tmp_path / "site" / "CNAME").write_text("example.org")
    before = set(files_of(tmp_path / "site"))
    built = build_site(entries[:2], tmp_path / "site")
    after = set(files_of(tmp_path / "site"))
    assert "CNAME" in after
    assert {name for name in before - after if name.startswith(("boards/", "methods/"))}
    assert after - {"CNAME"} == set(json.loads((tmp_path / "site" / MARK).read_text())["files"])
    assert built.files == len(after) - 1


def test_a_list_of_files_that_names_others_has_none_of_them_removed(entries, tmp_path):
    build_site(entries, tmp_path / "site")
    (tmp_path / "precious").write_text("x")
    mark = tmp_path / "site" / MARK
    mark.write_text(json.dumps({"sdd_bench_site": 1, "files": ["../precious", str(tmp_path / "precious")]}))
    build_site(entries, tmp_path / "site")
    assert (tmp_path / "precious").exists()


def test_tables_beside_the_pages_are_those_of_the_other_formats(entries):
    files = site_files(entries, {})
    latex = {latex_boards([board]).encode() for board in make_boards(entries)}
    assert {data for name, data in files.items() if name.endswith(".tex")} == latex


def test_a_row_says_where_its_numbers_come_from(entries):
    text = "".join(pages(site_files(entries, {})).values())
    origins = [given["data-origin"] for _, given in Links(text).tags if "data-origin" in given]
    assert any(re.search(r"^Verified: computed again .* on 2026-01-01\. File entries/data-high-", o) for o in origins)
    assert any(re.search(r"^File published/sdd-q-\w+\.json\. a doubt$", origin) for origin in origins)


def test_the_method_page_tells_how_to_compute_the_number_again(entry):
    files = site_files([entry("a b's", [20.0 + i for i in range(7)])], {})
    (text,) = [text for name, text in pages(files).items() if name.startswith("methods/")]
    assert "sdd-bench evaluate --pred PREDICTIONS --dataset DATASET --protocol sdd-v1 --method" in text
    assert "&#39;a b&#39;&#34;&#39;&#34;&#39;s&#39;" in text  # quoted for a shell, escaped for HTML
    assert re.search(r"sdd-bench leaderboard verify entries/data-a-b-s-\w{8}\.json --pred PREDICTIONS", text)


def test_images_of_a_method_are_listed_worst_first(entry):
    files = site_files([entry("m", [22.0, 20.0, 21.0])], {})
    (text,) = [text for name, text in pages(files).items() if name.startswith("methods/")]
    table = text[text.index("images-table") :]
    assert re.findall(r"<bdi>(\d\d)</bdi>", table) == ["01", "02", "00"]


def test_disagreements_are_drawn_on_one_axis_per_dataset_and_metric(entries):
    told = traps(entries)
    ((chart,), widest) = told.charts, told.widest
    assert (chart.dataset, chart.metric) == ("SDD", "psnr")
    assert [[spot.text for spot in dispute.spots] for dispute in chart.disputes] == [["25.90", "24.50"]]
    assert widest.found.method == "p"
    first, second = chart.disputes[0].spots
    assert 0 <= second.at < first.at <= 100
    assert told.doubts == [("a doubt", 1)]


def test_names_that_differ_in_marks_only_have_pages_of_their_own(entry):
    files = site_files([entry("Net"), entry("Nèt"), entry("网络"), entry("🙂")], {})
    assert len([name for name in files if name.startswith("methods/")]) == 4
    assert all(re.fullmatch(r"[a-z0-9./-]+", name) for name in files), files.keys()


def test_scores_of_images_are_in_the_data_with_what_is_missing(scored, result):
    from sdd_bench.leaderboard.records import computed_entry

    images = [scored("a", 20.123456789), scored("b", float("inf")), scored("c", None, error="torn")]
    files = site_files([computed_entry(result(images), Method(name="m"))], {})
    (data,) = [data.decode() for name, data in files.items() if name.startswith("data/")]
    content = json.loads(data.removeprefix("SDD.entry(").removesuffix(");\n"))
    assert content["scores"]["psnr_gt"] == [20.1235, "identical", None]
    assert content["errors"] == {"c": "torn"}
    assert content["pictures"] is None


def test_options_that_do_not_go_together_are_refused(tmp_path):
    (tmp_path / "board").mkdir()
    given = ["leaderboard", "build", str(tmp_path / "board")]
    for more, why in (
        (["--site", str(tmp_path / "s"), "--format", "csv"], "leave out --format"),
        (["--predictions", "x=y"], "are for --site"),
        (["--site", str(tmp_path / "s"), "--predictions", "x"], "expected ENTRY=FOLDER"),
        (["--site", str(tmp_path / "s"), "--predictions", f"x={tmp_path}", "--predictions", f"x={tmp_path}"], "twice"),
        (["--site", str(tmp_path / "s"), "--predictions", "x=nowhere"], "nowhere is not a folder"),
    ):
        done = CliRunner().invoke(main, [*given, *more])
        assert (done.exit_code, why in done.output) == (2, True), done.output
    assert not (tmp_path / "s").exists()
