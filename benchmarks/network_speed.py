"""Time every network of the zoo on one thread of the processor and print a Markdown table.

Run as ``python benchmarks/network_speed.py``. Weights are random: the time does not depend on them. It is processor
time, which on one thread is that of the clock when nobody else uses the core.
"""

from __future__ import annotations

import sys
import time

import torch

from sdd_bench import models

SIDE = 256
REPEATS = 3


def main() -> None:
    """Print parameters and seconds per megapixel: the fastest of some runs on a square picture."""
    torch.set_num_threads(1)
    names = sys.argv[1:] or [name for name, model in models.MODELS.items() if model.kind != "classical"]
    print(f"One thread, torch {torch.__version__}, {SIDE} x {SIDE} pixels, least processor time of {REPEATS} runs.\n")
    print("| model | parameters | seconds / megapixel |\n|---|---|---|")
    for name in names:
        network = models.create(name).eval()
        parameters = sum(parameter.numel() for parameter in network.parameters())
        picture = torch.rand(1, 3, SIDE, SIDE)
        seconds = []
        with torch.inference_mode():
            for _ in range(REPEATS):
                start = time.process_time()
                network(picture)
                seconds.append(time.process_time() - start)
        print(f"| {name} | {parameters:,} | {min(seconds) / SIDE**2 * 1e6:.1f} |", flush=True)


if __name__ == "__main__":
    main()
