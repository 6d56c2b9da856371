"""How much of what misalignment costs JDRL and RGL win back: networks trained on pairs whose truth is known.

    python benchmarks/jdrl_recovery.py --out FOLDER [--budget laptop] [--seeds 3] [--only strong:jdrl ...] [--write]

Scenes are rendered from real photographs. The training pairs are zoomed and shifted against each other, with parallax
between their layers; the test scenes, other ones, have a truly aligned ground truth. The same small U-Net is trained

- plain on the misaligned pairs (what misalignment costs), and plain on the same scenes aligned (the ceiling),
- plain on ground truths that `sdd-v1` deformed, once, over whole pictures (`align-once`),
- by JDRL, by RGL, and by the ablations of both,

with the same number of steps, and scored against the aligned ground truth. Gap recovered = (method - plain) /
(ceiling - plain). Every run is kept in FOLDER, so the study can be interrupted and goes on when called again.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from scipy import stats

from sdd_bench import open_dataset, prepare, synthesize
from sdd_bench.datasets.scenes import SceneSettings
from sdd_bench.io.atomic import atomic_path, write_json
from sdd_bench.leaderboard.reference import align_for_validation
from sdd_bench.metrics import fidelity
from sdd_bench.metrics.deformation import deformation
from sdd_bench.models import load_checkpoint
from sdd_bench.training.recipe import get_recipe
from sdd_bench.training.run_folder import TrainingSettings
from sdd_bench.training.trainer import train
from sdd_bench.training.validation import deblur

REPORT = Path(__file__).parents[1] / "docs" / "studies" / "jdrl_recovery.md"

# Zoom, shift in pixels and parallax in pixels, each drawn evenly from minus to plus this.
STRENGTHS = {"mild": (0.015, 5.0, 0.7), "middle": (0.03, 12.0, 1.5), "strong": (0.05, 20.0, 3.0)}
FINER = {"finest_scale": 0, "variational_refinement_iterations": 20}
"""Dense inverse search down to full resolution, with more refinement than its preset."""
ALONE = 0.25
"""Epochs in which the reblurring module learns alone, as a share of those of the network."""
MAIN = ("plain", "ceiling", "align-once", "no-reblur", "jdrl", "jdrl-0.1", "rgl", "rgl-0.1")
"""Trained at every strength."""
ABLATIONS = ("no-deform-0.1", "no-cycle-0.1", "no-isotropic-0.1", "no-weights-0.1", "no-mask-0.1", "no-guidance-0.1")
"""Of `jdrl-0.1`, the last of `rgl-0.1`; trained at the strongest misalignment only."""


@dataclass(frozen=True)
class Variant:
    """A recipe with settings of its own.

    Attributes:
        recipe: its name.
        changes: of it.
    """

    recipe: str
    changes: Mapping[str, Any] = field(default_factory=dict)


# Seeds that are no mere target stay small. Large ones, which the estimator has to follow, upset the network.
GENTLE = {"objective.reblurring.weight": 0.1, "objective.guidance.detach": False}

VARIANTS = {
    "ceiling": Variant("plain"),
    **{
        name: Variant(name.removesuffix("-0.1"), {"objective.reblurring.weight": 0.1})
        for name in ("jdrl-0.1", *ABLATIONS[:-1])
    },
    "rgl-0.1": Variant("rgl", {**GENTLE, "objective.guidance.weight": 0.01}),
    # RGL's network with JDRL's loss: what the estimator is worth as mere layers.
    "no-guidance-0.1": Variant("rgl", {**GENTLE, "objective.guidance.weight": 0.0}),
}


@dataclass(frozen=True)
class Budget:
    """How large a study is; steps are epochs x (training scenes less those that validate) x repeat / batch."""

    width: int
    reblurring_width: int
    size: tuple[int, int]
    crop: int
    batch: int
    train: int
    test: int
    repeat: int
    epochs: int
    rate: float


BUDGETS = {
    "quick": Budget(4, 8, (192, 160), 96, 1, 6, 3, 4, 6, 1e-3),
    "laptop": Budget(8, 16, (320, 256), 192, 1, 24, 8, 4, 16, 5e-4),
    "gpu": Budget(32, 64, (512, 384), 256, 4, 60, 20, 8, 80, 3e-4),
}


def scenes(folder: Path, budget: Budget, strength: str, test: int, train_scenes: int, seed: int) -> Path:
    """A raw folder of rendered pairs."""
    zoom, shift, parallax = STRENGTHS[strength]
    settings = SceneSettings(
        width=budget.size[0],
        height=budget.size[1],
        zoom=(-zoom, zoom),
        shift=(-shift, shift),
        parallax=(0, parallax),
        # A difference in exposure can't be predicted, so it would only add to the error of every method; and where it
        # is most of the loss of a crop, it decides the sign of the gradient, and small networks learn nothing.
        exposure_stops=(0, 0),
    )
    if not folder.exists():
        synthesize(folder, test=test, train=train_scenes, seed=seed, settings=settings, progress=False)
    return folder


def aligned_copy(raw: Path, out: Path) -> Path:
    """The same pairs with the aligned picture in place of the sharp one."""
    if not out.exists():
        shutil.copytree(raw, out)
        with (raw / "pairs.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        with (out / "pairs.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows({**row, "sharp": row["aligned"], "aligned": row["aligned"]} for row in rows)
    return out


def prepared(raw: Path, out: Path) -> Path:
    """The raw folder as a dataset; full images, of which crops are taken while training."""
    if not out.exists():
        # Truth is known: nothing has to be checked, and a flat scene that is zoomed in looks blurrier than it is.
        prepare(raw, out, "as-is", name=out.name, patch_size=None, progress=False, checks={"swapped": {"level": "off"}})
    return out


def run(folder: Path, budget: Budget, strength: str, method: str, seed: int, device: str) -> dict[str, Any]:
    """Trains and scores one network, or reads what was kept of it."""
    kept = folder / "runs" / f"{strength}-{method}-{seed}.json"
    if kept.is_file():
        return json.loads(kept.read_bytes())
    raw = scenes(folder / f"raw-{strength}", budget, strength, 0, budget.train, 1)
    data = prepared(raw, folder / f"data-{strength}")
    if method == "ceiling":
        data = prepared(aligned_copy(raw, folder / f"raw-{strength}-aligned"), folder / f"data-{strength}-aligned")
    test = prepared(scenes(folder / "raw-test", budget, "mild", budget.test, 0, 2), folder / "data-test")
    epochs = budget.epochs
    changes: dict[str, Any] = {
        "objective.flow.name": "dis",
        # For these two see training_targets.py.
        "objective.flow.parameters": FINER,
        "objective.interpolation": "lanczos4",
        "optimiser.epochs": epochs,
        "optimiser.learning_rate": budget.rate,
        "optimiser.halve_every": max(round(0.6 * epochs), 1),
        "optimiser.batch": budget.batch,
        "optimiser.clip": 1.0,
        # Without it the first steps of a high rate shrink what the last layer sees to nothing.
        "optimiser.warm_up": 200,
        "data.crop": budget.crop,
        "data.repeat": budget.repeat,
        "validation.every": epochs,
        "validation.crop": 192,
    }
    variant = VARIANTS.get(method, Variant(method))
    recipe = get_recipe(variant.recipe)
    if recipe.objective.initial_epochs:
        # 15 of 100 epochs are steps enough to learn from; here it takes half of them.
        changes["objective.initial_epochs"] = max(round(0.5 * epochs), 1)
    if recipe.objective.deform:
        # A shift of 20 px takes a tenth of a crop out of the other picture: the border that is repeated there is wrong
        # by more than all blur, and without this a network learns nothing from its crops.
        changes["objective.inside_only"] = True
    if recipe.objective.reblurring is not None:
        changes["objective.reblurring.width"] = budget.reblurring_width
        # A module that has to begin with a say learns identity kernels first, which hold the output at the input. Its
        # epochs alone come on top: the network has as many steps as with every other method.
        changes["optimiser.reblurring_alone"] = alone = round(ALONE * epochs)
        changes["optimiser.epochs"] = changes["validation.every"] = epochs + alone
        changes["optimiser.halve_every"] += alone
    recipe = get_recipe(variant.recipe, {**changes, **variant.changes})
    result = train(
        TrainingSettings(
            dataset=data,
            out=folder / "training" / f"{strength}-{method}-{seed}",
            model="unet",
            options={"width": budget.width, "residual": True},
            recipe=recipe,
            seed=seed,
            start_from=None,
            device=device,
            devices=1,
            precision="32-true",
            workers=0,
            strips_every=epochs,
            progress=False,
        ),
        align_for_validation,
    )
    built = "unet-rgl" if recipe.objective.guidance is not None else "unet"
    network = load_checkpoint(built, result.weights)
    rows, moved = [], []
    for pair in open_dataset(test, "test"):
        blurry = pair.blur()
        with torch.no_grad():
            output = deblur(network, torch.from_numpy(blurry).permute(2, 0, 1)[None])[0]
        picture = np.ascontiguousarray(output.clamp(0, 1).permute(1, 2, 0).numpy())
        scores = fidelity(picture, pair.aligned_gt())
        before = fidelity(blurry, pair.aligned_gt())
        rows.append((scores.psnr, scores.ssim, before.psnr, before.ssim))
        if (rms := deformation(blurry, picture).rms) is not None:  # None where too little can be told
            moved.append(rms)
    means = np.mean(rows, 0).tolist()
    found = {
        "strength": strength,
        "method": method,
        "seed": seed,
        "psnr": means[0],
        "ssim": means[1],
        "deformation": float(np.mean(moved)) if moved else None,
        "input_psnr": means[2],
        "input_ssim": means[3],
        "steps": sum(row["steps"] for row in result.log),
        "seconds": sum(row["seconds"] for row in result.log),  # of all calls, if the run was interrupted
        "budget": asdict(budget),
    }
    write_json(kept, found)
    return found


def interval(values: list[float], digits: int, sign: str = "") -> str:
    """Mean with the half-width of its 95 % interval by Student's t, if there is more than one value."""
    mean = f"{np.mean(values):{sign}.{digits}f}"
    if len(values) < 2:
        return mean
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return f"{mean} ± {half:.{digits}f}"


