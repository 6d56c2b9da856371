"""How metrics are shown: facts about each, as data, and the formatting of a number."""

from __future__ import annotations

from typing import NamedTuple

from sdd_bench.evaluation.results import Mean


class MetricFacts(NamedTuple):
    """What a table has to know about a metric."""

    title: str
    higher_is_better: bool
    decimals: int


FACTS = {
    "psnr": MetricFacts("PSNR", higher_is_better=True, decimals=2),
    "ssim": MetricFacts("SSIM", higher_is_better=True, decimals=4),
    "mae": MetricFacts("MAE", higher_is_better=False, decimals=4),
    "lpips": MetricFacts("LPIPS", higher_is_better=False, decimals=3),
}

REFERENCE_TITLES = {"gt": "GT", "deformed_gt": "deformed GT", "aligned_gt": "true aligned GT"}


def heading(metric: str) -> str:
    """A metric's title with an arrow to where better is."""
    return f"{FACTS[metric].title} {'↑' if FACTS[metric].higher_is_better else '↓'}"


def show(mean: Mean | None, metric: str) -> str:
    """A mean as text: ``n/a`` where there is none, ``identical`` for an infinite PSNR."""
    value: float | None = None if mean is None else getattr(mean, metric)
    if value is None:
        return "identical" if metric == "psnr" and mean is not None else "n/a"
    return f"{value:.{FACTS[metric].decimals}f}"
