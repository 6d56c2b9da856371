"""Images in folders whose names say what they are: which images there are, and pairs of those with equal stems."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, get_args

from sdd_bench.datasets.manifest import Environment, Kind, Split
from sdd_bench.datasets.sources import SUFFIXES, Found, SourcePair, composed

SPLITS: dict[str, Split] = {name: name for name in get_args(Split)}
KINDS: dict[str, Kind] = {"blur": "blur", "sharp": "gt", "gt": "gt", "aligned_gt": "aligned_gt"}
_ENVIRONMENTS: tuple[Environment, ...] = get_args(Environment)
_ENVIRONMENT_WORD = re.compile(r"(?<![a-z])(indoor|outdoor)(?![a-z])")
_SYSTEM_FILES = {"thumbs.db", "desktop.ini"}


@dataclass(frozen=True)
class FolderNames:
    """What the names of folders mean in a layout, in lower case.

    Attributes:
        kinds: folders of images of one kind.
        splits: folders of one split.
        passed_over: folders that hold images which are not wanted; a note says so.
        refused: folders that hold images which must not be there, and why.
    """

    kinds: Mapping[str, Kind]
    splits: Mapping[str, Split]
    passed_over: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)


class ImageFile(NamedTuple):
    """An image and what its folders' names, and the word indoor or outdoor in its own, say."""

    path: Path
    kind: Kind
    split: Split | None
    environments: frozenset[Environment]


@dataclass
class _Group:
    files: dict[Kind, list[str]] = field(default_factory=dict)
    environments: set[Environment] = field(default_factory=set)


def entries(folder: Path) -> list[Path]:
    """What a folder holds, sorted, without hidden files and those that systems leave behind."""
    return [
        path
        for path in sorted(folder.iterdir())
        if not path.name.startswith(".") and path.name.casefold() not in _SYSTEM_FILES
    ]


def is_image(path: Path) -> bool:
    """Whether a file is an image by its name."""
    return path.suffix.lower() in SUFFIXES


def holds_images(folder: Path) -> bool:
    """Whether there is an image anywhere below a folder."""
    return any(is_image(path) for path in folder.rglob("*"))


def named_environments(name: str) -> frozenset[Environment]:
    """The environments that are words of a name."""
    words = _ENVIRONMENT_WORD.findall(name.casefold())
    return frozenset(each for each in _ENVIRONMENTS if each in words)


def walk(
    folder: Path,
    names: FolderNames,
    found: Found,
    kind: Kind | None = None,
    split: Split | None = None,
    environments: frozenset[Environment] = frozenset(),
) -> Iterator[ImageFile]:
    """Every image below a folder.

    Args:
        folder: where to look.
        names: what folders' names mean.
        found: gets a problem for what does not fit, and a note for what is passed over.
        kind: of images in this folder.
        split: likewise.
        environments: likewise.
    """
    for path in entries(folder):
        word = path.name.casefold()
        if not path.is_dir():
            if kind is None:
                continue  # lists, licences and the like beside the image folders
            if is_image(path):
                yield ImageFile(path, kind, split, environments | named_environments(path.name))
            else:
                found.problems.append(f"{path}: not a kind of image that is read ({', '.join(SUFFIXES)})")
        elif word in names.kinds and kind is None:
            yield from walk(path, names, found, names.kinds[word], split, environments)
        elif word in names.splits and split is None:
            yield from walk(path, names, found, kind, names.splits[word], environments)
        elif word in _ENVIRONMENTS:
            yield from walk(path, names, found, kind, split, environments | named_environments(word))
        elif word in names.refused:
            found.problems.append(f"{path}: {names.refused[word]}")
        elif word in names.passed_over:
            found.notes.append(f"{path} is passed over: {names.passed_over[word]}")
        elif holds_images(path):
            found.problems.append(
                f"{path}: holds images, but its name is not one of this layout; move it away or rename it"
            )


def pair_by_stem(
    raw: Path,
    images: Iterable[ImageFile],
    found: Found,
    *,
    stem_of: Callable[[ImageFile], str] = lambda image: composed(image.path.stem),
    scene_of: Callable[[str], str] = lambda stem: stem,
    default_split: Split | None = None,
) -> None:
    """Make pairs of images of one split with equal stems.

    Args:
        raw: the raw folder; files are named relative to it.
        images: all images.
        found: gets the pairs and the problems.
        stem_of: the stem of an image.
        scene_of: the scene of a stem.
        default_split: split of images whose folders name none.
    """
    groups: dict[tuple[Split | None, str], _Group] = {}
    for image in images:
        group = groups.setdefault((image.split or default_split, stem_of(image)), _Group())
        group.files.setdefault(image.kind, []).append(image.path.relative_to(raw).as_posix())
        group.environments |= image.environments
    for kind, word in (("blur", "blurry"), ("gt", "sharp")):
        if groups and not any(kind in group.files for group in groups.values()):
            count = sum(len(names) for group in groups.values() for names in group.files.values())
            found.problems.append(f"{count} images and no {word} one among them: a pair needs both")
            return
    spellings: dict[tuple[Split | None, str], list[str]] = {}
    for (split, stem), group in groups.items():
        names = [name for names in group.files.values() for name in names]
        spellings.setdefault((split, stem.casefold()), []).extend(names)
    for (split, stem), group in sorted(groups.items(), key=lambda item: item[0][1]):
        several = [names for names in group.files.values() if len(names) > 1]
        wrong = [f"{names[0]}: the same stem again in {', '.join(names[1:])}" for names in several]
        if len(group.environments) > 1:
            wrong.append(f"stem {stem!r}: both indoor and outdoor, by its folders or its name")
        present = sorted(name for names in group.files.values() for name in names)
        twins = sorted(set(spellings[split, stem.casefold()]) - set(present))
        hint = f" (case differs in {', '.join(twins)})" if twins else ""
        wrong += [
            f"{present[0]}: no {kind} of the same stem{hint}" for kind in ("blur", "gt") if kind not in group.files
        ]
        found.problems.extend(wrong)
        if not wrong:
            sources = {kind: group.files[kind][0] for kind in get_args(Kind) if kind in group.files}
            environment = next(iter(group.environments), None)
            found.pairs.append(SourcePair(stem, sources, scene_of(stem), environment, split))
