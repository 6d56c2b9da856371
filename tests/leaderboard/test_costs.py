"""Parameters and time of methods: from predictions and their makers into entries, tables and files."""

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import ValidationError

from sdd_bench.cli import main
from sdd_bench.errors import ProblemsError
from sdd_bench.leaderboard.boards import make_boards
from sdd_bench.leaderboard.boards_data import csv_board, json_boards
from sdd_bench.leaderboard.boards_latex import latex_boards
from sdd_bench.leaderboard.boards_markdown import markdown_boards
from sdd_bench.leaderboard.costs import with_cost
from sdd_bench.leaderboard.diff import diff
from sdd_bench.leaderboard.folder import read_entry
from sdd_bench.leaderboard.records import ENTRY, ComputedEntry, Method
from sdd_bench.leaderboard.site.cost_columns import parameters, short, time
from sdd_bench.leaderboard.snapshots import snapshot
from sdd_bench.leaderboard.submission.check import check_submission
from sdd_bench.leaderboard.submission.pack import pack
from sdd_bench.models.prediction_record import Cost

COST = {"parameters": 487_331, "seconds_per_megapixel": 0.7056, "machine": "A processor", "threads": 2}
LEADERBOARDS = Path(__file__).parents[2] / "leaderboards"


def costing(result, **cost):
    return result.model_copy(update={"run": result.run.model_copy(update={"cost": Cost(**cost)})})


def test_entries_of_before_there_were_costs_are_the_same_bytes():
    for path in LEADERBOARDS.rglob("*.json"):
        kept = path.read_bytes()
        entry = ENTRY.validate_json(kept)
        assert entry.to_json().encode() == kept
        assert entry.content_sha256 == entry.entry_sha256
        assert (entry.method.parameters is None) is ("parameters" not in json.loads(kept)["method"])


def test_what_is_not_known_is_not_written_and_what_is_none_is():
    assert not set(COST) & set(Method(name="m").model_dump())
    assert Method(name="m", parameters=0).model_dump()["parameters"] == 0
    told = Method(name="m", **COST)
    assert Method.model_validate_json(told.model_dump_json()) == told
    assert told.timed_on == "A processor, 2 threads"
    assert Method(name="m", seconds_per_megapixel=1, machine="A GPU").timed_on == "A GPU"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"machine": None, "threads": None}, "go together"),
        ({"seconds_per_megapixel": None, "threads": None}, "go together"),
        ({"seconds_per_megapixel": None, "machine": None}, "those of a machine"),
        ({"seconds_per_megapixel": 0}, "greater than 0"),
        ({"seconds_per_megapixel": float("inf")}, "finite"),
        ({"parameters": -1}, "greater than or equal to 0"),
        ({"parameters": 0.5}, "integer"),
        ({"machine": "a\u202eb"}, r"U\+202E"),
        ({"threads": 0}, "greater than or equal to 1"),
    ],
)
def test_a_cost_that_can_not_be_or_says_nothing_is_refused(changes, says):
    with pytest.raises(ValidationError, match=says):
        Method(name="m", **(COST | changes))


# From predictions to entries.


def test_what_its_makers_say_goes_before_what_was_measured(result, image):
    made = costing(result([image("a", 20.0)]), **COST)
    assert with_cost(Method(name="m"), made) == Method(name="m", **COST)
    assert with_cost(Method(name="m", parameters=5), made) == Method(name="m", **(COST | {"parameters": 5}))
    timed = Method(name="m", seconds_per_megapixel=0.1, machine="A GPU")  # and not the threads of the processor
    assert with_cost(timed, made).model_dump() == timed.model_dump() | {"parameters": COST["parameters"]}
    assert with_cost(timed, result([image("a", 20.0)])) == timed


def test_a_machine_whose_name_misleads_is_refused_in_words(result, image):
    with pytest.raises(ProblemsError, match=r"run\.cost") as caught:
        with_cost(Method(name="m"), costing(result([image("a", 20.0)]), **(COST | {"machine": "a\nb"})))
    assert caught.value.problems[0].startswith("machine: Value error, found the character U+000A")


def leaderboard(*arguments, code=0):
    done = CliRunner().invoke(main, ["leaderboard", *map(str, arguments)])
    assert done.exit_code == code, done.output
    return done


