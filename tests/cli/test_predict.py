"""The command as users type it; what it makes is scored by `evaluate`."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

from sdd_bench import models
from sdd_bench.cli import main
from sdd_bench.io.images import read_image, read_samples, write_image
from sdd_bench.models import classical
from sdd_bench.models.checkpoints import save

PROGRAM = Path(sys.executable).with_name("sdd-bench")
SLOW = '''
import time
import torch

class Slow(torch.nn.Module):
    """Leaves the picture as it is, after a while."""

    def forward(self, x):
        time.sleep(1.0)
        return x
'''

OWN = """
import torch

class Net(torch.nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor
        self.bias = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return x * self.factor + self.bias
"""


def run(*arguments, code=0):
    done = CliRunner().invoke(main, ["predict", *map(str, arguments)])
    assert done.exit_code == code, done.output
    return done


def words(done):
    return " ".join(done.output.split())


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "unet.safetensors"
    save(models.create("unet", width=4), path, "unet", {"width": 4})
    return path


def test_predictions_of_a_checkpoint_are_scored_by_evaluate(prepared, checkpoint, tmp_path):
    given = ["--model", "unet", "--checkpoint", checkpoint, "--dataset", prepared, "--device", "cpu"]
    done = run(*given, "--out", tmp_path / "out")
    assert "unet: 3 pictures" in done.output
    assert "cpu, fp32 whole pictures weights: given, SHA-256" in words(done)
    assert "RANDOM" not in done.output
    result = CliRunner().invoke(
        main,
        [
            *("evaluate", "--pred", str(tmp_path / "out"), "--dataset", str(prepared), "--protocol", "jdrl2022-dis"),
            *("--out", str(tmp_path / "results"), "--cache", str(tmp_path / "cache"), "--no-report"),
        ],
    )
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "results/out/jdrl2022-dis/result.json").read_text())["weights"] == "none"


def test_tiles_give_the_pixels_of_whole_pictures(prepared, checkpoint, tmp_path):
    wide = tmp_path / "wide"
    for stem in stems(prepared)[:2]:
        samples = read_samples(blurry(prepared) / f"{stem}.png")
        write_image(wide / f"{stem}.png", np.tile(samples, (3, 3, 1))[:310, :450])
    given = ["--model", "unet", "--checkpoint", checkpoint, "--input", wide]
    run(*given, "--out", tmp_path / "whole", "--tile", "none")
    done = run(*given, "--out", tmp_path / "tiled", "--tile", 288)
    assert "tiles of 288 x 288, exact: an output depends on inputs up to 123 pixels away" in words(done)
    whole, tiled = (json.loads((tmp_path / name / "predict.json").read_text()) for name in ("whole", "tiled"))
    assert [row["sha256"] for row in whole["pictures"]] == [row["sha256"] for row in tiled["pictures"]]


def test_random_weights_are_marked_everywhere_and_refused_by_the_leaderboard(prepared, tmp_path):
    done = run(
        *("--model", "unet", "--option", "width=4", "--dataset", prepared, "--out", tmp_path / "out"),
        "--random-weights",
    )
    assert "RANDOM WEIGHTS." in done.output
    record = json.loads((tmp_path / "out" / "predict.json").read_text())
    assert record["weights"] == record["settings"]["weights"] == "random"
    for row in record["pictures"]:
        assert b"made with random weights" in (tmp_path / "out" / row["file"]).read_bytes()[:200]
    (tmp_path / "out" / "predict.json").unlink()  # the pictures say it themselves
    evaluated = CliRunner().invoke(
        main,
        [
            *("evaluate", "--pred", str(tmp_path / "out"), "--dataset", str(prepared), "--protocol", "jdrl2022-dis"),
            *("--out", str(tmp_path / "results"), "--cache", str(tmp_path / "cache"), "--no-report"),
        ],
    )
    assert "3 predictions were made with random weights" in " ".join(evaluated.output.split())
    board = CliRunner().invoke(main, ["leaderboard", "build", str(tmp_path / "results")])
    assert board.exit_code == 1
    assert "computed with random weights" in board.output


def test_without_weights_the_error_names_both_ways(prepared, tmp_path):
    done = run("--model", "unet", "--dataset", prepared, "--out", tmp_path / "out", code=1)
    assert done.stderr.startswith("Error: unet has no weights")
    assert "--checkpoint FILE" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_classical_method_gives_the_same_on_any_number_of_processes(prepared, tmp_path):
    given = ["--model", "ebdb+wiener", "--dataset", prepared]
    one = run(*given, "--out", tmp_path / "one", "--stems", stems(prepared)[0], "--defocus-map", tmp_path / "maps")
    assert "ebdb+wiener: 1 pictures" in one.output
    run(*given, "--out", tmp_path / "two", "--stems", ",".join(stems(prepared)[:2]), "--workers", 2)
    name = f"{stems(prepared)[0]}.png"
    assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    image = read_image(blurry(prepared) / name)
    assert np.abs(read_image(tmp_path / "one" / name) - classical.restore("ebdb+wiener", image)).max() < 0.5001 / 255
    radius = read_samples(tmp_path / "maps" / name)[..., 0] / 256
    assert np.abs(radius - classical.defocus_map("ebdb", image)).max() <= 0.5001 / 256


def test_a_method_that_finds_maps_only_makes_maps_only(prepared, tmp_path):
    given = ["--model", "ebdb", "--dataset", prepared, "--stems", stems(prepared)[0]]
    assert "deblurs nothing: give --defocus-map" in run(*given, "--out", tmp_path / "out", code=1).stderr
    run(*given, "--defocus-map", tmp_path / "maps")
    assert sorted(path.name for path in (tmp_path / "maps").iterdir()) == [
        "predict.json",
        "preview",
        f"{stems(prepared)[0]}.png",
    ]
    done = run(*given, "--defocus-map", tmp_path / "maps", "--ensemble", "--checkpoint", "x", code=1)
    assert "the classical method ebdb has no use for --checkpoint, --ensemble" in done.stderr


def test_every_model_is_listed_with_what_is_missing_and_how_to_get_it():
    done = run("--list")
    for name in (*models.MODELS, *classical.METHODS):
        assert name in done.output
    assert "31,033,411" in done.output
    assert "--checkpoint" in done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tile", "0"], "'0': expected a number of pixels, auto or none"),
        (["--tile", "many"], "'many': expected a number of pixels, auto or none"),
        (["--option", "width"], "'width': expected KEY=VALUE"),
        (["--memory", "0"], "--memory"),
    ],
)
def test_options_that_mean_nothing_are_refused(arguments, message):
    assert message in run("--model", "unet", *arguments, code=2).stderr


def test_a_network_of_ones_own_is_run_from_the_current_folder(prepared, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "my_own_network.py").write_text(OWN)
    save_file({"bias": torch.tensor([0.25])}, tmp_path / "f.safetensors")
    given = ["--model", "my_own_network:Net", "--checkpoint", "f.safetensors", "--option", "factor=0.5"]
    run(*given, "--dataset", prepared, "--stems", stems(prepared)[0], "--out", "out")
    record = json.loads((tmp_path / "out" / "predict.json").read_text())
    assert record["settings"]["options"] == {"factor": 0.5}
    assert [row["stem"] for row in record["pictures"]] == stems(prepared)[:1]
    made, source = (read_samples(path / record["pictures"][0]["file"]) for path in (Path("out"), blurry(prepared)))
    assert abs(made / 255 - (source / 255 * 0.5 + 0.25)).max() < 0.0021


def blurry(prepared):
    return prepared / "test" / "blur"


def stems(prepared):
    return sorted(path.stem for path in blurry(prepared).iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals to a process")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_was_stopped_goes_on_and_ends_as_if_it_never_was(how, prepared, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    module = f"slow_{how}"
    (tmp_path / f"{module}.py").write_text(SLOW)
    given = ["--model", f"{module}:Slow", "--dataset", prepared, "--out", "out"]
    process = subprocess.Popen(
        [PROGRAM, "predict", *given],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # What a shell starts in the background ignores interrupts, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    while not list((tmp_path / "out").glob("*.png")):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.killpg(process.pid, how)
    _, printed = process.communicate(timeout=30)
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.png")}
    assert len(made) < 3
    record = json.loads((tmp_path / "out" / "predict.json").read_text())
    assert record["complete"] is False
    if how is signal.SIGINT:
        assert process.returncode == 130
        assert "Interrupted. Run the same command again" in printed
        # The interrupt may come between a picture and its row; then it is made again.
        assert 0 <= len(made) - len(record["pictures"]) <= 1
    run(*given)
    kept = [path for path, before in made.items() if path.stat().st_mtime_ns == before]
    assert len(kept) >= len(record["pictures"])
    record = json.loads((tmp_path / "out" / "predict.json").read_text())
    assert record["complete"] is True
    assert [row["stem"] for row in record["pictures"]] == stems(prepared)
    for row in record["pictures"]:
        assert (read_samples(tmp_path / "out" / row["file"]) == read_samples(blurry(prepared) / row["file"])).all()
