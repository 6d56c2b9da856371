from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sdd_bench.errors import OutputError
from sdd_bench.io.atomic import (
    TEMPORARY_PREFIX,
    atomic_path,
    file_batch,
    remove_leftovers,
    write_bytes,
    write_json,
    write_text,
    write_together,
)


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_bytes_and_missing_folders_are_written(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a" / "b" / "file.bin", b"content")
    assert (tmp_path / "a" / "b" / "file.bin").read_bytes() == b"content"
    assert names(tmp_path / "a" / "b") == ["file.bin"]


def test_an_existing_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"a long old content")
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"


def test_text_is_utf8_with_unchanged_line_ends(tmp_path: Path) -> None:
    write_text(tmp_path / "file", "Größe\r\nx\n")
    assert (tmp_path / "file").read_bytes() == b"Gr\xc3\xb6\xc3\x9fe\r\nx\n"


def test_json_keeps_the_order_of_keys_and_ends_with_a_newline(tmp_path: Path) -> None:
    write_json(tmp_path / "file", {"b": [1, None], "a": "é"})
    assert (tmp_path / "file").read_bytes() == '{\n  "b": [\n    1,\n    null\n  ],\n  "a": "é"\n}\n'.encode()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_json_refuses_what_json_does_not_have_and_touches_nothing(tmp_path: Path, value: float) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, {"x": [value]})
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_the_lent_name_is_new_hidden_and_has_folder_and_suffix_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "picture.tiff"
    with atomic_path(path) as temporary:
        assert (temporary.parent, temporary.suffix, temporary.name[0]) == (tmp_path, ".tiff", ".")
        assert not temporary.exists()
        temporary.write_bytes(b"x")
        assert not path.exists()
    assert names(tmp_path) == ["picture.tiff"]


def test_a_failing_block_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(KeyError), atomic_path(path) as temporary:
        temporary.write_bytes(b"half of the n")
        raise KeyError
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_the_content_is_on_the_disk_before_the_name_and_the_name_before_the_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A power cut can't be tested; the order of the system calls that survive one can.
    path, calls = tmp_path / "file", []
    real_fsync = os.fsync

    def fsync(descriptor: int) -> None:
        status = os.fstat(descriptor)
        what = "folder" if os.path.samestat(status, tmp_path.stat()) else f"file of {status.st_size} bytes"
        calls.append((what, path.exists()))
        real_fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    write_bytes(path, b"content")
    assert calls == [("file of 7 bytes", False), ("folder", True)]


def test_a_block_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="nothing was saved"), atomic_path(tmp_path / "file"):
        pass
    assert names(tmp_path) == []


def test_errors_of_other_files_in_the_block_pass_unchanged(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "file"):
        (tmp_path / "absent input").read_bytes()


def test_a_folder_of_that_name_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(OutputError, match=r"out can't be written: .*folder: choose another name") as caught:
        write_bytes(tmp_path / "out", b"")
    assert isinstance(caught.value.__cause__, OSError)
    assert names(tmp_path) == ["out"]


def test_a_file_in_place_of_a_parent_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="A part of this path is a file"):
        write_bytes(tmp_path / "file" / "sub" / "x", b"")


def test_a_name_that_is_too_long_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="Choose a shorter name"):
        write_bytes(tmp_path / ("x" * 300), b"")
    assert names(tmp_path) == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a folder where not even root can create files")
def test_a_folder_without_write_permission_is_an_error() -> None:
    with pytest.raises(OutputError, match="Choose a folder you may write to"):
        write_bytes("/sys/sdd-bench-test", b"")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on file sizes")
def test_running_out_of_space_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    # A full disk is hard to come by; a size limit makes the same system call fail half-way for the same reason.
    script = (
        "import resource, sys; from sdd_bench.io.atomic import write_bytes\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "write_bytes(sys.argv[1], bytes(100_000))"
    )
    run = subprocess.run([sys.executable, "-c", script, tmp_path / "file"], capture_output=True, text=True, check=False)
    assert "OutputError" in run.stderr
    assert "Free some space" in run.stderr
    assert names(tmp_path) == []


def test_a_full_disk_that_a_library_reports_in_the_block_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="Free some space"), atomic_path(tmp_path / "file"):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_files_get_the_usual_permissions_not_those_of_temporary_files(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"")
    write_json(tmp_path / "atomic", {})
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode
    assert json.loads((tmp_path / "atomic").read_text()) == {}


def test_files_written_together_are_all_on_the_disk_before_the_last_of_the_old_ones_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, result = tmp_path / "table", tmp_path / "result"
    write_together({table: b"old", result: b"old"})
    real_fsync, seen = os.fsync, []

    def fsync(descriptor: int) -> None:
        real_fsync(descriptor)
        seen.append({path.name: path.read_bytes() for path in (table, result) if path.exists()})

    monkeypatch.setattr(os, "fsync", fsync)
    write_together({table: b"new", result: b"new"})
    old, new = {"table": b"old", "result": b"old"}, {"table": b"new", "result": b"new"}
    assert seen[:2] == [old, old]  # both temporary files
    assert seen[-1] == new
    for state in seen:  # what a power cut would leave: with the result there, both are of one version
        assert "result" not in state or state in (old, new)


def test_files_written_together_on_a_full_disk_leave_those_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {tmp_path / "table": b"old", tmp_path / "result": b"old"}
    write_together(files)
    real_fsync, calls = os.fsync, []

    def fsync(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        real_fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OutputError, match="Free some space"):
        write_together(dict.fromkeys(files, b"new"))
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == files


def test_what_killed_processes_left_is_removed_unless_it_may_be_in_use(tmp_path: Path) -> None:
    for name, age in ((".sdd-bench-tmp-old", 90_000), (".sdd-bench-tmp-young", 60), ("old.json", 90_000)):
        (tmp_path / name).write_bytes(b"")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    remove_leftovers(tmp_path)
    assert names(tmp_path) == [".sdd-bench-tmp-young", "old.json"]
    remove_leftovers(tmp_path / "no folder")


def test_files_of_a_batch_take_their_names_together_at_its_end(tmp_path: Path) -> None:
    with file_batch() as batch:
        for number in range(20):
            batch.write_bytes(tmp_path / f"folder {number % 3}" / f"{number}.bin", bytes([number]) * 1000)
        before = [path.name for path in tmp_path.rglob("*.bin")]
        assert len(before) == 20
        assert all(name.startswith(TEMPORARY_PREFIX) for name in before)
    assert len(list(tmp_path.rglob("*.bin"))) == 20
    for number in range(20):
        assert (tmp_path / f"folder {number % 3}" / f"{number}.bin").read_bytes() == bytes([number]) * 1000


def test_a_batch_that_raises_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a", b"old")
    with pytest.raises(ZeroDivisionError), file_batch() as batch:
        batch.write_bytes(tmp_path / "a", b"new")
        batch.write_bytes(tmp_path / "b", b"new")
        raise ZeroDivisionError
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


def test_a_disk_that_is_full_when_a_batch_is_flushed_is_an_output_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(OutputError, match="a can't be written: No space left on device"), file_batch() as batch:
            batch.write_bytes(tmp_path / "a", b"new")
    assert names(tmp_path) == []


def test_a_leftover_that_cannot_be_removed_does_not_hide_that_the_file_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("pathlib.Path.unlink", refused)
    write_bytes(tmp_path / "file", b"content")
    assert (tmp_path / "file").read_bytes() == b"content"
