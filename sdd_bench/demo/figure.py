"""The demo's picture: what the misalignment does to an error map, and what deforming the ground truth mends."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sdd_bench.io.atomic import atomic_path
from sdd_bench.metrics.fidelity import fidelity

Image = NDArray[np.float32]

# Absolute error shown in full colour: a tenth of the range keeps errors of 30 dB (0.03 RMS) visible.
_FULL_SCALE = 0.1


def draw_scene(
    path: Path, blur: Image, gt: Image, deformed: Image, valid: NDArray[np.bool_], aligned: Image, prediction: Image
) -> None:
    """Write a PNG: the pictures above, and under them a prediction's error against three references.

    Args:
        path: file to write.
        blur: H x W x 3 float32 in [0, 1], the blurry input.
        gt: same, the misaligned ground truth.
        deformed: same, the ground truth deformed towards the input.
        valid: H x W bool, pixels that count.
        aligned: same as gt, the true aligned ground truth.
        prediction: same as gt, whose errors are shown.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    height, width = blur.shape[:2]
    figure = Figure(figsize=(15, 10 * height / width + 1.9), layout=ConstrainedLayoutEngine(hspace=0.05))
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 3)
    pictures = {
        "blurry input": blur,
        "ground truth (GT): zoomed and shifted": gt,
        "GT deformed towards the input": np.where(valid[..., None], deformed, np.float32(0.5)),
    }
    for axis, (title, picture) in zip(axes[0], pictures.items(), strict=True):
        axis.imshow(picture, interpolation="nearest")
        axis.set_title(title)
    references = {"GT": (gt, valid), "deformed GT": (deformed, valid), "the true aligned GT": (aligned, None)}
    for axis, (title, (reference, mask)) in zip(axes[1], references.items(), strict=True):
        error = np.abs(prediction - reference).mean(-1)
        shown = axis.imshow(
            error if mask is None else np.where(mask, error, np.nan),
            cmap="magma",
            vmin=0,
            vmax=_FULL_SCALE,
            interpolation="nearest",
        )
        axis.set_title(f"error against {title}: {fidelity(prediction, reference, mask).psnr:.2f} dB")
        axis.set_facecolor("0.5")
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
    figure.colorbar(shown, ax=list(axes[1]), location="bottom", shrink=0.5, label="absolute error (gray: left out)")
    figure.suptitle('One scene of the demo, and the errors of the prediction "nearly perfect"')
    with atomic_path(path) as temporary:
        # Metadata would put the version of matplotlib into the bytes.
        figure.savefig(temporary, dpi=100, format="png", metadata={"Software": None})
