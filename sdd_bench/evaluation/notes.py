"""The notes of a result: what a reader of its numbers has to know, in sentences."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from sdd_bench import weights
from sdd_bench.datasets.dataset import Dataset
from sdd_bench.evaluation.display import REFERENCE_TITLES
from sdd_bench.evaluation.predictions import Prediction
from sdd_bench.evaluation.protocol import Protocol
from sdd_bench.evaluation.results import NEAR_LIMIT, ImageResult

LPIPS_WEIGHTS = "alexnet"
# Deformation in pixels that is said. Twice the most that is read of predictions that move nothing; of pictures blurred
# by 3 px, far more than any method leaves, half of it on average (benchmarks/deformation.py).
MOVES_CONTENT = 0.75


def weights_status(names: Collection[str]) -> Literal["none", "verified", "unverified"]:
    """How sure it is that weight files are those of their authors: as sure as of the worst of them."""
    if not names:
        return "none"
    return "unverified" if any(weights.entry(name).pinned == "unverified" for name in names) else "verified"


def notes(
    protocol: Protocol,
    images: Sequence[ImageResult],
    predictions: Mapping[str, Prediction],
    dataset: Dataset,
    weights_sha256: Mapping[str, str],
) -> tuple[str, ...]:
    """Everything out of the ordinary about a result, one sentence or two each.

    Args:
        protocol: it was scored by.
        images: its rows.
        predictions: what was scored.
        dataset: on what.
        weights_sha256: hash of every weight file that was used, by its name.
    """
    return (
        *_about_weights(protocol, weights_sha256),
        *_about_files(protocol, predictions, dataset),
        *_about_alignment(protocol, images),
        *_about_scores(images),
        *_about_geometry(images),
    )


def _about_weights(protocol: Protocol, weights_sha256: Mapping[str, str]) -> list[str]:
    found = [
        f"The weights {name} are not verified, because their authors name no hash; used was SHA-256 {digest}."
        for name, digest in weights_sha256.items()
        if weights.entry(name).pinned == "unverified"
    ]
    if "lpips" in protocol.metrics and LPIPS_WEIGHTS not in weights_sha256:
        found.append(f"LPIPS n/a: its weights are missing. {weights.how_to_get(LPIPS_WEIGHTS)}")
    return found


def _about_files(protocol: Protocol, predictions: Mapping[str, Prediction], dataset: Dataset) -> list[str]:
    found = []
    (crop,) = {prediction.crop for prediction in predictions.values()}
    if crop != "none":
        found.append(f"The predictions are cropped ({crop}), and the references with them: only that part is scored.")
    deeper = [pair.stem for pair in dataset if protocol.bit_depth == 8 and pair.bit_depth > 8]
    if deeper:
        found.append(f"{len(deeper)} pairs of the dataset have 16 bits; they were rounded to the 8 of the protocol.")
    random = sum(prediction.random for prediction in predictions.values())
    if random:
        found.append(
            f"{random} predictions were made with random weights, by no trained network: the scores say nothing."
        )
    lossy = [stem for stem, prediction in predictions.items() if prediction.lossy]
    if lossy:
        found.append(f"{len(lossy)} predictions are JPEG files: their compression is part of the score. Use PNG.")
    return found


def _about_alignment(protocol: Protocol, images: Sequence[ImageResult]) -> list[str]:
    found = []
    failed = [image.stem for image in images if image.error is not None]
    if failed:
        found.append(f"{len(failed)} of {len(images)} images have no scores and are in no mean: {', '.join(failed)}.")
    if protocol.mask is not None:
        limit = protocol.mask.warn_share
        many = [image.stem for image in images if image.error is None and image.alignment.left_out > limit]
        if many:
            found.append(f"Over {limit:.0%} of the pixels are left out in: {', '.join(many)}.")
    lost = [image.stem for image in images if image.alignment.zoom is None]
    if lost and protocol.equalise is not None:
        found.append(f"Zoom and shift could not be found, and the flow had to do without them, in: {', '.join(lost)}.")
    return found


def _about_scores(images: Sequence[ImageResult]) -> list[str]:
    found = []
    near = [image.stem for image in images if image.near_limit]
    if near:
        found.append(
            f"{len(near)} of {len(images)} images score within {NEAR_LIMIT:.0f} dB of the measurement limit or above, "
            f"where resampling decides the digits and not the method: {', '.join(near)}."
        )
    for reference, title in REFERENCE_TITLES.items():
        identical = [i.stem for i in images if (scores := getattr(i, reference)) is not None and scores.identical]
        if identical:
            found.append(f"Identical to the {title}, and not in its mean PSNR: {', '.join(identical)}.")
    return found


def _about_geometry(images: Sequence[ImageResult]) -> list[str]:
    moved = {
        image.stem: image.geometry.deformation_rms
        for image in images
        if image.geometry is not None and (image.geometry.deformation_rms or 0) > MOVES_CONTENT
    }
    if not moved:
        return []
    named = ", ".join(f"{stem} ({rms:.1f})" for stem, rms in moved.items())
    return [
        f"{len(moved)} of {len(images)} predictions move content against their input, by an RMS in pixels beyond zoom "
        f"and shift of: {named}. A deblurred picture should move nothing."
    ]
