"""Hold DMPHN with its released weights against the pictures that its authors' program made with them.

Run as ``python benchmarks/dmphn_release.py CHECKPOINTS SAMPLES RESULTS``: the folders of the eight ``.pkl`` files, of
the blurry pictures and of the authors' results, which have the same names.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

from sdd_bench import models
from sdd_bench.io.images import read_image
from sdd_bench.metrics import psnr


def main() -> None:
    """Print the PSNR of each picture, with rounding and with fractions cut off as their program did."""
    checkpoints, samples, results = (Path(argument) for argument in sys.argv[1:4])
    network = models.load_checkpoint("dmphn", checkpoints)
    print("| picture | PSNR rounded, dB | PSNR cut off, dB |\n|---|---|---|")
    for result in sorted(results.glob("*.png")):
        picture = torch.from_numpy(read_image(samples / result.name)).permute(2, 0, 1)[None]
        with torch.inference_mode():
            found = 255 * network(picture)[0].permute(1, 2, 0).clamp(0, 1).numpy()
        scores = [
            psnr((whole / 255).astype(np.float32), read_image(result)) for whole in (found.round(), np.floor(found))
        ]
        print(f"| {result.name} | {scores[0]:.2f} | {scores[1]:.2f} |", flush=True)


if __name__ == "__main__":
    main()
