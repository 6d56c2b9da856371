"""Layouts where file names say what an image is.

`scenes`, one folder per scene, whose name is the pair's:
```
RAW/SCENE/blur.png        RAW/SCENE/sharp.png       also below RAW/{train,val,test} and RAW/{indoor,outdoor}
```
`suffix`, flat names that end in what the image is, after `_`, `-`, `.` or a space:
```
RAW/STEM_blur.png         RAW/STEM_sharp.png        likewise
```
`gt` stands for `sharp` too, and `aligned_gt` is the true aligned sharp image where it is known; upper case is accepted.
The environment may be a word of the scene's or the file's name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sdd_bench.datasets.folder_names import (
    KINDS,
    SPLITS,
    ImageFile,
    entries,
    holds_images,
    is_image,
    named_environments,
    pair_by_stem,
)
from sdd_bench.datasets.manifest import Environment, Kind, Split
from sdd_bench.datasets.sources import SUFFIXES, Found, Layout, composed

_SUFFIX = re.compile(r"^(?P<stem>.+?)[ _.-](?P<word>blur|sharp|aligned_gt|gt)$", re.IGNORECASE)


@dataclass(frozen=True)
class _Place:
    folder: Path
    split: Split | None
    environments: frozenset[Environment]


def _places(
    folder: Path, split: Split | None = None, environments: frozenset[Environment] = frozenset()
) -> Iterator[_Place]:
    """A folder and those below it that are named by a split or an environment."""
    yield _Place(folder, split, environments)
    for path in entries(folder):
        word = path.name.casefold()
        if not path.is_dir():
            continue
        if word in SPLITS and split is None:
            yield from _places(path, SPLITS[word], environments)
        elif word in ("indoor", "outdoor"):
            yield from _places(path, split, environments | named_environments(word))


def _scene_folders(raw: Path) -> Iterator[tuple[_Place, Path]]:
    places = list(_places(raw))
    named = {place.folder for place in places}
    for place in places:
        for path in entries(place.folder):
            if path.is_dir() and path not in named:
                yield place, path


def _is_scenes(raw: Path) -> bool:
    return any(
        is_image(path) and path.stem.casefold() == "blur" for _, scene in _scene_folders(raw) for path in entries(scene)
    )


def _find_scenes(raw: Path) -> Found:
    found = Found()
    images = []
    for place, scene in _scene_folders(raw):
        for path in entries(scene):
            kind = KINDS.get(path.stem.casefold())
            if path.is_dir():
                if holds_images(path):
                    found.problems.append(f"{path}: holds images, but a scene's are directly in its folder")
            elif not is_image(path):
                if kind is not None:
                    found.problems.append(f"{path}: not a kind of image that is read ({', '.join(SUFFIXES)})")
            elif kind is None:
                found.problems.append(f"{path}: expected images named {', '.join(KINDS)}; move it away or rename it")
            else:
                environments = place.environments | named_environments(scene.name)
                images.append(ImageFile(path, kind, place.split, environments))
    pair_by_stem(raw, images, found, stem_of=lambda image: composed(image.path.parent.name))
    return found


def _suffix_files(raw: Path) -> Iterator[tuple[_Place, Path, Kind | None]]:
    for place in _places(raw):
        for path in entries(place.folder):
            if not path.is_dir() and is_image(path):
                match = _SUFFIX.match(path.stem)
                yield place, path, None if match is None else KINDS[match["word"].casefold()]


def _is_suffix(raw: Path) -> bool:
    return any(kind == "blur" for _, _, kind in _suffix_files(raw))


def _find_suffix(raw: Path) -> Found:
    found = Found()
    images = []
    for place, path, kind in _suffix_files(raw):
        if kind is None:
            found.problems.append(f"{path}: expected a name that ends in _blur, _sharp, _gt or _aligned_gt")
        else:
            images.append(ImageFile(path, kind, place.split, place.environments | named_environments(path.name)))
    named = {place.folder for place in _places(raw)}
    for folder in named:
        found.problems.extend(
            f"{path}: holds images, but its name is not one of this layout; move it away or rename it"
            for path in entries(folder)
            if path.is_dir() and path not in named and holds_images(path)
        )
    pair_by_stem(raw, images, found, stem_of=_without_suffix)
    return found


def _without_suffix(image: ImageFile) -> str:
    match = _SUFFIX.match(image.path.stem)
    return composed(image.path.stem if match is None else match["stem"])


SCENES = Layout(
    name="scenes",
    looks_like="SCENE/blur.png and SCENE/sharp.png, one folder per scene",
    recognises=_is_scenes,
    find=_find_scenes,
)
SUFFIX = Layout(
    name="suffix",
    looks_like="STEM_blur.png and STEM_sharp.png",
    recognises=_is_suffix,
    find=_find_suffix,
)
