"""What a submission's archive holds, and how large it may be."""

from __future__ import annotations

from dataclasses import dataclass

META = "meta.yaml"
RESULT = "result.json"
HASHES = "SHA256SUMS"
PREDICTIONS = "predictions"
DOCUMENTS = (META, RESULT, HASHES)
SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".npy")
"""Of prediction files: all that are evaluated but .npz, an archive in an archive."""


@dataclass(frozen=True)
class Limits:
    """How much of anything is read, in bytes or as a number.

    Attributes:
        archive: size of the file. 4 GiB is also what a ZIP archive can be without its extension for larger ones.
        members: files and folders in it.
        member: one file in it, unpacked.
        total: all of them, unpacked.
        ratio: unpacked to packed, of one file.
        name: of one file, in UTF-8, with its folder.
        documents: each of `DOCUMENTS`, unpacked.
    """

    archive: int = 2**32 - 1
    members: int = 2_000
    member: int = 2**29
    total: int = 2**32 - 1
    ratio: int = 100
    name: int = 200
    documents: int = 2**24


LIMITS = Limits()
"""Room for all of DPDD (76 pictures) as float32 arrays, 1.7 GB; SDD as 16-bit PNG takes 0.5 GB."""
