import itertools
import shutil

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sdd_bench import open_dataset
from sdd_bench.datasets.manifest import read_manifest
from sdd_bench.datasets.pack import write_patch_pack
from sdd_bench.errors import ProblemsError, TrainingError
from sdd_bench.io.images import read_image
from sdd_bench.training.data import Place, TrainingCrops, batches, middle, validation_pairs
from sdd_bench.training.recipe import DataSettings


def crops(folder, seed=0, held_back=frozenset(), **settings):
    return TrainingCrops(folder, DataSettings(**({"crop": 32} | settings)), seed, frozenset(held_back), folder / "none")


def test_a_crop_depends_on_seed_epoch_and_number_alone(pairs):
    first, again = crops(pairs), crops(pairs)
    again[Place(0, 1)]
    for place in (Place(0, 0), Place(3, 2)):
        one, other = first[place], again[place]
        assert one.name == other.name
        assert torch.equal(one.blurry, other.blurry)
    assert not torch.equal(first[Place(0, 0)].blurry, first[Place(1, 0)].blurry)
    assert not torch.equal(first[Place(0, 0)].blurry, crops(pairs, seed=1)[Place(0, 0)].blurry)


def test_both_pictures_are_cut_at_one_place_and_turned_alike(pairs):
    crop = crops(pairs)[Place(5, 0)]
    blur, sharp = (read_image(pairs / "train_patches" / kind / f"{crop.name}.png") for kind in ("blur", "gt"))
    cut = crop.blurry.permute(1, 2, 0).numpy()
    ways = itertools.product(range(33), range(33), range(4), (False, True))
    (way,) = [way for way in ways if np.array_equal(turned(blur, *way), cut)]
    assert np.array_equal(turned(sharp, *way), crop.sharp.permute(1, 2, 0).numpy())


def turned(picture, y, x, turns, mirrored):
    cut = np.rot90(picture[y : y + 32, x : x + 32], turns)
    return cut[:, ::-1] if mirrored else cut


def test_without_augmentation_nothing_is_turned(pairs):
    data = crops(pairs, crop=64, augment=False)
    crop = data[Place(0, 0)]
    assert np.array_equal(
        crop.sharp.permute(1, 2, 0).numpy(), read_image(pairs / "train_patches/gt" / f"{crop.name}.png")
    )


def test_the_release_takes_crops_from_the_top_left_half(pairs):
    whole, half = (crops(pairs, augment=False, crop_from=where) for where in ("anywhere", "top-left-half"))
    assert reach(half, pairs) <= 16 < reach(whole, pairs)


def reach(data, folder):
    farthest = 0
    for epoch in range(6):
        crop = data[Place(epoch, 0)]
        picture = read_image(folder / "train_patches/gt" / f"{crop.name}.png")
        cut = crop.sharp.permute(1, 2, 0).numpy()
        places = [(y, x) for y in range(33) for x in range(33) if np.array_equal(picture[y : y + 32, x : x + 32], cut)]
        farthest = max(farthest, *places[0])
    return farthest


def test_held_back_pairs_are_never_seen(pairs):
    stems = {pair.stem for pair in open_dataset(pairs, "train")}
    gone = sorted(stems)[0]
    data = crops(pairs, held_back={gone})
    assert {data[Place(0, n)].name.rpartition("_")[0] for n in range(len(data))} == stems - {gone}


def test_an_epoch_repeats_patches_at_other_places(pairs):
    once, twice = crops(pairs), crops(pairs, repeat=2)
    assert len(twice) == 2 * len(once)
    first, second = twice[Place(0, 0)], twice[Place(0, 1)]
    assert first.name == second.name
    assert not torch.equal(first.blurry, second.blurry)


def test_the_pack_gives_the_same_crops_as_the_files(pairs, tmp_path):
    copy = shutil.copytree(pairs, tmp_path / "data")
    before = crops(copy)
    write_patch_pack(copy, read_manifest(copy), progress=False)
    shutil.rmtree(copy / "train_patches")
    after = crops(copy)
    assert len(after) == len(before)
    for number in range(len(after)):
        place = Place(1, number)
        ours = after[place]
        assert torch.equal(ours.blurry, crops(pairs)[place].blurry)
        assert ours.name == crops(pairs)[place].name


def test_loaders_of_any_number_give_the_same_crops(pairs):
    from torch.utils.data import DataLoader

    data, order = crops(pairs), batches(len(crops(pairs)), 2, 0, 3)
    alone, shared = (list(DataLoader(data, batch_sampler=order, num_workers=n)) for n in (0, 2))
    assert all(torch.equal(a[1], b[1]) and a[0] == b[0] for a, b in zip(alone, shared, strict=True))


@given(st.integers(1, 60), st.integers(1, 9), st.integers(0, 5), st.integers(1, 3))
def test_an_epoch_takes_every_crop_at_most_once_and_ranks_share_it(count, batch, epoch, ranks):
    if batch > count or batch % ranks:
        with pytest.raises(TrainingError):
            batches(count, batch, 0, epoch, 0, ranks)
        return
    steps = batches(count, batch, 0, epoch)
    taken = [place.number for step in steps for place in step]
    assert len(steps) == count // batch
    assert len(set(taken)) == len(taken)
    assert set(taken) <= set(range(count))
    shared = [batches(count, batch, 0, epoch, rank, ranks) for rank in range(ranks)]
    for number, step in enumerate(steps):
        assert sorted(place for own in shared for place in own[number]) == sorted(step)


def test_validation_takes_whole_scenes_out_of_training(pairs):
    taken = validation_pairs(pairs, 0.4, 0)
    assert len(taken) == 2
    assert {pair.stem for pair in taken} < {pair.stem for pair in open_dataset(pairs, "train")}
    assert [pair.stem for pair in taken] == [pair.stem for pair in validation_pairs(pairs, 0.4, 0)]
    assert len({tuple(p.stem for p in validation_pairs(pairs, 0.4, seed)) for seed in range(8)}) > 1


def test_crops_larger_than_the_patches_are_refused_before_any_work(pairs):
    with pytest.raises(ProblemsError, match="patches of 64 x 64 pixels are smaller than the crop of 256"):
        crops(pairs, crop=256)


def test_missing_patches_are_named(pairs, tmp_path):
    copy = shutil.copytree(pairs, tmp_path / "data")
    lost = sorted((copy / "train_patches/gt").iterdir())[:2]
    for path in lost:
        path.unlink()
    with pytest.raises(ProblemsError) as error:
        crops(copy)
    assert all(path.name in str(error.value) for path in lost)


def test_a_dataset_without_training_pairs_is_refused(prepared):
    with pytest.raises(TrainingError, match="no pairs to train with: 0 in split train"):
        validation_pairs(prepared, 0.1, 0)


def test_the_middle_is_the_middle():
    picture = np.arange(5 * 7).reshape(5, 7, 1)
    assert np.array_equal(middle(picture, 3), picture[1:4, 2:5])
    assert middle(picture, None) is picture
    assert middle(picture, 6).shape == (5, 6, 1)
