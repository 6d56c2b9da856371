"""The model card of a reference submission."""

from __future__ import annotations

from pathlib import Path

from sdd_bench import __version__
from sdd_bench.evaluation.results import EvaluationResult
from sdd_bench.io.atomic import write_text
from sdd_bench.io.hashing import sha256
from sdd_bench.leaderboard.costs import with_cost
from sdd_bench.leaderboard.escape import markdown_text
from sdd_bench.leaderboard.records import Method
from sdd_bench.training.networks import trained_name
from sdd_bench.training.run_folder import read_run
from sdd_bench.training.trainer import TrainingResult


def write_model_card(folder: Path, training: TrainingResult, evaluation: EvaluationResult) -> None:
    """Writes ``README.md``: what the weights are, how they were made, and what they score.

    Args:
        folder: of the run.
        training: what it came to.
        evaluation: of its predictions for the test split.
    """
    run = read_run(folder)
    name = trained_name(run.model, run.recipe)
    options = "".join(f" --option {key}={value}" for key, value in run.options.items())
    # The weight file knows the options of a network that has a name.
    given = options if ":" in run.model else ""
    recipe = run.recipe
    scores = evaluation.means["all"]
    method = with_cost(Method(name=evaluation.method), evaluation)
    rows = [
        ("network", f"`{run.model}`{options}"),
        ("recipe", f"{recipe.name} (SHA-256 {recipe.hash})"),
        ("flow", recipe.objective.flow.name if recipe.objective.deform else "none"),
        ("dataset", f"{evaluation.dataset.name} (manifest {run.dataset})"),
        ("seed", str(run.seed)),
        (
            "epochs",
            f"{len(training.log)}, best {training.best_epoch} by validation PSNR {training.validation_psnr:.3f} dB",
        ),
        ("weights", f"`{training.weights.name}`, SHA-256 {sha256(training.weights)}"),
        ("sdd-bench", __version__),
    ]
    if method.parameters is not None:
        rows.append(("parameters", f"{method.parameters:,}"))
    if method.seconds_per_megapixel is not None:
        rows.append(("time", f"{method.seconds_per_megapixel:g} s per megapixel on {method.timed_on}"))
    lines = [
        f"# {markdown_text(evaluation.method)}",
        "",
        markdown_text(recipe.description),
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in rows),
        "",
        f"## Scores by `{evaluation.protocol.id}`",
        "",
        f"Means over {len(evaluation.images)} test images, from `results/`, where the intervals are.",
        "",
        "| against | PSNR, dB | SSIM | MAE |",
        "|---|---|---|---|",
    ]
    for title, mean in (("GT", scores.gt), ("deformed GT", scores.deformed_gt), ("aligned GT", scores.aligned_gt)):
        if mean is not None:
            psnr = "identical" if mean.psnr is None else f"{mean.psnr:.2f}"
            lines.append(f"| {title} | {psnr} | {mean.ssim:.4f} | {mean.mae:.4f} |")
    lines += [
        "",
        "## Use",
        "",
        "```",
        f"sdd-bench predict --model {name}{given} --checkpoint {training.weights.name} "
        "--input PICTURES --out DEBLURRED",
        "```",
        "",
        "The test split was read for these scores alone: the best epoch was chosen on other scenes.",
        "",
    ]
    write_text(folder / "README.md", "\n".join(lines))
