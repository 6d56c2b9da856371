"""How well do the classical methods find and undo the blur of rendered scenes?

    python benchmarks/classical.py [--scenes 4] [--seed 0] [--workers 2] [--write]
    python benchmarks/classical.py --speed [--write]
    python benchmarks/classical.py --dictionary

Every pixel's true circle of confusion is known, and the sharp picture is aligned by construction: predictions are
compared with it directly, over all pixels. The blurry view is exposed as the sharp one. `--speed` times pictures of
2048 x 1080; `--dictionary` learns the dictionary of `jnb` anew and writes its file.
"""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from sdd_bench.datasets.rendering import RenderedPair, render_pair
from sdd_bench.datasets.scenes import PHOTOGRAPHS, SceneSettings, random_scene
from sdd_bench.io.atomic import atomic_path, write_text
from sdd_bench.models.classical import DECONVOLUTIONS, MAPS, deconvolve_with, defocus_map
from sdd_bench.parallel import map_items

Image = NDArray[np.float32]

DOCS = Path(__file__).parents[1] / "docs" / "studies"
HELD_BACK = tuple(name for name, photograph in PHOTOGRAPHS.items() if photograph.held_back)
_COMMON = SceneSettings(aperture="disc", exposure_stops=(0, 0), width=416, height=320)
CONDITIONS: dict[str, SceneSettings] = {
    "usual blur": _COMMON,
    "twice that": _COMMON.model_copy(update={"max_blur_radius": (4.0, 8.0)}),
    "held-back photographs": _COMMON.model_copy(update={"photographs": HELD_BACK}),
}
TRUE = "true map"


class Reading(NamedTuple):
    """One map or one restoration of one scene; what does not apply is NaN."""

    condition: str
    scene: int
    method: str
    mae: float
    spearman: float
    psnr: float
    gain: float


def rendered(condition: str, seed: int, index: int) -> RenderedPair:
    """A scene; seeds from 1000 on, none of which any constant was tuned on."""
    settings = CONDITIONS[condition]
    rng = np.random.default_rng([1000 + seed, index])
    return render_pair(random_scene(settings, rng), settings, rng)


def read_scene(seed: int, item: tuple[str, int]) -> list[Reading]:
    """All maps and restorations of one scene."""
    condition, index = item
    pair = rendered(condition, seed, index)
    blur, sharp = from_8_bit(pair.blur), from_8_bit(pair.aligned)
    at_input = psnr(blur, sharp)
    readings = [Reading(condition, index, "blurry input", np.nan, np.nan, at_input, 0.0)]
    constant = np.full_like(pair.defocus, np.median(pair.defocus))
    readings.append(Reading(condition, index, "true median everywhere", error(constant, pair), np.nan, np.nan, np.nan))
    for name in (TRUE, *MAPS):
        radius = pair.defocus if name == TRUE else defocus_map(name, blur)
        if name != TRUE:
            readings.append(Reading(condition, index, name, error(radius, pair), order(radius, pair), np.nan, np.nan))
        for deconvolution in DECONVOLUTIONS:
            value = psnr(deconvolve_with(deconvolution, blur, radius, threads=1), sharp)
            readings.append(
                Reading(condition, index, f"{name}+{deconvolution}", np.nan, np.nan, value, value - at_input)
            )
    return readings


def error(radius: Image, pair: RenderedPair) -> float:
    """Mean absolute error of a map, pixels."""
    return float(np.abs(radius - pair.defocus).mean())


def order(radius: Image, pair: RenderedPair) -> float:
    """Spearman's rank correlation of a map with the truth, over every fourth row and column."""
    return float(spearmanr(radius[::4, ::4].ravel(), pair.defocus[::4, ::4].ravel()).statistic)


def psnr(picture: Image, sharp: Image) -> float:
    """Over all pixels, dB; both in [0, 1]."""
    return float(-10 * np.log10(np.mean((picture.astype(np.float64) - sharp) ** 2)))


def from_8_bit(picture: NDArray[np.uint8]) -> Image:
    """Code values in [0, 1]."""
    return np.asarray(picture / np.float32(255), np.float32)


def map_table(readings: list[Reading]) -> str:
    """Errors of the maps, as Markdown."""
    lines = ["| map | " + " | ".join(f"{c}: MAE, px | Spearman" for c in CONDITIONS) + " |"]
    lines.append("|---|" + "---:|" * (2 * len(CONDITIONS)))
    for method in ("true median everywhere", *MAPS):
        cells = []
        for condition in CONDITIONS:
            here = [r for r in readings if r.condition == condition and r.method == method]
            ranks = [r.spearman for r in here]
            cells += [
                f"{np.mean([r.mae for r in here]):.2f}",
                "–" if np.isnan(ranks).all() else f"{np.mean(ranks):.2f}",
            ]
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def picture_table(readings: list[Reading]) -> str:
    """PSNR of the restorations and what they gain, as Markdown."""
    lines = ["| method | " + " | ".join(f"{c}: PSNR, dB | gain | least to most" for c in CONDITIONS) + " |"]
    lines.append("|---|" + "---:|---:|---|" * len(CONDITIONS))
    for method in ("blurry input", *(f"{m}+{d}" for m in (TRUE, *MAPS) for d in DECONVOLUTIONS)):
        cells = []
        for condition in CONDITIONS:
            here = [r for r in readings if r.condition == condition and r.method == method]
            gains = [r.gain for r in here]
            spread = "" if method == "blurry input" else f"{min(gains):+.1f} to {max(gains):+.1f}"
            cells += [f"{np.mean([r.psnr for r in here]):.2f}", f"{np.mean(gains):+.2f}", spread]
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def speed_table(seed: int) -> str:
    """Seconds for one picture of 2048 x 1080, part by part, as Markdown."""
    settings = SceneSettings(aperture="disc", width=2048, height=1080, max_blur_radius=(6.0, 8.0))
    rng = np.random.default_rng([1000 + seed, 0])
    blur = from_8_bit(render_pair(random_scene(settings, rng), settings, rng).blur)
    lines = ["| part | seconds, two threads | of processor time |", "|---|---:|---:|"]
    cv2.setNumThreads(2)
    found = {}
    for name in (*MAPS, *DECONVOLUTIONS):
        start, used = time.perf_counter(), time.process_time()
        if name in MAPS:
            found[name] = defocus_map(name, blur)
        else:
            deconvolve_with(name, blur, found["ebdb"], threads=2)
        lines.append(f"| {name} | {time.perf_counter() - start:.0f} | {time.process_time() - used:.0f} |")
    return "\n".join(lines)


