import io
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdd_bench.errors import OutputError, ProblemsError, SddBenchError, SubmissionError
from sdd_bench.leaderboard.submission.layout import Limits
from sdd_bench.leaderboard.submission.unpack import contents, unpack
from sdd_bench.leaderboard.submission.zip_directory import read_directory

MANY = settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])


def files_in(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def written(tmp_path):
    def write(data):
        (tmp_path / "s.zip").write_bytes(data)
        return tmp_path / "s.zip"

    return write


def test_a_submission_is_unpacked_to_the_byte_and_stands_alone(written, zipped, sound, tmp_path):
    parts = sound()
    unpack(written(zipped(parts)), tmp_path / "out")
    assert files_in(tmp_path / "out") == {part.name: part.data for part in parts}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "s.zip"]


def test_modes_in_the_archive_give_no_rights(written, zipped, sound, part, tmp_path):
    extra = part("predictions/c.png", b"x", mode=0o104777)
    unpack(written(zipped(sound(extra))), tmp_path / "out")
    assert (tmp_path / "out" / "predictions" / "c.png").stat().st_mode & 0o7111 == 0


@pytest.mark.parametrize("file", [True, False])
def test_nothing_is_overwritten(written, zipped, sound, tmp_path, file):
    out = tmp_path / "out"
    if file:
        out.write_text("mine")
    else:
        out.mkdir()
        (out / "mine").write_text("mine")
    with pytest.raises(OutputError, match="already exists"):
        unpack(written(zipped(sound())), out)
    assert (out if file else out / "mine").read_text() == "mine"


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        (Limits(archive=100), "at most 100 are read"),
        (Limits(members=3), "at most 3 are read"),
        (Limits(member=400), "450 bytes unpacked; at most 400 are written"),
        (Limits(total=600), "bytes unpacked; at most 600 are written"),
        (Limits(name=10), "at most 10 are read"),
        (Limits(documents=10), "at most 10 are read"),
    ],
)
def test_every_limit_is_kept(written, zipped, sound, tmp_path, limits, problem):
    with pytest.raises(SddBenchError, match=problem):
        unpack(written(zipped(sound())), tmp_path / "out", limits)
    assert not (tmp_path / "out").exists()


def test_what_was_unpacked_counts_whatever_the_headers_say(written, zipped, sound, part, tmp_path, monkeypatch):
    from sdd_bench.leaderboard.submission import unpack as module

    # The checks before unpacking believe the headers; without them the budget has to hold by itself.
    monkeypatch.setattr(module, "_size_problems", lambda members, limits: [])
    extra = part("predictions/c.png", bytes(10 << 20), method=8)
    with pytest.raises(SubmissionError, match="unpacks to more"):
        unpack(written(zipped(sound(extra))), tmp_path / "out", Limits(total=1 << 20))
    assert [path.name for path in tmp_path.iterdir()] == ["s.zip"]


def test_all_problems_of_an_archive_are_in_one_report(written, zipped, sound, part):
    bad = [part("../a", b"x"), part("/b", b"x"), part("c", b"x", flags=1), part("d", b"x", mode=0o120777)]
    with pytest.raises(ProblemsError) as caught:
        contents(written(zipped(sound(*bad))))
    assert len(caught.value.problems) == 4


def test_a_long_report_is_cut(written, zipped, sound, part):
    with pytest.raises(ProblemsError) as caught:
        contents(written(zipped(sound(*(part(f"../{number}", b"x") for number in range(500))))))
    assert len(caught.value.problems) == 41
    assert caught.value.problems[-1] == "and 460 more"


@pytest.mark.parametrize("there", ["folder", "nothing"])
def test_what_is_no_file_is_said(tmp_path, there):
    path = tmp_path / "x"
    if there == "folder":
        path.mkdir()
    with pytest.raises(SubmissionError, match="expected an archive, found"):
        contents(path)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"no hash\n", "expected `HASH  FILE`"),
        (b"\xff\n", "not UTF-8"),
        (b"0" * 64 + b"  gone.png\n", "gone.png: in SHA256SUMS, but not in the archive"),
        (b"0" * 64 + b"  meta.yaml\n", "changed after packing"),
    ],
)
def test_sums_that_are_not_the_files_are_refused(written, zipped, sound, part, tmp_path, line, problem):
    sums = next(one.data for one in sound() if one.name == "SHA256SUMS") + line
    with pytest.raises(SddBenchError, match=problem):
        unpack(written(zipped(sound(replace={"SHA256SUMS": part("SHA256SUMS", sums)}))), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@MANY
@given(
    pictures=st.dictionaries(
        st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=20), st.binary(max_size=3000), min_size=1
    ),
    method=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
    streamed=st.booleans(),
)
def test_archives_of_another_writer_are_read_as_another_reader_reads_them(pictures, method, streamed, sound):
    class Pipe(io.BytesIO):  # zipfile notes sizes behind the content if it can't go back
        def seekable(self):
            return False

        def seek(self, *_):
            raise io.UnsupportedOperation

        def tell(self):
            raise io.UnsupportedOperation

    file = Pipe() if streamed else io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in pictures.items():
            archive.writestr(f"predictions/{name}.png", data)
    data = file.getvalue()
    members, problems = read_directory(io.BytesIO(data), Limits(ratio=10_000))
    assert problems == []
    with zipfile.ZipFile(io.BytesIO(data)) as oracle:
        assert [(m.name, m.size, m.packed, m.crc, m.start) for m in members] == [
            (i.filename, i.file_size, i.compress_size, i.CRC, i.header_offset) for i in oracle.infolist()
        ]


@MANY
@given(data=st.data())
def test_a_damaged_archive_is_refused_or_unpacks_to_what_was_packed(data, zipped, sound, part, tmp_path_factory):
    whole = zipped(
        sound(part("predictions/c.png", b"deflated" * 40, method=8), part("predictions/d.png", b"d", flags=8))
    )
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    folder = tmp_path_factory.mktemp("damaged")
    (folder / "s.zip").write_bytes(damaged)
    try:
        unpack(folder / "s.zip", folder / "out")
    except SddBenchError:
        assert [path.name for path in folder.iterdir()] == ["s.zip"]
    else:
        with zipfile.ZipFile(io.BytesIO(whole)) as archive:
            assert files_in(folder / "out") == {name: archive.read(name) for name in archive.namelist()}


@MANY
@given(content=st.binary(max_size=400))
def test_bytes_that_begin_like_an_archive_are_refused_in_words(content, tmp_path_factory):
    path = tmp_path_factory.mktemp("bytes") / "s.zip"
    path.write_bytes(b"PK\3\4" + content)
    with pytest.raises(SddBenchError):
        contents(path)
