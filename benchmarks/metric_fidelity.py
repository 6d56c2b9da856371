"""How far are scores against a deformed ground truth from the truth? The study behind the protocol `sdd-v1`.

    python benchmarks/metric_fidelity.py [--scenes 20] [--seed 0] [--workers 2] [--write]

Synthetic scenes have a truly aligned ground truth, rendered like the pictures themselves and with the noise that the
same camera would have added. Predictions of all kinds are scored against it, and against the misaligned ground truth
deformed in several ways; the differences are the errors listed here. Each way is held against the truth over the pixels
it counts. `--write` puts table and figure into docs/studies/.

Two sets of scenes: the tuning set, by which settings may be chosen, and the held-back set (`--held-back`), with other
seeds and other photographs, to be looked at once, when they are.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import stats

from sdd_bench.alignment.flow import DisFlow
from sdd_bench.alignment.masks import inside
from sdd_bench.alignment.warp import warp
from sdd_bench.datasets.rendering import photograph, render_pair
from sdd_bench.datasets.scenes import PHOTOGRAPHS, SceneSettings, random_scene
from sdd_bench.demo.methods import sharp_but_wavy
from sdd_bench.evaluation.protocol import get_protocol
from sdd_bench.evaluation.references import align_reference
from sdd_bench.io.atomic import atomic_path, write_text
from sdd_bench.metrics import fidelity
from sdd_bench.parallel import map_items

Image = NDArray[np.float32]

TUNING = ("astronaut", "chelsea", "coffee", "hubble_deep_field", "retina", "gravel", "grass")
HELD_BACK = tuple(name for name in PHOTOGRAPHS if name not in TUNING)
PER_PAIR = "sdd-v1"
STIFF = DisFlow(finest_scale=0, variational_refinement_iterations=20, alpha=80.0, delta=20.0, gamma=20.0)
CONDITIONS = {
    "lens 0.7 px, usual blur": {"lens_blur": 0.7, "max_blur_radius": (2.0, 3.6)},
    "lens 0.45 px, usual blur": {"lens_blur": 0.45, "max_blur_radius": (2.0, 3.6)},
    "lens 0.7 px, twice that": {"lens_blur": 0.7, "max_blur_radius": (4.0, 7.2)},
    "lens 0.45 px, twice that": {"lens_blur": 0.45, "max_blur_radius": (4.0, 7.2)},
}
WAYS = {
    "none": "not at all",
    "jdrl2022-dis": "per prediction, DIS, the release's grid, bilinear",
    "per prediction": "per prediction, strong refinement, Lanczos-4",
    PER_PAIR: f"`{PER_PAIR}`: per pair, from the input, blur-equalised",
    "true flow": "the true flow, Lanczos-6: the ceiling",
    "same pixels": f"the true flow, over the pixels that `{PER_PAIR}` counts",
}


class Score(NamedTuple):
    """One prediction scored one way, beside the truth over the same pixels."""

    condition: str
    scene: int
    prediction: str
    way: str
    psnr: float
    ssim: float
    mae: float
    true_psnr: float
    true_ssim: float
    true_mae: float
    left_out: float


def predictions(blur: Image, aligned: Image, rng: np.random.Generator) -> dict[str, Image]:
    """What methods of all kinds might return for one scene, 8-bit; a deformed one among them."""

    def noisy(picture: Image, sigma: float) -> Image:
        return np.asarray(picture + rng.normal(0, sigma, picture.shape), np.float32)

    def soft(sigma: float) -> Image:
        return np.asarray(cv2.GaussianBlur(aligned, (0, 0), sigma), np.float32)

    def sharpened(picture: Image, sigma: float, amount: float) -> Image:
        return np.asarray(picture + amount * (picture - cv2.GaussianBlur(picture, (0, 0), sigma)), np.float32)

    _, coded = cv2.imencode(
        ".jpg", np.rint(soft(0.5)[..., ::-1] * 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 85]
    )
    made = {
        "input": blur,
        "unsharp mask": sharpened(blur, 2.0, 1.5),
        "half deblurred": 0.5 * blur + 0.5 * aligned,
        "noise, 40 dB": noisy(aligned, 0.01),
        "noise, 34 dB": noisy(aligned, 0.02),
        "soft": noisy(soft(0.6), 0.008),
        "softer": noisy(soft(1.0), 0.005),
        "softest": soft(2.0),
        "ringing": sharpened(aligned, 1.2, 0.5),
        "JPEG 85": cv2.imdecode(coded, cv2.IMREAD_COLOR)[..., ::-1] / np.float32(255),
        "exposure -3 %": 0.97 * aligned,
        "wavy": noisy(sharp_but_wavy(blur, aligned, rng), 0.01),
    }
    return {name: np.rint(np.clip(image, 0, 1) * 255).astype(np.float32) / 255 for name, image in made.items()}


def score_scene(seed: int, photographs: tuple[str, ...], item: tuple[str, int]) -> tuple[list[Score], dict[str, float]]:
    """All predictions of one scene, scored in all ways; and the seconds each way took."""
    condition, index = item
    settings = SceneSettings(width=448, height=320, photographs=photographs, **CONDITIONS[condition])
    rng = np.random.default_rng([seed, index])  # the same scenes under every condition
    pair = render_pair(random_scene(settings, rng), settings, rng)
    blur, gt, aligned = (picture.astype(np.float32) / 255 for picture in (pair.blur, pair.sharp, pair.aligned))
    truth = photograph(pair.aligned, settings, rng).astype(np.float32) / 255
    per_pair, release = get_protocol(PER_PAIR), get_protocol("jdrl2022-dis")
    stiff = release.model_copy(update={"flow": STIFF, "warp": "lanczos4"})
    seconds: dict[str, float] = defaultdict(float)
    everywhere = np.ones(gt.shape[:2], bool)
    start = time.perf_counter()
    ours = align_reference(per_pair, blur, gt)
    seconds[PER_PAIR] += time.perf_counter() - start
    ceiling = np.clip(warp(gt, pair.flow, "lanczos6"), 0, 1)
    fixed = {
        "none": (gt, everywhere),
        PER_PAIR: (ours.deformed, ours.valid),
        "true flow": (ceiling, inside(pair.flow)),
        "same pixels": (ceiling, ours.valid & inside(pair.flow)),
    }
    scores = []
    for name, prediction in predictions(blur, aligned, rng).items():
        references = dict(fixed)
        for way, protocol in (("jdrl2022-dis", release), ("per prediction", stiff)):
            start = time.perf_counter()
            references[way] = (align_reference(protocol, prediction, gt).deformed, everywhere)
            seconds[way] += time.perf_counter() - start
        for way, (reference, counted) in references.items():
            found, right = (fidelity(prediction, against, counted) for against in (reference, truth))
            numbers = (value for scored in (found, right) for value in (scored.psnr, scored.ssim, scored.mae))
            scores.append(Score(condition, index, name, way, *numbers, 1 - float(counted.mean())))
    return scores, dict(seconds)


def table(scores: list[Score], seconds: dict[str, float], scenes: int) -> str:
    """Errors per condition and way, as Markdown."""
    lines = []
    for condition in CONDITIONS:
        lines += [
            "",
            f"**{condition}**",
            "",
            "| how the GT is deformed | PSNR: mean abs | worst under 36 dB | bias | wavy: error "
            "| SSIM: mean abs | MAE: mean abs | order kept (Spearman) | left out |",
            "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
        ]
        for way, title in WAYS.items():
            here = [score for score in scores if score.condition == condition and score.way == way]
            honest = [score for score in here if score.prediction != "wavy"]
            error = np.array([score.psnr - score.true_psnr for score in honest])
            usual = np.array([score.true_psnr < 36 for score in honest])
            wavy = np.mean([score.psnr - score.true_psnr for score in here if score.prediction == "wavy"])
            ssim = np.mean([abs(score.ssim - score.true_ssim) for score in honest])
            mae = np.mean([abs(score.mae - score.true_mae) for score in honest])
            orders = [
                stats.spearmanr(
                    [score.psnr for score in here if score.scene == scene],
                    [score.true_psnr for score in here if score.scene == scene],
                ).statistic
                for scene in range(scenes)
            ]
            lines.append(
                f"| {title} | {np.abs(error).mean():.3f} | {np.abs(error[usual]).max():.2f} | {error.mean():+.3f} "
                f"| {wavy:+.2f} | {ssim:.4f} | {mae:.5f} | {np.mean(orders):.3f} "
                f"| {np.mean([score.left_out for score in here]):.1%} |"
            )
    cost = ", ".join(f"{title} {seconds[way]:.1f} s" for way, title in WAYS.items() if way in seconds)
    return "\n".join(
        [*lines, "", f"Cost of aligning one scene for {len(scores) // scenes // len(WAYS) // 4} methods: {cost}."]
    )


def draw(scores: list[Score], path: Path) -> None:
    """Error against true PSNR: a panel per strength of blur, a colour per way."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    for axis, blur in zip(figure.subplots(1, 2, sharey=True), ("usual blur", "twice that"), strict=True):
        for way, title in WAYS.items():
            if way in {"none", "same pixels"}:
                continue
            here = [score for score in scores if score.way == way and blur in score.condition]
            error = [score.psnr - score.true_psnr for score in here]
            axis.scatter([score.true_psnr for score in here], error, s=7, alpha=0.6, label=title.replace("`", ""))
        axis.axhline(0, color="black", linewidth=0.6)
        axis.set(title=blur, xlabel="true PSNR, dB", ylim=(-8, 12))
    figure.axes[0].set_ylabel("error of the score, dB")
    figure.axes[0].legend(fontsize=8)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=90, format="png", metadata={"Software": None})


