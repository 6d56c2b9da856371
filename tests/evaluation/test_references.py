import numpy as np
import pytest

from sdd_bench import open_dataset
from sdd_bench.evaluation.protocol import get_protocol
from sdd_bench.evaluation.references import AlignedReference, Alignment, ReferenceStore, align_reference
from sdd_bench.metrics import psnr


@pytest.fixture(scope="module")
def pair(prepared):
    return next(iter(open_dataset(prepared)))


def test_the_deformed_ground_truth_comes_close_to_the_true_aligned_one(pair):
    gt, aligned = pair.gt(), pair.aligned_gt()
    reference = align_reference(get_protocol("sdd-v1.dev"), pair.blur(), gt)
    before, after = psnr(gt, aligned, reference.valid), psnr(reference.deformed, aligned, reference.valid)
    assert after > before + 8
    assert 0 < reference.alignment.left_out < 0.2
    assert reference.deformed.min() >= 0
    assert reference.deformed.max() <= 1


def test_pixels_whose_place_lies_outside_the_ground_truth_do_not_count(pair):
    # The ground truth is the picture moved up by 9 and left by 6 pixels: what was at its upper and left border is gone.
    picture = np.pad(pair.gt(), ((0, 9), (0, 6), (0, 0)), mode="reflect")
    height, width = pair.gt().shape[:2]
    reference = align_reference(get_protocol("sdd-v1.dev"), picture[:height, :width].copy(), picture[9:, 6:].copy())
    assert not reference.valid[:8].any()
    assert not reference.valid[:, :5].any()
    assert reference.valid[12:-12, 12:-12].mean() > 0.97
    assert reference.alignment.shift == pytest.approx((-6, -9), abs=0.1)


def test_the_release_protocol_counts_all_pixels(pair):
    reference = align_reference(get_protocol("jdrl2022.dev"), pair.blur(), pair.gt())
    assert reference.valid.all()
    assert reference.alignment.left_out == 0
    assert reference.alignment.forward_backward_error is None


def some_reference():
    rng = np.random.default_rng(0)
    return AlignedReference(
        deformed=rng.random((8, 9, 3), np.float32),
        valid=rng.random((8, 9)) > 0.5,
        alignment=Alignment(zoom=1.01, shift=(1.5, -2.0), mean_flow=2.5, forward_backward_error=0.1, left_out=0.5),
    )


def test_a_kept_reference_comes_back_to_the_bit(tmp_path):
    store, reference = ReferenceStore(tmp_path), some_reference()
    assert store.load("key") is None
    store.save("key", reference)
    kept = store.load("key")
    assert kept is not None
    assert np.array_equal(kept.deformed, reference.deformed)
    assert np.array_equal(kept.valid, reference.valid)
    assert kept.alignment == reference.alignment


def test_a_damaged_reference_counts_as_absent_wherever_the_damage_is(tmp_path):
    store = ReferenceStore(tmp_path)
    store.save("key", some_reference())
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    damaged = [whole[:length] for length in (0, 10, len(whole) // 2, len(whole) - 1)]
    damaged += [whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :] for i in range(0, len(whole), len(whole) // 40)]
    for content in damaged:
        path.write_bytes(content)
        assert store.load("key") is None
    path.write_bytes(whole)
    assert store.load("key") is not None
