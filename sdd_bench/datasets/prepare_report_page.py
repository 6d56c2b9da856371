"""The preparation report as HTML: a pure function of a manifest and what is shown of its pairs."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

from sdd_bench.datasets.checks.rules import CHECKS
from sdd_bench.datasets.histograms import Histogram, histogram
from sdd_bench.datasets.manifest import DatasetManifest
from sdd_bench.datasets.prepare_report import PairView, PatchGrid

if TYPE_CHECKING:
    from jinja2 import Template

_MEASURED = {"exposure": "Exposure shift", "misaligned": "Misalignment"}  # checks whose values are drawn


class Chart(NamedTuple):
    """A histogram on the page.

    Attributes:
        title: what is counted.
        unit: of the values.
        meaning: the title in a sentence.
        histogram: None where nothing was measured.
        missing: how many pairs have no value.
    """

    title: str
    unit: str
    meaning: str
    histogram: Histogram | None
    missing: int


class Cell(NamedTuple):
    """A patch on the picture of the grid, in per cent of the picture.

    Attributes:
        kept: whether it is a training patch.
        cell: x, y, width, height of the part that is nearer to its centre than to that of any other.
        whole: x, y, width, height of the patch.
        label: its number, place and energy in words.
    """

    kept: bool
    cell: tuple[float, float, float, float]
    whole: tuple[float, float, float, float]
    label: str


def render(manifest: DatasetManifest, views: Mapping[str, PairView], grid: PatchGrid | None) -> str:
    """The report as one HTML document that needs nothing else.

    Args:
        manifest: of the dataset.
        views: what is shown of each pair, by stem.
        grid: the patches of one image; None where no patches were cut.
    """
    return _template().render(
        manifest=manifest,
        counts=manifest.counts(),
        views=views,
        warnings=manifest.warnings(),
        checks=_check_rows(manifest),
        charts=[_energy_chart(manifest, views), *(_check_chart(manifest, name) for name in _MEASURED)],
        grid=grid,
        cells=[] if grid is None else _cells(grid),
    )


def _energy_chart(manifest: DatasetManifest, views: Mapping[str, PairView]) -> Chart:
    # The energy is a product of four numbers in [0, 1]; their geometric mean spreads it over the axis.
    values: dict[str, list[float]] = {"kept": [], "dropped": []}
    for pair in manifest.pairs:
        kept = {patch.index for patch in pair.patches}
        for index, energy in enumerate(views[pair.stem].energies):
            values["kept" if index in kept else "dropped"].append(energy**0.25)
    return Chart(
        title="Sharpness energy of patches",
        unit="",
        meaning="Fourth root of the energy of every patch of every training image: the geometric mean of the four "
        "gradient sums, each between 0 and 1 within its image",
        histogram=histogram(values) if any(values.values()) else None,
        missing=0,
    )


def _check_chart(manifest: DatasetManifest, name: str) -> Chart:
    found = [check for pair in manifest.pairs for check in pair.checks if check.name == name]
    values: dict[str, list[float]] = {"fine": [], "warned of": []}
    for check in found:
        if check.value is not None:
            values["fine" if check.level == "info" else "warned of"].append(check.value)
    counted = sum(map(len, values.values()))
    threshold = next((check.threshold for check in found if check.threshold is not None), None)
    kind = CHECKS[name]
    return Chart(
        title=_MEASURED[name],
        unit=kind.unit,
        meaning=kind.measures[0].upper() + kind.measures[1:],
        histogram=histogram(values, threshold) if counted else None,
        missing=len(manifest.pairs) - counted if counted else 0,
    )


def _check_rows(manifest: DatasetManifest) -> list[tuple[str, str, str, str, int]]:
    """Name, what it measures, level, limit and number of pairs that were warned of, for every check that was used."""
    rows: list[tuple[str, str, str, str, int]] = []
    for name, rule in manifest.preset.checks.items():
        kind = CHECKS[name]
        warned = sum(
            check.name == name and check.level == "warning" for pair in manifest.pairs for check in pair.checks
        )
        if rule.level != "off":
            limit = f"{kind.passes} {rule.threshold:g} {kind.unit}".strip()
            rows.append((name, kind.measures, rule.level, limit, warned))
    return rows


def _cells(grid: PatchGrid) -> list[Cell]:
    width, height = grid.pair.size
    kept = {patch.index for patch in grid.pair.patches}
    columns = _borders(sorted({x for x, _ in grid.places}), grid.side, width)
    rows = _borders(sorted({y for _, y in grid.places}), grid.side, height)
    ranks = sorted(range(len(grid.energies)), key=lambda i: -grid.energies[i])
    rank = {index: place for place, index in enumerate(ranks, 1)}
    cells = []
    for index, (x, y) in enumerate(grid.places):
        (left, right), (top, bottom) = columns[x], rows[y]
        state = "kept" if index in kept else "dropped"
        cells.append(
            Cell(
                kept=index in kept,
                cell=_percent(left, top, right - left, bottom - top, width, height),
                whole=_percent(x, y, grid.side, grid.side, width, height),
                label=f"patch {index:02d} at ({x}, {y}): {state}; energy {grid.energies[index]:.4f}, "
                f"{rank[index]} of {len(grid.places)} from the highest",
            )
        )
    return cells


def _borders(starts: list[int], side: int, length: int) -> dict[int, tuple[float, float]]:
    """For each start, where the strip of its patches' centres begins and ends; the first and last reach the edge."""
    middles = [(a + b + side) / 2 for a, b in itertools.pairwise(starts)]
    return dict(zip(starts, zip([0.0, *middles], [*middles, float(length)], strict=True), strict=True))


def _percent(
    x: float, y: float, width: float, height: float, of_width: int, of_height: int
) -> tuple[float, float, float, float]:
    return 100 * x / of_width, 100 * y / of_height, 100 * width / of_width, 100 * height / of_height


@lru_cache(maxsize=1)
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("sdd_bench.datasets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = (resources.files(__package__) / "templates" / "prepare_report.css").read_text("utf-8")
    environment.globals["style"] = Markup(style)
    return environment.get_template("prepare_report.html")
