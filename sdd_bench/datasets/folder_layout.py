"""Layouts of folders that are named by what they hold; images with equal stems form a pair.

`sdd`, one's own pairs or SDD in full size:
```
RAW/train/blur/STEM.png   RAW/train/gt/STEM.png     and the same under RAW/val and RAW/test; or, naming no split,
RAW/blur/STEM.png         RAW/gt/STEM.png
```
`sharp` stands for `gt` too, `aligned_gt` holds the true aligned sharp images where they are known.

`sdd-released`, SDD as it is published: patches for training, which are taken as they are, full images for testing.
```
RAW/train_patches/blur/STEM_NN.png   RAW/train_patches/gt/STEM_NN.png   RAW/test/blur/STEM.png   RAW/test/gt/STEM.png
```

`realdof`, RealDOF, which is for testing only: `RAW/source/STEM.jpg`, blurry, and `RAW/target/STEM.jpg`, sharp.

In all of them the environment is read from a folder `indoor` or `outdoor` at any level, or from that word in the file
name. Each pair is a scene; patches are of one scene where their names differ only in a number at the end.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from sdd_bench.datasets.folder_names import KINDS, SPLITS, FolderNames, entries, holds_images, pair_by_stem, walk
from sdd_bench.datasets.sources import Found, Layout

_PATCHES = "train_patches"
_SDD = FolderNames(
    KINDS,
    SPLITS,
    refused={_PATCHES: "holds patches, not the full images that prepare cuts patches from; move it away"},
)
_RELEASED = FolderNames(KINDS, {"test": "test", _PATCHES: "train"})
_REALDOF = FolderNames({"source": "blur", "target": "gt"}, {})
_PATCH_NUMBER = re.compile(r"[_-]\d+$")


def _is_sdd(raw: Path) -> bool:
    return not _is_released(raw) and any(True for _ in walk(raw, _SDD, Found()))


def _find_sdd(raw: Path) -> Found:
    found = Found()
    pair_by_stem(raw, walk(raw, _SDD, found), found)
    return found


def _is_released(raw: Path) -> bool:
    folders = {path.name.casefold(): path for path in entries(raw) if path.is_dir()}
    return _PATCHES in folders and holds_images(folders[_PATCHES]) and "train" not in folders


def _find_released(raw: Path) -> Found:
    found = Found()
    images = list(walk(raw, _RELEASED, found))
    pair_by_stem(raw, [image for image in images if image.split == "test"], found)
    cut = Found()
    pair_by_stem(
        raw,
        [image for image in images if image.split == "train"],
        cut,
        scene_of=lambda stem: _PATCH_NUMBER.sub("", stem),
    )
    found.pairs.extend(replace(pair, is_patch=True) for pair in cut.pairs)
    found.problems.extend(cut.problems)
    return found


def _is_realdof(raw: Path) -> bool:
    return any(image.kind == "blur" for image in walk(raw, _REALDOF, Found()))


def _find_realdof(raw: Path) -> Found:
    found = Found()
    pair_by_stem(raw, walk(raw, _REALDOF, found), found, default_split="test")
    return found


SDD = Layout(
    name="sdd",
    looks_like="{train,val,test}/{blur,gt}/STEM.png, or {blur,gt}/STEM.png (sharp stands for gt; .tif, .jpg as well)",
    recognises=_is_sdd,
    find=_find_sdd,
)
SDD_RELEASED = Layout(
    name="sdd-released",
    looks_like="train_patches/{blur,gt}/STEM_NN.png and test/{blur,gt}/STEM.png, as SDD is published",
    recognises=_is_released,
    find=_find_released,
)
REALDOF = Layout(
    name="realdof",
    looks_like="{source,target}/STEM.jpg, as RealDOF is published",
    recognises=_is_realdof,
    find=_find_realdof,
)
