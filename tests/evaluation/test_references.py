import hashlib
import io
import shutil

import numpy as np
import pytest

from sdd_bench import open_dataset
from sdd_bench.alignment import Similarity, warp
from sdd_bench.alignment.masks import contrast
from sdd_bench.errors import ProtocolError
from sdd_bench.evaluation import DEFAULT_PROTOCOL
from sdd_bench.evaluation.protocol import get_protocol
from sdd_bench.evaluation.references import (
    AlignedReference,
    Alignment,
    ReferenceStore,
    align_reference,
    find_alignment,
)
from sdd_bench.metrics import psnr


@pytest.fixture(scope="module")
def pair(prepared):
    return next(iter(open_dataset(prepared)))


def test_the_deformed_ground_truth_comes_close_to_the_true_aligned_one(pair):
    gt, aligned = pair.gt(), pair.aligned_gt()
    reference = align_reference(get_protocol(DEFAULT_PROTOCOL), pair.blur(), gt)
    before, after = psnr(gt, aligned, reference.valid), psnr(reference.deformed, aligned, reference.valid)
    assert after > before + 8
    assert 0 < reference.alignment.left_out < 0.2
    assert reference.deformed.min() >= 0
    assert reference.deformed.max() <= 1


def test_pixels_whose_place_lies_outside_the_ground_truth_do_not_count(pair):
    # The ground truth is the picture moved up by 9 and left by 6 pixels: what was at its upper and left border is gone.
    picture = np.pad(pair.gt(), ((0, 9), (0, 6), (0, 0)), mode="reflect")
    height, width = pair.gt().shape[:2]
    reference = align_reference(get_protocol(DEFAULT_PROTOCOL), picture[:height, :width].copy(), picture[9:, 6:].copy())
    assert not reference.valid[:8].any()
    assert not reference.valid[:, :5].any()
    assert reference.valid[12:-12, 12:-12].mean() > 0.97
    assert reference.alignment.shift == pytest.approx((-6, -9), abs=0.1)


def test_the_release_protocol_counts_all_pixels(pair):
    reference = align_reference(get_protocol("jdrl2022-dis"), pair.blur(), pair.gt())
    assert reference.valid.all()
    assert reference.alignment.left_out == 0
    assert reference.alignment.forward_backward_error is None


def test_the_limit_is_what_resampling_there_and_back_costs(pair):
    # Through warp() and the flow of the similarity alone, with the similarity's own inverse: no code of the limit.
    gt, similarity = pair.gt(), Similarity(1.012, (1.4, -2.3))
    there = np.clip(warp(gt, similarity.flow(gt.shape), "lanczos6"), 0, 1)
    back = np.clip(warp(there, similarity.inverse().flow(gt.shape), "lanczos6"), 0, 1)
    y, x = np.mgrid[0 : gt.shape[0], 0 : gt.shape[1]].astype(float)
    ends = similarity.inverse().apply(np.stack([x, y], -1), gt.shape)
    expected = psnr(back, gt, ((ends >= 0) & (ends <= np.array(gt.shape[1::-1]) - 1)).all(-1))
    protocol = get_protocol(DEFAULT_PROTOCOL).model_copy(
        update={"equalise": None, "mask": None, "flow": given(similarity)}
    )
    assert align_reference(protocol, gt, gt).alignment.limit == pytest.approx(expected, abs=0.02)
    blurry = protocol.model_copy(update={"warp": "bilinear"})
    assert align_reference(blurry, gt, gt).alignment.limit < expected - 5


def given(similarity):
    """A flow that finds a known similarity between any two pictures, and its inverse on the way back."""
    calls = []

    def find(source, _):
        calls.append(1)
        return (similarity if len(calls) % 2 else similarity.inverse()).flow(source.shape)

    return find


