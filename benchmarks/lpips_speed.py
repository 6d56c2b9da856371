"""LPIPS of one prediction against two references: two calls of the lpips package against one of sdd_bench.

Speed and memory do not depend on what the weights are, so AlexNet's are random here (seeded) and nothing needs to be
downloaded; both sides get the same file's content. Memory is read from /proc, so on Linux only. Run:

    python benchmarks/lpips_speed.py
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import process_memory
import torch

from sdd_bench.metrics import LPIPS

Scorer = Callable[[np.ndarray, np.ndarray, np.ndarray], list[float]]


def save_random_weights(path: Path) -> None:
    """Write AlexNet's state dict with random values, in the form of torchvision's file."""
    from torchvision.models import alexnet

    torch.manual_seed(0)
    torch.save(alexnet(weights=None).state_dict(), path)


def peer(weights: Path) -> Scorer:
    """Two calls of the package, as its documentation shows, without gradients."""
    import lpips

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package uses torchvision's old arguments
        model = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    state = torch.load(weights, weights_only=True)
    for part in (model.net.slice1, model.net.slice2, model.net.slice3, model.net.slice4, model.net.slice5):
        for number, layer in part.named_children():
            if f"features.{number}.weight" in state:
                layer.load_state_dict({key: state[f"features.{number}.{key}"] for key in ("weight", "bias")})

    def tensor(image: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(image).permute(2, 0, 1)[None]

    def score(pred: np.ndarray, *refs: np.ndarray) -> list[float]:
        with torch.inference_mode():
            return [model(tensor(pred), tensor(ref), normalize=True).item() for ref in refs]

    return score


def ours(weights: Path) -> Scorer:
    """One call for both references."""
    metric = LPIPS(weights=weights, allow_random=True)
    return lambda pred, *refs: list(metric(pred, *refs))


SIDES: dict[str, Callable[[Path], Scorer]] = {"peer": peer, "ours": ours}


def pictures(height: int, width: int) -> list[np.ndarray]:
    """Make a smooth random picture, a blurred and a noisy copy of it, float32 in [0, 1]."""
    rng = np.random.default_rng(0)
    sharp = np.clip(cv2.GaussianBlur(rng.random((height, width, 3), np.float32), (0, 0), 2) * 4 - 1.5, 0, 1)
    noisy = np.clip(sharp + 0.02 * rng.standard_normal(sharp.shape, np.float32), 0, 1)
    return [noisy, sharp, cv2.GaussianBlur(sharp, (0, 0), 2)]


def extra_memory(name: str, weights: Path, height: int, width: int) -> float:
    """Peak memory in GB that scoring adds to the loaded model and pictures, in a process of its own."""
    size = [f"--height={height}", f"--width={width}"]
    command = [sys.executable, __file__, *size, "--measure-memory", name, str(weights)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def print_own_extra_memory(name: str, weights: Path, height: int, width: int) -> None:
    """Print the growth of this process's peak memory by one scoring, in GB."""
    score = SIDES[name](weights)
    score(*pictures(64, 64))  # so that what is loaded on first use does not count
    images = pictures(height, width)
    process_memory.forget_peak()
    before = process_memory.held()
    score(*images)
    print((process_memory.peak() - before) / 1000)


def main() -> None:
    """Print one line per side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--height", type=int, default=2160)
    parser.add_argument("--width", type=int, default=4096)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--measure-memory", nargs=2, metavar=("SIDE", "WEIGHTS"), help="for internal use")
    args = parser.parse_args()
    if args.measure_memory:
        name, file = args.measure_memory
        print_own_extra_memory(name, Path(file), args.height, args.width)
        return

    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "alexnet.pth"
        save_random_weights(weights)
        memory = {name: extra_memory(name, weights, args.height, args.width) for name in SIDES}
        scorers = {name: make(weights) for name, make in SIDES.items()}
        images = pictures(args.height, args.width)
        seconds: dict[str, list[float]] = {name: [] for name in SIDES}
        found: dict[str, list[float]] = {}
        for _ in range(args.repeats):  # interleaved, so that a busy moment of the machine hits both
            for name, score in scorers.items():
                start = time.perf_counter()
                found[name] = score(*images)
                seconds[name].append(time.perf_counter() - start)

    print(f"{args.width} x {args.height}, two references, median of {args.repeats}, {torch.get_num_threads()} threads")
    print(f"{'':6} {'seconds':>8} {'ratio':>6} {'extra GB':>9}  distances; largest difference from the peer")
    for name in SIDES:
        median = statistics.median(seconds[name])
        ratio = statistics.median(seconds["peer"]) / median
        gap = max(abs(a - b) for a, b in zip(found[name], found["peer"], strict=True))
        distances = ", ".join(f"{value:.6f}" for value in found[name])
        print(f"{name:6} {median:8.2f} {ratio:6.2f} {memory[name]:9.2f}  {distances}; {gap:.1e}")


if __name__ == "__main__":
    main()
