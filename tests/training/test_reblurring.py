import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sdd_bench.errors import TrainingError
from sdd_bench.training import reblurring
from sdd_bench.training.reblurring import isotropic_blur, seed_channels


def explicit(image, seeds, radii=8):
    """The definition, with every kernel built: Li et al., AAAI 2023, as the docstring of `isotropic_blur` words it."""
    n, channels, height, width = image.shape
    blurred, start = [image], 0
    for i in range(2, radii + 1):
        a, side = seeds[:, start : start + i].abs(), 2 * i - 1
        start += i
        entries = []
        for y in range(1 - i, i):
            for x in range(1 - i, i):
                rho = math.hypot(x, y)
                low, high = math.floor(rho), math.ceil(rho)
                if rho > i - 1:
                    entries.append(torch.zeros_like(a[:, 0]))
                elif low == high:
                    entries.append(a[:, low])
                else:
                    entries.append((high - rho) * a[:, low] + (rho - low) * a[:, high])
        kernel = torch.stack(entries, 1).softmax(1)
        window = torch.nn.functional.unfold(image, side, padding=i - 1).view(n, channels, side**2, height, width)
        blurred.append((window * kernel[:, None]).sum(2))
    return torch.stack(blurred, 1)


def case(n, height, width, radii=8, *, scale=1.0, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(n, 3, height, width, generator=generator, dtype=dtype)
    seeds = scale * torch.randn(n, seed_channels(radii), height, width, generator=generator, dtype=dtype)
    return image.requires_grad_(), seeds.requires_grad_()


def with_gradients(blur, image, seeds, *args):
    """The result, and the gradients of a sum with random weights."""
    out = blur(image, seeds, *args)
    weights = torch.rand(out.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return out, *torch.autograd.grad((out * weights.to(out)).sum(), (image, seeds))


def largest_difference(found, expected):
    return max((a - b).abs().max().item() for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize(("n", "height", "width"), [(2, 20, 24), (1, 1, 1), (1, 3, 40), (3, 9, 5)])
def test_result_and_gradients_are_those_of_explicit_kernels(n, height, width):
    pair = case(n, height, width)
    found, expected = with_gradients(isotropic_blur, *pair), with_gradients(explicit, *pair)
    assert found[0].shape == (n, 8, 3, height, width)
    assert largest_difference(found, expected) < 1e-10


@settings(max_examples=15)
@given(st.integers(1, 3), st.integers(1, 12), st.integers(1, 12), st.integers(2, 9), st.integers(1, 80))
def test_whatever_is_worked_on_at_once_the_result_is_that_of_explicit_kernels(n, height, width, radii, step):
    pair = case(n, height, width, radii)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reblurring, "_CPU_STEP", step)
        found = with_gradients(isotropic_blur, *pair, radii)
    assert largest_difference(found, with_gradients(explicit, *pair, radii)) < 1e-10


def test_gradients_are_those_of_finite_differences():
    assert torch.autograd.gradcheck(lambda image, seeds: isotropic_blur(image, seeds, 4), case(1, 4, 5, 4))
    assert torch.autograd.gradcheck(isotropic_blur, case(1, 2, 2))


def test_in_single_precision_it_is_off_by_rounding_only():
    image, seeds = case(1, 40, 50)
    single = with_gradients(isotropic_blur, *(t.detach().float().requires_grad_() for t in (image, seeds)))
    assert largest_difference(single, with_gradients(explicit, image, seeds)) < 2e-6


def test_seeds_too_large_for_exp_give_what_softmax_gives():
    pair = case(1, 12, 12, scale=500, dtype=torch.float32)
    found, expected = with_gradients(isotropic_blur, *pair), with_gradients(explicit, *pair)
    assert all(torch.isfinite(t).all() for t in found)
    assert largest_difference(found, expected) < 1e-4  # differences of exponents around 500 are off by 3e-5


def test_seeds_of_zero_average_the_window():
    image, _ = case(1, 20, 20)
    flat = torch.zeros(1, 35, 20, 20, dtype=torch.float64)
    for i, blurred in enumerate(isotropic_blur(image, flat)[0].unsqueeze(1), start=1):
        mean = torch.nn.functional.avg_pool2d(image, 2 * i - 1, stride=1, padding=i - 1)
        torch.testing.assert_close(blurred, mean, atol=1e-12, rtol=0)


def test_a_large_central_seed_leaves_the_picture_as_it_is():
    image, _ = case(1, 15, 15)
    seeds = torch.zeros(1, 35, 15, 15, dtype=torch.float64)
    seeds[:, [seed_channels(i) for i in range(1, 8)]] = 60
    assert (isotropic_blur(image, seeds) - image[:, None]).abs().max() < 1e-12


def test_the_sign_of_a_seed_does_not_matter():
    image, seeds = case(1, 10, 10)
    assert torch.equal(isotropic_blur(image, seeds), isotropic_blur(image, -seeds))


@pytest.mark.parametrize("turn", [lambda t: t.flip(-1), lambda t: t.flip(-2), lambda t: t.transpose(-1, -2)])
def test_a_mirrored_or_turned_picture_is_blurred_to_the_mirrored_or_turned_result(turn):
    image, seeds = case(1, 11, 13)
    torch.testing.assert_close(isotropic_blur(turn(image), turn(seeds)), turn(isotropic_blur(image, seeds)))


def test_pictures_of_a_batch_do_not_see_each_other():
    image, seeds = case(3, 8, 9)
    for k in range(3):
        alone = isotropic_blur(image[k : k + 1], seeds[k : k + 1])
        torch.testing.assert_close(alone[0], isotropic_blur(image, seeds)[k], atol=1e-14, rtol=0)


def test_only_the_gradients_asked_for_are_computed():
    image, seeds = case(1, 6, 6)
    isotropic_blur(image, seeds.detach()).sum().backward()
    assert seeds.grad is None
    both = torch.autograd.grad(isotropic_blur(image, seeds).sum(), image)[0]
    assert torch.equal(image.grad, both)


def test_memory_layout_does_not_matter():
    image, seeds = case(2, 9, 10)
    strided = (image.to(memory_format=torch.channels_last), seeds.transpose(2, 3).contiguous().transpose(2, 3))
    assert torch.equal(isotropic_blur(*strided), isotropic_blur(image, seeds))


def test_half_precision_is_computed_in_single_also_under_autocast():
    image, seeds = (t.detach().bfloat16() for t in case(1, 8, 8))
    expected = isotropic_blur(image.float(), seeds.float())
    assert torch.equal(isotropic_blur(image, seeds), expected)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(isotropic_blur(image.float(), seeds), expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_it_is_the_same():
    pair = case(2, 33, 47)
    found = with_gradients(lambda image, seeds: isotropic_blur(image.cuda(), seeds.cuda()).cpu(), *pair)
    assert largest_difference(found, with_gradients(explicit, *pair)) < 1e-10


@pytest.mark.parametrize(
    ("image", "seeds", "radii", "message"),
    [
        (torch.rand(3, 8, 8), torch.rand(1, 35, 8, 8), 8, r"N x C x H x W, got shape \(3, 8, 8\)"),
        (torch.rand(0, 3, 8, 8), torch.rand(0, 35, 8, 8), 8, r"got shape \(0, 3, 8, 8\)"),
        (torch.rand(1, 3, 8, 8), torch.rand(1, 36, 8, 8), 8, r"\(1, 35, 8, 8\) for 8 radii .*got \(1, 36, 8, 8\)"),
        (torch.rand(1, 3, 8, 8), torch.rand(1, 35, 8, 9), 8, r"got \(1, 35, 8, 9\)"),
        (torch.rand(1, 3, 8, 8), torch.rand(1, 0, 8, 8), 1, "at least 2 radii .*got 1"),
        (
            torch.ones(1, 3, 8, 8, dtype=torch.uint8),
            torch.rand(1, 35, 8, 8),
            8,
            "floating-point image, got torch.uint8",
        ),
        (torch.rand(1, 3, 8, 8), torch.rand(1, 35, 8, 8, device="meta"), 8, "different devices: cpu and meta"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(image, seeds, radii, message):
    with pytest.raises(TrainingError, match=message):
        isotropic_blur(image, seeds, radii)