def test_a_flow_that_does_not_lead_back_leaves_out_only_what_that_would_change(pair):
    # Forth nothing moves, back everything by 3 px; the right half of the picture is flat.
    gt = pair.gt().copy()
    gt[:, gt.shape[1] // 2 :] = 0.5
    answers = iter([Similarity(1.0, (0.0, 0.0)), Similarity(1.0, (3.0, 0.0))])
    protocol = get_protocol(DEFAULT_PROTOCOL).model_copy(
        update={"equalise": None, "flow": lambda source, _: next(answers).flow(source.shape)}
    )
    valid = align_reference(protocol, gt, gt).valid
    middle = gt.shape[1] // 2
    assert valid[:, middle + 12 :].all()
    change = 3 * contrast(gt)
    assert np.array_equal(valid, change <= protocol.mask.change_tolerance)
    assert valid[:, : middle - 12].mean() < 0.5


def test_without_motion_nothing_is_lost_and_there_is_no_limit(pair):
    gt = pair.gt()
    still = get_protocol(DEFAULT_PROTOCOL).model_copy(update={"equalise": None, "flow": given(Similarity(1.0, (0, 0)))})
    reference = align_reference(still, gt, gt)
    assert reference.alignment.limit is None
    assert np.array_equal(reference.deformed, gt)
    assert not reference.flow.any()


def test_the_limit_of_the_release_protocol_is_what_a_perfect_prediction_scores(pair):
    # Its grid alone keeps the true picture from scoring higher; what comes back is held against the same loss.
    prediction, gt = pair.aligned_gt(), pair.gt()
    reference = align_reference(get_protocol("jdrl2022-dis"), prediction, gt)
    assert reference.alignment.limit == pytest.approx(psnr(prediction, reference.deformed), abs=1.5)


def test_a_protocol_that_takes_the_ground_truth_as_it_is_has_no_reference_but_an_alignment(pair):
    protocol = get_protocol("dpdd2020")
    with pytest.raises(ProtocolError, match="takes the ground truth as it is"):
        align_reference(protocol, pair.blur(), pair.gt())
    deforming = align_reference(get_protocol("jdrl2022-dis"), pair.blur(), pair.gt()).alignment
    alignment = find_alignment(pair.blur(), pair.gt())
    assert (alignment.zoom, alignment.shift) == (deforming.zoom, deforming.shift)
    assert (alignment.mean_flow, alignment.limit, alignment.left_out) == (None, None, 0)


def some_reference():
    rng = np.random.default_rng(0)
    return AlignedReference(
        deformed=rng.random((8, 9, 3), np.float32),
        valid=rng.random((8, 9)) > 0.5,
        flow=rng.random((8, 9, 2), np.float32),
        alignment=Alignment(
            zoom=1.01, shift=(1.5, -2.0), mean_flow=2.5, forward_backward_error=0.1, left_out=0.5, limit=47.5
        ),
    )


def test_a_kept_reference_comes_back_to_the_bit(tmp_path):
    store, reference = ReferenceStore(tmp_path), some_reference()
    assert store.load("key") is None
    store.save("key", reference)
    kept = store.load("key")
    assert kept is not None
    assert np.array_equal(kept.deformed, reference.deformed)
    assert np.array_equal(kept.valid, reference.valid)
    assert np.array_equal(kept.flow, reference.flow)
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


def test_a_reference_under_another_key_or_of_another_version_counts_as_absent(tmp_path):
    store = ReferenceStore(tmp_path)
    store.save("key", some_reference())
    shutil.copy(tmp_path / "key.reference", tmp_path / "other.reference")
    assert store.load("other") is None

    # A whole file with a sound hash, as a version would write it that kept no flow.
    archive = io.BytesIO()
    np.savez(archive, deformed=np.zeros((8, 9, 3), np.float32), valid=np.ones((8, 9), bool))
    content = archive.getvalue()
    (tmp_path / "older.reference").write_bytes(hashlib.sha256(b"older" + content).digest() + content)
    assert store.load("older") is None
