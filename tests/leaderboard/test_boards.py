import csv
import io
import json
import re

import pytest

from sdd_bench.errors import ResultError
from sdd_bench.leaderboard.boards import make_boards
from sdd_bench.leaderboard.boards_data import csv_board, file_name, json_boards
from sdd_bench.leaderboard.boards_latex import latex_boards
from sdd_bench.leaderboard.boards_markdown import markdown_boards
from sdd_bench.leaderboard.records import Method
from sdd_bench.leaderboard.selection import only_table, select


def labels(board):
    return [row.entry.method.label for row in board.rows]


def test_computed_and_published_numbers_of_one_protocol_never_share_a_table(entry, published):
    boards = make_boards([published("p", protocol="jdrl2022-dis"), entry("c", protocol="jdrl2022-dis")])
    assert [labels(board) for board in boards] == [["c"], ["p"]]


def test_protocols_datasets_splits_and_sources_never_share_a_table(entry, published):
    entries = [
        entry("a"),
        entry("b", manifest="2" * 64),
        entry("c", protocol="dpdd2020"),
        entry("d", split="val"),
        published("e"),
        published("f", title="U"),
        published("g", protocol="jdrl2022"),
    ]
    boards = make_boards(entries)
    assert sorted(labels(board) for board in boards) == [[name] for name in "abcdefg"]


def test_flow_weights_of_another_hash_are_another_table(entry):
    entries = [
        entry(name, protocol="jdrl2022", weights="unverified", weights_sha256={"pwc-default": digest * 64})
        for name, digest in (("a", "1"), ("b", "2"), ("c", "1"))
    ]
    assert sorted(labels(board) for board in make_boards(entries)) == [["a", "c"], ["b"]]


def test_a_protocol_that_lies_about_its_hash_does_not_get_into_the_table(entry):
    from sdd_bench.evaluation.protocol import get_protocol

    honest, other = entry("a"), entry("b", protocol="dpdd2020")
    forged = other.model_copy(
        update={"result": other.result.model_copy(update={"protocol_sha256": get_protocol("sdd-v1").hash})}
    )
    assert len(make_boards([honest, forged])) == 2


def test_references_are_columns_of_their_own(published):
    (board,) = make_boards(
        [published("a"), published("b", reference="deformed_gt"), published("c", reference="unknown")]
    )
    assert [column.key for column in board.columns] == ["psnr_gt", "psnr_deformed_gt", "psnr_unknown"]
    assert [[cell.text for cell in row.cells].count("n/a") for row in board.rows] == [2, 2, 2]


def test_any_order_of_the_entries_gives_the_same_bytes(entry, published):
    entries = [entry(name, psnr) for name, psnr in (("a", (20, 21)), ("b", (22, 23)), ("c", (20, 21)))]
    entries += [published("p"), published("q"), published("r", title="U")]
    for write in (markdown_boards, latex_boards, json_boards):
        assert write(make_boards(entries)) == write(make_boards(entries[::-1]))


def test_methods_are_ordered_best_first_and_markdown_marks_first_second_and_ties(entry):
    images = [22.0 + i % 5 for i in range(20)]
    jitter = [value + (1.0 if i % 2 else -0.9) for i, value in enumerate(images)]
    (board,) = make_boards([entry("low", images), entry("best", [v + 3 for v in images]), entry("even", jitter)])
    assert labels(board) == ["best", "even", "low"]
    text = markdown_boards([board])
    rows = {line.split("|")[1].strip(): line.split("|")[4].strip() for line in text.splitlines() if "self-rep" in line}
    assert re.fullmatch(r"\*\*27\.00 ± \d\.\d\d\*\*", rows["best"])
    assert all(re.fullmatch(r"\*24\.\d\d ± \d\.\d\d\*", rows[name]) for name in ("even", "low"))


def test_latex_is_booktabs_with_the_best_bold_and_the_second_underlined(published):
    text = latex_boards(make_boards([published("a", "20.10"), published("b", "22.30"), published("c", "21.20")]))
    rows = [line for line in text.splitlines() if re.match(r"[abc] &", line)]
    assert rows == ["b & \\textbf{22.30} \\\\", "c & \\underline{21.20} \\\\", "a & 20.10 \\\\"]
    assert [text.count(rule) for rule in ("\\toprule", "\\midrule", "\\bottomrule", "\\cmidrule")] == [1, 1, 1, 1]
    assert text.count("\\begin{") == text.count("\\end{") == 2


