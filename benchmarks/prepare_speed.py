"""How fast is `prepare`, where does its time go, and how much memory does it take?

1. Energy: which patches of 20 images of 2048 x 1080 are kept, by DPDNet's rule in its own words (each patch filtered by
   itself), by the exact sums from one pass over the image, and by the estimate that is proved to choose the same.
2. Throughput: raw pairs of 4096 x 2160 to images of 2048 x 1080 and 42 patches of 512 each, in megapixels of raw images
   per second: a serial script that works patch by patch with OpenCV alone, and `prepare` with 1 and 2 workers; what is
   spent in coding PNG files; how large these are.
3. Memory: the peak of a process that prepares 2 pairs, and one that prepares 6 (Linux).

Pictures are the photographs of scikit-image, enlarged, with sensor noise. One OpenCV thread per process. Run:

    python benchmarks/prepare_speed.py [--pairs 4]
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import cv2
import numpy as np

from sdd_bench import prepare
from sdd_bench.datasets import sharpest_patches as estimating
from sdd_bench.datasets.manifest import read_manifest
from sdd_bench.datasets.patches import SOBEL_SIZES, gray_levels, grid, keep_sharpest, sharpness_energy
from sdd_bench.datasets.scenes import PHOTOGRAPHS, load_photograph
from sdd_bench.io import png
from sdd_bench.io.images import read_levels, write_image
from sdd_bench.io.png_windows import Window, encode_windows

RAW, SIZE, SIDE, STRIDE, SHARE = (4096, 2160), (2048, 1080), 512, 153, 0.7
OFF = {"all": "off"}


def photograph(number: int, size: tuple[int, int]) -> np.ndarray:
    """A photograph of this size with noise, H x W x 3 uint8; twenty different ones, and then parts of them again."""
    rng = np.random.default_rng(number)
    picture = load_photograph(sorted(PHOTOGRAPHS)[number % len(PHOTOGRAPHS)])
    width = int(picture.shape[1] * rng.uniform(0.6, 1))
    height = min(width * size[1] // size[0], picture.shape[0])
    width = height * size[0] // size[1]
    y, x = (int(rng.integers(0, room + 1)) for room in (picture.shape[0] - height, picture.shape[1] - width))
    large = cv2.resize(picture[y : y + height, x : x + width], size, interpolation=cv2.INTER_CUBIC).astype(np.float32)
    large += rng.normal(0, 1.5, large.shape).astype(np.float32)
    return np.rint(large.clip(0, 255)).astype(np.uint8)


def published_energy(gray: np.ndarray) -> np.ndarray:
    """DPDNet's rule, patch by patch."""
    energy = np.ones(len(grid(*gray.shape[::-1], SIDE, STRIDE)))
    for kernel in SOBEL_SIZES:
        sums = []
        for x, y in grid(*gray.shape[::-1], SIDE, STRIDE):
            patch = gray[y : y + SIDE, x : x + SIDE].copy()
            dx, dy = (cv2.Sobel(patch, cv2.CV_64F, *order, ksize=kernel) for order in ((1, 0), (0, 1)))
            sums.append(np.sqrt(dx * dx + dy * dy).sum())
        energy *= (np.array(sums) - min(sums)) / (max(sums) - min(sums))
    return energy


def published_kept(gray: np.ndarray) -> list[int]:
    """The patches that the published script leaves, by its own loop."""
    energy = published_energy(gray)
    dropped = np.argsort(energy, kind="stable")[: int((1 - SHARE) * energy.size + 1e-9)]
    return sorted(set(range(energy.size)) - set(dropped.tolist()))


def compare_energies(images: int) -> None:
    """Print the first table."""
    asked = []
    ways: dict[str, Callable[[np.ndarray], list[int]]] = {
        "patch by patch": published_kept,
        "one pass, exact": lambda gray: keep_sharpest(sharpness_energy(gray, SIDE, STRIDE), SHARE),
        "estimate with proof": lambda gray: estimating.sharpest_patches(gray, SIDE, STRIDE, SHARE)[0],
    }
    seconds = dict.fromkeys(ways, 0.0)
    equal = dict.fromkeys(ways, 0)
    with mock.patch.object(
        estimating, "sharpness_energy", lambda *given: asked.append(given) or sharpness_energy(*given)
    ):
        for number in range(images):
            gray = gray_levels(photograph(number, SIZE))
            kept = {}
            for name, way in ways.items():
                start = time.perf_counter()
                kept[name] = way(gray)
                seconds[name] += time.perf_counter() - start
                equal[name] += kept[name] == kept["patch by patch"]
    print("| energy | s per image | times as fast | same patches kept |\n|---|---:|---:|---:|")
    for name in ways:
        speed = seconds["patch by patch"] / seconds[name]
        print(f"| {name} | {seconds[name] / images:.3f} | {speed:.1f} | {equal[name]} of {images} |")
    print(f"\nThe estimate needed the exact sums for {len(asked)} of {images} images.\n", flush=True)


def serial_script(raw: Path, out: Path) -> None:
    """What one writes in an afternoon: OpenCV, a loop over images, a loop over patches."""
    for kind in ("blur", "gt"):
        (out / kind).mkdir(parents=True)
        (out / "patches" / kind).mkdir(parents=True)
    for path in sorted((raw / "train" / "blur").iterdir()):
        images = {}
        for kind in ("blur", "gt"):
            image = cv2.imread(str(raw / "train" / kind / path.name))
            images[kind] = cv2.resize(image, SIZE, interpolation=cv2.INTER_AREA)
            cv2.imwrite(str(out / kind / path.name), images[kind])
        places = grid(*SIZE, SIDE, STRIDE)
        for index in published_kept(cv2.cvtColor(images["gt"], cv2.COLOR_BGR2GRAY)):
            x, y = places[index]
            for kind, image in images.items():
                name = f"{path.stem}_{index:02d}.png"
                cv2.imwrite(str(out / "patches" / kind / name), image[y : y + SIDE, x : x + SIDE])