def main() -> None:
    """Run the study and print, or write, its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--held-back", action="store_true", help="other seeds, other photographs: look once, at the end"
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="write docs/studies/metric_fidelity.md and its figure")
    options = parser.parse_args()
    photographs, seed = (HELD_BACK, options.seed + 2000) if options.held_back else (TUNING, options.seed)
    items = [(condition, index) for condition in CONDITIONS for index in range(options.scenes)]
    scores: list[Score] = []
    seconds: dict[str, float] = defaultdict(float)
    run = partial(score_scene, seed, photographs)
    for _, (found, took) in map_items(run, items, workers=options.workers, describe="scoring scenes"):
        scores += found
        for way, value in took.items():
            seconds[way] += value / len(items)
    text = table(scores, seconds, options.scenes)
    sys.stdout.write(text + "\n")
    if options.write:
        docs = Path(__file__).parents[1] / "docs" / "studies"
        name = "metric_fidelity_held_back" if options.held_back else "metric_fidelity"
        draw(scores, docs / f"{name}.png")
        command = " ".join(["python", "benchmarks/metric_fidelity.py", *sys.argv[1:]])
        heading = f"# Fidelity of scores, {'held-back' if options.held_back else 'tuning'} scenes\n\n`{command}`\n"
        write_text(docs / f"{name}.md", f"{heading}{text}\n\n![error against true PSNR]({name}.png)\n")


if __name__ == "__main__":
    main()
