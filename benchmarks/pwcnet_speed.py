"""Optical flow by PWC-Net at full resolution on the CPU: ptlflow's against sdd_bench's, from one checkpoint.

Speed and memory do not depend on what the weights are, so they are random here (seeded, scaled so that the flow varies
by some pixels), and nothing needs to be downloaded. Each side runs in a process of its own; its memory is the peak of
that process with everything in it, read from /proc, so on Linux only. Processor seconds (of all threads) tell more than
seconds where the machine has other work. ptlflow needs about 21 GB at 4096 x 2160. Run:

    python benchmarks/pwcnet_speed.py
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import process_memory
import torch
from skimage import data, transform

from sdd_bench import weights
from sdd_bench.alignment.pwcnet import PwcNetFlow
from sdd_bench.alignment.pwcnet_checkpoints import ptlflow_names
from sdd_bench.alignment.pwcnet_network import weight_shapes

Estimator = Callable[[np.ndarray, np.ndarray], np.ndarray]


def save_random_weights(path: Path) -> None:
    """Write a checkpoint of ptlflow's model with random values."""
    generator = torch.Generator().manual_seed(0)
    state, names = {}, ptlflow_names()
    for layer, shape in weight_shapes().items():
        up = "_up." in layer
        inputs = shape[0] * 4 if up else shape[1] * 9  # values that go into one
        gain = 0.3 if layer.startswith(("flow.", "features_up.", "context.6")) else math.sqrt(2)
        state[f"{names[layer]}.weight"] = gain / math.sqrt(inputs) * torch.randn(shape, generator=generator)
        state[f"{names[layer]}.bias"] = 0.05 * torch.randn(shape[1] if up else shape[0], generator=generator)
    torch.save({"state_dict": state}, path)


def peer(checkpoint: Path) -> Estimator:
    """Load ptlflow's model; it takes what its own reader of images gives it: 1 x 2 x 3 x H x W, BGR in [0, 1]."""
    import ptlflow

    model = ptlflow.get_model("pwcnet", ckpt_path=str(checkpoint)).eval()

    def estimate(source: np.ndarray, target: np.ndarray) -> np.ndarray:
        images = np.stack([source, target])[None, ..., ::-1].transpose(0, 1, 4, 2, 3)
        with torch.inference_mode():
            flow = model({"images": torch.from_numpy(np.ascontiguousarray(images))})["flows"][0, 0]
        return flow.permute(1, 2, 0).numpy()

    return estimate


def ours(checkpoint: Path) -> Estimator:
    """Set up the backend with the same checkpoint, in a cache of its own."""
    os.environ["SDD_BENCH_CACHE"] = str(checkpoint.parent / "cache")
    entry = weights.entry("pwcnet-ptlflow")
    weights.REGISTRY[entry.name] = dataclasses.replace(entry, sha256="")  # random weights have another hash
    weights.add(entry.name, checkpoint)
    return PwcNetFlow()


SIDES: dict[str, Callable[[Path], Estimator]] = {"peer": peer, "ours": ours}


def pictures(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Two views of one enlarged photograph, shifted by some pixels, float32 RGB in [0, 1]."""
    big = transform.resize(data.astronaut(), (height + 16, width + 16), order=3).astype(np.float32).clip(0, 1)
    return big[8:-8, 8:-8].copy(), big[5:-11, 12:-4].copy()


def measure(name: str, checkpoint: Path, out: Path, height: int, width: int) -> None:
    """Print wall and processor seconds and peak memory in GB of one estimate in this process, and save the flow."""
    estimate = SIDES[name](checkpoint)
    estimate(*pictures(128, 128))  # what is set up on first use does not count
    images = pictures(height, width)
    start = time.perf_counter(), time.process_time()
    flow = estimate(*images)
    seconds = time.perf_counter() - start[0], time.process_time() - start[1]
    np.save(out, flow)
    print(*seconds, process_memory.peak() / 1000)


def main() -> None:
    """Print one line per side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--height", type=int, default=2160)
    parser.add_argument("--width", type=int, default=4096)
    parser.add_argument("--measure", nargs=3, metavar=("SIDE", "CHECKPOINT", "FLOW"), help="for internal use")
    args = parser.parse_args()
    if args.measure:
        name, checkpoint, out = args.measure
        measure(name, Path(checkpoint), Path(out), args.height, args.width)
        return

    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "pwcnet.ckpt"
        save_random_weights(checkpoint)
        figures, flows = {}, {}
        for name in SIDES:
            out = Path(folder) / f"{name}.npy"
            size = [f"--height={args.height}", f"--width={args.width}"]
            command = [sys.executable, __file__, *size, "--measure", name, str(checkpoint), str(out)]
            printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            figures[name] = [float(figure) for figure in printed.splitlines()[-1].split()]
            flows[name] = np.load(out)

    low, high = np.percentile(flows["peer"], [1, 99])
    print(f"{args.width} x {args.height}, CPU, {torch.get_num_threads()} threads, flow {low:.1f} to {high:.1f} px")
    print(f"{'':6} {'seconds':>8} {'ratio':>6} {'CPU s':>7} {'ratio':>6} {'peak GB':>8}  largest difference, px")
    for name, (wall, processor, memory) in figures.items():
        ratios = figures["peer"][0] / wall, figures["peer"][1] / processor
        gap = np.abs(flows[name] - flows["peer"]).max()
        print(f"{name:6} {wall:8.1f} {ratios[0]:6.2f} {processor:7.1f} {ratios[1]:6.2f} {memory:8.2f}  {gap:.1e}")


if __name__ == "__main__":
    main()
