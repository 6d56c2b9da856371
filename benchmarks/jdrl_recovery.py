"""How much of what misalignment costs JDRL and RGL win back: networks trained on pairs whose truth is known.

    python benchmarks/jdrl_recovery.py --out FOLDER [--budget laptop] [--seeds 3] [--first-seed 0]
        [--only strong:jdrl ...] [--write]

Scenes are rendered from real photographs. The training pairs are zoomed and shifted against each other, with parallax
between their layers; the test scenes, other ones, have a truly aligned ground truth. The same small U-Net is trained

- plain on the misaligned pairs (what misalignment costs), and plain on the same scenes aligned (the ceiling),
- plain on ground truths that `sdd-v1` deformed, once, over whole pictures (`align-once`),
- by JDRL, by RGL, and by the ablations of both,

with the same number of steps, and scored against the aligned ground truth. Gap recovered = (method - plain) /
(ceiling - plain). Every run is kept in FOLDER, so the study can be interrupted and goes on when called again; `--write`
adds its runs to those of earlier calls, also on other machines, in docs/studies/jdrl_recovery.jsonl.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from defocus_map import map_correlations
from recovery_tables import (
    ABLATIONS,
    ALIGNED,
    MAIN,
    METHODS,
    RECORDS,
    STRENGTHS,
    Run,
    merge,
    read_records,
    tables,
    write_report,
)
from torch import nn

from sdd_bench import open_dataset, prepare, synthesize
from sdd_bench.datasets.dataset import Pair
from sdd_bench.datasets.scenes import SceneSettings
from sdd_bench.device import find_device, processor_name
from sdd_bench.io.atomic import write_json
from sdd_bench.leaderboard.reference import align_for_validation
from sdd_bench.metrics import fidelity
from sdd_bench.metrics.deformation import deformation
from sdd_bench.models import load_checkpoint
from sdd_bench.training import checkpoints
from sdd_bench.training.networks import make_reblurring, trained_name
from sdd_bench.training.reblurring_network import ReblurringNetwork
from sdd_bench.training.recipe import get_recipe
from sdd_bench.training.run_folder import TrainingSettings
from sdd_bench.training.trainer import train
from sdd_bench.training.validation import deblur

FINER = {"finest_scale": 0, "variational_refinement_iterations": 20}
"""Dense inverse search down to full resolution, with more refinement than its preset."""
ALONE = 0.25
"""Epochs in which the reblurring module learns alone, as a share of those of the network."""


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
        for name in ("jdrl-0.1", *ABLATIONS)
    },
    "rgl-0.1": Variant("rgl", {**GENTLE, "objective.guidance.weight": 0.01}),
    # RGL's network with the losses of JDRL, and with those of `no-reblur`: what its estimator is worth as mere layers.
    "no-guidance-0.1": Variant("rgl", {**GENTLE, "objective.guidance.weight": 0.0}),
    "layers-only": Variant("rgl", {"objective.reblurring.weight": 0.0, "objective.guidance.weight": 0.0}),
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
    loaders: int = 0


BUDGETS = {
    "quick": Budget(4, 8, (192, 160), 96, 1, 6, 3, 4, 6, 1e-3),
    "laptop": Budget(8, 16, (320, 256), 192, 1, 24, 8, 4, 16, 5e-4),
    # The scenes and steps of `laptop`, with eight crops a step and a network four times as wide. Beside a GPU the flow
    # takes most of the time, on all processors.
    "gpu": Budget(32, 64, (320, 256), 192, 8, 24, 8, 32, 16, 5e-4, loaders=4),
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


def run(folder: Path, name: str, strength: str, method: str, seed: int, device: str) -> Run:
    """Trains and scores one network, or reads what was kept of it."""
    budget = BUDGETS[name]
    if method == "ceiling":
        strength = ALIGNED
    kept = folder / "runs" / f"{strength}-{method}-{seed}.json"
    if kept.is_file():
        return json.loads(kept.read_bytes())
    if strength == ALIGNED:
        # The blurry and the aligned pictures are the same at all strengths.
        raw = scenes(folder / "raw-strong", budget, "strong", 0, budget.train, 1)
        data = prepared(aligned_copy(raw, folder / f"raw-{ALIGNED}"), folder / f"data-{ALIGNED}")
    else:
        raw = scenes(folder / f"raw-{strength}", budget, strength, 0, budget.train, 1)
        data = prepared(raw, folder / f"data-{strength}")
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
            workers=budget.loaders,
            strips_every=epochs,
            progress=False,
        ),
        align_for_validation,
    )
    network = load_checkpoint(trained_name("unet", recipe), result.weights)
    # A module without a loss has learned nothing; its map would be noise.
    learned = recipe.objective.reblurring is not None and recipe.objective.reblurring.weight > 0
    reblurring = make_reblurring(recipe) if learned else None
    if reblurring is not None:
        best = checkpoints.find(result.folder, "best")
        assert best is not None  # training has ended
        checkpoints.load_weights(best / "reblurring.safetensors", reblurring)
    pictures = [
        score(network, reblurring, pair, folder / "raw-test" / "defocus") for pair in open_dataset(test, "test")
    ]
    found: Run = {
        "budget": name,
        "strength": strength,
        "method": method,
        "seed": seed,
        # A mean over some of the pictures would be of other pictures than that of another method.
        **{key: mean_of_all([picture[key] for picture in pictures]) for key in pictures[0]},
        "steps": sum(row["steps"] for row in result.log),
        "seconds": sum(row["seconds"] for row in result.log),  # of all calls, if the run was interrupted
        "machine": processor_name() if device == "cpu" else torch.cuda.get_device_name(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "opencv": cv2.__version__,
    }
    write_json(kept, found)
    return found


def score(network: nn.Module, reblurring: ReblurringNetwork | None, pair: Pair, radii: Path) -> dict[str, float | None]:
    """What a network makes of one test picture, by name; None where too little can be told."""
    blurry, truth = pair.blur(), pair.aligned_gt()
    seen = torch.from_numpy(blurry).permute(2, 0, 1)[None]
    with torch.no_grad():
        output = deblur(network, seen).clamp(0, 1)
    picture = np.ascontiguousarray(output[0].permute(1, 2, 0).numpy())
    after, before = fidelity(picture, truth), fidelity(blurry, truth)
    return {
        "psnr": after.psnr,
        "ssim": after.ssim,
        "input_psnr": before.psnr,
        "input_ssim": before.ssim,
        "deformation": deformation(blurry, picture).rms,
        **map_correlations(network, reblurring, seen, output, np.load(radii / f"{pair.stem}.npy")),
    }


def mean_of_all(values: list[float | None]) -> float | None:
    """None if any value is."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None


