"""Every kind of hostile archive that is known, and what becomes of it: the table in docs/howto/submission.md.

The table is written by ``SDD_BENCH_WRITE_DOCS=1 pytest tests/leaderboard/submission/test_hostile_archives.py``.
"""

import gzip
import io
import os
import random
import struct
import tarfile
import tracemalloc
from pathlib import Path

import pytest

from sdd_bench.errors import SddBenchError
from sdd_bench.leaderboard.submission import unpack as module
from sdd_bench.leaderboard.submission.unpack import unpack

DOCS = Path(__file__).parents[3] / "docs" / "howto" / "submission.md"
BEGIN, END = "<!-- hostile archives -->\n", "<!-- end of hostile archives -->"
MOST_WRITTEN = 1 << 20  # bytes; sound submissions here have under 2 kB
ACCEPTED = "unpacked"


def extra_field(kind, data):
    return struct.pack("<HH", kind, len(data)) + data


def tar_gz():
    text = io.BytesIO()
    with tarfile.open(fileobj=text, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("meta.yaml"))
    return text.getvalue()


def tar():
    text = io.BytesIO()
    with tarfile.open(fileobj=text, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("meta.yaml"))
    return text.getvalue()


@pytest.fixture(scope="module")
def cases(part, zipped, sound):
    zeros = bytes(50 << 20)

    def with_(*extra, **options):
        return zipped(sound(*extra, **options))

    def named(name, **options):
        return with_(part(name, b"x", **options))

    def member(**options):
        return named("predictions/c.png", **options)

    whole = with_()
    offset = zipped(sound()).index(b"PK\3\4", 4)
    inner = zipped([part("predictions/c.png", b"x")]).partition(b"PK\1\2")[0]
    outer = [*sound(), part("predictions/d.png", inner)]
    inside = zipped(outer).index(inner)
    hidden = [*sound(), part("predictions/c.png", b"x", gap=b"hidden bytes")]
    return {
        "path traversal, `../evil.png`": named("../evil.png"),
        "path traversal further in, `predictions/../../evil.png`": named("predictions/../../evil.png"),
        "absolute path, `/etc/cron.d/evil`": named("/etc/cron.d/evil"),
        "drive letter, `C:/evil.png`": named("C:/evil.png"),
        "drive letter without a slash, `C:evil.png`": named("C:evil.png"),
        "backslashes, `predictions\\..\\evil.png`": named("predictions\\..\\evil.png"),
        "network path, `\\\\host\\share\\evil.png`": named("\\\\host\\share\\evil.png"),
        "`.` and empty parts, `predictions/.//c.png`": named("predictions/.//c.png"),
        "symbolic link": member(mode=0o120777),
        "hard link (Unix extra field)": member(extra=extra_field(0x000D, bytes(12) + b"/etc/passwd")),
        "device": member(mode=0o020666),
        "named pipe": member(mode=0o010666),
        "folder by its mode only": member(mode=0o040755),
        "folder with content": named("predictions/sub/"),
        "encrypted member (ZipCrypto)": member(flags=1),
        "encrypted member (AES)": member(method=99, extra=extra_field(0x9901, bytes(7))),
        "another compression (bzip2)": member(method=12),
        "NUL in a name": named(b"predictions/c.png\0.exe"),
        "line end in a name": named("predictions/c\n.png"),
        "escape sequence in a name": named("predictions/\x1b[2Jc.png"),
        "text direction turned in a name": named("predictions/\u202egnp.exe.png"),
        "name that is not UTF-8": named(b"predictions/\xff\xfe.png"),
        "over-long name": named("predictions/" + "n" * 300 + ".png"),
        "second name in an extra field": member(extra=extra_field(0x7075, bytes(5) + b"../evil.png")),
        "device name of Windows, `predictions/NUL.png`": named("predictions/NUL.png"),
        "stream of Windows, `predictions/c.png:evil`": named("predictions/c.png:evil"),
        "name that Windows shortens, `predictions/c.png.`": named("predictions/c.png."),
        "the same name twice": zipped([*sound(), part("predictions/a.png", b"x")]),
        "names that differ by case": named("predictions/A.png"),
        "names that differ by Unicode encoding": with_(
            part("predictions/é.png", b"x"), part("predictions/e\u0301.png", b"x")
        ),
        "file in a file": named("predictions/a.png/c.png"),
        "other name at its own place": member(local_name=b"predictions/d.png"),
        "other size at its own place": member(local_size=7),
        "a member within another (overlap bomb)": zipped([*outer, part("predictions/c.png", b"x", start=inside)]),
        "a member that begins nowhere": named("predictions/c.png", start=5),
        "one content, many members (bomb)": zipped(
            [*sound(), *(part(f"predictions/c{n}.png", b"x" * 450, start=offset) for n in range(50))]
        ),
        "ratio bomb, 50 MiB in 50 kB": with_(part("predictions/c.png", zeros, method=8)),
        "bomb whose header lies, 50 MiB said to be 5 MB": with_(
            part("predictions/c.png", zeros, method=8, size=5_000_000)
        ),
        "header that claims more than there is": with_(
            part("predictions/c.png", random.Random(1).randbytes(5000), method=8, size=6000)
        ),
        "one file of 600 MB": member(method=8, packed=bytes(6_000_000), size=600_000_000),
        "many files that are 5 GB together": with_(
            *(
                part(f"predictions/c{n}.npy", method=8, packed=bytes(5_000_000), size=500_000_000, crc=0)
                for n in range(10)
            )
        ),
        "too many members": zipped([part(f"predictions/{number}.png") for number in range(2001)]),
        "directory that counts more members than it has": zipped(sound(), count=9),
        "directory that counts fewer members than it has": zipped(sound(), count=2),
        "checksum that is wrong": member(crc=1),
        "hidden bytes between members": zipped(hidden),
        "bytes before the archive (a program)": zipped(sound(), head=b"MZ"),
        "another archive before it": whole + whole,
        "bytes behind the archive": whole + b"tail",
        "comment, which may hold a second directory": zipped(sound(), comment=b"comment"),
        "part of a split archive": zipped(sound(), disk=1),
        "ZIP64": member(extra=extra_field(0x0001, bytes(16))),
        "cut off": whole[:-30],
        "tar": tar(),
        "tar.gz": tar_gz(),
        "7-Zip": b"7z\xbc\xaf\x27\x1c" + bytes(40),
        "RAR": b"Rar!\x1a\7\1\0" + bytes(40),
        "empty file": b"",
        "web page named .zip": b"<!doctype html><title>404</title>" + bytes(40),
        "data descriptor that is wrong": member(flags=8, descriptor=bytes(16)),
        "archive in the archive": named("predictions/more.zip"),
        "program beside the predictions": named("setup.py"),
        "roots nested in one another": zipped(sound(folder="a/b/")),
        "two submissions": zipped([*sound(folder="a/"), *sound(folder="b/")]),
        "no result": zipped(sound(drop=("result.json",))),
        "no predictions": zipped(sound(drop=("predictions/a.png", "predictions/b.png"))),
        "prediction changed after packing": zipped(
            sound(replace={"predictions/a.png": part("predictions/a.png", b"another")})
        ),
        "file that SHA256SUMS does not name": zipped([*sound(), part("predictions/c.png", b"x")]),
        "`__MACOSX`, `.DS_Store`": with_(part("__MACOSX/predictions/._a.png", b"x"), part(".DS_Store", b"x")),
        "`__MACOSX/../../evil`": named("__MACOSX/../../evil"),
        "one folder around everything": zipped(sound(folder="my submission/")),
        "sizes behind the content (data descriptor, as macOS writes)": member(flags=8),
    }