def differences(runs: list[dict[str, Any]], strength: str, method: str) -> list[float]:
    """PSNR of a method less that of `jdrl-0.1`, seed by seed, where both were run."""
    of = {(r["method"], r["seed"]): r["psnr"] for r in runs if r["strength"] == strength}
    return [of[m, s] - of["jdrl-0.1", s] for m, s in of if m == method and ("jdrl-0.1", s) in of]


def gaps(runs: list[dict[str, Any]], strength: str, method: str, score: str) -> list[float]:
    """Gap recovered, seed by seed, where plain, ceiling and the method were run with the seed."""
    of = {(r["method"], r["seed"]): r[score] for r in runs if r["strength"] == strength}
    seeds = [s for m, s in of if m == method and ("plain", s) in of and ("ceiling", s) in of]
    return [(of[method, s] - of["plain", s]) / (of["ceiling", s] - of["plain", s]) for s in seeds]


def table(runs: list[dict[str, Any]]) -> str:
    """Markdown, one table per strength."""
    lines = []
    for strength, (zoom, shift, parallax) in STRENGTHS.items():
        of = [r for r in runs if r["strength"] == strength]
        if not of:
            continue
        lines += [
            f"### {strength}: zoom to ±{zoom:.1%}, shift to ±{shift:g} px, parallax to {parallax:g} px",
            "",
            f"Input: {of[0]['input_psnr']:.2f} dB, SSIM {of[0]['input_ssim']:.4f}.",
            "",
            "| method | seeds | PSNR, dB | less `jdrl-0.1` | SSIM | gap, PSNR | gap, SSIM | moved, px | s/run |",
            "|---|---|---|---|---|---|---|---|---|",
        ]
        for method in (*MAIN, *ABLATIONS):
            own = [r for r in of if r["method"] == method]
            if not own:
                continue
            recovered = [gaps(runs, strength, method, score) for score in ("psnr", "ssim")]
            shown = [interval(g, 2) if g and method not in ("plain", "ceiling") else "" for g in recovered]
            moved = [r["deformation"] for r in own if r["deformation"] is not None]
            shown_moved = f"{np.mean(moved):.2f}" if moved else "not determined"
            against = differences(runs, strength, method) if method != "jdrl-0.1" else []
            lines.append(
                f"| {method} | {len(own)} | {interval([r['psnr'] for r in own], 2)} "
                f"| {interval(against, 2, '+') if against else ''} "
                f"| {interval([r['ssim'] for r in own], 4)} | {shown[0]} | {shown[1]} "
                f"| {shown_moved} | {np.mean([r['seconds'] for r in own]):.0f} |"
            )
        lines.append("")
    return "\n".join(lines)


