"""`sdd-bench synth`: write synthetic pairs with known truth, as a raw capture folder that `prepare` reads.

```
OUT/pairs.csv            blur, sharp, aligned, scene, environment, split: the generic layout of `prepare`
OUT/synthesis.json       seed, settings, and per pair: all scene parameters and every file's SHA-256
OUT/blur/STEM.png        the blurry view                         OUT/sharp/STEM.png    the sharp view, misaligned
OUT/aligned/STEM.png     the sharp view had the lens not moved
OUT/flow/STEM.npy        H x W x 2 float32: F(blur, sharp) in pixels, (x, y)
OUT/visible/STEM.png     255 where the flow's end is inside `sharp` and not hidden there
OUT/defocus/STEM.npy     H x W float32: radius of the circle of confusion, pixels
```
"""

from __future__ import annotations

import csv
import io
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from sdd_bench import __version__
from sdd_bench.datasets.rendering import render_pair
from sdd_bench.datasets.scenes import SceneSettings, random_scene
from sdd_bench.errors import DatasetError
from sdd_bench.io.atomic import atomic_path, write_json, write_text
from sdd_bench.io.hashing import sha256
from sdd_bench.io.images import write_image
from sdd_bench.io.staging import staged_folder
from sdd_bench.parallel import map_items

SCHEMA_VERSION = 1


def synthesize(
    out: str | Path,
    *,
    test: int = 8,
    train: int = 0,
    seed: int = 0,
    settings: SceneSettings | None = None,
    workers: int = 1,
    progress: bool = True,
) -> Path:
    """Write ``test + train`` synthetic pairs to a new folder.

    With the same versions of this package and its libraries, the same seed, settings and counts give the same bytes,
    with any number of workers; scene i depends on the seed and on i alone. An interrupted run continues when called
    again with the same arguments.

    Args:
        out: folder to create.
        test: number of test pairs (they come first).
        train: number of training pairs.
        seed: non-negative seed of everything random.
        settings: ranges to draw scenes from; None stands for the defaults.
        workers: worker processes; 1 works in this process.
        progress: show progress on the terminal.

    Returns:
        The folder.

    Raises:
        DatasetError: if there is nothing to do or the seed is negative.
        OutputError: if ``out`` exists and is not empty, or can't be written.
    """
    out = Path(out)
    settings = settings or SceneSettings()
    if test < 0 or train < 0 or test + train == 0:
        raise DatasetError(f"synth: expected at least one pair, got {test} test and {train} training pairs.")
    if seed < 0:
        raise DatasetError(f"synth: expected a seed >= 0, got {seed}.")
    digits = max(3, len(str(test + train - 1)))
    splits = {f"scene_{i:0{digits}d}": "test" if i < test else "train" for i in range(test + train)}
    plan = {
        "schema_version": SCHEMA_VERSION,
        "tool_version": __version__,
        "seed": seed,
        "test": test,
        "train": train,
        "settings": settings.model_dump(mode="json"),
    }
    with staged_folder(out, plan) as stage:
        records = {stem: record for stem in splits if (record := stage.done(stem)) is not None}
        missing = [(i, stem) for i, stem in enumerate(splits) if stem not in records]
        render = partial(_write_pair, stage.path, settings, seed)
        for (_, stem), record in map_items(
            render, missing, workers=workers, describe="rendering scenes", progress=progress
        ):
            stage.finish(stem, record)
            records[stem] = record
        write_text(stage.path / "pairs.csv", _pairs_csv(splits, records))
        write_json(stage.path / "synthesis.json", {**plan, "pairs": {stem: records[stem] for stem in splits}})
    return out


def read_settings(path: str | Path) -> SceneSettings:
    """Scene settings from a JSON file; what it does not name keeps its default.

    Raises:
        DatasetError: if the file can't be read or a setting is unknown or out of range.
    """
    try:
        return SceneSettings.model_validate_json(Path(path).read_text("utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise DatasetError(f"{path}: not sound scene settings. {error}") from error


def _write_pair(folder: Path, settings: SceneSettings, seed: int, item: tuple[int, str]) -> dict[str, Any]:
    index, stem = item
    rng = np.random.default_rng([seed, index])
    scene = random_scene(settings, rng)
    pair = render_pair(scene, settings, rng)
    files = {name: f"{name}/{stem}.png" for name in ("blur", "sharp", "aligned", "visible")}
    files |= {name: f"{name}/{stem}.npy" for name in ("flow", "defocus")}
    write_image(folder / files["blur"], pair.blur)
    write_image(folder / files["sharp"], pair.sharp)
    write_image(folder / files["aligned"], pair.aligned)
    write_image(folder / files["visible"], np.repeat(pair.visible[..., None] * np.uint8(255), 3, 2))
    for name, values in (("flow", pair.flow), ("defocus", pair.defocus)):
        with atomic_path(folder / files[name]) as temporary:
            np.save(temporary, values, allow_pickle=False)
    return {
        "scene": scene.model_dump(mode="json"),
        "files": {path: sha256(folder / path) for path in files.values()},
    }


def _pairs_csv(splits: dict[str, str], records: dict[str, dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["blur", "sharp", "aligned", "scene", "environment", "split"])
    for stem, split in splits.items():
        pictures = [f"{name}/{stem}.png" for name in ("blur", "sharp", "aligned")]
        writer.writerow([*pictures, stem, records[stem]["scene"]["environment"], split])
    return text.getvalue()
