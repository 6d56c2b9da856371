"""docs/howto/submission.md is about the commands and files that there are."""

import re
import shlex
from pathlib import Path

import click
import pytest

from sdd_bench.cli import main
from sdd_bench.leaderboard.submission.layout import DOCUMENTS, LIMITS, SUFFIXES
from sdd_bench.leaderboard.submission.meta import TEMPLATE
from sdd_bench.leaderboard.verify import TOLERANCES

TEXT = (Path(__file__).parents[3] / "docs" / "howto" / "submission.md").read_text("utf-8")
COMMANDS = sorted({line for line in TEXT.splitlines() if line.startswith("sdd-bench ")})


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_and_its_options_exist(line):
    words = shlex.split(line, comments=True)[1:]
    command, context = main, click.Context(main)
    while isinstance(command, click.Group):
        command = command.get_command(context, words.pop(0))
        assert command is not None
    command.make_context("x", words, resilient_parsing=True)
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known


def test_the_template_is_the_one_that_init_writes():
    assert f"```yaml\n{TEMPLATE}```\n" in TEXT


def test_members_and_limits_are_those_of_the_code():
    rows = re.findall(
        r"^\| `([^`]+)` \|", TEXT.partition("### The archive")[2].partition("## To check")[0], re.MULTILINE
    )
    assert rows == [*DOCUMENTS, "predictions/STEM.png"]
    assert all(f"`{suffix}`" in TEXT for suffix in SUFFIXES[1:])
    said = (
        f"{(LIMITS.archive + 1) >> 30} GiB, {LIMITS.members:,} members, {LIMITS.member >> 20} MiB for one file, "
        f"{(LIMITS.total + 1) >> 30} GiB unpacked in all, {LIMITS.ratio} times as much unpacked as packed, "
        f"{LIMITS.documents >> 20} MiB for each of the documents, {LIMITS.name} bytes for a name"
    )
    assert said in " ".join(TEXT.split())


@pytest.mark.parametrize(("row", "name"), [("PSNR, dB", "psnr"), ("SSIM", "ssim"), ("MAE", "mae"), ("LPIPS", "lpips")])
def test_tolerances_are_those_of_the_code(row, name):
    assert f"| {row} | {TOLERANCES[name]:g} |" in TEXT
