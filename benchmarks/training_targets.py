"""What networks of the recovery study learn from: deformed sharp pictures against the aligned truth.

    python benchmarks/training_targets.py --study FOLDER [--strength strong] [--crops 4] [--write]

FOLDER is that of `jdrl_recovery.py`, whose training scenes are rendered there if need be. Crops are deformed towards
the blurry picture, as in the initial epochs, and towards the aligned truth, which a network comes closer to as it
learns: with either flow, every sampling kernel, over all pixels and over those whose place lies in the sharp crop.
Beside them stands the flow that `sdd-v1` finds after equalising blur: of the crops, and of the whole pictures, once,
before anything is learned. PSNR of the deformed crop against the aligned truth, mean over the crops.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from jdrl_recovery import BUDGETS, FINER, aligned_copy, prepared, scenes
from numpy.typing import NDArray
from recovery_tables import ALIGNED, REPORT, STRENGTHS

from sdd_bench import open_dataset
from sdd_bench.alignment.flow import DisFlow
from sdd_bench.alignment.warp import warp
from sdd_bench.evaluation.protocol import get_protocol
from sdd_bench.evaluation.references import align_reference
from sdd_bench.io.atomic import write_text
from sdd_bench.training.deformation import batch_flow
from sdd_bench.training.masks import stays_inside

FLOWS = {"as OpenCV's preset": {}, "finer": FINER}
KERNELS = ("bilinear", "lanczos4", "lanczos6")


def psnr(one: torch.Tensor, other: torch.Tensor, mask: torch.Tensor) -> float:
    """Over the pixels of a mask, dB."""
    return float(-10 * torch.log10((one - other).square().mean(1, keepdim=True)[mask].mean()))


def cut(pictures: Sequence[NDArray[Any]], side: int, corner: tuple[int, int]) -> list[torch.Tensor]:
    """The same crop of each, 1 x C x side x side."""
    top, left = corner
    crops = [np.ascontiguousarray(picture[top : top + side, left : left + side]) for picture in pictures]
    return [torch.from_numpy(each).permute(2, 0, 1)[None] for each in crops]


def equalised(blurry: NDArray[np.float32], sharp: NDArray[np.float32]) -> list[NDArray[Any]]:
    """The sharp picture deformed by the flow of `sdd-v1`, which pixels stay inside, and which `sdd-v1` counts."""
    reference = align_reference(get_protocol("sdd-v1"), blurry, sharp)
    motion = torch.from_numpy(reference.flow).permute(2, 0, 1)[None]
    deformed = warp(sharp, reference.flow, "lanczos4")
    return [deformed, stays_inside(motion)[0].permute(1, 2, 0).numpy(), reference.valid[..., None]]


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
    budget, strength, study = BUDGETS[options.budget], options.strength, options.study / options.budget
    raw = scenes(study / f"raw-{strength}", budget, strength, 0, budget.train, 1)
    data = prepared(raw, study / f"data-{strength}")
    aligned = prepared(aligned_copy(raw, study / f"raw-{ALIGNED}"), study / f"data-{ALIGNED}")
    rng = np.random.default_rng(0)
    inputs, found, once = [], [], []
    for pair, same in zip(open_dataset(data, "train"), open_dataset(aligned, "train"), strict=True):
        pictures = [pair.blur(), pair.gt(), same.gt()]
        of_whole = equalised(*pictures[:2])
        for _ in range(options.crops):
            corner = tuple(int(rng.integers(length - budget.crop + 1)) for length in pictures[0].shape[:2])
            blurry, sharp, truth, *whole = cut([*pictures, *of_whole], budget.crop, corner)
            everywhere = torch.ones_like(truth[:, :1], dtype=torch.bool)
            inputs.append(psnr(blurry, truth, everywhere))
            found.append(readings(blurry, sharp, truth))
            of_crop = equalised(*(np.ascontiguousarray(each[0].permute(1, 2, 0).numpy()) for each in (blurry, sharp)))
            numbers = []
            for deformed, *masks in (cut(of_crop, budget.crop, (0, 0)), whole):
                numbers += [psnr(deformed, truth, mask) for mask in (everywhere, *masks)]
                numbers.append(float(masks[-1].float().mean()))
            once.append(numbers)
    lines = [
        f"{len(found)} crops of {budget.crop} x {budget.crop}, {strength}; the blurry crop: {np.mean(inputs):.2f} dB.",
        "",
        "| flow | kernel | towards the blurry crop: all pixels, dB | inside | towards the truth: all pixels | inside |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for key in found[0]:
        means = np.mean([each[key] for each in found], 0)
        lines.append(f"| {' | '.join(key)} | {' | '.join(f'{mean:.2f}' for mean in means)} |")
    lines += [
        "",
        "| blur equalised | towards the blurry picture: all pixels, dB | inside | counted by `sdd-v1` | their share |",
        "|---|---:|---:|---:|---:|",
    ]
    means = np.mean(once, 0)
    for name, (over_all, inside, counted, share) in zip(
        ("crop by crop", "whole pictures"), (means[:4], means[4:]), strict=True
    ):
        lines.append(f"| {name} | {over_all:.2f} | {inside:.2f} | {counted:.2f} | {share:.0%} |")
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
