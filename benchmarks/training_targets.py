"""What networks of the recovery study learn from: deformed sharp pictures against the aligned truth.

    python benchmarks/training_targets.py --study FOLDER [--strength strong] [--crops 4] [--write]

FOLDER is that of `jdrl_recovery.py`, whose training scenes are rendered there if need be. Crops are deformed towards
the blurry picture, as in the initial epochs, and towards the aligned truth, which a network comes closer to as it
learns: with either flow, every sampling kernel, over all pixels and over those whose place lies in the sharp crop. PSNR
of the deformed crop against the aligned truth, mean over the crops.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
from jdrl_recovery import BUDGETS, FINER, REPORT, STRENGTHS, aligned_copy, prepared, scenes

from sdd_bench import open_dataset
from sdd_bench.alignment.flow import DisFlow
from sdd_bench.alignment.warp import warp
from sdd_bench.io.atomic import write_text
from sdd_bench.training.deformation import batch_flow
from sdd_bench.training.masks import stays_inside

FLOWS = {"as OpenCV's preset": {}, "finer": FINER}
KERNELS = ("bilinear", "lanczos4", "lanczos6")


def psnr(one: torch.Tensor, other: torch.Tensor, mask: torch.Tensor) -> float:
    """Over the pixels of a mask, dB."""
    return float(-10 * torch.log10((one - other).square().mean(1, keepdim=True)[mask].mean()))


def cuts(pictures: list[np.ndarray], side: int, rng: np.random.Generator) -> list[torch.Tensor]:
    """The same random crop of each, 1 x 3 x side x side."""
    top, left = (int(rng.integers(length - side + 1)) for length in pictures[0].shape[:2])
    cut = [np.ascontiguousarray(picture[top : top + side, left : left + side]) for picture in pictures]
    return [torch.from_numpy(each).permute(2, 0, 1)[None] for each in cut]


def readings(blurry: torch.Tensor, sharp: torch.Tensor, truth: torch.Tensor) -> dict[tuple[str, str], list[float]]:
    """Per flow and kernel, towards the blurry picture and then towards the truth: all pixels, and those inside."""
    found: dict[tuple[str, str], list[float]] = {}
    everywhere = torch.ones_like(truth[:, :1], dtype=torch.bool)
    for name, parameters in FLOWS.items():
        estimate = DisFlow(**parameters)
        for towards in (blurry, truth):
            motion = batch_flow(estimate, towards, sharp)
            for kernel in KERNELS:
                deformed = warp(sharp, motion, kernel)
                numbers = [psnr(deformed, truth, mask) for mask in (everywhere, stays_inside(motion))]
                found.setdefault((name, kernel), []).extend(numbers)
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", type=Path, required=True, help="folder of jdrl_recovery.py")
    parser.add_argument("--strength", choices=list(STRENGTHS), default="strong")
    parser.add_argument("--budget", choices=list(BUDGETS), default="laptop")
    parser.add_argument("--crops", type=int, default=4, help="per scene")
    parser.add_argument("--write", action="store_true", help=f"put the table into {REPORT.name}")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    budget, strength, study = BUDGETS[options.budget], options.strength, options.study
    raw = scenes(study / f"raw-{strength}", budget, strength, 0, budget.train, 1)
    data = prepared(raw, study / f"data-{strength}")
    aligned = prepared(aligned_copy(raw, study / f"raw-{strength}-aligned"), study / f"data-{strength}-aligned")
    rng = np.random.default_rng(0)
    inputs, found = [], []
    for pair, same in zip(open_dataset(data, "train"), open_dataset(aligned, "train"), strict=True):
        for _ in range(options.crops):
            blurry, sharp, truth = cuts([pair.blur(), pair.gt(), same.gt()], budget.crop, rng)
            inputs.append(psnr(blurry, truth, torch.ones_like(truth[:, :1], dtype=torch.bool)))
            found.append(readings(blurry, sharp, truth))
    lines = [
        f"{len(found)} crops of {budget.crop} x {budget.crop}, {strength}; the blurry crop: {np.mean(inputs):.2f} dB.",
        "",
        "| flow | kernel | towards the blurry crop: all pixels, dB | inside | towards the truth: all pixels | inside |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for key in found[0]:
        means = np.mean([each[key] for each in found], 0)
        lines.append(f"| {' | '.join(key)} | {' | '.join(f'{mean:.2f}' for mean in means)} |")
    table = "\n".join(lines)
    print(table)
    if options.write:
        before, start, rest = REPORT.read_text("utf-8").partition("<!-- targets -->\n")
        _, end, after = rest.partition("<!-- end of targets -->")
        if not start or not end:
            raise SystemExit(f"{REPORT}: has no place for the table")
        write_text(REPORT, f"{before}{start}\n{table}\n\n{end}{after}")


if __name__ == "__main__":
    main()
