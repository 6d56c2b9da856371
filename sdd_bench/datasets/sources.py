"""What every layout of a raw folder gives: pairs of raw images, with what is known about each."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sdd_bench.datasets.manifest import Environment, Kind, Split
from sdd_bench.io.sniff import IMAGE_SUFFIXES

SUFFIXES = tuple(suffix for suffix in IMAGE_SUFFIXES if suffix not in (".npy", ".npz"))
"""File name endings (in any case) of raw images."""


@dataclass(frozen=True)
class SourcePair:
    """One pair of a raw folder.

    Attributes:
        stem: name of the pair.
        sources: path of each raw image ("blur", "gt", and "aligned_gt" where there is one) as given: relative to the
            raw folder, or absolute.
        scene: pairs of one scene stay in one split.
        environment: "indoor", "outdoor" or None.
        split: "train", "val", "test" or None where the folder names none.
        is_patch: whether its images are a training patch already, cut from images that the folder does not hold.
        evidence: why these files are a pair, where their names do not say so.
    """

    stem: str
    sources: dict[Kind, str]
    scene: str
    environment: Environment | None = None
    split: Split | None = None
    is_patch: bool = False
    evidence: str = ""


@dataclass(frozen=True)
class Found:
    """What a layout found in a raw folder.

    Attributes:
        pairs: the pairs.
        problems: one line per problem; with any, the pairs are not to be used.
        notes: what was passed over, and why.
        inferred: whether the pairs are a guess that a person has to confirm.
    """

    pairs: list[SourcePair] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    inferred: bool = False


@dataclass(frozen=True)
class Layout:
    """A way to lay out pairs in a folder.

    Attributes:
        name: its name, for ``--layout``.
        looks_like: one line for error messages.
        recognises: whether a raw folder has this layout.
        find: lists the pairs of a raw folder, and all that stands against them.
    """

    name: str
    looks_like: str
    recognises: Callable[[Path], bool]
    find: Callable[[Path], Found]


def composed(name: str) -> str:
    """A name in Unicode's composed form: macOS writes decomposed ones, which look the same and are not equal."""
    return unicodedata.normalize("NFC", name)
