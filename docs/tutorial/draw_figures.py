"""Draws the tutorial's pictures from what the demo left behind.

    sdd-bench demo
    python docs/tutorial/draw_figures.py sdd-bench-demo

Writes docs/tutorial/{scene,pair,predictions,wavy}.jpg.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from PIL import Image

import sdd_bench
from sdd_bench.evaluation.protocol import get_protocol
from sdd_bench.evaluation.references import align_reference
from sdd_bench.io.images import read_image
from sdd_bench.metrics.fidelity import fidelity, psnr

mpl.use("agg")
from matplotlib import pyplot as plt

HERE = Path(__file__).parent
STRAIGHT = "scene_004"  # shelves: straight lines, at which bending is seen
BLURRY, CROP = "scene_003", np.s_[60:220, 220:448]  # where deblurring has something to do
METHODS = ("blurry input", "unsharp mask", "ebdb+wiener", "nearly perfect", "sharp but wavy")
JPEG = {"quality": 88, "optimize": True}


def main() -> None:
    """Draw all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("demo", type=Path, help="the demo's folder")
    demo = parser.parse_args().demo
    scene = Image.open(demo / "scene.png").convert("RGB")
    scene.resize((1200, round(1200 * scene.height / scene.width)), Image.Resampling.LANCZOS).save(
        HERE / "scene.jpg", **JPEG
    )
    dataset = sdd_bench.open_dataset(demo / "dataset")
    pair = dataset[STRAIGHT]
    blur, gt, aligned = pair.blur(), pair.gt(), pair.aligned_gt()
    _pair(blur, gt, aligned)
    _wavy(read_image(demo / "predictions" / "sharp but wavy" / f"{STRAIGHT}.png"), blur, gt, aligned)
    made = {name: read_image(demo / "predictions" / name / f"{BLURRY}.png") for name in METHODS}
    _predictions(made, dataset[BLURRY].aligned_gt())


def _pair(blur: Any, gt: Any, aligned: Any) -> None:
    """Red where only the blurry input is bright, cyan where only the sharp picture is."""
    pictures = {
        "blurry input": blur,
        "input (red) over the GT (cyan)": _anaglyph(blur, gt),
        "input (red) over the aligned GT (cyan)": _anaglyph(blur, aligned),
    }
    _row("pair.jpg", pictures, figsize=(12, 3.1))


def _predictions(made: dict[str, Any], aligned: Any) -> None:
    pictures = {f"{name}\n{psnr(picture, aligned):.2f} dB": picture[CROP] for name, picture in made.items()}
    _row("predictions.jpg", {**pictures, "the truth\n(aligned GT)": aligned[CROP]}, figsize=(12, 6.6), rows=2)


def _wavy(prediction: Any, blur: Any, gt: Any, aligned: Any) -> None:
    towards_it = align_reference(get_protocol("jdrl2022-dis"), prediction, gt)
    towards_input = align_reference(get_protocol("sdd-v1"), blur, gt)
    errors = {
        f"GT deformed towards it\n{psnr(prediction, towards_it.deformed):.2f} dB": (towards_it.deformed, None),
        f"GT deformed towards the input\n{_masked(prediction, towards_input):.2f} dB": (
            towards_input.deformed,
            towards_input.valid,
        ),
        f"the truth\n{psnr(prediction, aligned):.2f} dB": (aligned, None),
    }
    pictures = {}
    for title, (reference, valid) in errors.items():
        error = np.abs(prediction - reference).mean(-1)
        pictures[title] = error if valid is None else np.where(valid, error, np.nan)
    _row("wavy.jpg", pictures, figsize=(12, 3.5), cmap="magma", vmin=0, vmax=0.1)


def _masked(prediction: Any, reference: Any) -> float:
    return fidelity(prediction, reference.deformed, reference.valid).psnr


def _anaglyph(red: Any, cyan: Any) -> Any:
    gray = red.mean(-1), cyan.mean(-1)
    return np.stack([gray[0], gray[1], gray[1]], -1)


def _row(name: str, pictures: dict[str, Any], *, figsize: tuple[float, float], rows: int = 1, **options: Any) -> None:
    figure, axes = plt.subplots(rows, len(pictures) // rows, figsize=figsize, layout="constrained")
    for axis, (title, picture) in zip(axes.flat, pictures.items(), strict=True):
        axis.imshow(picture, interpolation="nearest", **options)
        axis.set_title(title, fontsize=11)
        axis.set_facecolor("0.5")
        axis.set_xticks([])
        axis.set_yticks([])
    figure.savefig(HERE / name, dpi=100, pil_kwargs=JPEG)
    plt.close(figure)


if __name__ == "__main__":
    main()
