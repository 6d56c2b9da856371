"""What an evaluation writes and keeps: damage is found, nothing is lost, and nothing is half-written."""

import errno
import json
import os
import shutil
import sys

import pytest

from sdd_bench import evaluate
from sdd_bench.errors import OutputError, ResultError
from sdd_bench.evaluation import DEFAULT_PROTOCOL, evaluator
from sdd_bench.evaluation.run import evaluate_all
from sdd_bench.io import atomic

PROTOCOL = "dpdd2020"  # the fastest


@pytest.fixture
def folder(prepared, tmp_path):
    shutil.copytree(prepared / "test" / "blur", tmp_path / "blurry")
    return tmp_path / "blurry"


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def count_calls(monkeypatch, name):
    calls, original = [], getattr(evaluator, name)
    monkeypatch.setattr(evaluator, name, lambda *given, **named: calls.append(1) or original(*given, **named))
    return calls


def test_damaged_edited_and_renamed_rows_are_measured_again(prepared, folder, tmp_path, monkeypatch):
    first = evaluate(folder, prepared, PROTOCOL, cache=tmp_path / "cache", progress=False)
    rows = sorted((tmp_path / "cache" / "rows").iterdir())
    assert len(rows) == 3
    calls = count_calls(monkeypatch, "score_image")
    whole = rows[0].read_text()

    def edited():
        row = json.loads(whole)
        row["record"]["gt"]["psnr"] = 99.0
        return json.dumps(row)

    broken = ("", "{", "[]", "null", '{"sha256": 1}', "[" * 100_000, '{"sha256": 1' + "0" * 5000 + "}", "\xff")
    for content in (*broken, whole[:-20], edited(), rows[1].read_text()):
        calls.clear()
        rows[0].write_text(content, "latin-1")
        again = evaluate(folder, prepared, PROTOCOL, cache=tmp_path / "cache", progress=False)
        assert again.images == first.images
        assert len(calls) == 1
        assert rows[0].read_text() == whole


def test_damaged_references_are_computed_again(prepared, folder, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    first = evaluate(folder, prepared, cache=cache, progress=False)
    references = sorted((cache / "references").iterdir())
    assert len(references) == 3
    whole = references[0].read_bytes()
    references[0].write_bytes(whole[:1000] + bytes([whole[1000] ^ 1]) + whole[1001:])
    references[1].write_bytes(b"")
    shutil.rmtree(cache / "rows")
    calls = count_calls(monkeypatch, "align_reference")
    again = evaluate(folder, prepared, cache=cache, progress=False)
    assert again.images == first.images
    assert len(calls) == 2
    assert references[0].read_bytes() == whole


def test_a_result_is_not_lost_to_one_of_other_predictions_unless_that_is_asked_for(prepared, folder, tmp_path):
    def score(pred, **options):
        given = {"method": "m", "out": tmp_path / "out", "cache": tmp_path / "cache", "progress": False}
        return evaluate_all(pred, prepared, [PROTOCOL], **given, **options)

    (first,) = score(folder)
    assert [again.images for again in score(folder)] == [first.images]
    kept = tmp_path / "out" / "m" / PROTOCOL / "result.json"
    before = kept.read_bytes()
    with pytest.raises(ResultError, match="holds a result of other predictions"):
        score(prepared / "test" / "aligned_gt")
    assert kept.read_bytes() == before
    score(prepared / "test" / "aligned_gt", overwrite=True)
    assert kept.read_bytes() != before


@pytest.mark.parametrize(
    ("content", "reason"), [('{"schema_version": 99}', "schema version 99"), ("{", "not a result file")]
)
def test_a_result_that_cannot_be_read_is_not_replaced_unless_that_is_asked_for(
    prepared, folder, tmp_path, content, reason
):
    kept = tmp_path / "out" / "m" / PROTOCOL / "result.json"
    kept.parent.mkdir(parents=True)
    kept.write_text(content)
    options = {"method": "m", "out": tmp_path / "out", "cache": tmp_path / "cache", "progress": False}
    with pytest.raises(ResultError, match=rf"{reason}.*--overwrite replaces it"):
        evaluate_all(folder, prepared, [PROTOCOL], **options)
    assert kept.read_text() == content
    assert not (tmp_path / "cache").exists()
    evaluate_all(folder, prepared, [PROTOCOL], overwrite=True, **options)
    assert json.loads(kept.read_text())["method"] == "m"


def test_folders_that_cannot_be_made_are_found_before_anything_is_scored(prepared, folder, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    calls = count_calls(monkeypatch, "score_image")
    for options in ({"cache": tmp_path / "file"}, {"out": tmp_path / "file", "cache": tmp_path / "cache"}):
        with pytest.raises(OutputError, match="A part of this path is a file"):
            evaluate_all(folder, prepared, [DEFAULT_PROTOCOL], progress=False, **options)
    assert calls == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs folders where not even root can create files")
def test_read_only_folders_are_found_before_anything_is_scored(prepared, folder, tmp_path, monkeypatch):
    calls = count_calls(monkeypatch, "score_image")
    for options in ({"cache": "/sys/kernel"}, {"out": "/sys", "cache": tmp_path / "cache"}):
        with pytest.raises(OutputError, match="Choose a folder you may write to"):
            evaluate_all(folder, prepared, [PROTOCOL], progress=False, **options)
    assert calls == []
    assert files(tmp_path) == files(tmp_path / "blurry" / "..")  # nothing but the predictions
    assert {name.split("/")[0] for name in files(tmp_path)} == {"blurry"}


@pytest.fixture
def full_disk(monkeypatch):
    """Lets a number of files be written, and then none: flushing one to the disk fails as on a full disk."""
    flush, left = os.fsync, [10**9]

    def fsync(descriptor):
        if os.path.isfile(f"/dev/fd/{descriptor}"):  # noqa: PTH113 - a descriptor, not a path
            left[0] -= 1
            if left[0] < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        flush(descriptor)

    monkeypatch.setattr(atomic.os, "fsync", fsync)
    return left


def test_a_disk_that_fills_up_leaves_whole_files_only_and_the_run_goes_on_once_there_is_room(
    prepared, folder, tmp_path, full_disk, monkeypatch
):
    options = {"out": tmp_path / "out", "cache": tmp_path / "cache", "progress": False}
    calls = count_calls(monkeypatch, "score_image")
    rows = []
    for room in range(3):  # for none, one, two of the three images, of which each has a row and its geometry
        full_disk[0] = 2 * room
        with pytest.raises(OutputError, match=r"No space left on device\. Free some space"):
            evaluate_all(folder, prepared, [PROTOCOL], **options)
        rows.append(len(files(tmp_path / "cache")))
        assert not any(name.startswith(".sdd-bench") for path in files(tmp_path) for name in path.split("/"))
        assert files(tmp_path / "out") == []
    assert rows == [0, 2, 6]  # the second run had the first image already
    full_disk[0] = 10**9
    calls.clear()
    (result,) = evaluate_all(folder, prepared, [PROTOCOL], **options)
    assert calls == []
    assert len(result.images) == 3


def test_a_full_disk_does_not_cost_the_result_of_before(prepared, folder, tmp_path, full_disk):
    options = {"method": "m", "out": tmp_path / "out", "cache": tmp_path / "cache", "progress": False}
    evaluate_all(folder, prepared, [PROTOCOL], **options)
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert len(before) == 2
    full_disk[0] = 0  # every row is kept: the result is what is written
    with pytest.raises(OutputError, match="Free some space"):
        evaluate_all(folder, prepared, [PROTOCOL], **options)
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == before