def draw(runs: list[dict[str, Any]], path: Path) -> None:
    """PSNR at the strongest misalignment, a dot per seed, and means against strength."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), dpi=110, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    strong = [run for run in runs if run["strength"] == "strong"]
    blurry = strong[0]["input_psnr"]
    of = {m: [r["psnr"] for r in strong if r["method"] == m] for m in (*MAIN, *ABLATIONS)}
    means = {method: float(np.mean(values)) for method, values in of.items() if values}
    low = [method for method, mean in means.items() if mean < blurry - 1]
    shown = sorted(means.keys() - set(low), key=means.__getitem__)
    for row, method in enumerate(shown):
        left.plot(of[method], [row] * len(of[method]), "o", color="tab:blue", alpha=0.6, markersize=6)
        left.plot(means[method], row, "|", color="black", markersize=14)
    left.axvline(blurry, color="gray", linestyle=":")
    left.text(blurry, len(shown) - 1, " blurry input", color="gray", fontsize=8)
    left.set(yticks=range(len(shown)), yticklabels=shown, xlabel="PSNR against the truth, dB (a dot per seed, | mean)")
    beyond = ", ".join(f"{method} {means[method]:.1f}" for method in low)
    left.set_title(f"strong; not in the picture: {beyond} dB", fontsize=9)
    for method in MAIN:
        of_method = [(r["strength"], r["psnr"]) for r in runs if r["method"] == method]
        values = {STRENGTHS[s][1]: np.mean([v for t, v in of_method if t == s]) for s in dict(of_method)}
        if len(values) > 1:
            right.plot(sorted(values), [values[shift] for shift in sorted(values)], "o-", label=method)
    right.axhline(blurry, color="gray", linestyle=":", label="blurry input")
    right.set(xlabel="shift to ±, px", ylabel="PSNR, dB", xticks=[s[1] for s in STRENGTHS.values()])
    right.legend(fontsize=8)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", pil_kwargs={"optimize": True})


def main() -> None:
    """Run what is missing, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of datasets, runs and results")
    parser.add_argument("--budget", choices=list(BUDGETS), default="laptop")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", help="STRENGTH:METHOD; default: all")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1, help="on a processor")
    parser.add_argument("--write", action="store_true", help=f"put tables and figure into {REPORT.name}")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(options.threads)
    budget = BUDGETS[options.budget]
    *weaker, strongest = STRENGTHS
    everything = [f"{strongest}:{method}" for method in (*MAIN, *ABLATIONS)]
    everything += [f"{strength}:{method}" for strength in reversed(weaker) for method in MAIN]
    for seed in range(options.seeds):
        for each in options.only or everything:
            strength, _, method = each.partition(":")
            found = run(options.out, budget, strength, method, seed, options.device)
            print(
                f"{strength} {method} seed {seed}: {found['psnr']:.3f} dB, SSIM {found['ssim']:.4f}, "
                f"{found['steps']} steps, {found['seconds']:.0f} s",
                flush=True,
            )
    runs = [json.loads(path.read_bytes()) for path in sorted((options.out / "runs").glob("*.json"))]
    print(table(runs))
    if options.write:
        draw(runs, REPORT.with_suffix(".png"))
        text = REPORT.read_text("utf-8")
        start, end = "<!-- tables -->\n", "<!-- end of tables -->"
        before, _, rest = text.partition(start)
        REPORT.write_text(f"{before}{start}\n{table(runs)}\n{end}{rest.partition(end)[2]}", "utf-8")


if __name__ == "__main__":
    main()
