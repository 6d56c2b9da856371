"""The leaderboard of the frozen benchmark `synth-v1` that comes with the project."""

import shlex
from pathlib import Path

import click
import pytest

from sdd_bench.cli import main
from sdd_bench.datasets.frozen_scenes import frozen_benchmark
from sdd_bench.leaderboard.boards import make_boards
from sdd_bench.leaderboard.checks import check
from sdd_bench.leaderboard.folder import load
from sdd_bench.leaderboard.records import ComputedEntry

BENCHMARK = frozen_benchmark("synth-v1")
ENTRIES = [
    entry
    for entry in load(Path(__file__).parents[2] / "leaderboards")
    if isinstance(entry, ComputedEntry) and entry.dataset_name == BENCHMARK.name
]


def ids(entry):
    return entry.id


def parsed(command):
    """The options of a command line, as the command itself reads them."""
    words = shlex.split(command)
    while "=" in words[0]:
        words.pop(0)
    program, name, *rest = words
    assert program == "sdd-bench"
    found = main.get_command(click.Context(main), name)
    return name, found.make_context(name, rest).params


def test_it_is_the_first_table_of_all_with_its_indoor_and_outdoor_halves():
    first = make_boards(load(Path(__file__).parents[2] / "leaderboards"))[:3]
    assert [(board.dataset, board.split, board.group, board.protocol) for board in first] == [
        (BENCHMARK.name, "test", group, "sdd-v1") for group in ("all", "indoor", "outdoor")
    ]
    assert {row.entry.id for row in first[0].rows} == {entry.id for entry in ENTRIES}
    assert "blurry input" in {entry.method.label for entry in ENTRIES}


@pytest.mark.parametrize("entry", ENTRIES, ids=ids)
def test_every_entry_is_verified_on_the_pinned_dataset_with_every_test_pair(entry):
    assert entry.status == "verified"
    assert entry.result.dataset.manifest_sha256 == BENCHMARK.manifest_sha256
    assert {image.stem for image in entry.result.images} == {s.stem for s in BENCHMARK.scenes if s.split == "test"}
    assert all(image.aligned_gt is not None for image in entry.result.images)


@pytest.mark.parametrize("entry", ENTRIES, ids=ids)
def test_every_entry_says_by_which_commands_it_was_made_and_they_are_still_commands(entry):
    making, *training, predicting = [parsed(command) for command in entry.commands]
    assert (making[0], making[1]["benchmark"]) == ("synth", BENCHMARK.name)
    dataset = making[1]["out"] / "dataset"
    assert predicting[0] == "predict"
    assert predicting[1]["dataset"] == dataset
    assert [name for name, _ in training] == ["train-reference"] * len(training)
    assert bool(training) == (entry.method.weights_sha256 is not None) == (entry.method.trained_on == BENCHMARK.name)
    assert all(options["dataset"] == dataset for _, options in training)
    if entry.method.parameters is not None:  # noted since there are costs: only networks have any
        assert (entry.method.parameters > 0) == bool(training)


def test_a_dataset_of_its_name_and_another_hash_can_not_be_entered(entry):
    made = entry("a")
    named = made.result.dataset.model_copy(update={"name": BENCHMARK.name})
    other = made.model_copy(update={"result": made.result.model_copy(update={"dataset": named})})
    (problem,) = check(other)
    assert problem.startswith("computed on a dataset called synth-v1 of manifest ")
    assert problem.endswith(
        f"the benchmark of this name has {BENCHMARK.manifest_sha256[:12]}. "
        "Make it with `sdd-bench synth --benchmark synth-v1`"
    )
    right = named.model_copy(update={"manifest_sha256": BENCHMARK.manifest_sha256})
    assert check(made.model_copy(update={"result": made.result.model_copy(update={"dataset": right})})) == []
