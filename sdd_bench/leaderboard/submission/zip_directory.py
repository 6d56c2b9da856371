"""The directory of a ZIP archive, read strictly: every byte of the file belongs to one member, or to the directory.

Readers of ZIP files differ in which of several directories, names and sizes they believe, and what passes one may be
something else to another. Here, everything that is told twice has to agree and to leave no gap, so there is one reading
only. (APPNOTE.TXT 6.3.10 by PKWARE is the format; its numbers are in brackets.)
"""

from __future__ import annotations

import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from sdd_bench.errors import SubmissionError
from sdd_bench.leaderboard.characters import shown
from sdd_bench.leaderboard.submission.layout import Limits

STORED, DEFLATED = 0, 8

_END = struct.Struct("<4s4H2LH")  # [4.3.16]
_ENTRY = struct.Struct("<4s6H3L5H2L")  # [4.3.12]
_LOCAL = struct.Struct("<4s5H3L2H")  # [4.3.7]
_EXTRA = struct.Struct("<HH")
_ENCRYPTED = 1 << 0 | 1 << 6 | 1 << 13
_DESCRIPTOR = 1 << 3
_PATCHED = 1 << 5
_LARGEST_ENTRY = 1024  # bytes; what macOS and Info-ZIP note of a file takes under 100
_LARGE = 0xFFFFFFFF
_EXTRA_ZIP64, _EXTRA_AES, _EXTRA_NAME = 0x0001, 0x9901, 0x7075
_EXTRA_LINKS = {0x000D, 0x756E}  # PKWARE's and ASi's Unix fields, which name the target of a link
_OTHER_FORMATS = (
    (0, b"\x1f\x8b", "gzip (.tar.gz?)"),
    (0, b"BZh", "bzip2 (.tar.bz2?)"),
    (0, b"\xfd7zXZ", "xz (.tar.xz?)"),
    (0, b"\x28\xb5\x2f\xfd", "Zstandard"),
    (0, b"7z\xbc\xaf\x27\x1c", "7-Zip"),
    (0, b"Rar!", "RAR"),
    (257, b"ustar", "tar"),
)


