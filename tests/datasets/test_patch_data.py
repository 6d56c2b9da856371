from __future__ import annotations

import multiprocessing
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from sdd_bench.datasets.manifest import read_manifest
from sdd_bench.datasets.pack import write_patch_pack
from sdd_bench.datasets.patch_data import PackedPatches
from sdd_bench.datasets.prepare import prepare
from sdd_bench.errors import DatasetError

MakeRaw = Callable[..., Path]
SMALL: dict[str, Any] = {"patch_size": 32, "stride": 24, "progress": False}


@pytest.fixture
def packed(make_raw: MakeRaw, tmp_path: Path) -> Path:
    prepare(make_raw(["a", "b", "c"], splits=["train"]), tmp_path / "set", "as-is", pack=True, **SMALL)
    return tmp_path / "set"


def png(folder: Path, kind: str, name: str) -> np.ndarray:
    """By OpenCV, which the pack's writer does not decode with alone; RGB, 3 x H x W."""
    image = cv2.imread(str(folder / f"train_patches/{kind}/{name}.png"), cv2.IMREAD_UNCHANGED)
    return image[:, :, ::-1].transpose(2, 0, 1)


def test_packed_patches_are_the_png_files_in_the_order_of_the_manifest(packed: Path) -> None:
    patches = PackedPatches(packed)
    manifest = read_manifest(packed)
    assert patches.names == [f"{pair.stem}_{patch.index:02d}" for pair in manifest.pairs for patch in pair.patches]
    assert len(patches) == 27
    for name, (blur, gt) in zip(patches.names, patches, strict=True):
        for kind, tensor in (("blur", blur), ("gt", gt)):
            assert (tensor.dtype, tuple(tensor.shape)) == (torch.float32, (3, 32, 32))
            np.testing.assert_array_equal(tensor.numpy() * 255, png(packed, kind, name))
    torch.testing.assert_close(patches[-1].gt, patches[26].gt)
    with pytest.raises(IndexError):
        patches[27]


def test_16_bits_are_kept(make_raw: MakeRaw, tmp_path: Path) -> None:
    prepare(make_raw(["a"], bit_depth=16), tmp_path / "set", "as-is", pack=True, **SMALL)
    patches = PackedPatches(tmp_path / "set")
    expected = png(tmp_path / "set", "gt", patches.names[2])
    assert expected.dtype == np.uint16
    np.testing.assert_array_equal(np.rint(patches[2].gt.numpy() * 65535), expected)


@pytest.mark.parametrize(
    "start", [method for method in ("fork", "spawn") if method in multiprocessing.get_all_start_methods()]
)
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_loader_with_workers_gives_what_one_process_gives_also_after_reading_before(packed: Path, start: str) -> None:
    patches = PackedPatches(packed)
    expected = [patches[number] for number in range(len(patches))]
    workers = {"fork": 2, "spawn": 1}[start]  # each that is spawned imports PyTorch anew
    loader = DataLoader(patches, batch_size=5, num_workers=workers, multiprocessing_context=start)
    found = list(loader)
    torch.testing.assert_close(
        torch.cat([batch.blur for batch in found]), torch.stack([pair.blur for pair in expected])
    )
    torch.testing.assert_close(torch.cat([batch.gt for batch in found]), torch.stack([pair.gt for pair in expected]))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_parent_and_children_reading_at_once_do_not_disturb_each_other(packed: Path) -> None:
    patches = PackedPatches(packed)
    expected = [patches[number].gt for number in range(len(patches))]
    children = []
    for seed in range(3):
        child = os.fork()
        if not child:
            order = np.random.default_rng(seed).integers(0, len(patches), 300).tolist()
            os._exit(0 if all(torch.equal(patches[number].gt, expected[number]) for number in order) else 1)
        children.append(child)
    for _ in range(10):
        assert all(torch.equal(patches[number].gt, expected[number]) for number in range(len(patches)))
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0, 0]


def test_the_pack_of_another_dataset_is_refused(packed: Path, make_raw: MakeRaw, tmp_path: Path) -> None:
    prepare(make_raw(["z"], "other"), tmp_path / "two", "as-is", pack=True, **SMALL)
    shutil.copy(tmp_path / "two/train_patches.h5", packed / "train_patches.h5")
    with pytest.raises(DatasetError, match="made of another dataset"):
        PackedPatches(packed)


def test_without_a_pack_the_way_to_one_is_named(make_raw: MakeRaw, tmp_path: Path) -> None:
    prepare(make_raw(["a"]), tmp_path / "set", "as-is", **SMALL)
    with pytest.raises(DatasetError, match=r"no such file\. Prepare the dataset again with --pack"):
        PackedPatches(tmp_path / "set")


def test_nothing_to_pack_or_mixed_depths_are_found_before_anything_is_written(
    make_raw: MakeRaw, tmp_path: Path
) -> None:
    with pytest.raises(DatasetError, match="no training patches to pack"):
        prepare(make_raw(["a"], "r1", splits=["test"]), tmp_path / "set", "as-is", pack=True, **SMALL)
    with pytest.raises(DatasetError, match="no training patches to pack"):
        prepare(make_raw(["a"], "r2"), tmp_path / "set", "as-is", pack=True, patch_size=None, progress=False)
    make_raw(["a"], "r3")
    mixed = make_raw(["b"], "r3", bit_depth=16)
    with pytest.raises(DatasetError, match=r"1 training images have 8 bits, 1 have 16; --bit-depth 8 makes them alike"):
        prepare(mixed, tmp_path / "set", "as-is", pack=True, **SMALL)
    assert not (tmp_path / "set").exists()
    assert not (tmp_path / "set.partial").exists()
    prepare(mixed, tmp_path / "set", "as-is", pack=True, bit_depth=8, **SMALL)
    assert len(PackedPatches(tmp_path / "set")) == 18


def test_two_workers_pack_the_same_bytes_as_one(packed: Path) -> None:
    before = (packed / "train_patches.h5").read_bytes()
    (packed / "train_patches.h5").unlink()
    write_patch_pack(packed, read_manifest(packed), workers=2, progress=False)
    assert (packed / "train_patches.h5").read_bytes() == before
