"""The default protocol on real pairs: what it leaves out, and seconds per image for a first and a second method.

Cuts 35 pairs of 2048 x 1080 out of a focal stack (ten photographs of 2048 x 1536 taken while the focus moved; of two
neighbours the later one stands for the sharp picture), makes two predictions of each input by unsharp masks, prepares
the pairs, and evaluates both methods with one worker process and with two, each time with an empty cache. Run:

    python benchmarks/real_pairs.py STACK [--pairs 35] [--workers 1 2]
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from sdd_bench import prepare

WIDTH, HEIGHT = 2048, 1080
METHODS = {"first": 0.8, "second": 0.4}


def write_pairs(stack: Path, folder: Path, count: int) -> None:
    """Raw pairs with their pairs.csv, and two methods' predictions."""
    slices = [cv2.imread(str(path)) for path in sorted(stack.glob("*.jpg"))]
    height = slices[0].shape[0]
    tops = np.linspace(0, height - HEIGHT, 4).astype(int)
    places = [(i, j, top) for top in tops for i, j in pairwise(range(len(slices)))][:count]
    for name in ("raw/blur", "raw/sharp", *METHODS):
        (folder / name).mkdir(parents=True)
    rows = []
    for i, j, top in places:
        blur, sharp = (slices[k][top : top + HEIGHT, :WIDTH] for k in (i, j))
        name = f"{i}_{j}_{top}.png"
        cv2.imwrite(str(folder / "raw/blur" / name), blur)
        cv2.imwrite(str(folder / "raw/sharp" / name), sharp)
        for method, amount in METHODS.items():
            sharpened = cv2.addWeighted(blur, 1 + amount, cv2.GaussianBlur(blur, (0, 0), 1.5), -amount, 0)
            cv2.imwrite(str(folder / method / name), sharpened)
        rows.append((f"blur/{name}", f"sharp/{name}", "indoor", "test"))
    with (folder / "raw/pairs.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("blur", "sharp", "environment", "split"), *rows])


def evaluate(folder: Path, method: str, workers: int) -> tuple[float, dict[str, object]]:
    """Seconds of one run of the command, and its result."""
    cache, out = folder / f"cache{workers}", folder / f"out-{method}-{workers}"
    program = Path(sys.executable).with_name("sdd-bench")
    data = ["--pred", str(folder / method), "--dataset", str(folder / "data")]
    places = ["--cache", str(cache), "--out", str(out), "--no-report"]
    start = time.perf_counter()
    done = subprocess.run(
        [str(program), "evaluate", *data, *places, "--workers", str(workers)], capture_output=True, text=True
    )
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"the evaluation failed:\n{done.stderr}")
    (found,) = out.rglob("result.json")
    return seconds, json.loads(found.read_text())


def main() -> None:
    """Run both methods and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stack", type=Path)
    parser.add_argument("--pairs", type=int, default=35)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_pairs(options.stack, folder, options.pairs)
        # The slices are all but equal to a check for duplicates, and equally sharp on the whole.
        checks = {"swapped": "off", "duplicate": "off", "leak": "off"}
        prepare(folder / "raw", folder / "data", "as-is", patch_size=None, checks=checks, progress=False)
        for workers in options.workers:
            taken = {}
            for method in METHODS:
                taken[method], result = evaluate(folder, method, workers)
            each = ", ".join(f"{what} method {seconds / options.pairs:.2f} s" for what, seconds in taken.items())
            sys.stdout.write(f"{workers} worker(s), per image: {each}\n")
        left_out = np.array([image["alignment"]["left_out"] for image in result["images"]])
        low, median, high = np.quantile(left_out, [0, 0.5, 1])
        scored = sum(image["deformed_gt"] is not None for image in result["images"])
        sys.stdout.write(
            f"left out: {low:.1%} to {high:.1%}, median {median:.1%}; {scored} of {options.pairs} scored\n"
        )


if __name__ == "__main__":
    main()
