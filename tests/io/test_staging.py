from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from sdd_bench.errors import OutputError
from sdd_bench.io.atomic import write_bytes
from sdd_bench.io.staging import StagedFolder, staged_folder

PLAN = {"items": ["a", "b"], "size": 512}


class StopRunError(Exception):
    pass


def tree(folder: Path) -> dict[str, bytes | None]:
    return {
        entry.relative_to(folder).as_posix(): entry.read_bytes() if entry.is_file() else None
        for entry in sorted(folder.rglob("*"))
    }


def partial(out: Path) -> Path:
    return out.with_name(out.name + ".partial")


def stop_after(out: Path, item: str, plan: object = PLAN) -> None:
    with pytest.raises(StopRunError), staged_folder(out, plan) as stage:
        write_bytes(stage.path / f"{item}.bin", item.encode())
        stage.finish(item, {"bytes": len(item)})
        raise StopRunError


def record_file(out: Path) -> Path:
    (found,) = partial(out).rglob("records/*.json")
    return found


def test_the_folder_appears_only_when_complete_and_holds_nothing_but_the_files(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    with staged_folder(out, PLAN) as stage:
        write_bytes(stage.path / "sub" / "a.bin", b"A")
        stage.finish("a", {})
        assert not out.exists()
    assert tree(tmp_path) == {"deep": None, "deep/out": None, "deep/out/sub": None, "deep/out/sub/a.bin": b"A"}


def test_an_empty_folder_of_that_name_is_filled(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with staged_folder(tmp_path / "out", PLAN) as stage:
        write_bytes(stage.path / "a", b"A")
    assert tree(tmp_path) == {"out": None, "out/a": b"A"}


def test_a_failed_run_leaves_only_the_staging_folder_and_is_resumed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    stop_after(out, "a")
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.partial"]
    with staged_folder(out, PLAN) as stage:
        assert stage.done("a") == {"bytes": 1}
        assert stage.done("b") is None
        assert (stage.path / "a.bin").read_bytes() == b"a"
    assert tree(out) == {"a.bin": b"a"}


def test_the_order_of_keys_and_tuples_do_not_make_another_plan(tmp_path: Path) -> None:
    stop_after(tmp_path / "out", "a")
    with staged_folder(tmp_path / "out", {"size": 512, "items": ("a", "b")}) as stage:
        assert stage.done("a") is not None


@pytest.mark.parametrize("other", [{**PLAN, "size": 256}, {**PLAN, "size": 512.0}, {"items": ["a", "b"]}, {}])
def test_what_was_staged_for_another_plan_is_discarded(tmp_path: Path, other: dict[str, object]) -> None:
    out = tmp_path / "out"
    stop_after(out, "a")
    (partial(out) / "folder").mkdir()
    (partial(out) / "folder" / "x").write_bytes(b"x")
    with staged_folder(out, other) as stage:
        assert stage.done("a") is None
        write_bytes(stage.path / "b", b"B")
    assert tree(out) == {"b": b"B"}


def test_a_link_in_a_discarded_folder_is_removed_but_not_followed(tmp_path: Path) -> None:
    out, precious = tmp_path / "out", tmp_path / "precious"
    precious.mkdir()
    (precious / "x").write_bytes(b"x")
    stop_after(out, "a")
    (partial(out) / "link").symlink_to(precious, target_is_directory=True)
    with staged_folder(out, {}):
        pass
    assert tree(out) == {}
    assert (precious / "x").read_bytes() == b"x"


def test_a_partial_folder_that_is_not_ours_is_never_touched(tmp_path: Path) -> None:
    out = tmp_path / "out"
    partial(out).mkdir()
    (partial(out) / "thesis.tex").write_text("years of work")
    with (
        pytest.raises(OutputError, match=r"out\.partial holds files that this program did not put there"),
        staged_folder(out, PLAN),
    ):
        pass
    assert tree(tmp_path) == {"out.partial": None, "out.partial/thesis.tex": b"years of work"}


def test_a_partial_file_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "out.partial").write_text("x")
    with pytest.raises(OutputError, match=r"out\.partial is a file"), staged_folder(tmp_path / "out", PLAN):
        pass


def test_an_existing_output_is_never_touched_and_the_message_says_what_to_do(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "x").write_text("x")
    with pytest.raises(OutputError, match=r"folder with 1 entries\. Choose another name or delete it"):
        staged_folder(out, PLAN).__enter__()
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match=r"a file\. Choose another name"):
        staged_folder(tmp_path / "file", PLAN).__enter__()
    assert tree(tmp_path) == {"file": b"x", "out": None, "out/x": b"x"}


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: b"",
        lambda text: text[: len(text) // 2],
        lambda text: text.replace(b'"bytes": 1', b'"bytes": 2'),
        lambda text: text.replace(b'"bytes": 1', b'"bytes": 1.0'),
        lambda text: text.replace(b'"bytes": 1', b'"bytes": NaN'),
        lambda text: text.replace(b'"item": "a"', b'"item": "b"'),
        lambda text: b"[]",
        lambda text: b"{}",
        lambda text: b"\xff\xfe",
    ],
)
def test_a_damaged_record_counts_as_not_done(tmp_path: Path, damage: object) -> None:
    out = tmp_path / "out"
    stop_after(out, "a")
    file = record_file(out)
    good = file.read_bytes()
    assert damage(good) != good
    file.write_bytes(damage(good))
    with staged_folder(out, PLAN) as stage:
        assert stage.done("a") is None
        stage.finish("a", {"bytes": 1})
        assert stage.done("a") == {"bytes": 1}


