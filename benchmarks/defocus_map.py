"""How well defocus maps order pixels by their blur: networks of `benchmarks/jdrl_recovery.py`, scenes of known blur.

    python benchmarks/defocus_map.py --study FOLDER

Per run with a reblurring module: the Spearman correlation, over all pixels of a test picture, of the map with the true
radius of the circle of confusion, mean over the pictures; of the map of the reblurring module (seeds and shares), and,
for RGL, of its estimator, which sees the blurry picture alone. Beside them what is trivial: how smooth the picture is,
minus the local mean of its gradient.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
from scipy import stats

from sdd_bench import open_dataset
from sdd_bench.training import checkpoints
from sdd_bench.training.networks import make_network, make_reblurring
from sdd_bench.training.reblurring_network import defocus_map
from sdd_bench.training.run_folder import read_run
from sdd_bench.training.validation import deblur


def smoothness(blurry: np.ndarray) -> np.ndarray:
    """Minus the mean gradient within about 8 px."""
    gray = cv2.cvtColor(blurry, cv2.COLOR_RGB2GRAY)
    gradient = np.hypot(cv2.Sobel(gray, cv2.CV_32F, 1, 0), cv2.Sobel(gray, cv2.CV_32F, 0, 1))
    return -cv2.GaussianBlur(gradient, (0, 0), 8)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", type=Path, required=True, help="folder of jdrl_recovery.py")
    study = parser.parse_args().study
    torch.set_num_threads(1)
    print("| run | reblurring module | largest radius, px | estimator | smoothness alone |")
    print("|---|---|---|---|---|")
    for folder in sorted((study / "training").iterdir()):
        run = read_run(folder)
        best = checkpoints.find(folder, "best")
        reblurring = make_reblurring(run.recipe)
        if best is None or reblurring is None or run.recipe.objective.reblurring.kernels != "isotropic":
            continue
        network = make_network(run.model, run.options, run.recipe).eval()
        checkpoints.load_weights(best / "network.safetensors", network)
        checkpoints.load_weights(best / "reblurring.safetensors", reblurring)
        rows, largest = [], 0.0
        for pair in open_dataset(study / "data-test", "test"):
            true = np.load(study / "raw-test" / "defocus" / f"{pair.stem}.npy")
            blurry = pair.blur()
            tensor = torch.from_numpy(blurry).permute(2, 0, 1)[None]
            with torch.no_grad():
                output = deblur(network, tensor).clamp(0, 1)
                maps = [defocus_map(reblurring(output, tensor))]
            largest = max(largest, float(maps[0].max()))
            if run.recipe.objective.guidance is not None:
                maps.append(network.defocus_map(tensor))
            found = [m[0, 0].numpy() for m in maps] + [smoothness(blurry)]
            order = [stats.spearmanr(true.ravel(), m.ravel()).statistic if np.ptp(m) else np.nan for m in found]
            rows.append([order[0], order[1] if len(maps) > 1 else np.nan, order[-1]])
        means = np.nanmean(rows, 0) if np.isfinite(rows).any() else [np.nan] * 3
        cells = ["none" if np.isnan(mean) else f"{mean:.3f}" for mean in means]
        print(f"| {folder.name} | {cells[0]} | {largest:.3f} | {cells[1]} | {cells[2]} |", flush=True)


if __name__ == "__main__":
    main()
