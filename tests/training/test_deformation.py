import numpy as np
import pytest
import torch
from pydantic import BaseModel
from skimage import data

from sdd_bench.alignment import warp
from sdd_bench.alignment.flow import flow
from sdd_bench.errors import AlignmentError, TrainingError
from sdd_bench.training import deformation
from sdd_bench.training.deformation import batch_flow, deblurring_loss, deform
from sdd_bench.training.losses import charbonnier
from sdd_bench.training.masks import calibration_mask


@pytest.fixture(scope="module")
def pair():
    """Three crops of a photograph, and the same moved by (3, -2) px: content at p is found at p + (3, -2)."""
    photo = torch.from_numpy(data.astronaut()).permute(2, 0, 1).float() / 255
    places = [(20, 150), (100, 200), (250, 40)]
    still = torch.stack([photo[:, y : y + 96, x : x + 112] for y, x in places])
    moved = torch.stack([photo[:, y + 2 : y + 98, x - 3 : x + 109] for y, x in places])
    return still, moved


class Constant(BaseModel):
    """A backend that knows the flow, and that can compute anywhere."""

    shift: tuple[float, float]
    device: str = "nowhere yet"

    def on(self, device):
        return self.model_copy(update={"device": device})

    def __call__(self, source, target):
        assert self.device == "cpu"
        assert source.dtype == np.float32 and source.flags.c_contiguous
        return np.broadcast_to(np.array(self.shift, np.float32), (*source.shape[:2], 2))


class Stretch(BaseModel):
    """A backend that knows the flow: x grows by 4 px from the left border to the right one."""

    def on(self, device):
        return self

    def __call__(self, source, target):
        flow = np.zeros((*source.shape[:2], 2), np.float32)
        flow[..., 0] = np.linspace(0, 4, source.shape[1])
        return flow


def test_flow_of_a_batch_is_that_of_its_pictures_one_by_one(pair):
    still, moved = pair
    found = batch_flow(flow("dis"), still, moved)
    assert found.shape == (3, 2, 96, 112) and found.dtype == torch.float32
    for k in range(3):
        alone = flow("dis")(*(t[k].permute(1, 2, 0).contiguous().numpy() for t in pair))
        assert np.array_equal(found[k].permute(1, 2, 0).numpy(), alone)
    centre = found[:, :, 30:-30, 30:-30].median(-1).values.median(-1).values
    torch.testing.assert_close(centre, torch.tensor([3.0, -2.0]).expand(3, 2), atol=0.2, rtol=0)


def test_a_backend_that_can_goes_to_the_device_of_the_pictures(pair):
    found = batch_flow(Constant(shift=(1, 2)), *pair)
    assert torch.equal(found, torch.tensor([1.0, 2.0]).view(1, 2, 1, 1).expand(3, 2, 96, 112))


class Batched(Constant):
    """A backend that takes the tensors as they are."""

    def batch(self, source, target):
        assert not source.requires_grad
        flow = torch.tensor(self.shift, device=source.device).view(1, 2, 1, 1)
        return flow.expand(len(source), 2, *source.shape[2:])

    def __call__(self, source, target):
        raise AssertionError("pictures were taken from their device")


def test_a_backend_that_takes_batches_gets_them_without_gradient(pair, monkeypatch):
    monkeypatch.setattr(deformation, "_PIXELS", 2 * 96 * 112)  # of three pairs two and one
    still, moved = pair
    found = batch_flow(Batched(shift=(1, 2)), still.requires_grad_(), moved)
    assert torch.equal(found, torch.tensor([1.0, 2.0]).view(1, 2, 1, 1).expand(3, 2, 96, 112))
    still.requires_grad_(False)
    with pytest.raises(AlignmentError, match="NaN"):
        batch_flow(Batched(shift=(1, 2)), still, moved * float("nan"))


def test_half_precision_has_a_flow_too(pair):
    assert batch_flow(Constant(shift=(1, 2)), *(t.bfloat16() for t in pair)).dtype == torch.float32
    assert deform(pair[0].bfloat16(), pair[1], Constant(shift=(1, 2))).picture.dtype == torch.float32


