"""`prepare_report.html`: all pairs of a prepared dataset in pictures, what was noticed, and which patches were kept."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from sdd_bench.datasets.manifest import DatasetManifest, PairRecord
from sdd_bench.datasets.patches import Levels, grid
from sdd_bench.datasets.preset import Preset
from sdd_bench.datasets.thumbnails import jpeg, thumbnail
from sdd_bench.io.atomic import write_text
from sdd_bench.io.images import read_levels

REPORT_NAME = "prepare_report.html"

_THUMBNAIL_SIDE = 220  # pixels of the longer side
_GRID_SIDE = 1040


class PairView(NamedTuple):
    """What the page shows of a pair.

    Attributes:
        blur: the blurry image, reduced, as a ``data:`` URL.
        gt: the sharp image, likewise.
        energies: sharpness energy of all patches of the grid; empty where none were cut.
    """

    blur: str
    gt: str
    energies: Sequence[float]


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
    energies: Sequence[float]
    side: int


def pair_view(blur: Levels, gt: Levels, energies: Sequence[float]) -> PairView:
    """What the page shows of a pair.

    Args:
        blur: H x W x 3, uint8 or uint16.
        gt: same shape and type.
        energies: of all patches of the grid; empty where none were cut.
    """
    return PairView(_url(blur, _THUMBNAIL_SIDE), _url(gt, _THUMBNAIL_SIDE), energies)


def write_prepare_report(folder: Path, manifest: DatasetManifest, views: Mapping[str, PairView]) -> None:
    """Write the report of a prepared dataset into its folder; the same dataset gives the same bytes.

    Args:
        folder: the dataset's folder.
        manifest: its manifest.
        views: of every pair, by stem.

    Raises:
        ImageError: if an image can't be read.
        OutputError: if the report can't be written.
    """
    from sdd_bench.datasets.prepare_report_page import render

    chosen = next((pair for pair in manifest.pairs if views[pair.stem].energies), None)
    shown = None if chosen is None else _patch_grid(folder, manifest.preset, chosen, views[chosen.stem])
    write_text(folder / REPORT_NAME, render(manifest, views, shown))


def _patch_grid(folder: Path, preset: Preset, pair: PairRecord, view: PairView) -> PatchGrid:
    side = preset.patch_size or 0
    return PatchGrid(
        pair=pair,
        picture=_url(read_levels(folder / pair.image("gt")), _GRID_SIDE),
        places=tuple(grid(*pair.size, side, preset.stride)),
        energies=view.energies,
        side=side,
    )


def _url(samples: Levels, longest: int) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg(thumbnail(samples, longest))).decode()}"
