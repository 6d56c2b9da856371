"""Cropped predictions: networks that need sides of certain multiples cut their input, and the references with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

CropName = Literal["none", "unet16", "mprnet8"]
"""A rule: ``unet16`` keeps the top left corner and ``mprnet8`` the centre, as large as multiples of 16 and 8 allow."""

CROPS: tuple[CropName, ...] = get_args(CropName)
Size = tuple[int, int]


class Box(NamedTuple):
    """What a crop keeps of a picture: top left corner and size, in pixels."""

    x: int
    y: int
    width: int
    height: int

    @property
    def size(self) -> Size:
        """(width, height)."""
        return self.width, self.height

    def of(self, picture: NDArray[Any]) -> NDArray[Any]:
        """The part of an H x W x C picture that is kept, as an array of its own."""
        return np.ascontiguousarray(picture[self.y : self.y + self.height, self.x : self.x + self.width])


def crop_box(rule: CropName, size: Size) -> Box:
    """What a rule keeps of a picture.

    The rules are those of the JDRL release's evaluation: of its UNet the slice from 0 to n // 16 * 16, of its MPRNet
    torchvision's ``center_crop``, which rounds half a pixel to the even number.

    Args:
        rule: its name.
        size: (width, height) of the whole picture.
    """
    width, height = size
    if rule == "none":
        return Box(0, 0, width, height)
    step = 16 if rule == "unet16" else 8
    kept = width // step * step, height // step * step
    if rule == "unet16":
        return Box(0, 0, *kept)
    return Box(round((width - kept[0]) / 2), round((height - kept[1]) / 2), *kept)


def find_crop(
    sizes: Mapping[str, tuple[Size, Size]], given: CropName | None = None, *, whole_only: Sequence[str] = ()
) -> tuple[CropName, list[str]]:
    """Find the one rule by which all pictures of a folder were cropped.

    Args:
        sizes: by file name, (width, height) of the whole picture and of what was found.
        given: the rule, where it is known; None finds it out from the sizes.
        whole_only: ids of protocols that score whole pictures only.

    Returns:
        The rule (``none`` where there is a problem), and a line per problem: sizes that fit no accepted rule, files
        that follow different rules, rules of the same size that keep different parts.
    """
    rules: tuple[CropName, ...] = (given,) if given else CROPS
    accepted: tuple[CropName, ...] = ("none",) if whole_only else rules
    problems = []
    followers: dict[tuple[CropName, ...], list[str]] = defaultdict(list)
    for name, (whole, found) in sizes.items():
        fitting = tuple(rule for rule in rules if crop_box(rule, whole).size == found)
        usable = tuple(rule for rule in fitting if rule in accepted)
        if usable:
            followers[usable].append(name)
            continue
        expected: dict[Size, CropName] = {}
        for rule in accepted:
            expected.setdefault(crop_box(rule, whole).size, rule)
        text = " or ".join(_by(size) + ("" if rule == "none" else f" ({rule})") for size, rule in expected.items())
        cropped = f". It looks cropped ({fitting[0]}); {', '.join(whole_only)} scores whole pictures" if fitting else ""
        problems.append(f"{name}: wrong size: {_by(found)}, expected {text}{cropped}")
    common = [rule for rule in accepted if all(rule in usable for usable in followers)]
    if followers and not common:
        kinds = "; ".join(f"{' or '.join(usable)}: {', '.join(names)}" for usable, names in followers.items())
        problems.append(f"files follow different crop rules, and all must follow one: {kinds}")
    parts = {tuple(crop_box(rule, whole) for whole, _ in sizes.values()) for rule in common}
    if not problems and len(parts) > 1:
        problems.append(
            f"the sizes fit the crop rules {' and '.join(common)}, which keep different parts of a picture: say with "
            "--crop which one it was"
        )
    return (common[0] if common and not problems else "none"), problems


def _by(size: Size) -> str:
    return f"{size[0]} x {size[1]}"
