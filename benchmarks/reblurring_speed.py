"""Reblurring, forward and backward: explicit kernels per pixel against sdd_bench's ring sums, time and extra memory.

The peer builds what the definition says: every kernel of every pixel, its softmax, and its product with the pixels
around (`unfold`). Each side runs in processes of its own, in turns. Extra memory is the growth of a process's peak by
one forward and backward over what the inputs take, results and gradients included; read from /proc, so on Linux only
(on a GPU: from PyTorch's allocator). Run:

    python benchmarks/reblurring_speed.py [--device cuda]

On a GPU `fused` is a third side: the same by Triton's kernels.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import process_memory
import torch

from sdd_bench.training.reblurring import isotropic_blur

Blur = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def peer(image: torch.Tensor, seeds: torch.Tensor) -> torch.Tensor:
    """Blur with kernels 2 ... 8 built for each pixel."""
    n, channels, height, width = image.shape
    blurred = [image]
    for i, own in zip(range(2, 9), seeds.abs().split(list(range(2, 9)), 1), strict=True):
        entries = []
        for y in range(1 - i, i):
            for x in range(1 - i, i):
                rho = math.hypot(x, y)
                low, high = math.floor(rho), math.ceil(rho)
                if rho > i - 1:
                    entries.append(torch.zeros_like(own[:, 0]))
                elif low == high:
                    entries.append(own[:, low])
                else:
                    entries.append((high - rho) * own[:, low] + (rho - low) * own[:, high])
        kernel = torch.stack(entries, 1).softmax(1)
        window = torch.nn.functional.unfold(image, 2 * i - 1, padding=i - 1).view(n, channels, -1, height, width)
        blurred.append((window * kernel[:, None]).sum(2))
    return torch.stack(blurred, 1)


SIDES: dict[str, Blur] = {"peer": peer, "ours": isotropic_blur, "fused": partial(isotropic_blur, fused=True)}
"""The last one on a GPU only."""


def inputs(batch: int, size: int, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Make random pictures and seeds."""
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(batch, 3, size, size, generator=generator).to(device)
    seeds = torch.randn(batch, 35, size, size, generator=generator).to(device)
    return image.requires_grad_(), seeds.requires_grad_()


def step(blur: Blur, image: torch.Tensor, seeds: torch.Tensor) -> None:
    """One forward and backward."""
    image.grad = seeds.grad = None
    blur(image, seeds).square().mean().backward()


def measure(name: str, batch: int, size: int, device: str, repeats: int) -> None:
    """Print the seconds of every repeat, the extra memory in MB and a few values of the gradients, as JSON."""
    blur, cuda = SIDES[name], device == "cuda"
    step(blur, *inputs(1, 32, device))  # what is set up on first use does not count
    image, seeds = inputs(batch, size, device)
    if cuda:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated() / 1e6 if cuda else process_memory.held()
    step(blur, image, seeds)
    memory = (torch.cuda.max_memory_allocated() / 1e6 if cuda else process_memory.peak()) - before
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        step(blur, image, seeds)
        if cuda:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    assert image.grad is not None and seeds.grad is not None
    sample = [grad[0, :, ::50, ::50].flatten().tolist() for grad in (image.grad, seeds.grad)]
    print(json.dumps({"seconds": seconds, "memory": memory, "sample": sample}))


def main() -> None:
    """Print one line per side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="ours uses only one")
    parser.add_argument("--rounds", type=int, default=3, help="processes per side, in turns")
    parser.add_argument("--repeats", type=int, default=3, help="timed repeats per process")
    parser.add_argument("--measure", choices=list(SIDES), help="for internal use")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.measure:
        measure(args.measure, args.batch, args.size, args.device, args.repeats)
        return

    options = [f"--{key}={getattr(args, key)}" for key in ("size", "batch", "device", "repeats", "threads")]
    sides = [name for name in SIDES if name != "fused" or args.device == "cuda"]
    runs: dict[str, list[dict]] = {name: [] for name in sides}
    for _ in range(args.rounds):  # in turns, so that a busy moment of the machine hits both
        for name, found in runs.items():
            command = [sys.executable, __file__, *options, "--measure", name]
            found.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))

    where = f"CPU, {torch.get_num_threads()} threads" if args.device == "cpu" else torch.cuda.get_device_name()
    print(f"{args.batch} x 3 x {args.size} x {args.size}, forward and backward, {where}, torch {torch.__version__}")
    print(f"{'':6} {'best s':>8} {'ratio':>6} {'median s':>9} {'ratio':>6} {'extra MB':>9} {'ratio':>6}")
    rows = {}
    for name, found in runs.items():
        seconds = [second for run in found for second in run["seconds"]]
        rows[name] = min(seconds), statistics.median(seconds), statistics.median(run["memory"] for run in found)
    for name, row in rows.items():
        best, median, memory = (a / b for a, b in zip(rows["peer"], row, strict=True))
        print(f"{name:6} {row[0]:8.3f} {best:6.1f} {row[1]:9.3f} {median:6.1f} {row[2]:9.1f} {memory:6.1f}")
    for name in sides[1:]:
        of_both = zip(("image", "seeds"), runs["peer"][0]["sample"], runs[name][0]["sample"], strict=True)
        for what, theirs, mine in of_both:
            gap = np.abs(np.subtract(mine, theirs)).max() / np.abs(theirs).max()
            print(f"gradient of the {what}, {name}: at most {gap:.1e} of the peer's largest value from the peer's")


if __name__ == "__main__":
    main()