@dataclass(frozen=True)
class Member:
    """A file or folder of an archive, as its directory has it.

    Attributes:
        name: decoded; None if it is not UTF-8.
        raw: its name as stored.
        flags: general purpose bits.
        method: of compression.
        crc: CRC-32 of the content.
        packed: bytes in the archive.
        size: bytes unpacked.
        mode: Unix file mode; 0 if there is none.
        extra: extra fields by their number, of the directory.
        start: offset of its own header.
        data: offset of its content; 0 until its own header was read.
        end: offset behind it, its data descriptor included.
    """

    name: str | None
    raw: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    mode: int
    start: int
    extra: dict[int, bytes] = field(default_factory=dict)
    data: int = 0
    end: int = 0

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder, which has a name and nothing else."""
        return self.raw.endswith(b"/")

    @property
    def shown(self) -> str:
        """Its name for people."""
        return _shown(self.raw)


def read_directory(file: BinaryIO, limits: Limits) -> tuple[list[Member], list[str]]:
    """Read all there is to know of an archive without unpacking anything.

    Args:
        file: the archive, open for reading.
        limits: of its size and its members.

    Returns:
        The members in the order of their places in the file; and what is wrong with them, one line each.

    Raises:
        SubmissionError: if the file as a whole is no archive that is read.
    """
    size = file.seek(0, 2)
    if size > limits.archive:
        raise SubmissionError(f"it has {size:,} bytes; at most {limits.archive:,} are read.")
    file.seek(0)
    head = file.read(300)
    _refuse_other_formats(head, size)
    count, start = _end(file, size)
    if count > limits.members:
        raise SubmissionError(f"it says that it has {count:,} members; at most {limits.members:,} are read.")
    members = list(_entries(file, count, start, size - _END.size))
    problems = [problem for member in members for problem in _member_problems(member)]
    located: list[Member] = []
    for member in sorted(members, key=lambda member: member.start):
        whole, problem = _locate(file, member, start)
        located.append(whole)
        problems += [f"{member.shown}: {problem}"] if problem else []
    if not problems:  # places are known only of members whose headers agree
        problems = list(_gaps(located, start))
    return located, problems


def _refuse_other_formats(head: bytes, size: int) -> None:
    for offset, signature, name in _OTHER_FORMATS:
        if head[offset:].startswith(signature):
            raise SubmissionError(f"it is a {name} archive; only ZIP is read. Make one with `sdd-bench submit pack`.")
    if not head.startswith(b"PK") or size < _END.size:
        found = "it is empty" if not size else f"it begins with {head[:8].hex(' ')}"
        raise SubmissionError(f"not a ZIP archive: {found}. Make one with `sdd-bench submit pack`.")


def _end(file: BinaryIO, size: int) -> tuple[int, int]:
    """Number of members and offset of the directory; its own end is the end of the file."""
    file.seek(size - _END.size)
    mark, disk, first_disk, here, count, length, start, comment = _END.unpack(file.read(_END.size))
    if mark != b"PK\5\6" or comment:
        raise SubmissionError(
            "it does not end where its directory ends: cut off, or followed by a comment or other bytes. "
            "Copy it again, or make it with `sdd-bench submit pack`."
        )
    if disk or first_disk or here != count:
        raise SubmissionError("it is one part of an archive in several; give one whole archive.")
    if 0xFFFF in (count, here) or _LARGE in (length, start):
        raise SubmissionError("it is a ZIP64 archive, for more than 65,534 members or 4 GiB; that is not read.")
    if start + length != size - _END.size:
        raise SubmissionError("its directory is not where it says: bytes were put before or between, or are missing.")
    return count, start


def _entries(file: BinaryIO, count: int, start: int, stop: int) -> Iterator[Member]:
    if stop - start > count * _LARGEST_ENTRY:
        raise SubmissionError(f"its directory takes {stop - start:,} bytes, more than {count:,} members need.")
    file.seek(start)
    directory = file.read(stop - start)
    place = 0
    for number in range(1, count + 1):
        damaged = f"its directory is damaged at member {number} of {count}. Make the archive again."
        if place + _ENTRY.size > len(directory):
            raise SubmissionError(damaged)
        fields = _ENTRY.unpack_from(directory, place)
        mark, _, _, flags, method, _, _, crc, packed, size, *lengths, disk, _, attributes, offset = fields
        names = [place + _ENTRY.size]
        names += [names[0] + lengths[0], names[0] + sum(lengths[:2]), names[0] + sum(lengths)]
        if mark != b"PK\1\2" or disk or names[-1] > len(directory):
            raise SubmissionError(damaged)
        raw = directory[names[0] : names[1]]
        yield Member(
            name=_decoded(raw),
            raw=raw,
            flags=flags,
            method=method,
            crc=crc,
            packed=packed,
            size=size,
            mode=attributes >> 16,
            start=offset,
            extra=_extra(directory[names[1] : names[2]]),
        )
        place = names[-1]
    if place != len(directory):
        raise SubmissionError(f"its directory holds more than the {count} members that it counts. Make it again.")


def _shown(raw: bytes) -> str:
    return shown(raw.decode("utf-8", "backslashreplace"))


def _decoded(raw: bytes) -> str | None:
    # Without the flag for UTF-8 (bit 11) names are of an unknown code page; macOS leaves it out and writes UTF-8.
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _extra(data: bytes) -> dict[int, bytes]:
    found = {}
    while len(data) >= _EXTRA.size:
        kind, length = _EXTRA.unpack_from(data)
        found[kind] = data[_EXTRA.size : _EXTRA.size + length]
        data = data[_EXTRA.size + length :]
    return found


def _member_problems(member: Member) -> Iterator[str]:
    name, kind = member.shown, stat.S_IFMT(member.mode)
    if member.flags & _ENCRYPTED or _EXTRA_AES in member.extra:
        yield f"{name}: encrypted; submissions are open to read"
    elif member.method not in (STORED, DEFLATED):
        yield f"{name}: compressed by method {member.method}; only stored (0) and deflated (8) members are read"
    if member.flags & _PATCHED:
        yield f"{name}: a patch of another file; give the file itself"
    if _LARGE in (member.packed, member.size, member.start) or _EXTRA_ZIP64 in member.extra:
        yield f"{name}: stored in the ZIP64 way, for more than 4 GiB; that is not read"
    if stat.S_ISLNK(member.mode):
        yield f"{name}: a symbolic link; give the file itself"
    elif _EXTRA_LINKS & member.extra.keys():
        yield f"{name}: it may be a link to another file; give the file itself"
    elif kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        yield f"{name}: a device, a pipe or a socket; only files are read"
    elif kind and (kind == stat.S_IFDIR) is not member.is_folder:
        yield f"{name}: a file by its name and a folder by its mode, or the other way round"
    if member.is_folder and (member.size or member.crc or member.packed > 2):  # two: nothing, deflated
        yield f"{name}: a folder that has content"
    if member.method == STORED and member.packed != member.size:
        yield f"{name}: stored as it is, but {member.packed:,} bytes are to become {member.size:,}"
    # A second name in UTF-8 [4.6.9]: version, CRC of the first, name.
    second = member.extra.get(_EXTRA_NAME, bytes(5) + member.raw)[5:]
    if second != member.raw:
        yield f"{name}: it has a second name, {_shown(second)}"


def _locate(file: BinaryIO, member: Member, stop: int) -> tuple[Member, str]:
    """The member with the places of its content and its end; and what its own header tells otherwise."""
    file.seek(member.start)
    header = file.read(_LOCAL.size) if member.start + _LOCAL.size <= stop else b""
    if len(header) < _LOCAL.size or not header.startswith(b"PK\3\4"):
        return member, "its place in the archive is not where a member begins"
    _, _, flags, method, _, _, crc, packed, size, name, extra = _LOCAL.unpack(header)
    raw = file.read(name)
    data = member.start + _LOCAL.size + name + extra
    end = data + member.packed
    follows = bool(flags & _DESCRIPTOR)
    told = (crc, packed, size)
    if raw != member.raw:
        return member, f"it is called {_shown(raw)} at its own place"
    known = (member.crc, member.packed, member.size)
    if flags != member.flags or method != member.method or (told != known and not (follows and told == (0, 0, 0))):
        return member, "the directory and its own header disagree on its size, checksum or compression"
    if end > stop:
        return member, "it reaches beyond the members' part of the archive"
    if follows:  # [4.3.9]: sizes and checksum again, with a mark before them or without
        file.seek(end)
        again = file.read(16)
        plain = struct.pack("<3L", *known)
        length = 16 if again == b"PK\7\10" + plain else 12 if again.startswith(plain) else 0
        if not length:
            return member, "what follows its content is not its size and checksum"
        end += length
    return replace(member, data=data, end=end), ""


def _gaps(members: list[Member], stop: int) -> Iterator[str]:
    reached = 0
    for member in members:
        if member.start < reached:
            yield f"{member.shown}: it overlaps the member before it, as in a bomb"
        elif member.start > reached:
            yield f"{member.shown}: before it are {member.start - reached:,} bytes that belong to no member"
        reached = max(reached, member.end)
    if reached != stop:
        yield f"before the directory are {stop - reached:,} bytes that belong to no member"
