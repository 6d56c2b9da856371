from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from sdd_bench.cli import main
from sdd_bench.datasets.checksums import read_checksums, write_checksums
from sdd_bench.datasets.manifest import read_manifest
from sdd_bench.datasets.pack import write_patch_pack
from sdd_bench.datasets.prepare import prepare
from sdd_bench.datasets.verify import verify_dataset
from sdd_bench.errors import DatasetError

MakeRaw = Callable[..., Path]


@pytest.fixture
def dataset(make_raw: MakeRaw, tmp_path: Path) -> Path:
    options = {"pack": True, "patch_size": 32, "stride": 24, "progress": False}
    prepare(make_raw(["a", "b", "-c d"], splits=["train", "test", "test"]), tmp_path / "set", "as-is", **options)
    return tmp_path / "set"


def found(folder: Path, workers: int = 1) -> dict[str, list[str]]:
    report = verify_dataset(folder, workers=workers, progress=False)
    named = {kind: list(getattr(report, kind)) for kind in ("missing", "changed", "extra", "unreadable")}
    assert report.sound == (not any(named.values()))
    return {kind: names for kind, names in named.items() if names}


def reseal(folder: Path, *names: str) -> None:
    sums = read_checksums(folder)
    write_checksums(folder, sums | {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names})


def test_a_dataset_as_it_was_written_is_sound_also_with_an_edited_card_and_system_files(dataset: Path) -> None:
    assert found(dataset) == {}
    (dataset / "README.md").write_text("# My own words")
    for name in (".DS_Store", "train/Thumbs.db", "test/blur/desktop.ini", ".git/config"):
        (dataset / name).parent.mkdir(exist_ok=True)
        (dataset / name).write_text("x")
    assert found(dataset) == {}
    (dataset / "README.md").unlink()
    assert found(dataset) == {}


def test_every_missing_changed_and_extra_file_is_named(dataset: Path) -> None:
    (dataset / "train/gt/a.png").unlink()
    shutil.rmtree(dataset / "train_patches/blur")
    changed = ("test/blur/b.png", "croissant.json", "prepare_report.html", "train/metadata.jsonl", "train_patches.h5")
    for name in changed:
        content = bytearray((dataset / name).read_bytes())
        content[len(content) // 2] ^= 1
        (dataset / name).write_bytes(content)
    extra = ("test/blur/new.png", "notes/deep/x.txt", "train_patches/gt/a_99.png")
    for name in extra:
        (dataset / name).parent.mkdir(parents=True, exist_ok=True)
        (dataset / name).write_text("x")
    patches = [f"train_patches/blur/a_{patch.index:02d}.png" for patch in read_manifest(dataset).pairs[1].patches]
    assert len(patches) == 9
    for workers in (1, 2):
        assert found(dataset, workers) == {
            "missing": ["train/gt/a.png", *patches],
            "changed": sorted(changed),
            "extra": sorted(extra),
        }


def test_the_labels_in_the_manifest_are_pinned_too(dataset: Path) -> None:
    # The dataset's name is not part of the manifest's own hash.
    text = (dataset / "dataset.json").read_text().replace('"name": "raw"', '"name": "row"')
    (dataset / "dataset.json").write_text(text)
    assert found(dataset) == {"changed": ["dataset.json"]}


def test_an_edited_manifest_is_an_error(dataset: Path) -> None:
    text = (dataset / "dataset.json").read_text()
    (dataset / "dataset.json").write_text(text.replace('"split": "test"', '"split": "train"', 1))
    with pytest.raises(DatasetError, match="edited after it was written"):
        verify_dataset(dataset, progress=False)


def test_images_are_held_against_the_manifest_whatever_the_list_says(dataset: Path) -> None:
    (dataset / "test/gt/b.png").write_bytes((dataset / "test/gt/-c d.png").read_bytes())
    reseal(dataset, "test/gt/b.png")
    expected = "SHA256SUMS (its hashes of images are not those that dataset.json states)"
    assert found(dataset) == {"changed": [expected, "test/gt/b.png"]}


def test_a_pack_of_another_dataset_is_named_even_if_the_list_holds_its_hash(dataset: Path, make_raw: MakeRaw) -> None:
    other = dataset.with_name("other")
    prepare(make_raw(["z"], "raw2"), other, "as-is", patch_size=32, stride=24, progress=False)
    write_patch_pack(other, read_manifest(other), progress=False)
    shutil.copy(other / "train_patches.h5", dataset)
    reseal(dataset, "train_patches.h5")
    (line,) = found(dataset)["changed"]
    assert line.startswith("train_patches.h5 (")
    assert "made of another dataset" in line
    # And a pack that the list does not name is no part of the dataset.
    assert found(other) == {"extra": ["train_patches.h5"]}


def test_without_the_list_images_are_checked_and_the_list_is_missing(dataset: Path) -> None:
    (dataset / "SHA256SUMS").unlink()
    (dataset / "test/gt/b.png").unlink()
    report = found(dataset)
    assert report["missing"] == ["SHA256SUMS", "test/gt/b.png"]
    assert "croissant.json" in report["extra"]


@pytest.mark.parametrize("damage", [b"\xff\xfe", b"no hash  x\n", b"0" * 64 + b" x\n"])
def test_a_damaged_list_is_named_with_its_damage(dataset: Path, damage: bytes) -> None:
    (dataset / "SHA256SUMS").write_bytes(damage)
    assert "SHA256SUMS: damaged" in found(dataset)["changed"][0]


def test_links_are_read_and_a_linked_folder_is_not_walked_into(dataset: Path) -> None:
    shutil.move(dataset / "test/gt/b.png", dataset.parent / "b.png")
    (dataset / "test/gt/b.png").symlink_to(dataset.parent / "b.png")
    (dataset / "round").symlink_to(dataset, target_is_directory=True)
    assert found(dataset) == {"extra": ["round"]}


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs sha256sum, of GNU coreutils")
def test_sha256sum_reads_the_list(dataset: Path) -> None:
    for name in ("back\\slash.txt", "sch\u00f6n, mit Leerzeichen"):
        (dataset / name).write_text(name)
    reseal(dataset, "back\\slash.txt", "sch\u00f6n, mit Leerzeichen")
    assert found(dataset) == {}
    command = ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"]
    subprocess.run(command, cwd=dataset, check=True)
    (dataset / "test/gt/b.png").write_text("x")
    run = subprocess.run(command, cwd=dataset, check=False, capture_output=True, text=True, env={"LC_ALL": "C"})
    assert run.returncode == 1
    assert run.stdout.strip() == "test/gt/b.png: FAILED"


def test_the_command_prints_what_it_found_and_its_exit_code_says_it(dataset: Path) -> None:
    sound = CliRunner().invoke(main, ["verify", str(dataset)])
    assert sound.exit_code == 0, sound.output
    assert "all 34 files are as they were written." in sound.stdout  # 6 images, 18 patches, manifest, 9 beside
    (dataset / "test/gt/b.png").unlink()
    (dataset / "x").write_text("x")
    broken = CliRunner().invoke(main, ["verify", str(dataset)])
    assert broken.exit_code == 1
    lines = broken.stdout.splitlines()
    assert lines[0].split() == ["missing", "test/gt/b.png"]
    assert lines[1].split() == ["extra", "x"]
    assert lines[2].endswith("1 missing, 0 changed, 1 extra, 0 unreadable, of 34 files.")
    nothing = CliRunner().invoke(main, ["verify", str(dataset.parent)])
    assert nothing.exit_code == 1
    assert "is not a prepared dataset" in nothing.stderr