def draw(seed: int, path: Path) -> None:
    """The strip: one scene, its maps, and every restoration."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    pair = rendered("twice that", seed, 0)
    blur, sharp = from_8_bit(pair.blur), from_8_bit(pair.aligned)
    figure = Figure(figsize=(13, 11.5), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots(4, 4)
    for axis, (title, picture) in zip(axes[0], (("blurry input", blur), ("truth", sharp)), strict=False):
        axis.imshow(picture, interpolation="nearest")
        axis.set_title(title if title == "truth" else f"{title}: {psnr(blur, sharp):.2f} dB", fontsize=9)
    axes[0][2].remove()
    axes[0][3].remove()
    largest = float(pair.defocus.max()) * 1.25
    for row, name in zip(axes[1:], (TRUE, *MAPS), strict=True):
        radius = pair.defocus if name == TRUE else defocus_map(name, blur)
        shown = row[0].imshow(radius, vmin=0, vmax=largest, cmap="viridis")
        figure.colorbar(shown, ax=row[0], shrink=0.6)
        row[0].set_title(name if name == TRUE else f"{name}: off by {error(radius, pair):.2f} px", fontsize=9)
        for axis, deconvolution in zip(row[1:], DECONVOLUTIONS, strict=True):
            picture = deconvolve_with(deconvolution, blur, radius)
            axis.imshow(picture, interpolation="nearest")
            axis.set_title(f"{name} + {deconvolution}: {psnr(picture, sharp):.2f} dB", fontsize=9)
    for axis in figure.axes:
        axis.tick_params(labelsize=6)
    for axis in (*axes[0][:2], *axes[1:].ravel()):
        axis.set_axis_off()
    figure.set_dpi(80)
    canvas.draw()
    write_palette(np.asarray(canvas.buffer_rgba())[..., :3], path)


def write_palette(picture: NDArray[np.uint8], path: Path) -> None:
    """Write an RGB picture on white ground as a PNG file of 256 colours, a quarter of the size of all of them."""
    from PIL import Image as Pillow

    found = Pillow.fromarray(picture).quantize(256, Pillow.Quantize.FASTOCTREE, dither=Pillow.Dither.NONE)
    colours, ground = found.getpalette(), found.getpixel((0, 0))
    colours[3 * ground : 3 * ground + 3] = [255, 255, 255]  # it shares its place with what is nearly white
    found.putpalette(colours)
    with atomic_path(path) as temporary:
        found.save(temporary, format="png", optimize=True)


def learn() -> None:
    """Learn the dictionary of `jnb` and write its file."""
    from sdd_bench.models.classical.jnb_dictionary import FILE, learn_sparsity

    with atomic_path(FILE) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **learn_sparsity()._asdict())


def main() -> None:
    """Run the study and print, or write, its tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--speed", action="store_true", help="time pictures of 2048 x 1080 instead")
    parser.add_argument("--dictionary", action="store_true", help="learn the dictionary of jnb instead")
    parser.add_argument("--write", action="store_true", help="write docs/studies/classical.md and its figure")
    options = parser.parse_args()
    if options.dictionary:
        learn()
        return
    command = " ".join(["python", "benchmarks/classical.py", *sys.argv[1:]])
    if options.speed:
        name, text = "speed", speed_table(options.seed)
    else:
        items = [(condition, index) for condition in CONDITIONS for index in range(options.scenes)]
        readings: list[Reading] = []
        run = partial(read_scene, options.seed)
        for _, found in map_items(run, items, workers=options.workers, describe="restoring scenes"):
            readings += found
        name, text = "scenes", f"{map_table(readings)}\n\n{picture_table(readings)}"
    sys.stdout.write(text + "\n")
    if options.write:
        page = DOCS / "classical.md"
        write_text(page, replaced(page.read_text("utf-8"), name, f"`{command}`\n\n{text}"))
        if name == "scenes":
            draw(options.seed, DOCS / "classical.png")


def replaced(page: str, name: str, text: str) -> str:
    """A page with the part between its two marks of this name replaced."""
    before, found, rest = page.partition(f"<!-- {name} -->\n")
    _, end, after = rest.partition(f"<!-- end of {name} -->")
    if not found or not end:
        raise SystemExit(f"docs/studies/classical.md has no marks for {name}.")
    return f"{before}{found}{text}\n{end}{after}"


if __name__ == "__main__":
    main()
