import json

import pytest
from click.testing import CliRunner

from sdd_bench import models
from sdd_bench.cli import main
from sdd_bench.datasets.scenes import SceneSettings
from sdd_bench.device import processor_name
from sdd_bench.io.hashing import sha256
from sdd_bench.training.run_folder import RunRecord

SMALL = [
    "--option",
    "width=2",
    "--option",
    "residual=true",
    "--set",
    "data.crop=64",
    "--set",
    "optimiser.epochs=1",
    "--set",
    "objective.initial_epochs=0",
    "--set",
    "objective.reblurring.width=4",
    "--set",
    "validation.crop=64",
    "--flow",
    "dis",
    "--device",
    "cpu",
    "--strips-every",
    "1",
]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    from sdd_bench import prepare, synthesize

    folder = tmp_path_factory.mktemp("reference")
    small = SceneSettings(width=160, height=128, shift=(-3.0, 3.0), max_blur_radius=(1.5, 2.5))
    synthesize(folder / "raw", test=2, train=3, seed=5, settings=small, progress=False)
    prepare(folder / "raw", folder / "prepared", "as-is", name="small", patch_size=64, stride=64, progress=False)
    return folder / "prepared"


@pytest.fixture(scope="module")
def done(dataset, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "jdrl"
    return CliRunner().invoke(main, ["train-reference", str(dataset), "--out", str(out), *SMALL]), out


def test_it_ends_with_weights_scores_and_an_entry(done):
    run, out = done
    assert run.exit_code == 0, run.output
    for name in ("weights.safetensors", "log.csv", "README.md", "predictions/predict.json", "strips/epoch_0001.png"):
        assert (out / name).is_file(), name
    assert (out / "results/unet-jdrl/sdd-v1/result.json").is_file()
    assert "validation PSNR" in run.output
    assert "unet-jdrl" in run.output


def test_the_entry_passes_the_checks_of_the_leaderboard_and_names_the_weights(done):
    _, out = done
    (entry,) = (out / "entry" / "entries").iterdir()
    content = json.loads(entry.read_bytes())
    assert content["method"]["name"] == "unet"
    assert content["method"]["framework"] == "jdrl"
    recipe = RunRecord.model_validate_json((out / "run.json").read_bytes()).recipe
    assert content["method"]["variant"] == f"jdrl-paper-{recipe.hash[:8]}"
    assert content["method"]["trained_on"] == "small"
    assert content["method"]["weights_sha256"] == sha256(out / "weights.safetensors")
    network = models.create("unet", **RunRecord.model_validate_json((out / "run.json").read_bytes()).options)
    assert content["method"]["parameters"] == sum(parameter.numel() for parameter in network.parameters())
    assert content["method"]["machine"] == processor_name()
    assert content["method"]["seconds_per_megapixel"] > 0
    run = CliRunner().invoke(main, ["leaderboard", "validate", str(out / "entry")])
    assert run.exit_code == 0, run.output


def test_the_model_card_says_how_the_weights_were_made(done):
    _, out = done
    card = (out / "README.md").read_text()
    for part in (
        "# unet-jdrl",
        "jdrl-paper",
        "flow | dis",
        sha256(out / "weights.safetensors"),
        "sdd-bench predict --model unet",
        f"s per megapixel on {processor_name()}, ",
    ):
        assert part in card


def test_the_same_command_again_changes_nothing(done, dataset):
    _, out = done
    before = {
        path: sha256(path) for path in out.rglob("*") if path.is_file() and path.suffix in (".safetensors", ".png")
    }
    run = CliRunner().invoke(main, ["train-reference", str(dataset), "--out", str(out), *SMALL])
    assert run.exit_code == 0, run.output
    assert before == {path: sha256(path) for path in before}


def test_recipes_are_listed_without_a_dataset():
    run = CliRunner().invoke(main, ["train-reference", "--list"])
    assert run.exit_code == 0
    for name in ("jdrl-paper", "method jdrl", "rgl-release", "no-cycle", "tiny"):
        assert name in run.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--method", "jdlr"], "Did you mean jdrl"),
        (["--set", "data.crop=4"], "data.crop"),
        (["--set", "crop"], "expected NAME=VALUE"),
        (["--model", "unett"], "Did you mean unet"),
        (["--model", "dmenet"], "not a deblurring network"),
        (["--set", "data.crop=256", "--flow", "dis"], "smaller than the crop of 256"),
        (["--method", "jdrl", "--set", "data.crop=64"], "Or train with a flow that needs none: --flow dis"),
    ],
)
def test_a_mistake_is_said_in_one_message(dataset, tmp_path, options, message):
    run = CliRunner().invoke(main, ["train-reference", str(dataset), "--out", str(tmp_path / "run"), *options])
    assert run.exit_code != 0
    assert message in " ".join(run.output.split())
    assert run.exception is None or isinstance(run.exception, SystemExit)
    assert not (tmp_path / "run").exists()  # so that the mended command is not refused


def test_a_dataset_without_test_pairs_is_refused_before_training(dataset, tmp_path):
    from sdd_bench import prepare, synthesize

    synthesize(tmp_path / "raw", test=0, train=2, settings=SceneSettings(width=128, height=96), progress=False)
    prepare(tmp_path / "raw", tmp_path / "data", "as-is", patch_size=None, progress=False)
    command = ["train-reference", str(tmp_path / "data"), "--out", str(tmp_path / "run"), "--flow", "dis"]
    run = CliRunner().invoke(main, command)
    assert run.exit_code == 1
    assert "no test split to score" in run.output
    assert not (tmp_path / "run").exists()


def test_importing_the_command_does_not_import_torch():
    import subprocess
    import sys

    code = "import sys, sdd_bench.cli.train_reference; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
