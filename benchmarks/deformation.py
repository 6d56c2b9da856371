"""What does the deformation of a prediction read where the truth is known?

    python benchmarks/deformation.py [--scenes 6] [--seed 0] [--workers 2]

Floor: predictions of rendered scenes that move nothing, for which every reading but 0 is an error. Recovery: two of
them bent by waves and by local bumps of known size, at usual and twice the blur; and zoomed and shifted, which is no
deformation. Bending resamples the prediction; the truth is the inverse of the field it is sampled along.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from functools import partial
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.alignment.inverse import invert
from sdd_bench.alignment.warp import warp
from sdd_bench.datasets.rendering import render_pair
from sdd_bench.datasets.scenes import SceneSettings, random_scene
from sdd_bench.metrics.deformation import deformation
from sdd_bench.parallel import map_items

Image = NDArray[np.float32]

BLURS = {"usual": (2.0, 3.6), "twice": (4.0, 7.2)}
WAVELENGTHS = (60, 120, 250, 400)
AMPLITUDES = (0.3, 0.75, 1.5, 3.0)
AS_SHOT = "GT as it was shot"
BENT = ("truth, noise 0.02", "half deblurred")


class Reading(NamedTuple):
    """One prediction: what it is, how it was moved, the true RMS, and what was read; NaN is unknown."""

    blur: str
    prediction: str
    field: str
    true: float
    rms: float
    p95: float
    share: float


def unmoved(blur: Image, aligned: Image, gt: Image, rng: np.random.Generator) -> dict[str, Image]:
    """Predictions that move nothing, and the ground truth as it was shot, whose parallax is real."""

    def noisy(sigma: float) -> Image:
        return np.asarray(aligned + rng.normal(0, sigma, aligned.shape), np.float32)

    def sharpened(picture: Image, sigma: float, amount: float) -> Image:
        return np.asarray(picture + amount * (picture - cv2.GaussianBlur(picture, (0, 0), sigma)), np.float32)

    def coded(picture: Image) -> Image:
        _, code = cv2.imencode(".jpg", _to_8_bit(picture)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 60])
        return _from_8_bit(np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), np.uint8)[..., ::-1])

    return {
        "input": blur,
        "input, sharpened": sharpened(blur, 2.0, 1.5),
        "input, JPEG 60": coded(blur),
        "input, blurred by 2 px": cv2.GaussianBlur(blur, (0, 0), 2.0),
        "half deblurred": 0.5 * blur + 0.5 * aligned,
        "truth": aligned,
        "truth, noise 0.02": noisy(0.02),
        "truth, noise 0.05": noisy(0.05),
        "truth, over-sharpened": sharpened(aligned, 1.2, 0.8),
        "truth, JPEG 60": coded(aligned),
        "truth, darker": 0.9 * aligned,
        "truth, blurred by 1 px": cv2.GaussianBlur(aligned, (0, 0), 1.0),
        "truth, blurred by 3 px": cv2.GaussianBlur(aligned, (0, 0), 3.0),
        AS_SHOT: gt,
    }


def fields(shape: tuple[int, ...], rng: np.random.Generator) -> dict[str, Image]:
    """Fields along which a prediction is sampled, H x W x 2, pixels."""
    height, width = shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    found = {}
    for wavelength in WAVELENGTHS:
        for amplitude in AMPLITUDES:
            a, b = rng.uniform(0, 2 * np.pi, 2)
            wave = np.stack([np.sin(2 * np.pi * y / wavelength + a), np.cos(2 * np.pi * x / wavelength + b)], -1)
            found[f"waves of {wavelength} px, {amplitude} px"] = amplitude * wave
    centre_x, centre_y = width * rng.uniform(0.3, 0.7), height * rng.uniform(0.3, 0.7)
    for sigma in (30, 60):
        bump = 2 * np.exp(-((x - centre_x) ** 2 + (y - centre_y) ** 2) / (2 * sigma**2))
        found[f"bump of sigma {sigma} px, 2 px"] = np.stack([bump, 0.5 * bump], -1)
    found["zoom 0.6 %, shift 2.8 px"] = np.stack([0.006 * (x - width / 2) + 2.3, 0.006 * (y - height / 2) - 1.6], -1)
    return {name: field.astype(np.float32) for name, field in found.items()}


def true_rms(field: Image) -> float:
    """RMS of the flow to a picture sampled along a field, without its best zoom and shift, over all pixels."""
    flow = invert(field).astype(np.float64)
    height, width = flow.shape[:2]
    place = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1) - [(width - 1) / 2, (height - 1) / 2]
    flow -= flow.mean((0, 1))
    flow -= (place * flow).sum() / (place**2).sum() * place
    return float(np.sqrt((flow**2).sum(-1).mean()))


def read_scene(seed: int, item: tuple[str, int]) -> list[Reading]:
    """All readings of one scene."""
    blur_name, index = item
    settings = SceneSettings(max_blur_radius=BLURS[blur_name], lens_blur=(0.45, 0.7)[index % 2])
    rng = np.random.default_rng([seed, index])  # the same scenes at both strengths of blur
    pair = render_pair(random_scene(settings, rng), settings, rng)
    blur, gt, aligned = (_from_8_bit(picture) for picture in (pair.blur, pair.sharp, pair.aligned))
    made = unmoved(blur, aligned, gt, rng)
    pictures = [(name, "", np.nan if name == AS_SHOT else 0.0, picture) for name, picture in made.items()]
    for name, field in fields(blur.shape, rng).items():
        pictures += [(base, name, true_rms(field), warp(made[base].astype(np.float32), field)) for base in BENT]
    readings = []
    for name, field_name, true, picture in pictures:
        found = deformation(blur, _from_8_bit(_to_8_bit(picture)))
        rms, p95 = (np.nan if value is None else value for value in (found.rms, found.p95))
        readings.append(Reading(blur_name, name, field_name, true, rms, p95, found.share))
    return readings


def table(readings: list[Reading]) -> str:
    """Floor and recovery, as Markdown."""
    groups: dict[tuple[str, str], list[Reading]] = defaultdict(list)
    for reading in readings:
        what = reading.field or reading.prediction
        groups["bent" if reading.field else "unmoved", what].append(reading)
    lines = [
        "| prediction | true RMS | read, usual blur | twice that | lowest to highest | p95 | least share | none |",
        "|---|---:|---:|---:|---|---:|---:|---:|",
    ]
    for (_, what), members in groups.items():
        told = [reading for reading in members if not np.isnan(reading.rms)]
        true = np.mean([r.true for r in members])
        usual, twice = (np.mean([r.rms for r in told if r.blur == blur]) for blur in BLURS)
        lines.append(
            f"| {what} | {'–' if np.isnan(true) else f'{true:.2f}'} | {usual:.2f} | {twice:.2f} "
            f"| {min(r.rms for r in told):.2f} to {max(r.rms for r in told):.2f} "
            f"| {np.mean([r.p95 for r in told]):.2f} "
            f"| {min(r.share for r in members):.2f} | {len(members) - len(told)} of {len(members)} |"
        )
    return "\n".join(lines)


def _to_8_bit(picture: Image) -> NDArray[np.uint8]:
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def _from_8_bit(picture: NDArray[np.uint8]) -> Image:
    return np.asarray(picture / np.float32(255), np.float32)


def main() -> None:
    """Run the study and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    items = [(blur, index) for blur in BLURS for index in range(options.scenes)]
    run = partial(read_scene, options.seed)
    readings = [
        reading
        for _, found in map_items(run, items, workers=options.workers, describe="reading scenes")
        for reading in found
    ]
    sys.stdout.write(table(readings) + "\n")


if __name__ == "__main__":
    main()
