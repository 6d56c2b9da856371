"""`sdd-bench synth --benchmark`: a frozen benchmark, rendered, prepared, and held against its pinned hash.

```
OUT/raw/       the scenes, as `synth` writes them: views, flow, visibility, defocus maps
OUT/dataset/   the prepared dataset
```
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterator, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from sdd_bench.datasets.frozen_scenes import FrozenBenchmark, FrozenScene, frozen_benchmark
from sdd_bench.datasets.manifest import DatasetManifest, read_manifest
from sdd_bench.datasets.prepare import prepare
from sdd_bench.datasets.scenes import SceneSettings, load_photograph
from sdd_bench.datasets.synthesis import SCHEMA_VERSION, write_pair, write_scenes
from sdd_bench.datasets.verify import manifest_files
from sdd_bench.errors import DatasetError, OutputError

_LIBRARIES = ("numpy", "scipy", "cv2", "skimage")
_NAMED = 5  # files that an error names


def make_benchmark(name: str, out: str | Path, *, workers: int = 1, progress: bool = True) -> DatasetManifest:
    """Render and prepare a frozen benchmark, and make sure that it came out as that benchmark.

    What is there already is used: an interrupted run goes on, and the dataset of a finished one is only checked.

    Args:
        name: of the benchmark.
        out: folder for the raw scenes and the dataset.
        workers: worker processes; 1 works in this process.
        progress: show progress on the terminal.

    Returns:
        The manifest of the dataset; its hash is the pinned one.

    Raises:
        DatasetError: if there is no such benchmark, or other pictures came out: which, and what is known of the cause.
        OutputError: if the folder holds something else, or can't be written.
    """
    benchmark, raw, dataset = frozen_benchmark(name), Path(out) / "raw", Path(out) / "dataset"
    if dataset.exists():
        manifest = read_manifest(dataset)
        if manifest.name != name:
            raise OutputError(f"{dataset} is the dataset {manifest.name!r} already. Choose another folder.")
    else:
        render_scenes(benchmark, raw, workers=workers, progress=progress)
        manifest = prepare_scenes(benchmark, raw, dataset, workers=workers, progress=progress)
    if manifest.manifest_hash != benchmark.manifest_sha256:
        raise DatasetError("\n".join(_differences(benchmark, manifest, dataset)))
    return manifest


def render_scenes(benchmark: FrozenBenchmark, raw: Path, *, workers: int = 1, progress: bool = True) -> None:
    """Render the raw folder of a benchmark, unless it is there; an interrupted run goes on.

    Args:
        benchmark: whose scenes.
        raw: folder to make.
        workers: worker processes; 1 works in this process.
        progress: show progress on the terminal.

    Raises:
        OutputError: if the folder holds something else, or can't be written.
    """
    scenes = benchmark.model_dump_json(include={"settings", "scenes"})
    plan = {
        "schema_version": SCHEMA_VERSION,
        "benchmark": benchmark.name,
        "scenes_sha256": hashlib.sha256(scenes.encode()).hexdigest(),
    }
    if not _is_rendered(raw, plan):
        write_scenes(
            raw,
            plan,
            {scene.stem: scene.split for scene in benchmark.scenes},
            [(scene, scene.stem) for scene in benchmark.scenes],
            partial(_write_scene, benchmark.settings),
            workers,
            progress,
        )


def prepare_scenes(
    benchmark: FrozenBenchmark, raw: Path, out: Path, *, workers: int = 1, progress: bool = True
) -> DatasetManifest:
    """Prepare the rendered raw folder of a benchmark, with its own preset.

    Raises:
        OutputError: if the folder ``out`` is not empty, or can't be written.
    """
    return prepare(raw, out, benchmark.preset, name=benchmark.name, workers=workers, progress=progress)


def photograph_sha256(name: str) -> str:
    """SHA-256 of the pixels of a photograph of `sdd_bench.datasets.scenes`, as they are decoded here."""
    return hashlib.sha256(load_photograph(name).tobytes()).hexdigest()


def _is_rendered(raw: Path, plan: Mapping[str, Any]) -> bool:
    try:
        content = json.loads((raw / "synthesis.json").read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and {key: content.get(key) for key in plan} == plan


def _write_scene(settings: SceneSettings, folder: Path, item: tuple[FrozenScene, str]) -> dict[str, Any]:
    frozen, stem = item
    noise = np.random.RandomState(frozen.noise_seed)  # its stream is the same in every NumPy
    return write_pair(folder, stem, frozen.scene, settings, noise)


def _differences(benchmark: FrozenBenchmark, manifest: DatasetManifest, dataset: Path) -> Iterator[str]:
    yield (
        f"{dataset} is not {benchmark.name}: its manifest has the hash {manifest.manifest_hash[:12]}, and the "
        f"benchmark's is {benchmark.manifest_sha256[:12]}. Scores on it can't be compared with those of others, and "
        f"can't stand in the tables of {benchmark.name}."
    )
    found = manifest_files(manifest)
    other = sorted(path for path in found.keys() | benchmark.files if found.get(path) != benchmark.files.get(path))
    if other:
        more = f" and {len(other) - _NAMED} more" if len(other) > _NAMED else ""
        yield f"  - {len(other)} of {len(benchmark.files)} pictures differ: {', '.join(other[:_NAMED])}{more}"
    else:
        yield "  - its pictures are those of the benchmark: it was prepared in another way, or by another version"
    changed = [name for name, digest in benchmark.photographs.items() if photograph_sha256(name) != digest]
    versions = ", ".join(f"{name} {import_module(name).__version__}" for name in _LIBRARIES)
    if changed:
        yield f"  - photographs that scikit-image holds otherwise: {', '.join(changed)}; the versions here: {versions}"
    elif other:
        yield (
            "  - the photographs are the right ones, so the rendering rounds otherwise here: "
            f"{platform.machine()}, {versions}. Please report these."
        )
