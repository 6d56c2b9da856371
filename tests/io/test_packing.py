from __future__ import annotations

import multiprocessing
import pickle
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest

from sdd_bench.errors import DatasetError, OutputError
from sdd_bench.io.packing import Pack, open_pack, write_pack

KINDS = ("blur", "gt")
COUNT = 7


def pictures(count: int = COUNT, depth: type = np.uint8, side: int = 24) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    top = np.iinfo(depth).max
    return [{kind: rng.integers(0, top, (side, side, 3), depth, endpoint=True) for kind in KINDS} for _ in range(count)]


def written(path: Path, patches: list[dict[str, np.ndarray]], **attributes: str) -> Path:
    count = len(patches)
    stems = [f"sc\u00e9ne {number // 3}" for number in range(count)]
    write_pack(path, patches, stems=stems, indices=list(range(10, 10 + count)), attributes=attributes)
    return path


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    return open_pack(written(tmp_path / "x.h5", pictures(), manifest_hash="0" * 64), KINDS)


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_what_was_written_is_read_to_the_bit_in_any_order(tmp_path: Path, depth: type) -> None:
    expected = pictures(depth=depth)
    pack = open_pack(written(tmp_path / "x.h5", expected), KINDS)
    assert (len(pack), pack.shape, pack.dtype) == (COUNT, (24, 24, 3), depth)
    for number in (6, 0, 3, 3, 1):
        found = pack.read(number)
        for kind in KINDS:
            assert found[kind].dtype == depth
            np.testing.assert_array_equal(found[kind], expected[number][kind])


def test_h5py_alone_reads_it_with_one_uncompressed_chunk_per_patch(tmp_path: Path) -> None:
    expected = pictures()
    with h5py.File(written(tmp_path / "x.h5", expected, manifest_hash="1" * 64)) as file:
        assert dict(file.attrs) == {"manifest_hash": "1" * 64, "schema_version": 1}
        assert file["stem"].asstr()[:].tolist() == [f"sc\u00e9ne {number // 3}" for number in range(COUNT)]
        assert file["index"][:].tolist() == list(range(10, 17))
        for kind in KINDS:
            assert (file[kind].chunks, file[kind].compression) == ((1, 24, 24, 3), None)
            np.testing.assert_array_equal(file[kind][:], [each[kind] for each in expected])


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = (written(tmp_path / name, pictures(), manifest_hash="2" * 64) for name in ("a.h5", "b.h5"))
    assert first.read_bytes() == second.read_bytes()


def test_pictures_of_another_size_or_depth_are_refused_and_nothing_is_left(tmp_path: Path) -> None:
    for odd in (pictures(1, side=20), pictures(1, np.uint16)):
        with pytest.raises(DatasetError, match="must be alike"):
            written(tmp_path / "x.h5", [*pictures(2), *odd])
    assert list(tmp_path.iterdir()) == []


def test_an_error_while_pictures_are_made_passes_and_nothing_is_left(tmp_path: Path) -> None:
    def broken() -> Iterator[dict[str, np.ndarray]]:
        yield from pictures(2)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_pack(tmp_path / "x.h5", broken(), stems=["a"] * 3, indices=[0, 1, 2], attributes={})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on file sizes")
def test_running_out_of_space_anywhere_in_the_file_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    # HDF5 by itself ends such a process by a segmentation fault; see io/packing.py. 27 limits up to the whole size.
    patches = [dict.fromkeys(KINDS, pictures(1)[0]["gt"])] * COUNT
    write_pack(tmp_path / "whole.h5", patches, stems=["s"] * COUNT, indices=[0] * COUNT, attributes={})
    size = (tmp_path / "whole.h5").stat().st_size
    (tmp_path / "whole.h5").unlink()
    script = (
        "import resource, sys; import numpy as np\n"
        "from pathlib import Path; from sdd_bench.errors import OutputError\n"
        "from sdd_bench.io.packing import write_pack\n"
        "pixels = np.random.default_rng(0).integers(0, 255, (24, 24, 3), np.uint8)\n"
        "for limit in [*range(0, int(sys.argv[2]), int(sys.argv[2]) // 25), int(sys.argv[2]) - 1]:\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))\n"
        "    try:\n"
        "        patches = [{'blur': pixels, 'gt': pixels}] * 7\n"
        "        write_pack(Path(sys.argv[1]), patches, stems=['s'] * 7, indices=[0] * 7, attributes={})\n"
        "    except OutputError as error:\n"
        "        assert 'Free some space' in str(error), error\n"
        "        assert not list(Path(sys.argv[1]).parent.iterdir())\n"
        "    else:\n"
        "        raise SystemExit(f'nothing happened at {limit}')\n"
    )
    command = [sys.executable, "-c", script, tmp_path / "x.h5", str(size)]
    run = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_pack_crosses_process_borders_and_is_read_by_many_threads(pack: Pack) -> None:
    expected = pictures()
    copy: Pack = pickle.loads(pickle.dumps(pack))
    order = np.random.default_rng(1).integers(0, COUNT, 200).tolist()
    with ThreadPoolExecutor(8) as threads:
        for number, found in zip(order, threads.map(copy.read, order), strict=True):
            np.testing.assert_array_equal(found["gt"], expected[number]["gt"])


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs fork")
def test_reading_leaves_no_file_open_that_a_fork_could_share(pack: Pack) -> None:
    pack.read(0)
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        pytest.skip("needs /proc")
    assert str(pack.path) not in {str(entry.resolve()) for entry in folder.iterdir()}


def test_a_pack_that_changes_while_it_is_used_is_an_error(pack: Pack) -> None:
    written(pack.path, pictures(COUNT + 1))
    with pytest.raises(DatasetError, match="changed since it was opened"):
        pack.read(0)
    pack.path.unlink()
    with pytest.raises(DatasetError, match="can't be read"):
        pack.read(0)


@pytest.mark.parametrize("keep", [0, 100, 2000, -1000])
def test_a_truncated_pack_is_refused_when_it_is_opened_or_read(tmp_path: Path, keep: int) -> None:
    path = written(tmp_path / "x.h5", pictures())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DatasetError):
        open_pack(path, KINDS).read(COUNT - 1)


def test_what_is_no_pack_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no such file\. Prepare the dataset again with --pack"):
        open_pack(tmp_path / "x.h5", KINDS)
    (tmp_path / "x.h5").write_text("no HDF5")
    with pytest.raises(DatasetError, match="damaged, or no pack"):
        open_pack(tmp_path / "x.h5", KINDS)
    with h5py.File(tmp_path / "y.h5", "w") as file:
        file.attrs["schema_version"] = 9
    with pytest.raises(DatasetError, match="schema version 9, expected 1"):
        open_pack(tmp_path / "y.h5", KINDS)


def test_a_pack_that_another_program_compressed_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "x.h5", pictures())
    with h5py.File(path, "a") as file:
        blur = file["blur"][:]
        del file["blur"]
        file.create_dataset("blur", data=blur, chunks=(1, 24, 24, 3), compression="gzip")
    with pytest.raises(DatasetError, match="not stored as one uncompressed chunk per patch"):
        open_pack(path, KINDS)


def test_a_full_disk_is_told_from_other_errors() -> None:
    with pytest.raises(OutputError, match="Choose a folder you may write to"):
        written(Path("/sys/sdd-bench-test/x.h5"), pictures(1))