def test_an_entry_takes_the_cost_of_its_result_by_itself(scored, result, tmp_path):
    costing(result([scored("a", 20.0)], "m"), **COST).save(tmp_path / "results")
    leaderboard("add", tmp_path / "results", "--board", tmp_path / "board")
    (path,) = (tmp_path / "board" / "entries").iterdir()
    entry = read_entry(path)
    assert entry.method == Method(name="m", **COST)
    assert entry.result.run.cost is None  # it is said once
    said = ("--parameters", 0, "--seconds-per-megapixel", 0.01, "--machine", "A GPU")
    leaderboard("add", tmp_path / "results", "--board", tmp_path / "board", "--replace", *said)
    changed = read_entry(path)
    assert changed.method == Method(name="m", parameters=0, seconds_per_megapixel=0.01, machine="A GPU")
    assert changed.id == entry.id
    twice = costing(changed.result, **COST)
    with pytest.raises(ValidationError, match=r"run\.cost is said by `method`"):
        ComputedEntry(method=changed.method, status="verified", result=twice, entry_sha256="0" * 64)
    lone = leaderboard("add", tmp_path / "results", "--board", tmp_path / "other", "--machine", "A GPU", code=1)
    assert "seconds_per_megapixel and machine go together" in lone.stderr


def test_a_submission_brings_the_cost_along_and_its_text_says_it(scored_blur, prepared, tmp_path):
    pred, made = scored_blur
    meta = tmp_path / "meta.yaml"
    meta.write_text("schema_version: 1\nname: m\n")
    told = pack(pred, meta, costing(made, **COST), tmp_path / "m.zip")
    assert told.method == Method(name="m", **COST)
    checked = check_submission(tmp_path / "m.zip", tmp_path / "checked", progress=False)
    assert checked.entry.method == told.method
    assert checked.entry.result.run.cost is None
    text = (tmp_path / "checked" / "pull_request.md").read_text()
    assert "- parameters, as stated: `487331`" in text
    assert "- measured on: `A processor`" in text
    meta.write_text("schema_version: 1\nname: m\nparameters: 0\nseconds_per_megapixel: 2.5\nmachine: A GPU\n")
    stated = pack(pred, meta, costing(made, **COST), tmp_path / "stated.zip")
    assert stated.method == Method(name="m", parameters=0, seconds_per_megapixel=2.5, machine="A GPU")


# Tables and files.


def method(name, **cost):
    return Method(name=name, **cost)


def test_tables_for_programs_have_the_cost_and_those_for_papers_stay_as_they_were(entry):
    known, unknown = entry("a", about=method("a", **COST)), entry("b", about=method("b"))
    none = entry("c", about=method("c", parameters=0))
    (board,) = boards = make_boards([known, unknown, none])
    rows = {row["name"]: row for row in csv.DictReader(io.StringIO(csv_board(board)))}
    assert {name: rows["a"][name] for name in COST} == {name: str(value) for name, value in COST.items()}
    assert [rows[name]["parameters"] for name in "abc"] == ["487331", "", "0"]
    kept = {row["label"]: row["method"] for row in json.loads(json_boards(boards))["boards"][0]["rows"]}
    assert {name: kept["a"][name] for name in COST} == COST
    assert ("parameters" in kept["b"], kept["c"]["parameters"]) == (False, 0)
    plain = make_boards([entry("a"), unknown, entry("c")])
    assert latex_boards(boards) == latex_boards(plain)
    assert markdown_boards(boards) == markdown_boards(plain)


def test_a_changed_cost_is_a_difference_of_the_entry_and_of_no_number(entry, keep, tmp_path):
    before = snapshot(shutil.copytree(keep(entry("a")), tmp_path / "before"))
    after = snapshot(keep(entry("a", about=method("a", **COST))))
    found = diff(before, after)
    assert [change.what for change in found.entries] == [
        "parameters: n/a → 487331; seconds_per_megapixel: n/a → 0.7056; machine: n/a → A processor; threads: n/a → 2"
    ]
    assert (found.rows, found.ranks) == ((), ())


@pytest.mark.parametrize(
    ("count", "text"),
    [(1, "1"), (999, "999"), (1000, "1.00 k"), (487_331, "487 k"), (999_499, "999 k"), (999_500, "1.00 M"),
     (31_033_411, "31.0 M"), (175_000_000_000, "175 G")],
)  # fmt: skip
def test_a_count_is_shown_to_three_digits(count, text):
    assert short(count) == text


def test_none_is_told_from_what_nobody_stated():
    assert (parameters(method("m", parameters=0)).text, parameters(method("m")).text) == ("none", "n/a")
    assert time(method("m")).text == "n/a"
    assert "On A processor, 2 threads" in time(method("m", **COST)).note
    shown = [time(method("m", **(COST | {"seconds_per_megapixel": s}))).text for s in (0.0042, 0.7056, 212.9, 999.6)]
    assert shown == ["0.00420", "0.706", "213", "1,000"]


def test_the_hash_covers_the_cost(entry):
    told = entry("a", about=method("a", **COST))
    assert told.content_sha256 == told.entry_sha256 != entry("a").entry_sha256
    edited = told.model_copy(update={"method": method("a", **(COST | {"parameters": 1}))})
    assert edited.content_sha256 != edited.entry_sha256
