"""PSNR + SSIM + MAE of one large pair: scikit-image against sdd_bench, time, extra memory and difference.

The peer is what the official evaluation code does: ``structural_similarity``, ``peak_signal_noise_ratio`` and the mean
absolute error (plain numpy here; scikit-learn computes the same number). Both get the same float64 arrays. Memory is
read from /proc, so on Linux only. Run:

    python benchmarks/fidelity_speed.py
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import process_memory
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from sdd_bench.metrics import Fidelity, fidelity

Scorer = Callable[[np.ndarray, np.ndarray], Fidelity[float]]


def peer(pred: np.ndarray, ref: np.ndarray) -> Fidelity[float]:
    """Score by scikit-image and numpy."""
    return Fidelity(
        peak_signal_noise_ratio(ref, pred, data_range=1),
        structural_similarity(ref, pred, data_range=1, channel_axis=2),
        float(np.mean(np.abs(ref - pred))),
    )


def masked(pred: np.ndarray, ref: np.ndarray) -> Fidelity[float]:
    """Score by sdd_bench with a validity mask of which a disc is invalid."""
    height, width = pred.shape[:2]
    mask = cv2.circle(np.ones((height, width), np.uint8), (width // 2, height // 2), height // 8, 0, -1)
    return fidelity(pred, ref, mask.view(np.bool_))


SCORERS: dict[str, Scorer] = {"peer": peer, "ours": fidelity, "ours, mask": masked}


def pair(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Make a smooth random picture and a noisy copy of it, float64 in [0, 1]."""
    rng = np.random.default_rng(0)
    ref = np.clip(cv2.GaussianBlur(rng.random((height, width, 3)), (0, 0), 2) * 4 - 1.5, 0, 1)
    return np.clip(ref + 0.02 * rng.standard_normal(ref.shape), 0, 1), ref


def extra_memory(name: str, files: list[Path]) -> float:
    """Peak memory in MB that scoring adds to the two loaded pictures, in a process of its own."""
    command = [sys.executable, __file__, "--measure-memory", name, *map(str, files)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def print_own_extra_memory(name: str, files: list[Path]) -> None:
    """Print the growth of this process's peak memory by one scoring, in MB."""
    SCORERS[name](*pair(64, 64))  # so that what is loaded on first use does not count
    pred, ref = (np.load(file) for file in files)
    before = process_memory.held()
    SCORERS[name](pred, ref)
    print(process_memory.peak() - before)


def main() -> None:
    """Print one line per scorer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--height", type=int, default=2160)
    parser.add_argument("--width", type=int, default=4096)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--measure-memory", nargs=3, metavar=("NAME", "PRED", "REF"), help="for internal use")
    args = parser.parse_args()
    if args.measure_memory:
        name, *files = args.measure_memory
        print_own_extra_memory(name, [Path(file) for file in files])
        return

    pred, ref = pair(args.height, args.width)
    seconds: dict[str, list[float]] = {name: [] for name in SCORERS}
    found: dict[str, Fidelity[float]] = {}
    for _ in range(args.repeats):  # interleaved, so that a busy moment of the machine hits all
        for name, score in SCORERS.items():
            start = time.perf_counter()
            found[name] = score(pred, ref)
            seconds[name].append(time.perf_counter() - start)
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("pred.npy", "ref.npy")]
        for file, image in zip(files, (pred, ref), strict=True):
            np.save(file, image)
        memory = {name: extra_memory(name, files) for name in SCORERS}

    print(f"{args.width} x {args.height}, median of {args.repeats}, {cv2.getNumThreads()} threads")
    print(f"{'':12} {'seconds':>8} {'ratio':>6} {'extra MB':>9}  largest difference from the peer")
    for name in SCORERS:
        median = statistics.median(seconds[name])
        ratio = statistics.median(seconds["peer"]) / median
        gaps = [abs(getattr(found[name], m) - getattr(found["peer"], m)) for m in ("psnr", "ssim", "mae")]
        difference = "-" if name == "ours, mask" else f"{max(gaps):.1e}"
        print(f"{name:12} {median:8.3f} {ratio:6.1f} {memory[name]:9.0f}  {difference}")


if __name__ == "__main__":
    main()
