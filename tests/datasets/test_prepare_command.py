from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sdd_bench.cli import main
from sdd_bench.datasets.manifest import read_manifest

MakeRaw = Callable[..., Path]


def test_the_command_prepares_and_prints_what_there_is(make_raw: MakeRaw, tmp_path: Path) -> None:
    raw, out = make_raw(["a_indoor", "b", "c"]), tmp_path / "set"
    options = ["--preset", "as-is", "--patch-size", "32", "--stride", "24", "--name", "mine", "--size", "48x32"]
    result = CliRunner().invoke(main, ["prepare", str(raw), "--out", str(out), *options])
    assert result.exit_code == 0, result.output
    manifest = read_manifest(out)
    assert (manifest.name, manifest.preset.size, manifest.preset.patch_size) == ("mine", (48, 32), 32)
    rows = [line.replace("│", " ").split() for line in result.stdout.splitlines()]
    assert ["train", "2", "1", "0", "1", "4"] in rows  # 48 x 32 gives two patches of 32; both are kept
    assert ["test", "1", "0", "0", "1", "0"] in rows
    assert manifest.manifest_hash in result.stdout
    assert "preparing: 3/3" in result.stderr


def test_options_come_from_the_environment_too(make_raw: MakeRaw, tmp_path: Path) -> None:
    environment = {"SDD_BENCH_PREPARE_PRESET": "as-is", "SDD_BENCH_PREPARE_NO_PATCHES": "1"}
    result = CliRunner(env=environment).invoke(main, ["prepare", str(make_raw(["a"])), "--out", str(tmp_path / "set")])
    assert result.exit_code == 0, result.output
    assert read_manifest(tmp_path / "set").preset.patch_size is None


def test_problems_are_printed_without_a_traceback_and_the_exit_code_is_1(make_raw: MakeRaw, tmp_path: Path) -> None:
    raw = make_raw(["a", "b"])
    result = CliRunner().invoke(main, ["prepare", str(raw), "--out", str(tmp_path / "set")])
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    assert result.stderr.count("would enlarge it") == 2
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--size", "2048"], "expected WIDTHxHEIGHT"),
        (["--patch-size", "64", "--no-patches"], "can't be used together"),
        (["--bit-depth", "12"], "'12' is not one of"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    make_raw: MakeRaw, tmp_path: Path, options: list[str], message: str
) -> None:
    result = CliRunner().invoke(main, ["prepare", str(make_raw(["a"])), "--out", str(tmp_path / "set"), *options])
    assert result.exit_code == 2
    assert message in result.output


def invoke(*arguments: str | Path) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(main, ["prepare", *map(str, arguments)])


def test_a_plan_shows_everything_and_writes_nothing(make_raw: MakeRaw, tmp_path: Path) -> None:
    raw = make_raw(["a_indoor", "b", "c"])
    options = [
        "--preset",
        "as-is",
        "--patch-size",
        "32",
        "--stride",
        "24",
        "--check",
        "clipped=-1",
        "--check",
        "leak=off",
    ]
    result = invoke(raw, "--plan", *options, "--out", tmp_path / "set")
    assert result.exit_code == 0, result.output
    assert list(tmp_path.iterdir()) == [raw]
    rows = [line.replace("│", " ").split() for line in result.stdout.splitlines()]
    assert ["a_indoor", "a_indoor", "indoor", "train", "train/blur/a_indoor.png", "train/gt/a_indoor.png"] in rows
    assert ["train", "2", "2", "1", "0", "1", "18"] in rows
    for part in (
        "layout sdd, preset as-is, 3 pairs",
        "3 pairs of 96 x 64, 8-bit png: size kept, written with 8 bits",
        "training patches of 32 by stride 24, the sharpest 70%; 9 kept of each training image",
        "warning: clipped: highlights are clipped (3 of 3 pairs",
        "Nothing was written.",
    ):
        assert part in result.stdout
    exposure = next(row for row in rows if row[:1] == ["exposure"])
    assert "0.5" in exposure


def test_a_plan_of_a_faulty_folder_lists_the_faults_and_fails(make_raw: MakeRaw, tmp_path: Path) -> None:
    raw = make_raw(["a", "b"])
    (raw / "train/gt/a.png").write_bytes((raw / "train/blur/a.png").read_bytes())
    result = invoke(raw, "--plan", "--size", "48x32", "--patch-size", "32", "--stride", "24")
    assert result.exit_code == 1
    assert "problem: a: blur and sharp are the same picture" in result.stdout
    assert "2 scenes have no environment, which this preset needs" in result.stdout
    assert list(tmp_path.iterdir()) == [raw]


def test_environments_can_be_done_without(make_raw: MakeRaw, tmp_path: Path) -> None:
    raw = make_raw(["a"], splits=["test"])
    result = invoke(raw, "--size", "48x32", "--no-patches", "--out", tmp_path / "set")
    assert result.exit_code == 1
    assert (tmp_path / "set-environments.csv").exists()
    assert "aspect ratio" not in result.output
    result = invoke(raw, "--size", "48x32", "--no-patches", "--no-environments", "--out", tmp_path / "set")
    assert result.exit_code == 0, result.output
    assert "warning: scene counts" in result.stdout


def test_pairs_can_be_saved_and_prepared_from(make_raw: MakeRaw, tmp_path: Path) -> None:
    raw = make_raw(["a", "b"])
    (tmp_path / "table").mkdir()
    result = invoke(raw, "--save-pairs", tmp_path / "table/pairs.csv")
    assert result.exit_code == 0, result.output
    result = invoke(tmp_path / "table", "--preset", "as-is", "--no-patches", "--out", tmp_path / "set")
    assert result.exit_code == 0, result.output
    assert read_manifest(tmp_path / "set").layout == "pairs.csv"


def test_without_a_place_to_write_to_nothing_is_done(make_raw: MakeRaw) -> None:
    result = invoke(make_raw(["a"]))
    assert result.exit_code == 2
    assert "Missing option '--out'" in result.output


def test_a_check_that_does_not_exist_is_named(make_raw: MakeRaw, tmp_path: Path) -> None:
    result = invoke(make_raw(["a"]), "--plan", "--check", "exposur=off")
    assert result.exit_code == 1
    assert "unknown check 'exposur'. Did you mean exposure?" in result.output
