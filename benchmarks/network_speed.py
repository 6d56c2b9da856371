"""Time and memory of every network of the zoo, on the processor or a GPU, as a Markdown table.

    python benchmarks/network_speed.py [NAMES] [--device cuda] [--side 256] [--memory-side 512]

Weights are random: neither depends on them. On the processor one thread is used and its processor time taken, which is
that of the clock when nobody else uses the core; on a GPU it is the time of the clock. Memory is what one picture adds
at most to the loaded network, in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time

import process_memory
import torch

from sdd_bench import models


def measure(name: str, device: str, side: int, repeats: int) -> dict[str, float]:
    """Parameters, MB of the weights, least seconds of some runs and MB that one run adds at most, in this process."""
    torch.set_num_threads(1)
    network = models.create(name).eval().to(device)
    sizes = [parameter.numel() for parameter in network.parameters()]
    cuda = device == "cuda"
    clock = time.perf_counter if cuda else time.process_time
    seconds = []
    with torch.inference_mode():
        network(torch.rand(1, 3, 64, 64, device=device))  # what is set up on first use does not count
        picture = torch.rand(1, 3, side, side, device=device)
        if cuda:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        else:
            process_memory.forget_peak()
        before = torch.cuda.memory_allocated() / 1e6 if cuda else process_memory.held()
        for _ in range(repeats):
            start = clock()
            network(picture)
            if cuda:
                torch.cuda.synchronize()
            seconds.append(clock() - start)
    added = (torch.cuda.max_memory_allocated() / 1e6 if cuda else process_memory.peak()) - before
    return {"parameters": sum(sizes), "weights": 4 * sum(sizes) / 1e6, "seconds": min(seconds), "added": added}


def in_own_process(*arguments: object) -> dict[str, float]:
    """`measure` in a fresh process."""
    command = [sys.executable, __file__, "--measure", *map(str, arguments)]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def main() -> None:
    """Print one line per network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="default: all")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--side", type=int, default=256, help="of the square picture that is timed, pixels")
    parser.add_argument("--memory-side", type=int, default=512, help="of the one whose memory is taken")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--measure", nargs=4, metavar=("NAME", "DEVICE", "SIDE", "REPEATS"), help="for internal use")
    options = parser.parse_args()
    if options.measure:
        name, device, side, repeats = options.measure
        print(json.dumps(measure(name, device, int(side), int(repeats))))
        return
    networks = [name for name, model in models.MODELS.items() if model.kind != "classical"]
    side, memory_side = options.side, options.memory_side
    print(
        f"{options.device}, torch {torch.__version__}: time at {side}x{side} pixels, least of {options.repeats} runs, "
        f"memory at {memory_side}x{memory_side} pixels.\n"
    )
    print(
        "| model | parameters | seconds / megapixel | weights, MB | memory a picture adds, MB |\n|---|---|---|---|---|"
    )
    for name in options.names or networks:
        timed = in_own_process(name, options.device, side, options.repeats)
        sized = in_own_process(name, options.device, memory_side, 1)
        print(
            f"| {name} | {timed['parameters']:,} | {timed['seconds'] / side**2 * 1e6:.3g} | {timed['weights']:.0f} "
            f"| {sized['added']:,.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
