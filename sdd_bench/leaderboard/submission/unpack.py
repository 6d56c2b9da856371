"""Unpacking an archive from a stranger: everything is checked before anything is written, and again while it is."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sdd_bench.errors import ProblemsError, SubmissionError
from sdd_bench.io.atomic import TEMPORARY_PREFIX, make_folder, output_errors, sync_folder
from sdd_bench.io.staging import refuse_occupied
from sdd_bench.leaderboard.characters import shown
from sdd_bench.leaderboard.submission.layout import DOCUMENTS, HASHES, LIMITS, Limits
from sdd_bench.leaderboard.submission.names import collisions, name_problem, places
from sdd_bench.leaderboard.submission.zip_directory import DEFLATED, Member, read_directory

_BLOCK = 1 << 20
_MOST_PROBLEMS = 40
_HASH_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")


@dataclass(frozen=True)
class Contents:
    """What an archive holds, found without unpacking anything.

    Attributes:
        files: by their place in the submission.
        passed_over: names of what file managers added, which is not unpacked.
    """

    files: Mapping[str, Member]
    passed_over: tuple[str, ...]


def contents(archive: Path, limits: Limits = LIMITS) -> Contents:
    """Check all of an archive that can be checked without unpacking.

    Raises:
        SubmissionError: if it can't be read, or is no archive that is read.
        ProblemsError: naming everything that is wrong with its members.
    """
    with _opened(archive) as file:
        return _contents(archive, file, limits)


def unpack(archive: Path, out: Path, limits: Limits = LIMITS) -> Contents:
    """Unpack a submission into a folder that appears whole or not at all.

    Args:
        archive: the file.
        out: the folder, absent or empty.
        limits: how much is read and written, whatever the archive says of itself.

    Raises:
        SubmissionError: as `contents`; or if a member unpacks to something else than the archive says.
        ProblemsError: as `contents`; or if files are not those that ``SHA256SUMS`` names.
        OutputError: if the folder is there already, or can't be written.
    """
    refuse_occupied(out)
    with _opened(archive) as file:
        found = _contents(archive, file, limits)
        with output_errors(out):
            make_folder(out.parent)
            staging = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=out.parent))
            try:
                hashes = _write(file, found.files, staging, limits)
                _compare_hashes(archive, staging / HASHES, hashes)
                staging.chmod(0o755)
                if out.is_dir():
                    out.rmdir()
                staging.replace(out)
                sync_folder(out.parent)
            finally:
                shutil.rmtree(staging, ignore_errors=True)  # it is gone if all went well
    return found


def _opened(archive: Path) -> BinaryIO:
    if not archive.is_file():
        raise SubmissionError(f"{archive}: expected an archive, found {'a folder' if archive.is_dir() else 'no file'}.")
    try:
        return archive.open("rb")
    except OSError as error:
        raise SubmissionError(f"{archive}: can't be read: {error.strerror}. Check its permissions.") from error


def _contents(archive: Path, file: BinaryIO, limits: Limits) -> Contents:
    try:
        members, problems = read_directory(file, limits)
    except SubmissionError as error:
        raise SubmissionError(f"{archive}: {error}") from error
    for member in members:
        wrong = "its name is not UTF-8" if member.name is None else name_problem(member.name, limits)
        problems += [f"{member.shown}: {wrong}"] if wrong else []
    problems += _size_problems(members, limits)
    by_name = {member.name: member for member in members if member.name is not None}
    problems += collisions([member.name for member in members if member.name is not None])
    if problems:  # what its files are for is asked only of names that can be trusted
        raise _refusal(archive, problems)
    found, passed_over, problems = places(list(by_name))
    files = {place: by_name[name] for place, name in found.items()}
    problems += [
        f"{name}: {files[name].size:,} bytes; at most {limits.documents:,} are read"
        for name in DOCUMENTS
        if name in files and files[name].size > limits.documents
    ]
    if problems:
        raise _refusal(archive, problems)
    return Contents(files, tuple(passed_over))


def _refusal(archive: Path, problems: list[str]) -> ProblemsError:
    more = [f"and {len(problems) - _MOST_PROBLEMS} more"] if len(problems) > _MOST_PROBLEMS else []
    return ProblemsError(f"{archive} is not unpacked", problems[:_MOST_PROBLEMS] + more)


def _size_problems(members: list[Member], limits: Limits) -> Iterator[str]:
    for member in members:
        if member.size > limits.member:
            yield f"{member.shown}: {member.size:,} bytes unpacked; at most {limits.member:,} are written"
        elif member.size > limits.ratio * max(member.packed, 1):
            yield (
                f"{member.shown}: {member.packed:,} bytes are to become {member.size:,}, "
                f"more than {limits.ratio} times as many"
            )
    total = sum(member.size for member in members)
    if total > limits.total:
        yield f"{total:,} bytes unpacked; at most {limits.total:,} are written"


def _write(file: BinaryIO, files: Mapping[str, Member], folder: Path, limits: Limits) -> dict[str, str]:
    """SHA-256 of every file, by its place."""
    hashes = {}
    budget = limits.total
    for place, member in files.items():
        path = folder / place
        path.parent.mkdir(exist_ok=True)
        digest, crc, size = hashlib.sha256(), 0, 0
        # Never over a file: a file system may know names as equal that the checks took for different ones.
        with path.open("xb") as written:
            for block in _blocks(file, member):
                size += len(block)
                budget -= len(block)
                if size > member.size or budget < 0:
                    raise SubmissionError(
                        f"{member.shown}: unpacks to more than the {member.size:,} bytes that it claims: a bomb, or "
                        "damaged. Nothing was kept."
                    )
                digest.update(block)
                crc = zlib.crc32(block, crc)
                written.write(block)
            written.flush()
            os.fsync(written.fileno())
        if size != member.size or crc != member.crc:
            raise SubmissionError(f"{member.shown}: damaged: its checksum is not the one noted. Copy it again.")
        hashes[place] = digest.hexdigest()
    return hashes


def _blocks(file: BinaryIO, member: Member) -> Iterator[bytes]:
    """The content of a member, at most `_BLOCK` bytes at a time."""
    file.seek(member.data)
    left = member.packed
    inflate = zlib.decompressobj(-zlib.MAX_WBITS) if member.method == DEFLATED else None
    while left:
        block = file.read(min(_BLOCK, left))
        if not block:
            raise SubmissionError(f"{member.shown}: cut off. Copy the archive again.")
        left -= len(block)
        if inflate is None:
            yield block
            continue
        try:
            while block and not inflate.eof:
                yield inflate.decompress(block, _BLOCK)
                block = inflate.unconsumed_tail
            while not left and not inflate.eof and (rest := inflate.decompress(b"", _BLOCK)):
                yield rest
        except zlib.error as error:
            raise SubmissionError(f"{member.shown}: damaged: it can't be unpacked ({error}).") from error
        if inflate.unused_data or (inflate.eof and left):
            raise SubmissionError(f"{member.shown}: damaged: other bytes follow its content.")
    if inflate is not None and not inflate.eof:
        raise SubmissionError(f"{member.shown}: damaged: its content has no end.")


def _compare_hashes(archive: Path, path: Path, found: Mapping[str, str]) -> None:
    try:
        lines = path.read_text("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise SubmissionError(f"{archive}: {HASHES} is not UTF-8: {error}") from error
    matches = [_HASH_LINE.fullmatch(line) for line in lines]
    if not all(matches):
        wrong = next(line for line, match in zip(lines, matches, strict=True) if not match)
        raise SubmissionError(f"{archive}: {HASHES}: expected `HASH  FILE`, as sha256sum writes it: {shown(wrong)}")
    noted = {match[2]: match[1] for match in matches if match}
    problems = [f"{name}: not in {HASHES}" for name in found if name != HASHES and name not in noted]
    problems += [f"{shown(name)}: in {HASHES}, but not in the archive" for name in noted if name not in found]
    problems += [
        f"{name}: its SHA-256 is not the one in {HASHES}: it was changed after packing"
        for name, digest in found.items()
        if noted.get(name, digest) != digest
    ]
    if len(noted) < len(lines):
        problems.append(f"{HASHES} names a file more than once")
    if problems:
        raise ProblemsError(f"{archive} is not what it was packed as", problems)