def test_a_damaged_plan_restarts(tmp_path: Path) -> None:
    out = tmp_path / "out"
    stop_after(out, "a")
    (plan,) = partial(out).rglob("plan.json")
    plan.write_text("{")
    with staged_folder(out, PLAN) as stage:
        assert stage.done("a") is None
        assert not (stage.path / "a.bin").exists()


def test_items_of_any_name_are_kept_apart(tmp_path: Path) -> None:
    items = ["a", "A", "a/b", "../a", "", "ü", "x" * 500, "a\0b"]
    with staged_folder(tmp_path / "out", PLAN) as stage:
        for number, item in enumerate(items):
            assert stage.done(item) is None
            stage.finish(item, {"number": number})
        assert [stage.done(item) for item in items] == [{"number": number} for number in range(len(items))]


def test_plans_and_records_that_json_does_not_have_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"), staged_folder(tmp_path / "out", {"x": float("nan")}):
        pass
    assert tree(tmp_path) == {}
    with staged_folder(tmp_path / "out", {}) as stage, pytest.raises(ValueError, match="JSON compliant"):
        stage.finish("a", {"x": float("inf")})


def test_an_error_of_the_block_passes_unchanged(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), staged_folder(tmp_path / "out", PLAN):
        (tmp_path / "absent").read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no lock on Windows")
def test_a_second_process_is_refused_while_the_first_is_at_work(tmp_path: Path) -> None:
    out = tmp_path / "out"
    script = "import sys; from sdd_bench.io.staging import staged_folder; staged_folder(sys.argv[1], {}).__enter__()"
    with staged_folder(out, PLAN) as stage:
        stage.finish("a", {})
        run = subprocess.run([sys.executable, "-c", script, out], capture_output=True, text=True, check=False)
        assert "OutputError" in run.stderr
        assert "in use: another process" in run.stderr
        assert stage.done("a") == {}  # though the second had another plan
    assert out.is_dir()


def test_the_stage_may_be_sent_to_a_worker_process(tmp_path: Path) -> None:
    import pickle

    with staged_folder(tmp_path / "out", PLAN) as stage:
        copy: StagedFolder = pickle.loads(pickle.dumps(stage))
        copy.finish("a", {"x": 1})
        assert stage.done("a") == {"x": 1}


@pytest.mark.skipif(sys.platform == "win32", reason="there is no lock on Windows")
def test_a_lock_on_a_folder_that_was_finished_meanwhile_is_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    real = fcntl.flock

    def another_process_finishes_first(descriptor: int, operation: int) -> None:
        partial(tmp_path / "out").rename(tmp_path / "elsewhere")
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", another_process_finishes_first)
    with pytest.raises(OutputError, match="in use"), staged_folder(tmp_path / "out", PLAN):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="there is no lock on Windows")
@pytest.mark.parametrize(("number", "refused"), [(errno.ENOSYS, False), (errno.ENOLCK, False), (errno.EIO, True)])
def test_a_file_system_without_locks_is_used_without_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, refused: bool
) -> None:
    import fcntl

    def flock(descriptor: int, operation: int) -> None:
        raise OSError(number, "injected")

    monkeypatch.setattr(fcntl, "flock", flock)
    if refused:
        with pytest.raises(OutputError, match="injected"):
            staged_folder(tmp_path / "out", PLAN).__enter__()
    else:
        with staged_folder(tmp_path / "out", PLAN) as stage:
            write_bytes(stage.path / "a", b"A")
        assert tree(tmp_path / "out") == {"a": b"A"}
