"""Real photographs as they come from a camera: planned, confirmed, prepared and opened."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from sdd_bench import open_dataset
from sdd_bench.cli import main

STACK = Path(__file__).parents[2].parent / "shared" / "data" / "focal_stack"


@pytest.mark.skipif(not STACK.is_dir(), reason="needs the real photographs of ../shared/data/focal_stack")
def test_a_real_focal_stack_is_prepared_after_its_table_was_confirmed(tmp_path):
    for number in (2, 3, 4):
        path = STACK / f"pcb_{number:03d}.jpg"
        (tmp_path / "raw").mkdir(exist_ok=True)
        (tmp_path / "raw" / path.name).write_bytes(path.read_bytes())
    command = ["prepare", str(tmp_path / "raw"), "--preset", "as-is", "--size", "512x384", "--no-patches"]
    plan = CliRunner().invoke(main, [*command, "--plan"])
    assert plan.exit_code == 0, plan.output
    assert "layout captures" in plan.stdout
    (code,) = re.findall(r"--accept-pairs ([0-9a-f]{8})\b", plan.stdout)
    command += ["--out", str(tmp_path / "set")]
    unconfirmed = CliRunner().invoke(main, command)
    assert unconfirmed.exit_code == 1
    assert "need your word" in unconfirmed.stderr
    assert code not in unconfirmed.output
    done = CliRunner().invoke(main, [*command, "--accept-pairs", code])
    assert done.exit_code == 0, done.output
    pairs = list(open_dataset(tmp_path / "set", "train"))
    assert [pair.stem for pair in pairs] == ["pcb_002", "pcb_003"]
    assert {pair.scene for pair in pairs} == {"pcb_004"}
    # Focus was moved step by step: the further step is zoomed more.
    manifest = open_dataset(tmp_path / "set", "train").manifest
    moved = [check.value for pair in manifest.pairs for check in pair.checks if check.name == "misaligned"]
    assert moved[0] > moved[1] > 0.5
