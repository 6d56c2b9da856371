"""Archives made byte by byte, so that they can be what no tool would make."""

import hashlib
import struct
import zlib
from dataclasses import dataclass

import pytest

DOCUMENTS = {"meta.yaml": b"schema_version: 1\nname: a method\n", "result.json": b"{}\n"}


@dataclass
class Part:
    """One member; what is None is what it should be."""

    name: bytes | str
    data: bytes = b""
    method: int = 0
    flags: int = 0
    mode: int = 0o100644
    extra: bytes = b""
    size: int | None = None
    crc: int | None = None
    start: int | None = None
    local_name: bytes | None = None
    local_size: int | None = None
    descriptor: bytes | None = None
    gap: bytes = b""
    packed: bytes | None = None

    @property
    def raw(self):
        return self.name.encode() if isinstance(self.name, str) else self.name


def write(parts, head=b"", comment=b"", tail=b"", count=None, disk=0):
    """An archive of parts: bytes."""
    body, directory = bytearray(head), bytearray()
    for part in parts:
        body += part.gap
        packed = part.data
        if part.method == 8:
            deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
            packed = deflate.compress(part.data) + deflate.flush() if part.packed is None else part.packed
        crc = zlib.crc32(part.data) if part.crc is None else part.crc
        size = len(part.data) if part.size is None else part.size
        start = len(body) if part.start is None else part.start
        told = (crc, len(packed), size if part.local_size is None else part.local_size)
        follows = b""
        if part.flags & 8:
            follows = struct.pack("<4s3L", b"PK\7\10", *told) if part.descriptor is None else part.descriptor
            told = (0, 0, 0)
        local = part.raw if part.local_name is None else part.local_name
        if part.start is None:
            body += struct.pack("<4s5H3L2H", b"PK\3\4", 20, part.flags, part.method, 0, 33, *told, len(local), 0)
            body += local + packed + follows
        directory += struct.pack(
            "<4s6H3L5H2L",
            *(b"PK\1\2", 0x314, 20, part.flags, part.method, 0, 33, crc, len(packed), size),
            *(len(part.raw), len(part.extra), 0, 0, 0, part.mode << 16, start),
        )
        directory += part.raw + part.extra
    number = len(parts) if count is None else count
    end = struct.pack("<4s4H2LH", b"PK\5\6", disk, disk, number, number, len(directory), len(body), len(comment))
    return bytes(body + directory + end + comment + tail)


def submission(*extra, folder="", replace=None, drop=()):
    """The parts of a sound submission of two predictions, and others."""
    files = DOCUMENTS | {"predictions/a.png": b"picture a" * 50, "predictions/b.png": b"picture b" * 50}
    files |= {part.raw.decode("utf-8", "replace"): part.data for part in extra if part.raw.startswith(b"predictions/")}
    lines = [f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in files.items()]
    kept = {"SHA256SUMS": "".join(lines).encode()} | files
    taken = {part.raw for part in extra}
    parts = [
        Part(folder + name, data) for name, data in kept.items() if name.encode() not in taken and name not in drop
    ]
    return [replace.get(part.name, part) if replace else part for part in parts] + list(extra)


@pytest.fixture(scope="session")
def part():
    return Part


@pytest.fixture(scope="session")
def zipped():
    return write


@pytest.fixture(scope="session")
def sound():
    return submission
