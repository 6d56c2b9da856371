"""How many pictures per second does a network restore here, and what do tiles, bfloat16 and channels last cost or save?

The peer is the network as it is: called once on the whole picture, float32, channels first. Below it the same call in
other layouts and precisions, then `sdd_bench.models.inference` with and without tiles. Seconds are CPU time of one
thread (wall time on a GPU), the best of several runs, so that other programs of the machine count little. Weights are
random: they don't change the time. Run:

    python benchmarks/inference_speed.py [--model unet] [--width 512] [--height 384] [--tiles 384] [--device cpu]
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from sdd_bench.models.inference import start
from sdd_bench.models.loading import Loaded, resolve
from sdd_bench.models.padding import round_up
from sdd_bench.models.tiling import plan_tiles, run_tiled


def direct(loaded: Loaded, image: np.ndarray, device: str, precision: str, channels_last: bool) -> np.ndarray:
    """Call the network once on the whole picture; to copy it takes milliseconds."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network = copy.deepcopy(loaded.network).to(device).to(memory_format=layout)
    picture = torch.from_numpy(image.transpose(2, 0, 1)[None].copy()).to(device).contiguous(memory_format=layout)
    bf16 = torch.autocast(device, torch.bfloat16) if precision == "bf16" else contextlib.nullcontext()
    with torch.inference_mode(), bf16:
        made = network(picture)
    made = made[0] if isinstance(made, tuple | list) else made
    return made.float().cpu().numpy()[0].transpose(1, 2, 0)


def seconds(work: Callable[[], object], repeats: int, device: str) -> float:
    """Best time of several runs."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    times = []
    for _ in range(repeats):
        begin = clock()
        work()
        times.append(clock() - begin)
    return min(times)


def work_of_tiles(loaded: Loaded, side: int) -> float:
    """Pixels that the network sees, per pixel of a 4096 x 2160 picture."""
    seen = 0

    def count(part: torch.Tensor) -> torch.Tensor:
        nonlocal seen
        seen += part.shape[-2] * part.shape[-1]
        return part

    run_tiled(count, torch.zeros((1, 1, 2160, 4096)), plan_tiles(side, loaded.facts.stride, loaded.facts.reach))
    return seen / (4096 * 2160)


def main() -> None:
    """Print the tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="unet", help="of `sdd-bench predict --list` (default %(default)s)")
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--height", type=int, default=384)
    parser.add_argument("--tiles", type=int, nargs="*", default=[384], help="sides (default %(default)s)")
    parser.add_argument("--repeats", type=int, default=2, help="of each, the best counts (default %(default)s)")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    given = parser.parse_args()
    torch.set_num_threads(1)
    loaded = resolve(given.model, random_weights=True)
    stride = loaded.facts.stride
    height, width = round_up(given.height, stride), round_up(given.width, stride)
    image = np.random.default_rng(0).random((height, width, 3), np.float32)

    rows: dict[str, Callable[[], np.ndarray]] = {}
    for precision in ("fp32", "bf16"):
        for layout, last in (("channels first", False), ("channels last", True)):
            rows[f"network, whole, {precision}, {layout}"] = partial(
                direct, loaded, image, given.device, precision, last
            )
    for precision in ("fp32", "bf16"):
        for tile in ("none", *given.tiles):
            own = replace(loaded, network=copy.deepcopy(loaded.network))  # its layout is chosen and changed in place
            ready = start(own, device=given.device, precision=precision, ensemble=False, tile=tile, largest=(1, 1))
            name = "whole" if tile == "none" else f"tiles of {tile}"
            rows[f"predict, {name}, {precision}"] = partial(ready.restore, image)

    megapixels = height * width / 1e6
    print(f"{given.model}, {width} x {height}, {given.device}, torch {torch.__version__}\n")
    print("| | s per picture | s per megapixel | pictures per second | of the peer's time | largest difference |")
    print("|---|---:|---:|---:|---:|---:|")
    peer_time, peer_made = 0.0, None
    for name, work in rows.items():
        made = np.clip(work(), 0, 1)  # also what is set up on first use
        took = seconds(work, given.repeats, given.device)
        if peer_made is None:
            peer_time, peer_made = took, made
        cells = f"{took:.2f} | {took / megapixels:.1f} | {1 / took:.3f} | {took / peer_time:.2f}"
        print(f"| {name} | {cells} | {np.abs(made - peer_made).max():.1e} |", flush=True)
    print("\n| tiles of | pixels computed per pixel of 4096 x 2160 |\n|---:|---:|")
    for side in (*given.tiles, 1024, 2048):
        print(f"| {side} | {work_of_tiles(loaded, side):.2f} |", flush=True)


if __name__ == "__main__":
    main()
