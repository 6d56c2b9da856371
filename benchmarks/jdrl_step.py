"""Steps per second of JDRL with the full U-Net: ring sums against explicit kernels in its reblurring module.

    python benchmarks/jdrl_step.py [--size 256] [--batch 1] [--device cpu] [--repeats 5]

A step is what training does after the first epochs: network, two flows by dense inverse search, both deformations, the
reblurring module, backward, and Adam. The two sides take turns step by step, so a busy moment hits both.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from reblurring_speed import peer

from sdd_bench.alignment.flow import flow
from sdd_bench.training import reblurring_network
from sdd_bench.training.networks import make_network, make_reblurring
from sdd_bench.training.objective import Objective
from sdd_bench.training.reblurring import isotropic_blur
from sdd_bench.training.recipe import get_recipe


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    recipe = get_recipe("jdrl", {"objective.flow.name": "dis"})
    network, reblurring = make_network("unet", {}, recipe), make_reblurring(recipe)
    modules = [module.to(options.device) for module in (network, reblurring) if module is not None]
    objective = Objective(recipe.objective, flow("dis"))
    adam = torch.optim.Adam([p for module in modules for p in module.parameters()], lr=recipe.optimiser.learning_rate)
    smooth = torch.nn.functional.interpolate(torch.rand(options.batch, 3, 24, 24), options.size, mode="bicubic")
    sharp = smooth.clamp(0, 1).to(options.device)
    blurry = torch.nn.functional.avg_pool2d(sharp, 5, 1, 2, count_include_pad=False).roll((3, -4), (2, 3))

    def step(blur: object) -> float:
        reblurring_network.isotropic_blur = blur  # type: ignore[assignment]
        begun = time.perf_counter()
        loss = objective(network, reblurring, blurry, sharp, recipe.objective.initial_epochs).loss
        adam.zero_grad()
        loss.backward()
        adam.step()
        if options.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - begun

    sides = {
        "explicit kernels": lambda image, seeds, radii, fused: peer(image, seeds),
        "ring sums": isotropic_blur,
        "fused": lambda image, seeds, radii, fused: isotropic_blur(image, seeds, radii, fused=True),
    }
    if options.device != "cuda":
        del sides["fused"]
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for repeat in range(options.repeats + 1):
        for name, blur in sides.items():
            taken = step(blur)
            if repeat:  # the first one sets things up
                seconds[name].append(taken)
    where = torch.cuda.get_device_name() if options.device == "cuda" else f"CPU, {options.threads} thread(s)"
    print(f"{options.batch} x {options.size} x {options.size}, {where}, torch {torch.__version__}")
    print("| reblurring by | steps per second, median | best |")
    print("|---|---|---|")
    for name, taken in seconds.items():
        print(f"| {name} | {1 / statistics.median(taken):.3f} | {1 / min(taken):.3f} |")
    slow, *ours = sides
    for name in ours:
        ratio = statistics.median(a / b for a, b in zip(seconds[slow], seconds[name], strict=True))
        print(f"{name}: {ratio:.2f} times as many steps (median of turns).")


if __name__ == "__main__":
    main()
