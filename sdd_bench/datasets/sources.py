"""What every layout of a raw folder gives: pairs of raw images, with what is known about each."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
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
        split: "train", "test" or None where the folder names none.
    """

    stem: str
    sources: dict[Kind, str]
    scene: str
    environment: Environment | None = None
    split: Split | None = None


@dataclass(frozen=True)
class Layout:
    """A way to lay out pairs in a folder.

    Attributes:
        name: its name, for ``--layout``.
        looks_like: one line for error messages.
        recognises: whether a raw folder has this layout.
        find: lists the pairs of a raw folder, and one line per problem.
    """

    name: str
    looks_like: str
    recognises: Callable[[Path], bool]
    find: Callable[[Path], tuple[list[SourcePair], list[str]]]


def composed(name: str) -> str:
    """A name in Unicode's composed form: macOS writes decomposed ones, which look the same and are not equal."""
    return unicodedata.normalize("NFC", name)
