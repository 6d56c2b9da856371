import csv
import io
from pathlib import Path

import pytest
from click.testing import CliRunner

from sdd_bench.cli import main
from sdd_bench.errors import ProblemsError, ResultError
from sdd_bench.leaderboard.boards import make_boards
from sdd_bench.leaderboard.boards_data import csv_board
from sdd_bench.leaderboard.folder import entry_path, load
from sdd_bench.leaderboard.published import JDRL_TABLES, OTHER_RESULTS, UNKNOWN_REFERENCE, read_published

ROOT = Path(__file__).parents[2]
BOARD = ROOT / "leaderboards"
PUBLISHED = ROOT.parent / "shared" / "published"
needs_tables = pytest.mark.skipif(not PUBLISHED.is_dir(), reason=f"{PUBLISHED} is not there")

# Table 1 of Li et al. 2023: PSNR, SSIM, MAE, LPIPS.
TABLE_1 = """\
JNB 24.06 0.720 0.0400 0.443
EBDB 24.06 0.720 0.0398 0.442
DMENet 24.02 0.732 0.0395 0.426
DMPHN 25.00 0.769 0.0351 0.326
DPDNet-S 24.81 0.760 0.0364 0.343
MPRNet 26.28 0.796 0.0293 0.302
UNet 24.62 0.758 0.0360 0.344
UNet + JDRL 25.82 0.783 0.0320 0.305
MPRNet + JDRL 26.88 0.810 0.0283 0.265
"""
JDRL_HEADER = "dataset,reference,method,framework,trained_on,psnr,ssim,mae,lpips,protocol,source,note\n"
JDRL_ROW = "SDD,deformed_gt,UNet,,SDD,24.62,0.758,0.0360,0.344,jdrl2022,Some table,\n"
OTHER_HEADER = (
    "dataset,scope,method,year,venue,psnr,ssim,mae,reference,reference_protocol(gt|deformed_gt|unknown),"
    "trained_on,source,source_ref,note\n"
)
OTHER_ROW = "DPDD,combined,KBNet,2023,arXiv,28.89,0.883,,,unknown,,Notes,page 3,low trust\n"


@pytest.fixture
def tables(tmp_path):
    def write(jdrl="", other=""):
        (tmp_path / JDRL_TABLES).write_text(JDRL_HEADER + jdrl)
        (tmp_path / OTHER_RESULTS).write_text(OTHER_HEADER + other)
        return tmp_path

    return write


def paper_rows(boards):
    """The rows of a board's CSV, in the form of the table of published numbers."""
    for board in boards:
        for row in csv.DictReader(io.StringIO(csv_board(board))):
            for reference in ("gt", "deformed_gt"):
                numbers = tuple(row.get(f"{metric}_{reference}", "") for metric in ("psnr", "ssim", "mae", "lpips"))
                if any(numbers):
                    about = (row["name"], row["framework"], row["variant"], row["trained_on"])
                    yield board.dataset, reference, *about, *numbers, board.protocol, board.source.title


def test_the_first_table_of_the_jdrl_paper_comes_out_digit_by_digit():
    boards = [board for board in make_boards(load(BOARD)) if board.title == "SDD, Li et al. 2023 (AAAI), Table 1"]
    (rows,) = [csv.DictReader(io.StringIO(csv_board(board))) for board in boards]
    found = [
        " ".join([row["method"], *(row[f"{m}_deformed_gt"] for m in ("psnr", "ssim", "mae", "lpips"))]) for row in rows
    ]
    assert sorted(found) == sorted(TABLE_1.splitlines())


@needs_tables
def test_the_four_tables_of_the_jdrl_paper_come_out_again_exactly():
    with (PUBLISHED / JDRL_TABLES).open(encoding="utf-8", newline="") as file:
        wanted = []
        for row in csv.DictReader(file):
            variant = row["note"].split(" (")[0] if "ablation" in row["source"] else ""
            numbers = (row["psnr"], row["ssim"], row["mae"], row["lpips"], row["protocol"], row["source"])
            about = (row["method"], row["framework"], variant, row["trained_on"])
            wanted.append((row["dataset"], row["reference"], *about, *numbers))
    boards = [b for b in make_boards(load(BOARD)) if b.source is not None and "Li et al. 2023" in b.source.title]
    assert len(boards) == 4
    assert sorted(paper_rows(boards)) == sorted(wanted)


