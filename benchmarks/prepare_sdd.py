"""A synthetic raw SDD through ``prepare --preset sdd``: are the counts those of the paper, and can the release read it?

150 pairs, 61 indoor and 89 outdoor scenes, of which some are 4096 x 2160 as the camera's and the others an eighth of
that. They are prepared twice:

- all 150, everything scaled by 1/8 (256 x 135, patches of 64 by stride 19, which is the same grid of 12 x 5): expected
  are 50 indoor and 65 outdoor pairs for training, 11 and 24 for testing, and 4,830 patches;
- those of full size, by the preset as it is: 42 patches of 512 x 512 each.

Both are verified, and read as the JDRL release does: sorted names of ``blur`` and ``gt`` side by side, by OpenCV. Ends
with 1 if anything is not as expected. Run:

    python benchmarks/prepare_sdd.py [--full 10] [--workers 2]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from sdd_bench import prepare
from sdd_bench.datasets.rendering import render_pair
from sdd_bench.datasets.scenes import SceneSettings, random_scene
from sdd_bench.datasets.verify import verify_dataset
from sdd_bench.io.images import write_image
from sdd_bench.parallel import map_items

COUNTS = {"indoor": 61, "outdoor": 89}
SCALED = {"size": (256, 135), "patch_size": 64, "stride": 19}
SETTINGS = SceneSettings(width=512, height=270, shift=(-3.0, 3.0), max_blur_radius=(1.5, 3.0))


def write_pair(raw: Path, full: int, number: int) -> None:
    """Render a pair; the first ones are enlarged to full size, with noise, since smooth pictures cost less to write."""
    rng = np.random.default_rng([7, number])
    rendered = render_pair(random_scene(SETTINGS, rng), SETTINGS, rng)
    # Dealt out so that the pictures of full size are indoor and outdoor.
    environment = "indoor" if number * COUNTS["indoor"] // 150 != (number + 1) * COUNTS["indoor"] // 150 else "outdoor"
    for kind, picture in (("blur", rendered.blur), ("gt", rendered.sharp)):
        pixels = np.asarray(picture, np.float32) / (255 if picture.dtype == np.uint8 else 1)
        if number < full:
            pixels = cv2.resize(pixels, (4096, 2160), interpolation=cv2.INTER_CUBIC)
            pixels += rng.normal(0, 1 / 255, pixels.shape[:2]).astype(np.float32)[..., None]
        name = f"{number + 1:03d}.png"
        image = np.clip(pixels, 0, 1)
        write_image(raw / environment / kind / name, image)
        if number < full:
            write_image(raw.with_name("full") / environment / kind / name, image)


def read_as_the_release(folder: Path, count: int, shape: tuple[int, int]) -> list[str]:
    """What is wrong for a reader that sorts the names of both folders and takes them side by side."""
    blur, gt = (sorted(path.name for path in (folder / kind).iterdir()) for kind in ("blur", "gt"))
    problems = [] if blur == gt else [f"{folder}: other names in blur than in gt"]
    if len(blur) != count:
        problems.append(f"{folder}: {len(blur)} pairs, expected {count}")
    for name in blur:
        pictures = [cv2.imread(str(folder / kind / name), cv2.IMREAD_UNCHANGED) for kind in ("blur", "gt")]
        if any(picture is None or picture.shape != (*shape[::-1], 3) for picture in pictures):
            problems.append(f"{folder}: {name} is not {shape[0]} x {shape[1]}, RGB")
    return problems


def main() -> None:
    """Make the raw folder, prepare it twice, print what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", type=int, default=10, help="pairs of 4096 x 2160 (default %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="worker processes (default %(default)s)")
    options = parser.parse_args()
    problems: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        raw = Path(name) / "raw"
        for _ in map_items(
            partial(write_pair, raw, options.full), range(150), workers=options.workers, describe="rendering"
        ):
            pass
        for source, changes, scale in ((raw, SCALED, "scaled by 1/8"), (raw.with_name("full"), {}, "full size")):
            out = Path(name) / f"{source.name} prepared"
            # What matters here are counts; whether two random scenes look alike is not the question.
            checks = {"leak": {"level": "warn"}}
            start = time.perf_counter()
            manifest = prepare(source, out, "sdd", workers=options.workers, checks=checks, **changes)
            seconds = time.perf_counter() - start
            counts = manifest.counts()
            print(f"{scale}: {len(manifest.pairs)} pairs in {seconds:.0f} s with {options.workers} workers")
            for split in ("train", "test"):
                print(f"  {split}: {counts[split]}")
            train = counts["train"]
            if source == raw:
                found = [counts[split][kind] for split in ("train", "test") for kind in COUNTS]
                if found != [50, 65, 11, 24] or train["patches"] != 4830:
                    problems.append(f"{scale}: expected 50, 65, 11, 24 pairs and 4,830 patches")
            if train["patches"] != 42 * train["pairs"]:
                problems.append(f"{scale}: expected 42 patches per image")
            size, side = manifest.preset.size, manifest.preset.patch_size
            problems += read_as_the_release(out / "train_patches", train["patches"], (side, side))
            problems += read_as_the_release(out / "test", counts["test"]["pairs"], size)
            if not verify_dataset(out, workers=options.workers).sound:
                problems.append(f"{scale}: verify finds it changed")
    print("\n".join(problems) or "all as expected: counts, patches, the release's reading convention, verify")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