def write_raw(raw: Path, pairs: int) -> None:
    """Raw training pairs."""
    for number in range(pairs):
        sharp = photograph(number, RAW)
        write_image(raw / f"train/gt/{number}_indoor.png", sharp)
        write_image(raw / f"train/blur/{number}_indoor.png", cv2.GaussianBlur(sharp, (0, 0), 4))


def cpu_seconds() -> float:
    """Processor time of this process and of those it has waited for."""
    usages = (resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def coding_seconds(raw: Path, out: Path) -> float:
    """Processor seconds of decoding the raw files and encoding what was made of them, as `prepare` does."""
    start = cpu_seconds()
    for path in raw.rglob("*.png"):
        with path.open("rb") as file:
            header = png.read_header(file)
        png.decode(path.read_bytes(), header)
    decoding = cpu_seconds() - start
    written = [
        (
            read_levels(out / pair.image(kind)),
            [Window(0, 0, *SIZE), *(Window(p.x, p.y, SIDE, SIDE) for p in pair.patches)],
        )
        for pair in read_manifest(out).pairs
        for kind in ("blur", "gt")
    ]
    start = cpu_seconds()
    for image, windows in written:
        for _ in encode_windows(image, windows):
            pass
    return decoding + cpu_seconds() - start


def compare_sizes(serial: Path, out: Path) -> None:
    """Print how large the files are; those of zlib's levels for one patch in twenty."""
    total = {name: sum(path.stat().st_size for path in found) / 1e6 for name, found in (
        ("script", [*serial.rglob("*.png")]),
        ("prepare", [*out.glob("train*/*/*.png")]),
    )}  # fmt: skip
    print(f"Files: {total['prepare']:.1f} MB, of the script {total['script']:.1f} MB.", end=" ")
    some = sorted(out.glob("train_patches/*/*.png"))[::20]
    own = sum(path.stat().st_size for path in some)
    patches = [cv2.imread(str(path)) for path in some]
    for level in (1, 6, 9):
        size = sum(cv2.imencode(".png", patch, (cv2.IMWRITE_PNG_COMPRESSION, level))[1].size for patch in patches)
        print(f"zlib's level {level}: {size / own:.2f} of prepare's.", end=" ")
    print("\n", flush=True)


def compare_throughput(folder: Path, pairs: int) -> None:
    """Print the second table."""
    write_raw(folder / "raw", pairs)
    megapixels = pairs * 2 * RAW[0] * RAW[1] / 1e6
    seconds: dict[str, tuple[float, float]] = {}
    start = time.perf_counter(), cpu_seconds()
    serial_script(folder / "raw", folder / "serial")
    seconds["serial script, patch by patch"] = time.perf_counter() - start[0], cpu_seconds() - start[1]
    for workers in (1, 2):
        for checks, name in ((OFF, "no checks"), ({}, "all checks")):
            out = folder / f"out {workers} {name}"
            start = time.perf_counter(), cpu_seconds()
            prepare(folder / "raw", out, "sdd", workers=workers, checks={"leak": "off", **checks}, progress=False)
            taken = time.perf_counter() - start[0], cpu_seconds() - start[1]
            seconds[f"prepare, {workers} worker{'s' if workers > 1 else ''}, {name}"] = taken
    coding = coding_seconds(folder / "raw", folder / "out 1 no checks")
    base, _ = next(iter(seconds.values()))
    print("| read, resize, crop, write | Mpx/s | times as fast | processor s per pair |\n|---|---:|---:|---:|")
    for name, (wall, cpu) in seconds.items():
        print(f"| {name} | {megapixels / wall:.1f} | {base / wall:.1f} | {cpu / pairs:.2f} |")
    share = coding / seconds["prepare, 1 worker, no checks"][1]
    print(f"\nCoding PNG files takes {share:.0%} of the processor time with 1 worker.\n".replace("%", " %"), flush=True)
    compare_sizes(folder / "serial", folder / "out 1 no checks")


def peak_memory(raw: Path, out: Path) -> float:
    """Peak memory in MB of a process that prepares a folder by itself."""
    code = (
        "import sys, cv2; cv2.setNumThreads(1); from pathlib import Path; from sdd_bench import prepare\n"
        "prepare(sys.argv[1], sys.argv[2], 'sdd', checks={'leak': 'warn'}, progress=False)\n"
        "lines = Path('/proc/self/status').read_text().splitlines()\n"
        "print(next(line.split()[1] for line in lines if line.startswith('VmHWM:')))"
    )
    command = [sys.executable, "-c", code, raw, out]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout) * 1024 / 1e6


def compare_memory(folder: Path) -> None:
    """Print the third table."""
    print("| pairs of 4096 x 2160 | peak memory, MB |\n|---:|---:|")
    for pairs in (2, 6):
        write_raw(folder / f"raw {pairs}", pairs)
        print(f"| {pairs} | {peak_memory(folder / f'raw {pairs}', folder / f'out {pairs}'):.0f} |", flush=True)
        shutil.rmtree(folder / f"raw {pairs}")


def main() -> None:
    """Print all three."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20, help="for the energy (default %(default)s)")
    parser.add_argument("--pairs", type=int, default=4, help="for the throughput (default %(default)s)")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    compare_energies(options.images)
    with tempfile.TemporaryDirectory() as name:
        compare_throughput(Path(name), options.pairs)
        compare_memory(Path(name))


if __name__ == "__main__":
    main()
