import shutil

import numpy as np
import pytest
import torch

from sdd_bench import open_dataset
from sdd_bench.errors import ProblemsError, TrainingError
from sdd_bench.training.aligned import align_training, open_aligned, part_of
from sdd_bench.training.data import Place, TrainingCrops
from sdd_bench.training.losses import charbonnier
from sdd_bench.training.objective import Objective
from sdd_bench.training.recipe import DataSettings, get_recipe
from sdd_bench.training.trainer import train

CORNER = (slice(10, 42), slice(20, 52))


def darkened(blurry, sharp):
    """An alignment that is easily recognised; the left half counts."""
    counted = np.zeros(sharp.shape[:2], bool)
    counted[:, : sharp.shape[1] // 2] = True
    return (sharp / 2).astype(np.float32), counted


def never(blurry, sharp):
    raise AssertionError("nothing was to be aligned")


def nowhere(blurry, sharp):
    return sharp, np.zeros(sharp.shape[:2], bool)


@pytest.fixture
def training_pairs(pairs):
    return list(open_dataset(pairs, "train"))


@pytest.fixture
def aligned(training_pairs, tmp_path):
    align_training(training_pairs, darkened, tmp_path / "aligned", workers=1, progress=False)
    return tmp_path / "aligned"


def test_a_window_holds_the_pictures_to_half_a_step_of_16_bits(aligned, training_pairs):
    pair = training_pairs[0]
    blurry, sharp, counted = part_of(open_aligned(aligned, pair.stem), CORNER)
    assert torch.equal(blurry, torch.from_numpy(pair.blur()[CORNER]).permute(2, 0, 1))
    expected = torch.from_numpy(pair.gt()[CORNER] / 2).permute(2, 0, 1)
    torch.testing.assert_close(sharp, expected, atol=0.51 / 65535, rtol=0)
    assert counted.shape == (1, 32, 32)
    assert counted.all()
    assert open_aligned(aligned, pair.stem).shape[:2] == (96, 128)


def test_overshoots_are_cut_off(training_pairs, tmp_path):
    def beyond(blurry, sharp):
        return sharp * 3 - 1, np.ones(sharp.shape[:2], bool)

    align_training(training_pairs[:1], beyond, tmp_path, workers=1, progress=False)
    _, sharp, _ = part_of(open_aligned(tmp_path, training_pairs[0].stem), CORNER)
    expected = np.clip(training_pairs[0].gt()[CORNER] * 3 - 1, 0, 1)
    np.testing.assert_allclose(sharp.permute(1, 2, 0), expected, atol=1e-5)


def test_what_is_aligned_already_is_not_aligned_again(aligned, training_pairs):
    align_training(training_pairs, never, aligned, workers=1, progress=False)
    (aligned / f"{training_pairs[2].stem}.npy").unlink()
    align_training(training_pairs, darkened, aligned, workers=1, progress=False)
    assert len(list(aligned.iterdir())) == len(training_pairs)


def test_pairs_that_nothing_could_be_aligned_of_are_all_named(training_pairs, tmp_path):
    with pytest.raises(TrainingError) as error:
        align_training(training_pairs[:2], nowhere, tmp_path, workers=1, progress=False)
    for pair in training_pairs[:2]:
        assert pair.stem in str(error.value)
    assert not list(tmp_path.iterdir())  # to be refused again, not taken for aligned


def crops(folder, aligned, **settings):
    given = DataSettings(**({"crop": 32, "align_once": True, "repeat": 3} | settings))
    return TrainingCrops(folder, given, 0, frozenset(), aligned)


def test_crops_come_from_full_images_and_what_counts_is_turned_with_them(pairs, aligned):
    data = crops(pairs, aligned)
    assert len(data) == 3 * 5
    shares = []
    for place in (Place(epoch, number) for epoch in range(4) for number in range(15)):
        crop = data[place]
        whole = part_of(open_aligned(aligned, crop.name), (slice(None), slice(None)))
        # Each pixel of the crop, and the mark of whether it counts, is one of the picture's.
        of_picture = {tuple(values) for values in torch.cat([part.float() for part in whole]).flatten(1).T.tolist()}
        of_crop = torch.cat([crop.blurry, crop.sharp, crop.counted.float()]).flatten(1).T.tolist()
        assert {tuple(values) for values in of_crop} <= of_picture
        shares.append(float(crop.counted.float().mean()))
    assert min(shares) < 0.1 < 0.9 < max(shares)


def test_without_it_everything_counts(pairs, tmp_path):
    crop = crops(pairs, tmp_path / "none", align_once=False)[Place(0, 0)]
    assert crop.counted.dtype == torch.bool
    assert crop.counted.all()


def test_full_images_that_are_missing_or_too_small_are_told_before_any_work(pairs, tmp_path):
    with pytest.raises(ProblemsError, match="less than the crop of 100"):
        crops(pairs, tmp_path, crop=100)
    dataset = shutil.copytree(pairs, tmp_path / "dataset")
    gone = [f"train/blur/{stem}.png" for stem in open_dataset(pairs, "train").stems[:2]]
    for name in gone:
        (dataset / name).unlink()
    with pytest.raises(ProblemsError) as error:
        crops(dataset, tmp_path)
    assert all(f"{name}: missing" in str(error.value) for name in gone)
    assert len(crops(dataset, tmp_path, align_once=False)) > 0  # from patches, which are all there


def test_pixels_that_do_not_count_teach_nothing():
    recipe = get_recipe("align-once")
    blurry, sharp = torch.rand(2, 1, 3, 32, 32)
    counted = torch.zeros(1, 1, 32, 32, dtype=torch.bool)
    counted[..., :7] = True
    blurry.requires_grad_()
    step = Objective(recipe.objective, None)(torch.nn.Identity(), None, blurry, sharp, 0, counted)
    assert step.loss == charbonnier(blurry, sharp, counted)
    step.loss.backward()
    assert blurry.grad is not None
    assert (blurry.grad[..., 7:] == 0).all()
    assert (blurry.grad[..., :7] != 0).all()


def test_what_was_deformed_once_is_not_deformed_again():
    with pytest.raises(TrainingError, match="not deformed again"):
        get_recipe("jdrl", {"data.align_once": True})


def test_a_run_learns_from_aligned_pictures_draws_them_and_goes_on_to_the_bit(settings):
    changes = {"data.repeat": 4, "validation.every": 1}
    whole = train(settings("align-once", "whole", changes | {"optimiser.epochs": 3}, strips_every=3), darkened)
    assert (whole.folder / "strips" / "epoch_0003.png").is_file()
    train(settings("align-once", "halves", changes | {"optimiser.epochs": 1}), darkened)
    rest = train(settings("align-once", "halves", changes | {"optimiser.epochs": 3}, strips_every=3), never)
    assert [row["loss"] for row in whole.log] == [row["loss"] for row in rest.log]
    assert whole.weights.read_bytes() == rest.weights.read_bytes()
    # It learns to darken: what it is held against is not the sharp picture as it is.
    assert whole.log[-1]["loss"] < 0.9 * whole.log[0]["loss"]
