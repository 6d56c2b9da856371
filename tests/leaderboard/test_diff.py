import json
import shutil

import pytest
from click.testing import CliRunner

from sdd_bench.cli import main
from sdd_bench.errors import ProblemsError, ResultError
from sdd_bench.leaderboard.boards import make_boards
from sdd_bench.leaderboard.boards_data import json_boards
from sdd_bench.leaderboard.diff import diff, markdown_diff
from sdd_bench.leaderboard.records import (
    Method,
    computed_entry,
)
from sdd_bench.leaderboard.snapshots import snapshot


@pytest.fixture
def built(tmp_path):
    """Writes what `build --format json` writes of entries."""

    def write(name, *entries):
        path = tmp_path / f"{name}.json"
        path.write_text(json_boards(make_boards(entries)), "utf-8")
        return path

    return write


@pytest.fixture
def kept(tmp_path):
    """Writes entries as the folder of a leaderboard."""

    def write(name, *entries):
        shutil.rmtree(tmp_path / name, ignore_errors=True)
        for entry in entries:
            path = tmp_path / name / f"{entry.id}.json"
            path.parent.mkdir(exist_ok=True)
            path.write_text(entry.to_json(), "utf-8")
        return tmp_path / name

    return write


@pytest.fixture(params=["folders", "built files"])
def compared(request, built, kept):
    """Compares two lists of entries, as folders or as built files."""

    def make(old, new):
        write = kept if request.param == "folders" else built
        return diff(snapshot(write("old", *old)), snapshot(write("new", *new)))

    return make


def test_nothing_changed_between_equal_leaderboards(compared, entry, published):
    entries = [entry("a"), entry("b", (23.0, 24.0, 25.0)), published("p")]
    found = compared(entries, entries[::-1])
    assert found.empty
    assert markdown_diff(found) == "No change.\n"


def test_added_and_removed_entries_are_named_and_move_ranks(compared, entry):
    low, high, new = entry("low"), entry("high", (23.0, 24.0, 25.0)), entry("new", (26.0, 27.0, 28.0))
    found = compared([low, high], [low, new])
    assert [(change.kind, change.label) for change in found.entries] == [("removed", "high"), ("added", "new")]
    assert found.ranks == ()
    found = compared([low], [low, new])
    assert [(change.label, change.old, change.new) for change in found.ranks] == [("low", "1", "2")]
    assert found.tables == ()


def test_a_better_method_changes_its_numbers_and_both_ranks(compared, entry):
    other = entry("b", (22.0, 23.0, 24.0))
    found = compared([entry("a"), other], [entry("a", (25.0, 26.0, 27.0)), other])
    assert {(c.label, c.column, c.old, c.new) for c in found.rows} == {
        ("a", "psnr_gt", "21.00", "26.00"),
        ("a", "psnr_deformed_gt", "21.00", "26.00"),
    }
    assert [(c.label, c.old, c.new) for c in found.ranks] == [("a", "2", "1"), ("b", "1", "2")]
    assert [(c.kind, c.label) for c in found.entries] == [("changed", "a")]


def test_a_change_that_the_digits_hide_is_shown_in_full(compared, entry):
    found = compared([entry("a", (20.0, 21.0))], [entry("a", (20.0, 21.0002))])
    change = next(c for c in found.rows if c.column == "psnr_gt")
    assert (float(change.old), float(change.new)) == pytest.approx((20.5, 20.5001))
    assert change.old != change.new


def test_status_and_facts_of_a_method_are_changes(compared, entry):
    about = Method(name="a", paper="Old", code="https://x.org")
    old = entry("a", about=about)
    new = entry("a", about=about.model_copy(update={"paper": "New", "code": None}), status="verified")
    (change,) = compared([old], [new]).entries
    assert change.what == "self-reported → verified; paper: Old → New; code: https://x.org → n/a"


def test_published_numbers_are_compared_as_printed(compared, published):
    found = compared([published("p", "24.5")], [published("p", "24.50")])
    assert [(c.column, c.old, c.new) for c in found.rows] == [("psnr_gt", "24.5", "24.50")]


def test_tables_that_come_and_go_are_named(compared, entry, published):
    found = compared([entry("a")], [published("p")])
    assert found.tables == (("SDD, T", "added"), ("data (test), sdd-v1", "removed"))


def test_a_table_is_the_same_one_if_its_dataset_was_renamed(compared, entry, result, scored):
    old, other = entry("a"), entry("b", (25.0, 26.0, 27.0))
    named = other.result.dataset.model_copy(update={"name": "A better name"})
    renamed = computed_entry(other.result.model_copy(update={"dataset": named}), Method(name="c"))
    found = compared([old], [old, renamed])
    assert found.tables == ()
    assert [(c.table, c.label) for c in found.ranks] == [("A better name (test), sdd-v1", "a")]


def test_folders_tell_which_images_changed(kept, entry):
    old, new = entry("a", (20.0, 21.0, 22.0)), entry("a", (20.0, 21.5, 22.5))
    (change,) = diff(snapshot(kept("old", old)), snapshot(kept("new", new))).entries
    assert change.what == "2 of 3 images (01, 02), 0 with another prediction file"


def test_names_with_markup_stay_text_in_markdown(kept, entry):
    new = entry("a", about=Method(name="<script>|*x*"))
    text = markdown_diff(diff(snapshot(kept("old", entry("b"))), snapshot(kept("new", entry("b"), new))))
    assert "| added | \\<script\\>\\|\\*x\\* | self-reported |" in text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "not JSON"),
        ("[]", "no tables in it"),
        ("[" * 100_000, "not JSON"),
        ('{"boards": [], "schema_version": 9}', "tables of schema version 9, this version of sdd-bench reads 1"),
        ('{"boards": [{}], "schema_version": 1}', "boards.0.title: Field required"),
        ('{"boards": [{"title": "\\u001b[2J", "group": "all", "rows": []}], "schema_version": 1}', "U\\+001B"),
    ],
)
def test_what_is_no_leaderboard_is_refused_in_words(tmp_path, text, problem):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ResultError, match=problem):
        snapshot(tmp_path / "x.json")


def test_a_folder_with_two_entries_of_one_id_is_refused(kept, entry):
    board = kept("board", entry("a"))
    (path,) = board.iterdir()
    (board / "again.json").write_bytes(path.read_bytes())
    with pytest.raises(ProblemsError, match="are the same entry"):
        snapshot(board)


def test_the_command_prints_a_table_or_markdown(kept, built, entry, tmp_path):
    old = kept("old", entry("a"))
    new = built("new", entry("a", (25.0, 26.0, 27.0)), entry("b [red]"))
    arguments = ["leaderboard", "diff", str(old), str(new)]
    shown = CliRunner().invoke(main, arguments)
    assert shown.exit_code == 0, shown.output
    assert "b [red]" in shown.output
    assert "26.00" in shown.output
    markdown = CliRunner().invoke(main, [*arguments, "--format", "markdown"])
    assert "| added | b \\[red\\] |" in markdown.output
    CliRunner().invoke(main, [*arguments, "--out", str(tmp_path / "diff.md")])
    assert (tmp_path / "diff.md").read_text("utf-8") == markdown.output


def test_the_file_that_the_command_builds_is_read(kept, entry, tmp_path, published):
    board, out = kept("board", entry("a"), published("p")), tmp_path / "built.json"
    done = CliRunner().invoke(main, ["leaderboard", "build", str(board), "--format", "json", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert json.loads(out.read_text("utf-8"))["schema_version"] == 1
    assert diff(snapshot(board), snapshot(out)).empty
