"""Frozen synthetic benchmarks as data: every scene with all its parameters, and the hashes of what becomes of them.

Scenes are not kept as a seed to draw them from: NumPy may change what its generators give.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from sdd_bench.datasets.manifest import Sha256, Split
from sdd_bench.datasets.preset import Preset
from sdd_bench.datasets.scenes import Scene, SceneSettings
from sdd_bench.errors import DatasetError, unknown_name

_FOLDER = Path(__file__).parent / "benchmarks"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class FrozenScene(_Record):
    """One pair of a frozen benchmark.

    Attributes:
        stem: of the pair.
        split: of the pair.
        noise_seed: of the sensor noise.
        scene: what to draw.
    """

    stem: str
    split: Split
    noise_seed: int = Field(ge=0, lt=2**32)
    scene: Scene


class FrozenBenchmark(_Record):
    """A benchmark that anyone can render, to the byte.

    Attributes:
        name: of the benchmark and of its dataset.
        description: what it is, and how its scenes were drawn.
        settings: of the rendering; its ranges are those that the scenes were drawn from.
        preset: with which it is prepared.
        photographs: SHA-256 of the pixels (8-bit RGB, row by row) of every photograph, by name.
        manifest_sha256: of the prepared dataset.
        files: SHA-256 of every picture of the prepared dataset, by path.
        scenes: all pairs.
    """

    name: str
    description: str
    settings: SceneSettings
    preset: Preset
    photographs: dict[str, Sha256]
    manifest_sha256: Sha256
    files: dict[str, Sha256]
    scenes: tuple[FrozenScene, ...]


def benchmark_names() -> list[str]:
    """Names of the frozen benchmarks."""
    return sorted(path.stem for path in _FOLDER.glob("*.json"))


@lru_cache
def frozen_benchmark(name: str) -> FrozenBenchmark:
    """A frozen benchmark by name.

    Raises:
        DatasetError: if there is none of this name.
    """
    if name not in benchmark_names():
        raise DatasetError(unknown_name("benchmark", name, benchmark_names()))
    return FrozenBenchmark.model_validate_json((_FOLDER / f"{name}.json").read_bytes())
