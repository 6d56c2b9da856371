from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

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
