import math

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sdd_bench.alignment.masks import inside
from sdd_bench.errors import TrainingError
from sdd_bench.training.masks import calibration_mask, stays_inside


def uniform(x, y, height=6, width=8):
    return torch.tensor([x, y]).view(1, 2, 1, 1).expand(1, 2, height, width).clone()


def test_pixels_near_the_mean_magnitude_count_and_others_do_not():
    flow = uniform(3.0, 4.0, 10, 10)  # magnitude 5
    flow[0, :, 0, :4] = torch.tensor([[0.0], [3.0]])  # too small
    flow[0, :, 1, :4] = torch.tensor([[-7.0], [0.0]])  # too large: the mean is 5 x 0.92 + 3 x 0.04 + 7 x 0.04 = 5
    found = calibration_mask(flow, tolerance=0.3)
    assert found.shape == (1, 1, 10, 10)
    expected = torch.ones(10, 10, dtype=torch.bool)
    expected[:2, :4] = False
    assert torch.equal(found[0, 0], expected)
    assert calibration_mask(flow, tolerance=0.41).all()


@pytest.mark.parametrize("direction", [(1.0, 0.0), (0.0, -1.0), (0.6, 0.8)])
def test_flow_that_is_the_same_everywhere_counts_everywhere(direction):
    for variant in ("paper", "release"):
        assert calibration_mask(uniform(*(7 * part for part in direction)), variant).all()


def test_a_pair_that_is_aligned_counts_everywhere():
    assert calibration_mask(uniform(0.0, 0.0)).all()
    noise = 0.3 * torch.randn(1, 2, 40, 40, generator=torch.Generator().manual_seed(0))
    assert calibration_mask(noise).all()
    assert not calibration_mask(4 * noise).all()


def test_every_picture_of_a_batch_has_its_own_mean():
    small, large = uniform(1.0, 0.0), uniform(30.0, 0.0)
    large[..., 0] = 1.0
    for variant in ("paper", "release"):
        together = calibration_mask(torch.cat([small, large]), variant)
        assert torch.equal(together, torch.cat([calibration_mask(small, variant), calibration_mask(large, variant)]))
        assert together[0].all() and not together[1].all()


@given(hnp.arrays(np.float64, (2, 5, 6), elements=st.floats(-20, 20)), st.floats(0.01, 1))
def test_the_mask_is_the_papers_inequality(flow, tolerance):
    magnitude = np.hypot(*flow)
    mean = magnitude.mean()
    found = calibration_mask(torch.from_numpy(flow)[None], tolerance=tolerance)[0, 0].numpy()
    for own, taken in zip(magnitude.flat, found.flat, strict=True):
        if min(abs(own - (1 + s * tolerance) * mean) for s in (-1, 1)) < 1e-9 * mean:
            continue  # rounding decides
        assert taken == (mean < 0.5 or (1 - tolerance) * mean < own < (1 + tolerance) * mean)


def wheel_colour(angle):
    """Colour in [0, 1] at an angle of the wheel of Baker et al.: 55 entries, six sections of unequal length."""
    entries = []
    corners = [(1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 1, 1), (0, 0, 1), (1, 0, 1), (1, 0, 0)]
    for start, end, count in zip(corners[:-1], corners[1:], (15, 6, 4, 11, 13, 6), strict=True):
        for k in range(count):
            rise = math.floor(255 * k / count) / 255
            entries.append([a if a == b else (rise if b else 1 - rise) for a, b in zip(start, end, strict=True)])
    place = (angle / math.pi + 1) / 2 * 54
    low = math.floor(place)
    part = place - low
    return [(1 - part) * a + part * b for a, b in zip(entries[low], entries[(low + 1) % 55], strict=True)]


def wheel_gray(flow):
    """The gray picture of a flow as the released code makes it, pixel by pixel."""
    largest = np.hypot(*flow).max() + 1e-5
    picture = np.zeros((*flow.shape[1:], 3), np.uint8)
    for y, x in np.ndindex(flow.shape[1:]):
        u, v = flow[:, y, x] / largest
        radius = math.hypot(u, v)
        picture[y, x] = [math.floor(255 * (1 - radius * (1 - c))) for c in wheel_colour(math.atan2(-v, -u))]
    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(float)


@pytest.mark.parametrize("size", [0.2, 3, 20])
def test_the_releases_mask_is_that_of_the_gray_colour_wheel(size):
    towards_blue = np.array([-1.0, -1.7]).reshape(2, 1, 1)  # the darkest colour, so that gray values vary
    flow = size * (np.random.default_rng(1).standard_normal((2, 24, 30)) + towards_blue)
    gray = wheel_gray(flow)
    near = (gray >= 0.65 * gray.mean()) & (gray <= 1.35 * gray.mean())
    found = calibration_mask(torch.from_numpy(flow)[None], "release")[0, 0].numpy()
    assert 0.1 < near.mean() < 0.9
    # A gray value at a bound may be off by one, see the two small numbers in `_wheel_gray`.
    certain = np.minimum(abs(gray - 0.65 * gray.mean()), abs(gray - 1.35 * gray.mean())) > 1.5
    assert np.array_equal(found[certain], near[certain])
    assert (found == near).mean() > 0.99


def test_no_gradient_goes_into_a_mask():
    assert not calibration_mask(uniform(1.0, 2.0).requires_grad_()).requires_grad


@pytest.mark.parametrize(
    ("flow", "variant", "message"),
    [
        (torch.zeros(1, 3, 4, 4), "paper", r"expected a flow N x 2 x H x W, got shape \(1, 3, 4, 4\)"),
        (torch.zeros(2, 4, 4), "paper", r"got shape \(2, 4, 4\)"),
        (torch.zeros(1, 2, 4, 4), "papers", "unknown calibration mask 'papers'. Did you mean paper"),
    ],
)
def test_what_is_no_flow_is_refused_with_the_reason(flow, variant, message):
    with pytest.raises(TrainingError, match=message):
        calibration_mask(flow, variant)


@given(hnp.arrays(np.float32, (2, 5, 6, 2), elements=st.integers(-6, 6).map(float) | st.floats(-7, 7, width=32)))
def test_pixels_stay_inside_as_the_masks_of_evaluation_have_it(flows):
    found = stays_inside(torch.from_numpy(flows).movedim(3, 1))
    assert found.shape == (2, 1, 5, 6)
    for own, flow in zip(found, flows, strict=True):
        np.testing.assert_array_equal(own[0].numpy(), inside(flow))
