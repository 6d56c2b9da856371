"""Layout `sdd`: one folder of blurry and one of sharp images, equal stems form a pair.

```
RAW/train/blur/STEM.png   RAW/train/gt/STEM.png     and the same under RAW/test; or, naming no split,
RAW/blur/STEM.png         RAW/gt/STEM.png
```
`sharp` stands for `gt` too, `aligned_gt` holds the true aligned sharp images where they are known. The environment is
read from a folder `indoor` or `outdoor` at any level, or from that word in the file name. Each pair is a scene.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from sdd_bench.datasets.manifest import Environment, Kind, Split
from sdd_bench.datasets.sources import SUFFIXES, Layout, SourcePair, composed

_KINDS: dict[str, Kind] = {"blur": "blur", "gt": "gt", "sharp": "gt", "aligned_gt": "aligned_gt"}
_SPLITS: tuple[Split, ...] = get_args(Split)
_ENVIRONMENTS: tuple[Environment, ...] = get_args(Environment)
_ENVIRONMENT_WORD = re.compile(r"(?<![a-z])(indoor|outdoor)(?![a-z])")
_RELEASED_PATCHES = "train_patches"
_SYSTEM_FILES = {"thumbs.db", "desktop.ini"}


@dataclass
class _Group:
    files: dict[Kind, list[str]] = field(default_factory=dict)
    environments: set[Environment] = field(default_factory=set)


def _recognises(raw: Path) -> bool:
    return any(kind == "blur" for _, kind, _, _ in _walk(raw, []))


def _find(raw: Path) -> tuple[list[SourcePair], list[str]]:
    problems: list[str] = []
    groups: dict[tuple[Split | None, str], _Group] = {}
    for path, kind, split, environments in _walk(raw, problems):
        name = path.relative_to(raw).as_posix()
        group = groups.setdefault((split, composed(path.stem)), _Group())
        group.files.setdefault(kind, []).append(name)
        group.environments |= environments
    spellings: dict[tuple[Split | None, str], list[str]] = {}
    for (split, stem), group in groups.items():
        names = [name for names in group.files.values() for name in names]
        spellings.setdefault((split, stem.casefold()), []).extend(names)
    pairs = []
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
        problems += wrong
        if not wrong:
            sources = {kind: group.files[kind][0] for kind in _KINDS.values() if kind in group.files}
            environment = next(iter(group.environments), None)
            pairs.append(SourcePair(stem, sources, scene=stem, environment=environment, split=split))
    return pairs, problems


def _walk(
    folder: Path,
    problems: list[str],
    kind: Kind | None = None,
    split: Split | None = None,
    environments: frozenset[Environment] = frozenset(),
) -> Iterator[tuple[Path, Kind, Split | None, frozenset[Environment]]]:
    """Every image below a folder and what its folders' names say; what does not fit goes to ``problems``."""
    for path in sorted(folder.iterdir()):
        word = path.name.casefold()
        if word.startswith(".") or word in _SYSTEM_FILES:
            continue
        if not path.is_dir():
            if kind is None:
                continue  # lists, licences and the like beside the image folders
            if path.suffix.lower() in SUFFIXES:
                named = {each for each in _ENVIRONMENTS if each in _ENVIRONMENT_WORD.findall(word)}
                yield path, kind, split, environments | named
            else:
                problems.append(f"{path}: not a kind of image that is read ({', '.join(SUFFIXES)})")
        elif word in _KINDS and kind is None:
            yield from _walk(path, problems, _KINDS[word], split, environments)
        elif word in _SPLITS and split is None:
            yield from _walk(path, problems, kind, _SPLITS[_SPLITS.index(word)], environments)
        elif word in _ENVIRONMENTS:
            named = {each for each in _ENVIRONMENTS if each == word}
            yield from _walk(path, problems, kind, split, environments | named)
        elif word == _RELEASED_PATCHES:
            problems.append(f"{path}: holds patches, not the full images that prepare cuts patches from; move it away")
        elif any(each.suffix.lower() in SUFFIXES for each in path.rglob("*")):
            problems.append(f"{path}: holds images, but its name is not one of this layout; move it away or rename it")


SDD = Layout(
    name="sdd",
    looks_like="{train,test}/{blur,gt}/STEM.png, or {blur,gt}/STEM.png (sharp stands for gt too; .tif, .jpg as well)",
    recognises=_recognises,
    find=_find,
)
