"""Oracles: scikit-image on float64, plain numpy, and for masks scikit-image's full map with scipy's erosion."""

import math

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_erosion
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

from sdd_bench.errors import MetricError
from sdd_bench.metrics import Fidelity, fidelity, mae, psnr, ssim, stripes

# The smallest allowed; one stripe; three stripes (87 rows of 1000 pixels), the last one of 1 row, 3 rows and 4 rows.
SIZES = [(7, 7), (8, 31), (64, 48), (175, 1000), (177, 1000), (178, 1000)]


def pair(height, width, seed=0, noise=0.1):
    """A smooth random picture and a noisy copy of it, float64 in [0, 1]."""
    rng = np.random.default_rng(seed)
    ref = np.clip(cv2.GaussianBlur(rng.random((height, width, 3)), (0, 0), 1.5) * 3 - 1, 0, 1)
    return np.clip(ref + noise * rng.standard_normal(ref.shape), 0, 1), ref


def holes(height, width, seed=0):
    """A mask with a few round holes and an invalid edge, with wholly valid windows left."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    mask = x < width - 2
    for _ in range(3):
        cy, cx = rng.random(2) * (height, width)
        mask &= (y - cy) ** 2 + (x - cx) ** 2 > (min(height, width) / 8) ** 2
    return mask


def tensor(*images):
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)


def scikit(pred, ref):
    pred, ref = pred.astype(np.float64), ref.astype(np.float64)
    return (
        peak_signal_noise_ratio(ref, pred, data_range=1),
        structural_similarity(ref, pred, data_range=1, channel_axis=2),
        np.mean(np.abs(ref - pred)),
    )


def scikit_masked(pred, ref, mask):
    """Plain means over the valid pixels; SSIM over those whose whole 7 x 7 window is valid, less the border."""
    whole = binary_erosion(mask, np.ones((7, 7)), border_value=0)
    full = structural_similarity(ref, pred, data_range=1, channel_axis=2, full=True)[1]
    return (
        10 * math.log10(1 / mean_squared_error(ref[mask], pred[mask])),
        full[whole].mean(),
        np.abs(ref - pred)[mask].mean(),
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", SIZES)
def test_arrays_score_as_scikit_image_does_on_float64(size, dtype):
    pred, ref = (image.astype(dtype) for image in pair(*size))
    found = fidelity(pred, ref)
    assert (found.psnr, found.ssim, found.mae) == pytest.approx(scikit(pred, ref), abs=1e-9, rel=0)
    assert found == Fidelity(psnr(pred, ref), ssim(pred, ref), mae(pred, ref))


@pytest.mark.parametrize("size", [(64, 48), (175, 1000), (178, 1000)])
def test_a_mask_leaves_out_pixels_and_the_windows_that_hold_them(size):
    (pred, ref), mask = pair(*size), holes(*size)
    found = fidelity(pred, ref, mask)
    assert (found.psnr, found.ssim, found.mae) == pytest.approx(scikit_masked(pred, ref, mask), abs=1e-9, rel=0)
    assert found == Fidelity(psnr(pred, ref, mask), ssim(pred, ref, mask), mae(pred, ref, mask))


def test_what_invalid_pixels_hold_does_not_matter():
    (pred, ref), mask = pair(90, 120), holes(90, 120)
    noise = np.random.default_rng(1).random(pred.shape)
    changed = np.where(mask[..., None], pred, noise)
    assert not np.array_equal(changed, pred)
    found, expected = fidelity(changed, ref, mask), fidelity(pred, ref, mask)
    assert (found.psnr, found.mae) == (expected.psnr, expected.mae)
    assert found.ssim == pytest.approx(expected.ssim, abs=1e-14)


@pytest.mark.parametrize("size", SIZES)
def test_an_all_true_mask_gives_the_same_bits_as_no_mask(size):
    pred, ref = pair(*size)
    assert fidelity(pred, ref, np.ones(size, bool)) == fidelity(pred, ref)
    everywhere = torch.ones(1, *size, dtype=torch.bool)
    assert fidelity(tensor(pred), tensor(ref), everywhere) == fidelity(tensor(pred), tensor(ref))


@pytest.mark.parametrize("size", SIZES)
def test_tensors_score_as_arrays_do(size, monkeypatch):
    monkeypatch.setattr(stripes, "STRIPE_PIXELS", 30_000)  # so that small pictures have several steps too
    pairs = [pair(*size, seed=s, noise=n) for s, n in ((0, 0.1), (1, 0.01))]
    preds, refs = (tensor(*images) for images in zip(*pairs, strict=True))
    found, expected = fidelity(preds, refs), [fidelity(*p) for p in pairs]
    for name, function in (("psnr", psnr), ("ssim", ssim), ("mae", mae)):
        values = getattr(found, name)
        assert values.dtype == torch.float64
        assert values.tolist() == pytest.approx([getattr(e, name) for e in expected], abs=1e-9, rel=0)
        assert torch.equal(function(preds, refs), values)


def test_masked_tensors_score_as_masked_arrays_do(monkeypatch):
    monkeypatch.setattr(stripes, "STRIPE_PIXELS", 5000)
    pairs, masks = [pair(85, 200, s) for s in range(2)], [holes(85, 200, s) for s in range(2)]
    found = fidelity(*(tensor(*images) for images in zip(*pairs, strict=True)), torch.from_numpy(np.stack(masks)))
    expected = [fidelity(*p, m) for p, m in zip(pairs, masks, strict=True)]
    for name in ("psnr", "ssim", "mae"):
        assert getattr(found, name).tolist() == pytest.approx([getattr(e, name) for e in expected], abs=1e-9, rel=0)


def test_a_score_does_not_depend_on_its_batch_nor_on_gradients_being_recorded():
    pred, ref = (tensor(*images).float() for images in zip(*(pair(40, 50, s) for s in range(3)), strict=True))
    pred.requires_grad_()
    together = fidelity(pred, ref)
    assert together.ssim[1] == fidelity(pred[1:2].detach(), ref[1:2]).ssim[0]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_scores_stay_on_the_device_of_the_tensors():
    pred, ref = (tensor(image).cuda() for image in pair(301, 200))
    mask = torch.from_numpy(holes(301, 200))[None].cuda()
    found, expected = fidelity(pred, ref, mask), fidelity(pred.cpu(), ref.cpu(), mask.cpu())
    for name in ("psnr", "ssim", "mae"):
        assert getattr(found, name).device == pred.device
        assert getattr(found, name).tolist() == pytest.approx(getattr(expected, name).tolist(), abs=1e-9, rel=0)


def test_the_number_of_threads_does_not_change_a_bit():
    (pred, ref), mask = pair(700, 500), holes(700, 500)
    before = cv2.getNumThreads()
    try:
        found = set()
        for threads in (1, 2, 5):
            cv2.setNumThreads(threads)
            found.add(fidelity(pred, ref, mask))
    finally:
        cv2.setNumThreads(before)
    assert len(found) == 1


def test_identical_pictures_are_perfect():
    _, ref = pair(60, 70)
    assert fidelity(ref, ref.copy()) == Fidelity(math.inf, 1.0, 0.0)
    found = fidelity(tensor(ref, ref), tensor(ref, ref))
    assert (found.psnr.tolist(), found.ssim.tolist(), found.mae.tolist()) == ([math.inf] * 2, [1.0] * 2, [0.0] * 2)


def test_known_values_by_hand():
    """All pixels off by 0.1: MSE 0.01. Flat windows have no variance, so SSIM is (2ab + C1) / (a^2 + b^2 + C1)."""
    a, b = np.full((9, 11, 3), 0.4), np.full((9, 11, 3), 0.5)
    found = fidelity(a, b)
    assert found.psnr == pytest.approx(20)
    assert found.ssim == pytest.approx((2 * 0.2 + 1e-4) / (0.16 + 0.25 + 1e-4))
    assert found.mae == pytest.approx(0.1)


def test_views_and_flipped_channels_score_as_their_copies():
    pred, ref = pair(60, 80)
    for view in (lambda x: x[5:50, 10:70], lambda x: x[..., ::-1], lambda x: x[::-1, ::2]):
        a, b = view(pred), view(ref)
        assert fidelity(a, b) == fidelity(np.ascontiguousarray(a), np.ascontiguousarray(b))
    mask = holes(60, 80)
    a, b, m = pred[:, ::-1], ref[:, ::-1], mask[:, ::-1]
    assert fidelity(a, b, m) == fidelity(*(np.ascontiguousarray(x) for x in (a, b, m)))


@settings(max_examples=40, deadline=None)
@given(st.integers(7, 40), st.integers(7, 40), st.integers(0, 2**32 - 1), st.floats(0, 0.5))
def test_scores_are_symmetric_bounded_and_blind_to_mirroring(height, width, seed, noise):
    pred, ref = pair(height, width, seed, noise)
    found = fidelity(pred, ref)
    assert found.ssim <= 1 and 0 <= found.mae <= 1 and found.psnr >= 0
    other = fidelity(ref, pred)
    assert (other.psnr, other.mae) == (found.psnr, found.mae)
    mirrored = fidelity(pred[:, ::-1], ref[:, ::-1])
    for twin in (other, mirrored):
        assert (twin.ssim, twin.mae) == pytest.approx((found.ssim, found.mae), abs=1e-12)


GOOD = np.full((20, 30, 3), 0.5, np.float32)


def changed(value, dtype=np.float32):
    image = GOOD.astype(dtype)
    image[11, 7, 1] = value
    return image


@pytest.mark.parametrize(
    ("pred", "ref", "mask", "message"),
    [
        (np.zeros((20, 30, 3), np.uint8), GOOD, None, "pred: expected float32 or float64 in .*uint8.*divide"),
        (GOOD, GOOD.astype(np.float16), None, "ref: expected float32 or float64 in .*float16"),
        (GOOD[..., 0], GOOD, None, r"pred: expected RGB of shape H x W x 3, got shape \(20, 30\)"),
        (np.zeros((20, 30, 4), np.float32), GOOD, None, r"pred: expected RGB .*\(20, 30, 4\)"),
        (GOOD, GOOD[:, 1:], None, r"same shape.*pred \(20, 30, 3\), ref \(20, 29, 3\); crop"),
        (GOOD[:0], GOOD[:0], None, r"pred: expected RGB .*\(0, 30, 3\)"),
        (GOOD[:6], GOOD[:6], None, "at least 7 x 7 pixels, got 6 x 30"),
        (GOOD[:, :5], GOOD[:, :5], None, "at least 7 x 7 pixels, got 20 x 5"),
        (changed(np.nan), GOOD, None, "pred: has NaN"),
        (GOOD, changed(np.inf), None, r"ref: expected values in \[0, 1\], got 0.5 to inf"),
        (changed(1.5), GOOD, None, r"pred: expected values in \[0, 1\], got 0.5 to 1.5; clamp"),
        (GOOD, changed(-1e-6), None, r"ref: expected values in \[0, 1\], got -9.99999"),
        (changed(1 + 1e-7), GOOD, None, r"pred: expected values in \[0, 1\], got 0.5 to 1.0000001"),
        (GOOD, GOOD, np.ones((20, 30), np.uint8), "mask: expected a ndarray of bool.*uint8"),
        (GOOD, GOOD, np.ones((30, 20), bool), r"mask: .*shape \(20, 30\).*shape \(30, 20\)"),
        (GOOD, GOOD, torch.ones(20, 30, dtype=torch.bool), "mask: expected a ndarray of bool.*Tensor"),
        (GOOD, GOOD, np.zeros((20, 30), bool), "mask: leaves no valid pixel"),
        (GOOD, GOOD, np.indices((20, 30)).sum(0) % 7 > 0, "mask: leaves no 7 x 7 window wholly valid"),
        (GOOD, tensor(GOOD), None, "ref: expected a ndarray, got a Tensor"),
        ([[0.5]], GOOD, None, "pred: expected a Tensor, got a list"),
    ],
)
def test_arrays_that_have_no_score_are_refused_with_the_reason(pred, ref, mask, message):
    with pytest.raises(MetricError, match=message):
        fidelity(pred, ref, mask)


@pytest.mark.parametrize(
    ("pred", "ref", "mask", "message"),
    [
        (tensor(GOOD)[0], tensor(GOOD)[0], None, r"pred: expected RGB of shape N x 3 x H x W, got shape \(3, 20, 30\)"),
        (torch.from_numpy(GOOD)[None], tensor(GOOD), None, r"pred: expected RGB .*\(1, 20, 30, 3\)"),
        (tensor(GOOD).half(), tensor(GOOD), None, "pred: expected float32 or float64 in .*float16"),
        (tensor(GOOD), tensor(GOOD, GOOD), None, "same shape"),
        (tensor(GOOD)[..., :5], tensor(GOOD)[..., :5], None, "at least 7 x 7"),
        (tensor(GOOD, changed(np.nan)), tensor(GOOD, GOOD), None, r"pred\[1\]: has NaN"),
        (tensor(GOOD, GOOD), tensor(GOOD, changed(2)), None, r"ref\[1\]: expected values in \[0, 1\], got 0.5 to 2"),
        (tensor(GOOD), tensor(GOOD), torch.ones(20, 30, dtype=torch.bool), r"mask: .*shape \(1, 20, 30\)"),
        (tensor(GOOD), tensor(GOOD), np.ones((1, 20, 30), bool), "mask: expected a Tensor"),
        (tensor(GOOD), tensor(GOOD), torch.zeros(1, 20, 30, dtype=torch.bool), r"mask\[0\]: leaves no valid pixel"),
        (tensor(GOOD), tensor(GOOD).to("meta"), None, "same device"),
        (tensor(GOOD), GOOD, None, "ref: expected a Tensor, got a ndarray"),
    ],
)
def test_tensors_that_have_no_score_are_refused_with_the_reason(pred, ref, mask, message):
    with pytest.raises(MetricError, match=message):
        fidelity(pred, ref, mask)


def test_a_mask_without_a_whole_window_still_has_psnr_and_mae():
    stripes_mask = np.indices((20, 30)).sum(0) % 7 > 0
    assert mae(GOOD, changed(0.8), stripes_mask) > 0
    assert math.isfinite(psnr(GOOD, changed(0.8), stripes_mask))
    assert psnr(GOOD[:3, :4], GOOD[:3, :4]) == math.inf
