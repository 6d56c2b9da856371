"""Layout `dpdd`: DPDD as it is published.

```
RAW/{train,val,test}_c/source/1P0A0890.png    blurry       RAW/{train,val,test}_c/target/1P0A0891.png    sharp
RAW/file_names/{train,val,test}_{src,trg}.npy              the published lists, where they are there
```
The two images of a pair were taken one after the other, either one first, and are named by the camera's count of
frames: no two names are equal. The published lists state the pairs; without them, source and target are a pair whose
frame numbers are neighbours, where that leaves no choice. (All 500 pairs of the published lists come out, which are
`DPDNet/file_names` in the repository of Abuolaim and Brown's "Defocus deblurring using dual-pixel data", ECCV 2020; in
two of them one frame lies between.) Where names are equal after all, as in other people's copies, these are the pairs.

The dual-pixel views, `{train,val,test}_{l,r}`, are passed over. The environment is not published with the images.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from sdd_bench.datasets.folder_names import FolderNames, ImageFile, pair_by_stem, walk
from sdd_bench.datasets.manifest import Split
from sdd_bench.datasets.sources import Found, Layout, composed

_SPLITS: dict[str, Split] = {"train_c": "train", "val_c": "val", "test_c": "test"}
_NAMES = FolderNames(
    {"source": "blur", "target": "gt"},
    _SPLITS,
    passed_over={f"{split}_{side}": "a dual-pixel view" for split in _SPLITS.values() for side in "lr"},
)
_LISTS = "file_names"
_FRAME = re.compile(r"^(.*?)(\d+)$")
_FARTHEST = 2  # frame numbers apart

Stems = dict[str, str]


def _recognises(raw: Path) -> bool:
    return any(image.split is not None for image in walk(raw, _NAMES, Found()))


def _find(raw: Path) -> Found:
    found = Found()
    images = list(walk(raw, _NAMES, found))
    source_of: dict[tuple[Split | None, str], str] = {}
    for split in [*_SPLITS.values(), None]:
        sources, targets = (
            sorted({composed(image.path.stem) for image in images if image.kind == kind and image.split == split})
            for kind in ("blur", "gt")
        )
        stated = None if split is None else _stated_pairs(raw, split, found)
        pairs = pair_by_frame_number(sources, targets) if stated is None else stated
        source_of |= {(split, target): source for source, target in pairs.items()}

    def stem_of(image: ImageFile) -> str:
        stem = composed(image.path.stem)
        return source_of.get((image.split, stem), stem) if image.kind == "gt" else stem

    pair_by_stem(raw, images, found, stem_of=stem_of)
    return found


def _stated_pairs(raw: Path, split: Split, found: Found) -> Stems | None:
    """Target stem by source stem from the published lists; None where there are none for this split."""
    paths = [raw / _LISTS / f"{split}_{side}.npy" for side in ("src", "trg")]
    if not any(path.exists() for path in paths):
        return None
    lists: list[list[str]] = []
    for path in paths:
        try:
            names = np.load(path, allow_pickle=False)
        except (OSError, ValueError) as error:
            found.problems.append(f"{path}: can't be read as a list of names: {error}")
            return None
        lists.append([composed(Path(str(name)).stem) for name in np.ravel(names)])
    sources, targets = lists
    if len(sources) != len(targets):
        found.problems.append(
            f"{paths[0].name} lists {len(sources)} images, {paths[1].name} {len(targets)}; expected as many"
        )
        return None
    found.notes.append(f"pairs of split {split} are those of {_LISTS}/{paths[0].name} and {paths[1].name}")
    return dict(zip(sources, targets, strict=True))


def pair_by_frame_number(sources: list[str], targets: list[str]) -> Stems:
    """Pair names that end in a camera's frame number and are otherwise equal.

    Equal names are pairs. Of the others, a name that has a single neighbour, one number before or after, is its pair;
    then both are taken out and the next one is looked for. What is left is tried with two numbers apart.

    Args:
        sources: stems of the blurry images.
        targets: stems of the sharp images.

    Returns:
        Target by source; what has no neighbour, or a choice of two, is in no pair.
    """
    pairs = {name: name for name in set(sources) & set(targets)}
    free_sources, free_targets = (
        {_frame(name): name for name in names if name not in pairs} for names in (sources, targets)
    )
    for apart in range(1, _FARTHEST + 1):
        while True:
            found = _single_neighbour(free_sources, free_targets, apart)
            if found is None:
                break
            source, target = found
            pairs[free_sources.pop(source)] = free_targets.pop(target)
    return pairs


_Frame = tuple[str, int]


def _single_neighbour(
    sources: dict[_Frame, str], targets: dict[_Frame, str], apart: int
) -> tuple[_Frame, _Frame] | None:
    for source in sources:
        near = _neighbours(source, targets, apart)
        if len(near) == 1:
            return source, near[0]
    for target in targets:
        near = _neighbours(target, sources, apart)
        if len(near) == 1:
            return near[0], target
    return None


def _neighbours(frame: _Frame, others: dict[_Frame, str], apart: int) -> list[_Frame]:
    prefix, number = frame
    return [other for other in ((prefix, number - apart), (prefix, number + apart)) if other in others]


def _frame(name: str) -> _Frame:
    match = _FRAME.match(name)
    return (name, -(10**9)) if match is None else (match[1], int(match[2]))


DPDD = Layout(
    name="dpdd",
    looks_like="{train,val,test}_c/{source,target}/1P0A0890.png, as DPDD is published",
    recognises=_recognises,
    find=_find,
)