def main() -> None:
    """Run what is missing, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of datasets, runs and results, by budget")
    parser.add_argument("--budget", choices=list(BUDGETS), default="laptop")
    parser.add_argument("--seeds", type=int, default=3, help="how many")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", help="STRENGTH:METHOD; default: all")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--threads", type=int, help="of a run; default: 1, beside a GPU all")
    parser.add_argument("--write", action="store_true", help=f"add the runs to {RECORDS.name}, with tables and figure")
    options = parser.parse_args()
    device = find_device(options.device)
    threads = options.threads or (1 if device == "cpu" else os.cpu_count() or 1)
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    *weaker, strongest = STRENGTHS
    everything = [f"{strongest}:{method}" for method in METHODS]
    everything += [f"{strength}:{method}" for strength in reversed(weaker) for method in MAIN]
    if unknown := set(options.only or ()) - {f"{strength}:{method}" for strength in STRENGTHS for method in METHODS}:
        known = f"a strength ({', '.join(STRENGTHS)}), a colon, and a method ({', '.join(METHODS)})"
        parser.error(f"--only: {', '.join(sorted(unknown))}: expected {known}")
    folder = options.out / options.budget
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        for each in options.only or everything:
            strength, _, method = each.partition(":")
            found = run(folder, options.budget, strength, method, seed, device)
            print(
                f"{strength} {method} seed {seed}: {found['psnr']:.3f} dB, SSIM {found['ssim']:.4f}, "
                f"{found['steps']} steps, {found['seconds']:.0f} s",
                flush=True,
            )
    runs = [json.loads(path.read_bytes()) for path in sorted((folder / "runs").glob("*.json"))]
    print(tables(runs))
    if options.write:
        write_report(merge(read_records(), runs))


if __name__ == "__main__":
    main()
