"""`README.md` and `preview.jpg`: what a prepared dataset is, for people, and for sites that show dataset cards."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.datasets.hub_tables import TABLE_NAME, hub_tables
from sdd_bench.datasets.manifest import DatasetManifest, PairRecord
from sdd_bench.datasets.thumbnails import jpeg, thumbnail
from sdd_bench.io.images import read_samples

CARD_NAME = "README.md"
PREVIEW_NAME = "preview.jpg"
NO_LICENCE = "not stated"

_PREVIEW_SIDE = 480  # pixels of the longer side of one picture
_GAP = 8
_HUB_SPLITS = {"train": "train", "val": "validation", "test": "test"}  # the hub's names of our folders

_READING = """\
## Reading it

```python
import sdd_bench

for pair in sdd_bench.open_dataset("PATH", split="test"):
    blur, gt = pair.blur(), pair.gt()  # H x W x 3, float32 in [0, 1]

import datasets

pairs = datasets.load_dataset("PATH", "pairs", split="test")
```

`sdd-bench verify PATH` reads every file and names those that are missing, changed or extra. This card may be edited.
"""


def describe_dataset(manifest: DatasetManifest) -> str:
    """What the dataset is, in one or two sentences of plain text."""
    counts = manifest.counts()
    purposes = {"train": "training", "val": "validation", "test": "testing"}
    shares = [f"{numbers['pairs']} for {purposes[split]}" for split, numbers in counts.items() if numbers["pairs"]]
    patches = counts["train"]["patches"]
    return (
        f"{len(manifest.pairs)} pairs of a blurry and a sharp photograph for single-image defocus deblurring: "
        f"{', '.join(shares)}{f'; {patches} training patches' if patches else ''}. Sharp images may be misaligned with "
        "blurry ones."
    )


def card(manifest: DatasetManifest, licence: str, *, packed: bool) -> str:
    """The card as Markdown, with a header that Hugging Face's hub and its ``datasets`` library read.

    Args:
        manifest: of the dataset.
        licence: its licence, a name or an address.
        packed: whether there is a pack of the patches.
    """
    counts = {split: numbers for split, numbers in manifest.counts().items() if numbers["pairs"]}
    kinds = list(next(iter(counts.values())))
    lines = [
        *_header(manifest, licence),
        f"# {_plain(manifest.name)}",
        "",
        describe_dataset(manifest),
        "",
        f"![Pairs of this dataset: at the left the blurry, at the right the sharp image]({PREVIEW_NAME})",
        "",
        *_table(["split", *kinds], ([split, *map(str, numbers.values())] for split, numbers in counts.items())),
        "",
        *_table(["", ""], _facts(manifest, licence)),
        "",
        *_warnings(manifest.warnings()),
        "## Files",
        "",
        "| | |",
        "|---|---|",
        *(f"| `{path}` | {meaning} |" for path, meaning in _files(manifest, packed)),
        "",
        _READING,
    ]
    return "\n".join(lines)


def draw_preview(folder: Path, manifest: DatasetManifest) -> bytes:
    """A picture of up to four pairs, blurry at the left and sharp at the right, as a JPEG file.

    They are the first ones of each environment and split.

    Args:
        folder: the dataset's folder.
        manifest: its manifest.

    Raises:
        ImageError: if an image can't be read.
    """
    first: dict[tuple[str, str | None], PairRecord] = {}
    for pair in manifest.pairs:
        first.setdefault((pair.split, pair.environment), pair)
    rows = [_preview_row(folder, pair) for pair in list(first.values())[:4]]
    width = max(row.shape[1] for row in rows)
    filled = [
        cv2.copyMakeBorder(row, 0, _GAP, 0, width - row.shape[1], cv2.BORDER_CONSTANT, value=(255,) * 3) for row in rows
    ]
    return jpeg(np.concatenate(filled)[:-_GAP].astype(np.uint8, copy=False))


def _facts(manifest: DatasetManifest, licence: str) -> list[list[str]]:
    preset = manifest.preset
    sizes = sorted({pair.size for pair in manifest.pairs})
    shown = ", ".join(f"{width} x {height}" for width, height in sizes[:6]) + (" and others" if len(sizes) > 6 else "")
    depths = " and ".join(f"{depth} bits" for depth in sorted({pair.bit_depth for pair in manifest.pairs}))
    patches = "none"
    if preset.patch_size is not None and any(pair.patches for pair in manifest.pairs):
        share = f"the {100 * preset.keep_share:g} % with the most sharpness energy"
        patches = f"{preset.patch_size} x {preset.patch_size}, stride {preset.stride}, {share}"
    tool = f"sdd-bench {manifest.tool_version}, preset {_plain(preset.name)}, layout {_plain(manifest.layout)}"
    return [
        ["licence", _plain(licence)],
        ["image size", f"{shown} pixels, {depths} per channel, PNG"],
        ["patches", patches],
        ["scenes", f"{len({pair.scene for pair in manifest.pairs})}; none is in two splits"],
        ["prepared by", tool],
        ["manifest hash", f"`{manifest.manifest_hash}`"],
    ]


def _files(manifest: DatasetManifest, packed: bool) -> list[tuple[str, str]]:
    files = [
        ("dataset.json", "the manifest: every pair, where it came from, the SHA-256 of every image"),
        ("SPLIT/blur/STEM.png, SPLIT/gt/STEM.png", "full images"),
    ]
    if any(pair.patches for pair in manifest.pairs):
        files.append(("train_patches/blur/STEM_NN.png, .../gt/...", "training patches; NN is the place in the grid"))
    if packed:
        files.append(("train_patches.h5", "the same patches in one HDF5 file"))
    return [
        *files,
        (f"*/{TABLE_NAME}", "tables for Hugging Face `datasets`"),
        ("croissant.json", "this dataset for machines (MLCommons Croissant)"),
        ("prepare_report.html", "how it was prepared, with all pairs in pictures"),
        ("SHA256SUMS", "SHA-256 of every file but this card and itself"),
    ]


def _preview_row(folder: Path, pair: PairRecord) -> NDArray[np.uint8]:
    blur, gt = (thumbnail(read_samples(folder / pair.image(kind)), _PREVIEW_SIDE) for kind in ("blur", "gt"))
    gap = np.full((blur.shape[0], _GAP, 3), 255, np.uint8)
    return np.concatenate([blur, gap, gt], axis=1)


def _header(manifest: DatasetManifest, licence: str) -> list[str]:
    pairs = len(manifest.pairs)
    number = next((name for limit, name in ((1000, "n<1K"), (10_000, "1K<n<10K")) if pairs < limit), "10K<n<100K")
    tables = hub_tables(manifest)
    configurations = {
        "pairs": {folder: hub for folder, hub in _HUB_SPLITS.items() if folder in tables},
        "patches": {"train_patches": "train"} if "train_patches" in tables else {},
    }
    lines = ["---", f"pretty_name: {json.dumps(manifest.name, ensure_ascii=False)}", *_licence_lines(licence)]
    lines += [
        "task_categories:",
        "- image-to-image",
        "tags:",
        "- deblurring",
        "- defocus",
        f"size_categories:\n- {number}",
        "configs:",
    ]
    for name, folders in configurations.items():
        if folders:
            lines += [f"- config_name: {name}", "  data_files:"]
        for folder, split in folders.items():
            lines += [f"  - split: {split}", f"    path: {folder}/**"]
    return [*lines, "---", ""]


def _licence_lines(licence: str) -> list[str]:
    if licence == NO_LICENCE:
        return ["license: unknown"]
    if re.fullmatch(r"[A-Za-z0-9.+-]+", licence):  # as SPDX and the hub write identifiers
        return [f"license: {licence.lower()}"]
    return ["license: other", f"license_name: {json.dumps(licence, ensure_ascii=False)}"]


def _warnings(warnings: list[str]) -> list[str]:
    return ["## Warnings", "", *(f"- {_plain(warning)}" for warning in warnings), ""] if warnings else []


def _table(head: list[str], rows: Iterable[list[str]]) -> list[str]:
    def line(cells: list[str]) -> str:
        return f"| {' | '.join(cells)} |"

    return [line(head), line(["---"] * len(head)), *(line(row) for row in rows)]


def _plain(text: str) -> str:
    """Text that Markdown shows as it is."""
    return re.sub(r"([\\`*_{}\[\]()#+!|<>~&-])", r"\\\1", " ".join(text.split()))
