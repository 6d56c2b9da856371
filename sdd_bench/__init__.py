"""sdd-bench: dataset toolkit and evaluation benchmark for single-image defocus deblurring with misaligned pairs.

Importing this package is cheap; each public name loads what it needs when it is first used.
"""

from __future__ import annotations

import importlib
from importlib.metadata import version as _version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sdd_bench import alignment, metrics, models, training
    from sdd_bench.analysis.run import analyze
    from sdd_bench.datasets.dataset import open_dataset
    from sdd_bench.datasets.prepare import prepare
    from sdd_bench.datasets.synthesis import synthesize
    from sdd_bench.evaluation.run import evaluate
    from sdd_bench.leaderboard.reference import train_reference
    from sdd_bench.models.predict import predict

__all__ = [
    "alignment",
    "analyze",
    "evaluate",
    "metrics",
    "models",
    "open_dataset",
    "predict",
    "prepare",
    "synthesize",
    "train_reference",
    "training",
]
__version__ = _version("sdd-bench")

_HOMES = {
    "analyze": "analysis.run",
    "evaluate": "evaluation.run",
    "open_dataset": "datasets.dataset",
    "predict": "models.predict",
    "prepare": "datasets.prepare",
    "synthesize": "datasets.synthesis",
    "train_reference": "leaderboard.reference",
}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    if name in {"alignment", "metrics", "models", "training"}:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
