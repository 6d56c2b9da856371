"""Layout `captures`: photographs as they come from the camera; pairs are told from what it noted, not from names.

1. Photographs of one camera that follow each other within `SCENE_GAP` seconds show one scene.
2. The sharp one of a scene is the one taken with the smallest aperture (the largest f-number), where apertures differ.
   Where they don't, the lens was refocused, and which photograph is sharp is seen in the pixels: it is the one with the
   most fine detail. Focus distances, where they are stated, must then differ.
3. Every other photograph of the scene makes a pair with it, named by its own stem, or, where folders hold files of the
   same name, by folder and stem.

That is a guess, and needs a person's word: see `confirmation_code`.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sdd_bench.datasets.csv_layout import FILE_NAME as _CSV
from sdd_bench.datasets.exif import Capture, read_capture
from sdd_bench.datasets.folder_names import entries, is_image, named_environments
from sdd_bench.datasets.sources import Found, Layout, SourcePair, composed
from sdd_bench.errors import ImageError

SCENE_GAP = 30.0
"""Longest time between two photographs of one scene, seconds: enough to turn a ring, too short to walk on."""

_SAME_APERTURE = 0.1  # f-numbers closer than this ratio are the same setting, rounded differently


@dataclass(frozen=True)
class _Shot:
    path: Path
    name: str  # relative to the raw folder
    capture: Capture


def _recognises(raw: Path) -> bool:
    return any(read_capture(path).time is not None for path in _images(raw))


def _find(raw: Path) -> Found:
    found = Found(inferred=True)
    shots = [_Shot(path, path.relative_to(raw).as_posix(), read_capture(path)) for path in _images(raw)]
    timeless = [shot.name for shot in shots if shot.capture.time is None]
    found.problems.extend(
        f"{name}: no capture time in its EXIF data; name its pair in {_CSV}, or move it away" for name in timeless
    )
    twice = {stem for stem, count in Counter(composed(shot.path.stem) for shot in shots).items() if count > 1}
    for scene in _scenes([shot for shot in shots if shot.capture.time is not None]):
        if len(scene) == 1:
            found.problems.append(
                f"{scene[0].name}: no other photograph within {SCENE_GAP:g} s; name its pair in {_CSV}, or move it away"
            )
            continue
        try:
            sharp, evidence = _sharp_one(scene)
        except (_UndecidedError, ImageError) as error:
            found.problems.append(str(error))
            continue
        name = _stem(sharp, twice)
        for shot in scene:
            if shot is not sharp:
                found.pairs.append(
                    SourcePair(
                        stem=_stem(shot, twice),
                        sources={"blur": shot.name, "gt": sharp.name},
                        scene=name,
                        environment=next(iter(named_environments(shot.name)), None),
                        evidence=f"{_apart(shot, sharp)}; {evidence}",
                    )
                )
    return found


def confirmation_code(pairs: Sequence[SourcePair]) -> str:
    """Code that stands for a table of pairs: who states it has seen this table and no other.

    Args:
        pairs: the pairs.

    Returns:
        Eight hex digits of the hash of the pairs' names, files and scenes.
    """
    table = sorted([pair.stem, pair.scene, *(pair.sources[kind] for kind in sorted(pair.sources))] for pair in pairs)
    return hashlib.sha256(json.dumps(table).encode()).hexdigest()[:8]


def _images(folder: Path) -> Iterator[Path]:
    for path in entries(folder):
        if path.is_dir():
            yield from _images(path)
        elif is_image(path):
            yield path


def _scenes(shots: Sequence[_Shot]) -> Iterator[list[_Shot]]:
    ordered = sorted(shots, key=lambda shot: (shot.capture.camera, shot.capture.time, shot.name))
    scene: list[_Shot] = []
    for shot in ordered:
        if scene and (shot.capture.camera != scene[-1].capture.camera or _seconds(scene[-1], shot) > SCENE_GAP):
            yield scene
            scene = []
        scene.append(shot)
    if scene:
        yield scene


def _seconds(first: _Shot, then: _Shot) -> float:
    assert first.capture.time is not None and then.capture.time is not None
    return (then.capture.time - first.capture.time).total_seconds()


class _UndecidedError(Exception):
    """A scene whose sharp photograph can't be told."""


def _sharp_one(scene: list[_Shot]) -> tuple[_Shot, str]:
    """The sharp photograph of a scene, and what says so."""
    names = ", ".join(shot.name for shot in scene)
    apertures = [shot.capture.f_number for shot in scene]
    known = [each for each in apertures if each is not None]
    if known and len(known) < len(scene):
        raise _UndecidedError(
            f"{names}: within {SCENE_GAP:g} s, but only some state an aperture; name the pairs in {_CSV}"
        )
    if known and max(known) > min(known) * (1 + _SAME_APERTURE):
        narrow = [s for s in scene if s.capture.f_number and s.capture.f_number * (1 + _SAME_APERTURE) > max(known)]
        if len(narrow) > 1:
            raise _UndecidedError(
                f"{names}: several with the smallest aperture ({', '.join(shot.name for shot in narrow)}); "
                f"move all but one away, or name the pairs in {_CSV}"
            )
        return narrow[0], f"sharp at f/{max(known):g}, the others from f/{min(known):g}"
    distances = [shot.capture.focus_distance for shot in scene]
    if any(a is not None and a == b for a, b in itertools.combinations(distances, 2)):
        raise _UndecidedError(f"{names}: same aperture and same focus distance; name the pairs in {_CSV}")
    sharpest = max(scene, key=lambda shot: (_detail(shot.path), shot.name))
    focus = sharpest.capture.focus_distance
    seen = "" if focus is None else f", focus at {'infinity' if math.isinf(focus) else f'{focus:g} m'}"
    return sharpest, f"same aperture, sharp has the most detail of {len(scene)}{seen}"


def _detail(path: Path) -> float:
    from sdd_bench.datasets.checks.measures import detail
    from sdd_bench.io.images import read_image

    return detail(read_image(path))


def _apart(shot: _Shot, sharp: _Shot) -> str:
    return f"{abs(_seconds(shot, sharp)):g} s apart"


def _stem(shot: _Shot, twice: set[str]) -> str:
    stem = composed(shot.path.stem)
    return stem if stem not in twice else composed(shot.name.rpartition(".")[0].replace("/", "_"))


CAPTURES = Layout(
    name="captures",
    looks_like="photographs with the time in their EXIF data, under any names; the pairs found need confirmation",
    recognises=_recognises,
    find=_find,
)