@needs_tables
def test_the_entries_kept_in_the_project_are_those_of_the_tables():
    found = read_published(PUBLISHED)
    kept = {path.name: path.read_text("utf-8") for path in (BOARD / "published").iterdir()}
    assert kept == {entry_path(BOARD, entry).name: entry.to_json() for entry in found.entries}
    with (PUBLISHED / JDRL_TABLES).open() as jdrl, (PUBLISHED / OTHER_RESULTS).open() as other:
        rows = sum(len(list(csv.DictReader(file))) for file in (jdrl, other))
    assert found.rows + len(found.without_scores) == rows


def test_a_number_keeps_the_digits_it_was_printed_with(tables):
    (entry,) = read_published(tables("SDD,gt,UNet,,,25.980,0.7,0.04000,,jdrl2022,T,\n")).entries
    (scores,) = entry.scores
    assert [scores.psnr.text, scores.ssim.text, scores.mae.text, scores.lpips] == ["25.980", "0.7", "0.04000", None]


def test_an_unknown_reference_is_a_doubt_and_the_note_stays(tables):
    (entry,) = read_published(tables(other=OTHER_ROW)).entries
    assert entry.doubts == (UNKNOWN_REFERENCE,)
    assert entry.notes == ("low trust",)
    assert (entry.source.title, entry.source.place, entry.protocol) == ("Notes", "page 3", None)


def test_groups_and_references_of_one_method_and_source_are_one_entry(tables):
    other = OTHER_ROW + OTHER_ROW.replace("combined", "indoor")
    (entry,) = read_published(tables(other=other)).entries
    assert [scores.group for scores in entry.scores] == ["all", "indoor"]


def test_other_training_data_is_another_entry(tables):
    assert len(read_published(tables(JDRL_ROW + JDRL_ROW.replace(",SDD,24", ",DPDD,24"))).entries) == 2


def test_rows_without_any_of_the_metrics_are_left_out_by_name(tables):
    found = read_published(tables(JDRL_ROW, "PixelDP,all,IFAN,2021,CVPR,,,,,unknown,,T,p,MUSIQ 45\n"))
    assert (len(found.entries), found.rows, found.without_scores) == (1, 1, ("other_results.csv:2 IFAN",))


def test_every_bad_row_is_named_in_one_report(tables):
    jdrl = JDRL_ROW * 2 + JDRL_ROW.replace("24.62", "nan") + JDRL_ROW.replace("jdrl2022", "jdrl2202")
    other = OTHER_ROW.replace("combined", "indor") + OTHER_ROW.replace("unknown", "maybe")
    with pytest.raises(ProblemsError) as caught:
        read_published(tables(jdrl, other))
    wanted = ("csv:3: a second row", "csv:4: 'nan'", "Did you mean jdrl2022", "Did you mean indoor", "'maybe'")
    assert len(caught.value.problems) == len(wanted)
    assert all(text in problem for text, problem in zip(wanted, caught.value.problems, strict=True))


def test_another_table_is_told_apart_by_its_columns(tables):
    folder = tables()
    (folder / JDRL_TABLES).write_text("a,b\n1,2\n")
    with pytest.raises(ResultError, match=r"found the columns a,b; expected dataset,reference"):
        read_published(folder)


def test_the_command_writes_entries_and_says_what_it_left_out_and_what_is_stale(tables, tmp_path):
    tables(JDRL_ROW, "PixelDP,all,IFAN,2021,CVPR,,,,,unknown,,T,p,\n")
    stale = tmp_path / "board" / "published" / "old.json"
    stale.parent.mkdir(parents=True)
    stale.write_text("{}")
    done = CliRunner().invoke(
        main, ["leaderboard", "import-published", str(tmp_path), "--board", str(tmp_path / "board")]
    )
    assert done.exit_code == 0
    assert "Wrote 1 entries with 1 rows" in done.output
    assert "other_results.csv:2 IFAN" in done.output
    assert str(stale) in done.output
