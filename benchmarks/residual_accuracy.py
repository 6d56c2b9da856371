"""How well the residual of `sdd-bench analyze` is measured: rendered pairs whose flow is known at every pixel.

    python benchmarks/residual_accuracy.py [--scenes 6]

Per depth of the scenes: the RMS of the true flow after the estimated zoom and shift, what the analysis finds, and how
far its flow is from the true one, all over the pixels that it counts; and of the exposure, the largest error.
"""

from __future__ import annotations

import argparse

import cv2
import numpy as np
import torch

from sdd_bench.alignment.residual import residual
from sdd_bench.alignment.similarity import estimate_similarity
from sdd_bench.datasets.rendering import render_pair
from sdd_bench.datasets.scenes import SceneSettings, random_scene

PARALLAX = (0.0, 0.7, 2.0)  # pixels
SIZE = (480, 360)


def measure(parallax: float, seed: int) -> tuple[float, float, float, float]:
    """True RMS, RMS found, RMS of the error of the flow, in pixels; error of the exposure in stops."""
    settings = SceneSettings(width=SIZE[0], height=SIZE[1], parallax=(parallax, parallax))
    scene = random_scene(settings, np.random.default_rng(seed))
    pair = render_pair(scene, settings, np.random.default_rng(seed))
    blurry, sharp = (picture.astype(np.float32) / 255 for picture in (pair.blur, pair.sharp))
    similarity = estimate_similarity(blurry, sharp)
    found = residual(blurry, sharp, similarity)
    true = (pair.flow - similarity.flow(blurry.shape)) / similarity.zoom
    counted = found.valid & pair.visible
    lengths, errors = (np.linalg.norm(flow[counted], axis=-1) for flow in (true, found.flow - true))
    exposure = abs((found.exposure or 0.0) - scene.exposure_stops)
    return float(np.sqrt(np.mean(lengths**2))), found.rms, float(np.sqrt(np.mean(errors**2))), exposure


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=6, help="per row")
    scenes = parser.parse_args().scenes
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    print("| parallax, px | true RMS, px | found, px | found / true | error of the flow, RMS, px | exposure, stops |")
    print("|---|---|---|---|---|---|")
    for parallax in PARALLAX:
        rows = np.array([measure(parallax, seed) for seed in range(scenes)])
        ranges = [f"{low:.3f} to {high:.3f}" for low, high in zip(rows.min(0), rows.max(0), strict=True)]
        ratio = rows[:, 1] / np.maximum(rows[:, 0], 1e-9)
        shown = f"{ratio.min():.2f} to {ratio.max():.2f}" if parallax else "-"
        cells = [f"{parallax}", ranges[0], ranges[1], shown, ranges[2], f"{rows[:, 3].max():.4f}"]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
