"""The tag directory that TIFF files and EXIF blocks share (TIFF 6.0, section 2)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO, Literal

from sdd_bench.io.headers import damaged, read_exactly

_ENTRY_BYTES = 12
_INTEGERS = {1: "B", 3: "H", 4: "I"}  # BYTE, SHORT, LONG


@dataclass(frozen=True)
class TiffTags:
    """The first directory of a TIFF file or EXIF block, its values still unread.

    Attributes:
        order: byte order as `struct` writes it.
        entries: the raw 12 bytes of each entry by tag number.
        is_last: whether no further directory (page) follows.
    """

    file: BinaryIO
    order: Literal["<", ">"]
    entries: dict[int, bytes]
    is_last: bool

    @classmethod
    def read(cls, file: BinaryIO) -> TiffTags:
        """Read the directory of a file.

        Args:
            file: open, with the TIFF header at offset 0; it must stay open as long as values are asked for.

        Raises:
            ImageError: it is truncated or no TIFF.
        """
        head = read_exactly(file, 0, 8, "the TIFF header")
        order: Literal["<", ">"] = ">" if head[:2] == b"MM" else "<"
        if head[:2] not in (b"II", b"MM") or struct.unpack(f"{order}H", head[2:4]) != (42,):
            raise damaged("its TIFF header is wrong")
        (offset,) = struct.unpack(f"{order}I", head[4:])
        (count,) = struct.unpack(f"{order}H", read_exactly(file, offset, 2, "the tag directory"))
        body = read_exactly(file, offset + 2, count * _ENTRY_BYTES, "the tag directory")
        # Some EXIF writers leave the last link out; that says as well that nothing follows.
        link = file.read(4)
        entries: dict[int, bytes] = {}
        for start in range(0, len(body), _ENTRY_BYTES):
            entry = body[start : start + _ENTRY_BYTES]
            entries.setdefault(struct.unpack(f"{order}H", entry[:2])[0], entry)
        return cls(file, order, entries, is_last=not any(link))

    def integers(self, tag: int) -> tuple[int, ...]:
        """Read a tag's whole numbers; empty if the tag is absent.

        Args:
            tag: the tag's number.

        Raises:
            ImageError: they are damaged or no whole numbers.
        """
        entry = self.entries.get(tag)
        if entry is None:
            return ()
        kind, count = struct.unpack(f"{self.order}HI", entry[2:8])
        if kind not in _INTEGERS:
            raise damaged(f"tag {tag} has type {kind} where whole numbers belong")
        layout = f"{self.order}{count}{_INTEGERS[kind]}"
        size = count * struct.calcsize(_INTEGERS[kind])
        if size <= 4:
            return struct.unpack(layout, entry[8 : 8 + size])
        (offset,) = struct.unpack(f"{self.order}I", entry[8:])
        return struct.unpack(layout, read_exactly(self.file, offset, size, f"tag {tag}"))

    def integer(self, tag: int, default: int) -> int:
        """Read the first of a tag's whole numbers, `default` if the tag is absent or empty; see `integers`."""
        values = self.integers(tag)
        return values[0] if values else default