def outcome(data, folder, monkeypatch):
    """What the user reads, and how many bytes were written."""
    folder.mkdir()
    archive = folder / "submission.zip"
    archive.write_bytes(data)
    written = []
    remove = module.shutil.rmtree

    def watched(path, **options):
        written.append(sum(file.stat().st_size for file in path.rglob("*") if file.is_file()))
        remove(path, **options)

    monkeypatch.setattr(module.shutil, "rmtree", watched)
    try:
        found = unpack(archive, folder / "out")
    except SddBenchError as error:
        assert [path.name for path in folder.iterdir()] == ["submission.zip"]
        text = str(error).replace(str(archive), "FILE")
        lines = [line.removeprefix("  - ") for line in text.splitlines()]
        said = lines[-1] if len(lines) == 2 else f"{lines[1]} (and {len(lines) - 2} more)" if lines[1:] else lines[0]
    else:
        left = f"; not unpacked: {', '.join(found.passed_over)}" if found.passed_over else ""
        said = ACCEPTED + left
    return said, max(written, default=0)


@pytest.fixture(scope="module")
def outcomes(cases, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        base = tmp_path_factory.mktemp("hostile")
        return {kind: outcome(data, base / str(n), patch) for n, (kind, data) in enumerate(cases.items())}


def table(outcomes):
    lines = ["| archive | outcome |", "|---|---|"]
    for kind, (said, _) in outcomes.items():
        said = said.replace("|", "\\|").replace("`", "'").removeprefix("FILE: ")
        lines.append(f"| {kind.replace('|', chr(92) + '|')} | {said} |")
    return "\n".join(lines) + "\n"


def test_only_what_file_managers_do_is_accepted(outcomes):
    assert [kind for kind, (said, _) in outcomes.items() if said.startswith(ACCEPTED)] == [
        "`__MACOSX`, `.DS_Store`",
        "one folder around everything",
        "sizes behind the content (data descriptor, as macOS writes)",
    ]


def test_nothing_is_written_unless_only_unpacking_shows_it(outcomes):
    wrote = {kind for kind, (_, written) in outcomes.items() if written}
    assert wrote <= {
        "bomb whose header lies, 50 MiB said to be 5 MB",
        "header that claims more than there is",
        "checksum that is wrong",
        "prediction changed after packing",
        "file that SHA256SUMS does not name",
    }
    lying = outcomes["bomb whose header lies, 50 MiB said to be 5 MB"][1]
    assert lying < 5_000_000 + 10_000


def test_a_bomb_fills_neither_memory_nor_disk(cases, tmp_path, monkeypatch):
    data = cases["bomb whose header lies, 50 MiB said to be 5 MB"]
    tracemalloc.start()
    try:
        said, written = outcome(data, tmp_path / "bomb", monkeypatch)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "unpacks to more than the 5,000,000 bytes that it claims" in said
    assert written < 5_100_000
    assert peak < len(data) + (8 << 20)


def test_the_documented_table_is_what_happens(outcomes):
    text = DOCS.read_text("utf-8")
    head, _, rest = text.partition(BEGIN)
    documented, _, tail = rest.partition(END)
    if os.environ.get("SDD_BENCH_WRITE_DOCS"):
        DOCS.write_text(head + BEGIN + table(outcomes) + END + tail, "utf-8")
        documented = table(outcomes)
    assert documented == table(outcomes)


def test_a_gzip_file_is_told_by_its_content_not_its_name(tmp_path, monkeypatch):
    said, _ = outcome(gzip.compress(b"x"), tmp_path / "named", monkeypatch)
    assert "it is a gzip (.tar.gz?) archive; only ZIP is read" in said
