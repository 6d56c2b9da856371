"""How fast are random training patches read: from PNG files, from a pack, from a memory map, from compressed HDF5?

Cuts patches from the photographs of scikit-image (enlarged to twice their size, with sensor noise added, since
noiseless ones compress too well), writes them in every form, and reads them in the same random order. Every form gives
a pair of float32 tensors, 3 x 512 x 512. Files are in the operating system's cache: what is compared is the work, not
the disk. The best of three rounds counts.

Run:

    python benchmarks/patch_throughput.py [--write]    # --write replaces docs/studies/patch_throughput.md
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import h5py
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from sdd_bench.datasets.patch_data import PatchPair
from sdd_bench.datasets.scenes import PHOTOGRAPHS, load_photograph
from sdd_bench.io.atomic import write_text
from sdd_bench.io.images import read_samples, write_image
from sdd_bench.io.packing import open_pack, write_pack
from sdd_bench.io.samples import to_float

SIDE = 512
KINDS = ("blur", "gt")
HDF5 = {
    "HDF5, LZF": {"compression": "lzf"},
    "HDF5, gzip 1": {"compression": "gzip", "compression_opts": 1},
    "HDF5, gzip 4": {"compression": "gzip", "compression_opts": 4},
}
REPORT = Path(__file__).parents[1] / "docs" / "studies" / "patch_throughput.md"


def photographs(count: int, bits: int) -> Iterator[dict[str, np.ndarray]]:
    """Pairs of a blurred and a sharp patch, uint8 or uint16."""
    rng = np.random.default_rng(0)
    names = sorted(name for name in PHOTOGRAPHS if min(load_photograph(name).shape[:2]) >= SIDE // 2)
    peak = 2**bits - 1
    for number in range(count):
        picture = cv2.resize(
            load_photograph(names[number % len(names)]), None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC
        )
        y, x = (int(rng.integers(0, length - SIDE + 1)) for length in picture.shape[:2])
        sharp = picture[y : y + SIDE, x : x + SIDE].astype(np.float32) / 255
        blurred = cv2.GaussianBlur(sharp, (0, 0), 3)
        noisy = (np.clip(each + rng.normal(0, 1.2 / 255, sharp.shape), 0, 1) for each in (blurred, sharp))
        depth = np.uint8 if bits == 8 else np.uint16
        yield dict(zip(KINDS, (np.rint(each * peak).astype(depth) for each in noisy), strict=True))


def pair(patches: dict[str, np.ndarray]) -> PatchPair:
    """Tensors of a pair."""
    return PatchPair(*(torch.from_numpy(to_float(patches[kind])).permute(2, 0, 1) for kind in KINDS))


class Stored(Dataset[PatchPair]):
    """Patches in one of the forms; HDF5 files and maps are opened in the process that reads."""

    def __init__(self, form: str, folder: Path, count: int) -> None:
        self.form, self.folder, self.count = form, folder, count
        self.opened = open_pack(folder / "pack.h5", KINDS) if form == "pack" else None

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> PatchPair:
        if self.form == "PNG files":
            return pair({kind: read_samples(self.folder / kind / f"{number}.png") for kind in KINDS})
        if self.form == "pack":
            return pair(self.opened.read(number))
        if self.opened is None:
            self.opened = self._open()
        return pair({kind: np.array(self.opened[kind][number]) for kind in KINDS})

    def _open(self) -> dict[str, np.ndarray] | h5py.File:
        if self.form == "memory map":
            return {kind: np.load(self.folder / f"{kind}.npy", mmap_mode="r") for kind in KINDS}
        name = "pack.h5" if self.form == "pack, by h5py" else f"{self.form}.h5"
        return h5py.File(self.folder / name)


def write_forms(folder: Path, patches: list[dict[str, np.ndarray]]) -> dict[str, int]:
    """Write all forms; bytes of each."""
    count = len(patches)
    for kind in KINDS:
        np.save(folder / f"{kind}.npy", np.stack([each[kind] for each in patches]))
        for number, each in enumerate(patches):
            write_image(folder / kind / f"{number}.png", each[kind], 8 if each[kind].dtype == np.uint8 else 16)
    write_pack(folder / "pack.h5", patches, stems=["s"] * count, indices=list(range(count)), attributes={})
    for form, options in HDF5.items():
        with h5py.File(folder / f"{form}.h5", "w") as file:
            for kind in KINDS:
                pixels = np.stack([each[kind] for each in patches])
                file.create_dataset(kind, data=pixels, chunks=(1, *pixels.shape[1:]), shuffle=True, **options)
    sizes = {form: (folder / f"{form}.h5").stat().st_size for form in HDF5}
    sizes["pack"] = sizes["pack, by h5py"] = (folder / "pack.h5").stat().st_size
    sizes["memory map"] = sum((folder / f"{kind}.npy").stat().st_size for kind in KINDS)
    sizes["PNG files"] = sum(path.stat().st_size for kind in KINDS for path in (folder / kind).iterdir())
    return sizes


def pairs_per_second(stored: Stored, order: list[int], workers: int) -> float:
    """Best of three rounds; with workers, the time of the first batch, which holds their start, does not count."""
    best = 0.0
    for _ in range(3):
        if workers:
            batches = iter(DataLoader(stored, batch_size=4, sampler=order, num_workers=workers))
            next(batches)
            start = time.perf_counter()
            read = 4 * sum(1 for _ in batches)
        else:
            start = time.perf_counter()
            read = sum(1 for number in order if stored[number].gt.shape == (3, SIDE, SIDE))
        best = max(best, read / (time.perf_counter() - start))
    return best


def table(count: int, reads: int, bits: int) -> list[str]:
    """The table of one bit depth, as Markdown."""
    patches = list(photographs(count, bits))
    raw = sum(each[kind].nbytes for each in patches for kind in KINDS)
    order = np.random.default_rng(1).integers(0, count, reads).tolist()
    lines = ["| form | size of the raw bytes | pairs/s | pairs/s, 2 workers |", "|---|---:|---:|---:|"]
    with tempfile.TemporaryDirectory() as name:
        sizes = write_forms(Path(name), patches)
        for form in ("PNG files", *HDF5, "pack, by h5py", "pack", "memory map"):
            speeds = [pairs_per_second(Stored(form, Path(name), count), order, workers) for workers in (0, 2)]
            cells = " | ".join(f"{speed:.0f}" for speed in speeds)
            lines.append(f"| {form} | {sizes[form] / raw:.0%} | {cells} |".replace("%", " %"))
            sys.stderr.write(lines[-1] + "\n")
    return lines


def main() -> None:
    """Print the tables, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patches", type=int, default=120, help="pairs that are written (default %(default)s)")
    parser.add_argument("--reads", type=int, default=200, help="pairs that are read (default %(default)s)")
    parser.add_argument("--write", action="store_true", help=f"write {REPORT.name}")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    parts = [
        "# Random access to training patches",
        "`python benchmarks/patch_throughput.py --write`: " + " ".join((__doc__ or "").split("\n\n")[1].split()),
        *(f"## {bits} bits\n\n" + "\n".join(table(options.patches, options.reads, bits)) for bits in (8, 16)),
        f"{options.patches} pairs of {SIDE} x {SIDE}, {options.reads} reads; Python {platform.python_version()}, "
        f"OpenCV {cv2.__version__}, h5py {h5py.__version__}, HDF5 {h5py.version.hdf5_version}, two cores. `pack` is "
        "`train_patches.h5` as `PackedPatches` reads it, without the HDF5 library; compressed HDF5 uses the shuffle "
        "filter and a chunk per patch. Workers pass 6 MB of tensors per pair between processes, which is the limit of "
        "the last column for the fast forms: with a pack, a loader without workers may well be the faster one.",
    ]
    text = "\n\n".join(parts) + "\n"
    print(text)
    if options.write:
        write_text(REPORT, text)


if __name__ == "__main__":
    main()
