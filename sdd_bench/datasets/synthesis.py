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
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from sdd_bench import __version__
from sdd_bench.datasets.rendering import Noise, render_pair
from sdd_bench.datasets.scenes import Scene, SceneSettings, random_scene
from sdd_bench.errors import DatasetError
from sdd_bench.io.atomic import atomic_path, write_bytes, write_json, write_text
from sdd_bench.io.hashing import sha256
from sdd_bench.io.png_windows import Window, encode_windows
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
    write_scenes(out, plan, splits, list(enumerate(splits)), partial(_write_drawn, settings, seed), workers, progress)
    return out


def write_scenes(
    out: Path,
    plan: Mapping[str, Any],
    splits: Mapping[str, str],
    scenes: Sequence[tuple[Any, str]],
    write: Callable[[Path, tuple[Any, str]], dict[str, Any]],
    workers: int,
    progress: bool,
) -> None:
    """Write a raw folder of scenes, whole or not at all; an interrupted run goes on when called again.

    Args:
        out: folder to create.
        plan: all that decides what is written; it begins ``synthesis.json``.
        splits: of the pairs, by stem.
        scenes: what each scene is made from, and its stem.
        write: writes one of them to a folder and returns its record, as `write_pair` does; worker processes call it.
        workers: worker processes; 1 works in this process.
        progress: show progress on the terminal.

    Raises:
        OutputError: if ``out`` exists and is not empty, or can't be written.
    """
    with staged_folder(out, plan) as stage:
        records = {stem: record for _, stem in scenes if (record := stage.done(stem)) is not None}
        missing = [scene for scene in scenes if scene[1] not in records]
        for (_, stem), record in map_items(
            partial(write, stage.path), missing, workers=workers, describe="rendering scenes", progress=progress
        ):
            stage.finish(stem, record)
            records[stem] = record
        write_text(stage.path / "pairs.csv", _pairs_csv(splits, records))
        write_json(stage.path / "synthesis.json", {**plan, "pairs": {stem: records[stem] for stem in splits}})


def read_settings(path: str | Path) -> SceneSettings:
    """Scene settings from a JSON file; what it does not name keeps its default.

    Raises:
        DatasetError: if the file can't be read or a setting is unknown or out of range.
    """
    try:
        return SceneSettings.model_validate_json(Path(path).read_text("utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise DatasetError(f"{path}: not sound scene settings. {error}") from error


def write_pair(folder: Path, stem: str, scene: Scene, settings: SceneSettings, noise: Noise) -> dict[str, Any]:
    """Render one scene and write its files.

    Args:
        folder: the raw folder in the making.
        stem: of the pair.
        scene: what to draw.
        settings: picture size, sampling, lens and noise.
        noise: source of the sensor noise.

    Returns:
        The scene and the SHA-256 of every file by its path, JSON-able.
    """
    pair = render_pair(scene, settings, noise)
    files = {name: f"{name}/{stem}.png" for name in ("blur", "sharp", "aligned", "visible")}
    files |= {name: f"{name}/{stem}.npy" for name in ("flow", "defocus")}
    seen = np.repeat(pair.visible[..., None] * np.uint8(255), 3, 2)
    for name, picture in (("blur", pair.blur), ("sharp", pair.sharp), ("aligned", pair.aligned), ("visible", seen)):
        # By this coder files depend on their pixels alone, and not on a version of a library.
        (data,) = encode_windows(picture, [Window(0, 0, settings.width, settings.height)])
        write_bytes(folder / files[name], data)
    for name, values in (("flow", pair.flow), ("defocus", pair.defocus)):
        with atomic_path(folder / files[name]) as temporary:
            np.save(temporary, values, allow_pickle=False)
    return {
        "scene": scene.model_dump(mode="json"),
        "files": {path: sha256(folder / path) for path in files.values()},
    }


def _write_drawn(settings: SceneSettings, seed: int, folder: Path, item: tuple[int, str]) -> dict[str, Any]:
    index, stem = item
    rng = np.random.default_rng([seed, index])
    scene = random_scene(settings, rng)
    return write_pair(folder, stem, scene, settings, rng)


def _pairs_csv(splits: Mapping[str, str], records: Mapping[str, dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["blur", "sharp", "aligned", "scene", "environment", "split"])
    for stem, split in splits.items():
        pictures = [f"{name}/{stem}.png" for name in ("blur", "sharp", "aligned")]
        writer.writerow([*pictures, stem, records[stem]["scene"]["environment"], split])
    return text.getvalue()