def test_markup_in_names_stays_text_in_every_format(published):
    name = "<script>|*x*\\input{y}_&%$#~^"
    boards = make_boards([published(name)])
    row = next(line for line in markdown_boards(boards).splitlines() if "script" in line)
    assert row.startswith("| \\<script\\>\\|\\*x\\*\\\\input{y}\\_\\&%\\$#\\~^ |")
    row = next(line for line in latex_boards(boards).splitlines() if "{}script" in line)
    assert row.startswith(
        "\\textless{}script\\textgreater{}\\textbar{}{*}x{*}\\textbackslash{}input\\{y\\}"
        "\\_\\&\\%\\$\\#\\textasciitilde{}\\textasciicircum{} & "
    )
    assert next(csv.DictReader(io.StringIO(csv_board(boards[0]))))["method"] == name
    assert json.loads(json_boards(boards))["boards"][0]["rows"][0]["label"] == name


def test_notes_are_numbered_once_and_cited_by_row(published):
    boards = make_boards([published("a", doubts=("first",)), published("b", doubts=("first",), notes=("second",))])
    text = markdown_boards(boards)
    assert "| a <sup>1</sup> |" in text
    assert "| b <sup>1, 2</sup> |" in text
    assert text.endswith("\n1. first\n2. second\n")


def test_csv_and_json_hold_the_numbers_behind_the_text(entry):
    made = entry("a", [20.0 + i / 3 for i in range(8)])
    (board,) = make_boards([made])
    mean = made.result.means["all"].deformed_gt
    row = next(csv.DictReader(io.StringIO(csv_board(board))))
    assert float(row["psnr_deformed_gt"]) == mean.psnr
    assert (float(row["psnr_deformed_gt_lower"]), float(row["psnr_deformed_gt_upper"])) == mean.intervals.psnr
    (kept,) = json.loads(json_boards([board]))["boards"][0]["rows"]
    assert kept["scores"]["psnr_deformed_gt"]["interval"] == list(mean.intervals.psnr)
    assert kept["protocol_sha256"] == made.result.protocol_sha256


def test_identical_predictions_are_inf_in_csv_and_first(entry):
    (board,) = make_boards([entry("a", [float("inf")] * 2), entry("b", [20.0, 21.0])])
    rows = list(csv.DictReader(io.StringIO(csv_board(board))))
    assert [(row["method"], row["psnr_gt"], row["psnr_gt_place"]) for row in rows] == [
        ("a", "inf", "1"),
        ("b", "20.5", "2"),
    ]


def test_environments_and_failures_have_their_counts(scored, result):
    from sdd_bench.leaderboard.records import computed_entry

    images = [scored("a", 20.0, environment="indoor"), scored("b", None, environment="outdoor", error="torn")]
    boards = make_boards([computed_entry(result(images), Method(name="m"))])
    assert [(board.group, board.rows[0].images, board.rows[0].failed) for board in boards] == [
        ("all", 1, 1),
        ("indoor", 1, 0),
        ("outdoor", 0, 1),
    ]
    assert "| 1 of 2 |" in markdown_boards(boards)


def test_a_group_of_all_images_is_no_second_table(scored, result):
    from sdd_bench.leaderboard.records import computed_entry

    images = [scored("a", 20.0, environment="indoor"), scored("b", 21.0, environment="indoor")]
    assert [board.group for board in make_boards([computed_entry(result(images), Method(name="m"))])] == ["all"]


def test_tables_are_chosen_by_name_and_a_wrong_name_suggests_the_nearest(published):
    boards = make_boards([published(protocol="jdrl2022"), published(dataset="DPDD")])
    assert [board.dataset for board in select(boards, "DPDD", None)] == ["DPDD"]
    assert only_table(select(boards, None, "jdrl2022")).dataset == "SDD"
    with pytest.raises(ResultError, match=r"unknown dataset 'DPD'\. Did you mean DPDD"):
        select(boards, "DPD", None)
    with pytest.raises(ResultError, match=r"Did you mean jdrl2022\?"):
        select(boards, None, "jdrl2020")
    with pytest.raises(ResultError, match="no table is of dataset DPDD and protocol jdrl2022"):
        select(boards, "DPDD", "jdrl2022")
    assert only_table(select(boards, None, None, "DPDD, T")).dataset == "DPDD"
    with pytest.raises(ResultError, match=r"unknown table 'DPDD, U'. Did you mean DPDD, T"):
        select(boards, None, None, "DPDD, U")
    with pytest.raises(ResultError, match="2 tables can't share one CSV"):
        only_table(boards)


def test_every_table_has_a_file_name_of_its_own(published):
    boards = make_boards([published(), published(title="U"), published(title="T", dataset="DPDD")])
    assert len({file_name(board) for board in boards}) == 3