def test_a_picture_is_deformed_to_where_the_other_has_its_content(pair):
    still, moved = pair
    found = deform(moved, still, Constant(shift=(3, -2)))
    assert torch.equal(found.picture[:, :, 2:, :-3], still[:, :, 2:, :-3])
    assert found.mask.all()
    assert deform(moved, still, Constant(shift=(3, -2)), mask="none").mask is None


def test_the_loss_is_that_of_both_directions_with_their_masks(pair):
    sharp, deblurred = pair
    found = deblurring_loss(deblurred, sharp, Stretch(), interpolation="lanczos4")
    terms = []
    for still, moving in ((deblurred, sharp), (sharp, deblurred)):
        motion = batch_flow(Stretch(), still, moving)
        mask = calibration_mask(motion)
        assert not mask.all()
        terms.append(charbonnier(warp(moving, motion, "lanczos4"), still, mask))
    assert found.loss.item() == pytest.approx(sum(terms).item(), rel=1e-6)
    single = deblurring_loss(deblurred, sharp, Stretch(), cycle=False, interpolation="lanczos4")
    assert single.loss.item() == pytest.approx(terms[0].item(), rel=1e-6)
    assert single.cycle is None


def test_pixels_of_which_the_other_picture_shows_nothing_are_left_out_of_both_directions(pair):
    sharp, deblurred = pair
    found = deblurring_loss(deblurred, sharp, Constant(shift=(3, -2)), inside_only=True)
    expected = torch.zeros(3, 1, 96, 112, dtype=torch.bool)
    expected[..., 2:, :-3] = True
    assert torch.equal(found.sharp.mask, expected) and torch.equal(found.cycle.mask, expected)
    alone = deform(sharp, deblurred, Constant(shift=(3, -2)), mask="none", inside_only=True)
    assert torch.equal(alone.mask, expected)


def test_a_deblurred_picture_that_is_only_moved_costs_little(pair):
    sharp, deblurred = pair
    loss = deblurring_loss(deblurred, sharp, flow("dis")).loss
    assert loss < 0.3 * 2 * charbonnier(deblurred, sharp)


def test_gradients_reach_the_deblurred_picture_through_its_values_alone(pair):
    sharp, deblurred = pair[0][:1].clone().requires_grad_(), pair[1][:1].clone().requires_grad_()
    estimate = flow("dis")
    found = deblurring_loss(deblurred, sharp, estimate)
    found.loss.backward()
    assert not found.sharp.flow.requires_grad and not found.cycle.flow.requires_grad
    # The same loss with flows and masks that are plain numbers.
    again = deblurred.detach().requires_grad_()
    fixed = sharp.detach()
    back = warp(again, found.cycle.flow, "bilinear")
    loss = charbonnier(again, found.sharp.picture.detach(), found.sharp.mask)
    (loss + charbonnier(back, fixed, found.cycle.mask)).backward()
    torch.testing.assert_close(deblurred.grad, again.grad)
    assert deblurred.grad.abs().max() > 0


def test_values_a_network_may_give_outside_of_the_range_are_no_error(pair):
    sharp, deblurred = pair
    assert torch.isfinite(deblurring_loss(deblurred * 1.5 - 0.2, sharp, flow("dis")).loss)


def test_what_has_no_flow_is_refused_with_the_reason(pair):
    still, moved = pair
    with pytest.raises(TrainingError, match=r"N x 3 x H x W, got shapes \(3, 3, 96, 112\) and \(2, 3, 96, 112\)"):
        batch_flow(flow("dis"), still, moved[:2])
    with pytest.raises(TrainingError, match=r"got shapes \(2, 3, 96, 112\) and \(3, 3, 96, 112\)"):
        deblurring_loss(moved[:2], still, flow("dis"))
    with pytest.raises(AlignmentError, match="NaN"):
        batch_flow(flow("dis"), still, moved * float("nan"))
    with pytest.raises(AlignmentError, match="at least 64 pixels a side"):
        batch_flow(flow("dis"), still[..., :30], moved[..., :30])
