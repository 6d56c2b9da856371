"""The pictures of a site on disk: files named by their content, and a list per entry of what they show.

::

    pictures/ENTRY.json           which file shows what, for each image of an entry
    pictures/files/HASH.jpg       the pictures; the same picture of several methods is one file
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sdd_bench.leaderboard.folder import predictions_key
from sdd_bench.leaderboard.records import ComputedEntry, Sha256
from sdd_bench.leaderboard.site.addresses import PICTURES

LAYERS = ("prediction", "error", "blur", "gt", "deformed_gt", "flow", "mask")
"""What pictures show, in the order of menus."""
Layer = Literal["prediction", "error", "blur", "gt", "deformed_gt", "flow", "mask"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ImagePictures(_Record):
    """The pictures of one image.

    Attributes:
        size: width and height of the full pictures, pixels.
        shown: width and height of the files, pixels.
        flow_scale: pixels that full colour stands for in the flow; None where there is none.
        files: name below ``pictures/files`` by what it shows.
    """

    size: tuple[int, int]
    shown: tuple[int, int]
    flow_scale: float | None
    files: dict[Layer, Annotated[str, Field(pattern=r"^[0-9a-f]{24}\.jpg$")]]


class EntryPictures(_Record):
    """The pictures of one entry.

    Attributes:
        scored_sha256: hash of what the entry scored: pictures of other predictions are not shown beside its numbers.
        error_scale: absolute error that full colour stands for.
        images: by stem.
    """

    schema_version: Literal[1] = 1
    scored_sha256: Sha256
    error_scale: float
    images: dict[str, ImagePictures]

    def to_json(self) -> str:
        """The content of its file."""
        return self.model_dump_json(indent=1) + "\n"


def scored_sha256(entry: ComputedEntry) -> str:
    """Hash of what an entry scored; it stays the same when its status changes."""
    return hashlib.sha256(predictions_key(entry).encode()).hexdigest()


def picture_name(data: bytes) -> str:
    """Name of a picture's file."""
    return f"{hashlib.sha256(data).hexdigest()[:24]}.jpg"


def list_file(site: Path, entry: ComputedEntry) -> Path:
    """Where the list of an entry's pictures is kept."""
    return site / PICTURES / f"{entry.id}.json"


def picture_file(site: Path, name: str) -> Path:
    """Where a picture is kept."""
    return site / PICTURES / "files" / name


def read_pictures(site: Path, entry: ComputedEntry) -> EntryPictures | None:
    """The pictures that a site has of an entry; None if it has none, or not of these predictions.

    A list that names files which are gone, or that is damaged, counts as none: the page says how to make them again.
    """
    try:
        found = EntryPictures.model_validate_json(list_file(site, entry).read_bytes())
    except (OSError, ValidationError):
        return None
    names = {name for image in found.images.values() for name in image.files.values()}
    if found.scored_sha256 != scored_sha256(entry) or not all(picture_file(site, name).is_file() for name in names):
        return None
    return found
