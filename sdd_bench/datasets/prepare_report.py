"""`prepare_report.html`: all pairs of a prepared dataset in pictures, what was noticed, and which patches were kept."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sdd_bench.datasets.manifest import DatasetManifest, PairRecord
from sdd_bench.datasets.patches import Levels, gray_levels, grid
from sdd_bench.datasets.preset import Preset
from sdd_bench.datasets.sharpest_patches import estimate_energy
from sdd_bench.datasets.thumbnails import jpeg, thumbnail
from sdd_bench.errors import DatasetError
from sdd_bench.io.atomic import write_text
from sdd_bench.io.images import read_samples
from sdd_bench.parallel import map_items

REPORT_NAME = "prepare_report.html"

_THUMBNAIL_SIDE = 220  # pixels of the longer side
_GRID_SIDE = 1040


@dataclass(frozen=True)
class PairView:
    """What the page shows of a pair.

    Attributes:
        blur: the blurry image, reduced, as a ``data:`` URL.
        gt: the sharp image, likewise.
        energies: sharpness energy of all patches of the grid; empty where none were cut.
    """

    blur: str
    gt: str
    energies: tuple[float, ...]


@dataclass(frozen=True)
class PatchGrid:
    """The kept and dropped patches of one image.

    Attributes:
        pair: its record.
        picture: the sharp image, reduced, as a ``data:`` URL.
        places: top left corners of all patches, pixels.
        energies: of all patches.
        side: of a patch, pixels.
    """

    pair: PairRecord
    picture: str
    places: tuple[tuple[int, int], ...]
    energies: tuple[float, ...]
    side: int


def write_prepare_report(
    folder: Path,
    manifest: DatasetManifest,
    *,
    workers: int = 1,
    cluster: str | None = None,
    progress: bool = True,
) -> None:
    """Write the report of a prepared dataset into its folder; the same dataset gives the same bytes.

    Args:
        folder: the dataset's folder.
        manifest: its manifest.
        workers: number of worker processes that read images.
        cluster: address of a Dask scheduler to use instead.
        progress: show progress on the terminal.

    Raises:
        ImageError: if an image can't be read.
        OutputError: if the report can't be written.
    """
    from sdd_bench.datasets.prepare_report_page import render

    views = {
        pair.stem: view
        for pair, view in map_items(
            partial(_view, folder, manifest.preset),
            manifest.pairs,
            workers=workers,
            cluster=cluster,
            describe="drawing the report",
            progress=progress,
            label=lambda pair: pair.stem,
        )
    }
    chosen = next((pair for pair in manifest.pairs if views[pair.stem].energies), None)
    shown = None if chosen is None else _patch_grid(folder, manifest.preset, chosen, views[chosen.stem])
    write_text(folder / REPORT_NAME, render(manifest, views, shown))


def _view(folder: Path, preset: Preset, pair: PairRecord) -> PairView:
    blur, gt = (_integers(folder / pair.image(kind)) for kind in ("blur", "gt"))
    energies: tuple[float, ...] = ()
    if preset.patch_size is not None and pair.patches and pair.image("gt").startswith("train/"):
        energies = tuple(estimate_energy(gray_levels(gt), preset.patch_size, preset.stride).tolist())
    return PairView(_url(blur, _THUMBNAIL_SIDE), _url(gt, _THUMBNAIL_SIDE), energies)


def _patch_grid(folder: Path, preset: Preset, pair: PairRecord, view: PairView) -> PatchGrid:
    side = preset.patch_size or 0
    return PatchGrid(
        pair=pair,
        picture=_url(_integers(folder / pair.image("gt")), _GRID_SIDE),
        places=tuple(grid(*pair.size, side, preset.stride)),
        energies=view.energies,
        side=side,
    )


def _integers(path: Path) -> Levels:
    samples = read_samples(path)
    if samples.dtype.kind != "u":
        raise DatasetError(f"{path}: not 8 or 16 bits.")
    return samples  # type: ignore[return-value]  # not float32, as just checked


def _url(samples: Levels, longest: int) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg(thumbnail(samples, longest))).decode()}"
