"""How `synth-v1` was drawn and frozen; run once. Its outcome is data: sdd_bench/datasets/benchmarks/synth-v1.json.

    python benchmarks/freeze_synth.py --work FOLDER --out synth-v1.json [--workers 2]

Draws the scenes, renders and prepares them in FOLDER, and pins the hashes of all that came out. Drawing depends on
NumPy's generators, which may change with its version: that is why the scenes themselves are kept.
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np

from sdd_bench.datasets import rendering
from sdd_bench.datasets.benchmark import photograph_sha256, prepare_scenes, render_scenes
from sdd_bench.datasets.frozen_scenes import FrozenBenchmark, FrozenScene
from sdd_bench.datasets.preset import load_preset
from sdd_bench.datasets.scenes import Scene, SceneSettings, random_scene
from sdd_bench.datasets.verify import manifest_files
from sdd_bench.errors import OutputError
from sdd_bench.io.atomic import write_text

NAME = "synth-v1"
SEED = 2022
COUNTS = {"train": 24, "test": 12}
# In turn; half of them are indoor. Training and test scenes share no photograph. All are PNG files: how a JPEG is
# decoded depends on the library. Foregrounds show any photograph of the split.
BACKGROUNDS = {
    "train": ("immunohistochemistry", "brick", "page", "gravel"),
    "test": ("coins", "moon", "stereo_motorcycle", "grass"),
}
FOREGROUNDS = {"train": ("camera", "chelsea", "coffee"), "test": ("astronaut",)}
# A choice, not a measurement: enough misalignment to spoil pixel-wise training and scoring, as that of SDD does.
SETTINGS = SceneSettings(
    width=640,
    height=432,
    max_blur_radius=(3.0, 6.0),
    zoom=(-0.03, 0.03),
    shift=(-10.0, 10.0),
    parallax=(0.5, 1.5),
    exposure_stops=(-0.02, 0.02),
    photographs=tuple(name for split in COUNTS for name in (*BACKGROUNDS[split], *FOREGROUNDS[split])),
)
LEAST_VISIBLE = 0.92  # of a picture's pixels in the other: more left out than that says little about a method
DECIMALS = 6
DESCRIPTION = (
    f"Scenes drawn by benchmarks/freeze_synth.py with seed {SEED}, half of them indoor, no photograph in both splits."
)


def draw(split: str, index: int) -> Scene:
    """The first drawn scene of a split's background in turn, of which enough is seen in both views."""
    background = BACKGROUNDS[split][index % len(BACKGROUNDS[split])]
    settings = SETTINGS.model_copy(update={"photographs": (*BACKGROUNDS[split], *FOREGROUNDS[split])})
    for attempt in itertools.count():
        rng = np.random.default_rng([SEED, *split.encode(), index, attempt])
        scene = random_scene(settings, rng)
        if scene.layers[-1].photograph != background:
            continue
        scene = Scene.model_validate(rounded(scene.model_dump()))
        if rendering._truth(scene, settings)[1].mean() >= LEAST_VISIBLE:
            return scene
    raise AssertionError


def rounded(content: Any) -> Any:
    """The same with every number rounded."""
    if isinstance(content, dict):
        return {key: rounded(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [rounded(value) for value in content]
    return round(content, DECIMALS) if isinstance(content, float) else content


def text(benchmark: FrozenBenchmark) -> str:
    """JSON with a line per scene and file."""
    content = benchmark.model_dump(mode="json")
    scenes = content.pop("scenes")
    begun = json.dumps(content, indent=1).removesuffix("\n}")
    return begun + ',\n "scenes": [\n' + ",\n".join("  " + json.dumps(scene) for scene in scenes) + "\n ]\n}\n"


def main() -> None:
    """Draw, render, prepare, pin."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for the scenes and the dataset")
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    if options.out.exists():
        raise OutputError(f"{options.out} is there already; what is frozen stays.")
    scenes = [
        FrozenScene(stem=f"{split}_{i:02d}", split=split, noise_seed=1000 * place + i, scene=draw(split, i))
        for place, (split, count) in enumerate(COUNTS.items())
        for i in range(count)
    ]
    draft = FrozenBenchmark(
        name=NAME,
        description=DESCRIPTION,
        settings=SETTINGS,
        preset=load_preset("as-is", {"name": NAME, "description": "Full images, as rendered.", "patch_size": None}),
        photographs={name: photograph_sha256(name) for name in SETTINGS.photographs},
        manifest_sha256="0" * 64,
        files={},
        scenes=scenes,
    )
    render_scenes(draft, options.work / "raw", workers=options.workers)
    manifest = prepare_scenes(draft, options.work / "raw", options.work / "dataset", workers=options.workers)
    pinned = {"manifest_sha256": manifest.manifest_hash, "files": manifest_files(manifest)}
    write_text(options.out, text(draft.model_copy(update=pinned)))
    print(f"{options.out}: {len(scenes)} scenes, manifest {manifest.manifest_hash}")
    print("\n".join(manifest.warnings()))


if __name__ == "__main__":
    main()
