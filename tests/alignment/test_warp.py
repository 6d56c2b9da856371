import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from sdd_bench.alignment import warp
from sdd_bench.alignment.warp import warp_jdrl2022
from sdd_bench.errors import AlignmentError

KINDS = ["lanczos4", "lanczos6", "bilinear"]


def picture(height=37, width=52, channels=3, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).random((height, width, channels)).astype(dtype)


def wavy_flow(height=37, width=52, seed=0, size=6.0, dtype=np.float32):
    return np.random.default_rng(seed).uniform(-size, size, (height, width, 2)).astype(dtype)


def as_tensor(array):
    return torch.from_numpy(np.ascontiguousarray(array)).permute(2, 0, 1)[None]


def sampled_by_the_formula(image, flow, kernel, reach):
    """Direct float64 evaluation, one pixel at a time: sum of kernel(distance) values over the sum of kernel values."""
    height, width = image.shape[:2]
    out = np.zeros(image.shape)
    for y in range(height):
        for x in range(width):
            place = np.array([x, y]) + flow[y, x].astype(np.float64)
            start = np.floor(place).astype(int)
            taps = [start[k] + np.arange(1 - reach, reach + 1) for k in (0, 1)]
            wx, wy = (kernel(place[k] - taps[k]) for k in (0, 1))
            block = image[np.clip(taps[1], 0, height - 1)][:, np.clip(taps[0], 0, width - 1)].astype(np.float64)
            out[y, x] = np.einsum("i,j,ijc->c", wy / wy.sum(), wx / wx.sum(), block)
    return out


def lanczos4_kernel(distance):
    return np.where(np.abs(distance) < 4, np.sinc(distance) * np.sinc(distance / 4), 0)


def lanczos6_kernel(distance):
    return np.where(np.abs(distance) < 6, np.sinc(distance) * np.sinc(distance / 6), 0)


def hat_kernel(distance):
    return np.maximum(1 - np.abs(distance), 0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_zero_flow_is_the_identity_to_the_bit(kind, channels):
    image = picture(channels=channels) * 3 - 1
    flow = np.zeros((37, 52, 2), np.float32)
    assert np.array_equal(warp(image, flow, kind), image)
    assert torch.equal(warp(as_tensor(image), as_tensor(flow), kind), as_tensor(image))


@pytest.mark.parametrize("kind", KINDS)
@given(dx=st.integers(-9, 9), dy=st.integers(-9, 9))
@settings(max_examples=25, deadline=None)
def test_flow_of_whole_pixels_is_an_exact_shift_with_the_border_repeated(kind, dx, dy):
    image = picture(13, 17)
    ys, xs = np.clip(np.arange(13) + dy, 0, 12), np.clip(np.arange(17) + dx, 0, 16)
    assert np.array_equal(warp(image, np.full((13, 17, 2), (dx, dy), np.float32), kind), image[ys][:, xs])


@pytest.mark.parametrize(
    ("kind", "kernel", "reach"),
    [("lanczos4", lanczos4_kernel, 4), ("lanczos6", lanczos6_kernel, 6), ("bilinear", hat_kernel, 1)],
)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 2e-6), (np.float64, 1e-14)])
def test_values_equal_the_formula_evaluated_directly(kind, kernel, reach, dtype, tolerance):
    image, flow = picture(dtype=dtype), wavy_flow(dtype=dtype)
    warped = warp(image, flow, kind)
    assert warped.dtype == dtype
    np.testing.assert_allclose(warped, sampled_by_the_formula(image, flow, kernel, reach), atol=tolerance, rtol=0)


def test_bilinear_equals_scipy_map_coordinates_far_outside_too():
    image, flow = picture(dtype=np.float64), wavy_flow(size=80, dtype=np.float64)
    y, x = np.mgrid[0:37, 0:52]
    for c in range(3):
        expected = map_coordinates(image[..., c], [y + flow[..., 1], x + flow[..., 0]], order=1, mode="nearest")
        np.testing.assert_allclose(warp(image, flow, "bilinear")[..., c], expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize(("kind", "flag"), [("lanczos4", cv2.INTER_LANCZOS4), ("bilinear", cv2.INTER_LINEAR)])
def test_values_equal_opencv_where_its_positions_are_exact(kind, flag):
    # cv2.remap rounds positions to 1/32 px: at multiples of that it is an independent implementation of the same sum.
    image, flow = picture(), np.round(wavy_flow() * 32) / 32
    y, x = np.mgrid[0:37, 0:52].astype(np.float32)
    theirs = cv2.remap(image, np.dstack([x, y]) + flow, None, flag, borderMode=cv2.BORDER_REPLICATE)
    np.testing.assert_allclose(warp(image, flow, kind), theirs, atol=1e-5, rtol=0)


def test_positions_are_exact_at_the_far_end_of_a_wide_picture():
    # Bilinear sampling of a fine ramp reads off the position itself. Rounding x + flow to float32 would err by 2e-4 px.
    width = 8192
    ramp = np.zeros((2, width, 1), np.float32)
    ramp[:, -64:, 0] = np.arange(64)
    flow = np.zeros((2, width, 2), np.float32)
    flow[..., 0] = np.random.default_rng(0).uniform(-1, 0, (2, width))
    read = warp(ramp, flow, "bilinear")[:, -63:, 0].astype(np.float64)
    np.testing.assert_allclose(read - np.arange(1, 64), flow[:, -63:, 0], atol=8e-6, rtol=0)


def test_far_away_positions_read_the_border():
    image = picture()
    for far in (100.0, 1e9, 3e38):
        flow = np.full((37, 52, 2), far, np.float32)
        np.testing.assert_allclose(warp(image, flow), np.broadcast_to(image[-1, -1], image.shape), atol=1e-6)
        np.testing.assert_allclose(warp(image, -flow), np.broadcast_to(image[0, 0], image.shape), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tiny", [1e-45, -1e-45, 1e-12, -1e-12])
def test_vanishing_displacements_do_not_divide_by_zero(kind, tiny):
    image = picture()
    np.testing.assert_allclose(warp(image, np.full((37, 52, 2), tiny, np.float32), kind), image, atol=1e-7, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_result_does_not_depend_on_the_number_of_threads(kind):
    image, flow = picture(257, 509), wavy_flow(257, 509)
    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            results.append(warp(as_tensor(image), as_tensor(flow), kind).numpy())
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(results[0], results[1])
    assert np.array_equal(results[0], results[2])


def test_the_number_of_threads_is_left_as_it_was():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        warp(picture(), wavy_flow())
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_tensors_batches_and_gray_pictures_agree(kind):
    image, flow = picture(), wavy_flow()
    expected = warp(image, flow, kind)
    images = torch.cat([as_tensor(image), as_tensor(image[::-1])])
    flows = torch.cat([as_tensor(flow), as_tensor(wavy_flow(seed=1))])
    assert np.array_equal(warp(images, flows, kind)[0].permute(1, 2, 0).numpy(), expected)
    assert np.array_equal(warp(np.ascontiguousarray(image[..., 1]), flow, kind), expected[..., 1])


def test_inputs_are_left_alone_and_may_be_read_only_or_strided():
    image, flow = picture()[::-1, :, ::-1], wavy_flow()[:, ::-1]
    expected = warp(image.copy(), flow.copy())
    image.flags.writeable = flow.flags.writeable = False
    assert np.array_equal(warp(image, flow), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_of_the_image_is_the_numerical_one(kind):
    image = as_tensor(picture(4, 5, 2, dtype=np.float64)).requires_grad_()
    flow = as_tensor(wavy_flow(4, 5, dtype=np.float64))
    assert torch.autograd.gradcheck(lambda b: warp(b, flow, kind), (image,), fast_mode=True)


def test_gradient_with_large_pictures_sums_to_the_number_of_pixels():
    # Each output pixel is a mean with weights of sum 1; spans several chunks of work.
    image = torch.rand(2, 1, 260, 270, requires_grad=True)
    warp(image, torch.rand(2, 2, 260, 270) * 9 - 4).sum().backward()
    assert image.grad.double().sum().item() == pytest.approx(image.numel(), rel=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("kind", KINDS)
def test_a_cuda_device_gives_the_same_values(kind):
    image, flow = as_tensor(picture()), as_tensor(wavy_flow())
    on_device = warp(image.cuda(), flow.cuda(), kind)
    assert on_device.device.type == "cuda"
    torch.testing.assert_close(on_device.cpu(), warp(image, flow, kind), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("image", "flow", "message"),
    [
        (picture(), np.zeros((37, 51, 2), np.float32), "H x W x 2"),
        (picture(), np.zeros((2, 37, 52), np.float32), "H x W x 2"),
        (picture(), np.full((37, 52, 2), np.nan, np.float32), "NaN"),
        ((picture() * 255).astype(np.uint8), wavy_flow(), "float32 or float64 image, got uint8"),
        (picture(), wavy_flow().astype(np.float16), "float32 or float64 flow"),
        (picture(), as_tensor(wavy_flow()), "two numpy arrays or two tensors"),
        (as_tensor(picture()), wavy_flow(), "two numpy arrays or two tensors"),
        (as_tensor(picture())[0], as_tensor(wavy_flow()), "N x C x H x W"),
        (as_tensor(picture()), as_tensor(wavy_flow())[:, :, 1:], "N x 2 x H x W"),
        (as_tensor(picture()), as_tensor(wavy_flow()) * torch.inf, "infinite"),
        (as_tensor(picture()).half(), as_tensor(wavy_flow()), "float16"),
        (np.zeros((0, 5, 3), np.float32), np.zeros((0, 5, 2), np.float32), "H x W x C"),
    ],
)
def test_unfit_input_is_named(image, flow, message):
    with pytest.raises(AlignmentError, match=message):
        warp(image, flow)


def test_unknown_interpolation_lists_the_known_ones():
    with pytest.raises(AlignmentError, match="bilinear, lanczos4"):
        warp(picture(), wavy_flow(), "lanczos")


def test_jdrl2022_grid_reads_zero_flow_at_the_published_positions():
    # Its formula: grid coordinate g = -1 + 2 i / (w - 1); read with align_corners=False at ((g + 1) w - 1) / 2, which
    # is i w / (w - 1) - 1/2, kept inside the picture by the border. A ramp shows the position as its value.
    height, width = 30, 47
    ramp = np.dstack(np.meshgrid(np.arange(width), np.arange(height))).astype(np.float32)
    read = warp_jdrl2022(ramp, np.zeros((height, width, 2), np.float32))
    x = np.clip(np.arange(width) * width / (width - 1) - 0.5, 0, width - 1)
    y = np.clip(np.arange(height) * height / (height - 1) - 0.5, 0, height - 1)
    np.testing.assert_allclose(read[..., 0], np.broadcast_to(x, (height, width)), atol=2e-5)
    np.testing.assert_allclose(read[..., 1], np.broadcast_to(y[:, None], (height, width)), atol=2e-5)
    assert 0.4 < np.abs(read - ramp).max() < 0.5


def test_jdrl2022_warp_scales_flow_by_the_same_ratio():
    height, width = 30, 47
    ramp = np.dstack(np.meshgrid(np.arange(width), np.arange(height))).astype(np.float32)
    flow = np.full((height, width, 2), (2.25, -1.5), np.float32)
    read = warp_jdrl2022(ramp, flow)
    x = np.clip((np.arange(width) + 2.25) * width / (width - 1) - 0.5, 0, width - 1)
    y = np.clip((np.arange(height) - 1.5) * height / (height - 1) - 0.5, 0, height - 1)
    np.testing.assert_allclose(read[3, :, 0], x, atol=2e-5)
    np.testing.assert_allclose(read[:, 3, 1], y, atol=2e-5)


@pytest.mark.parametrize("shape", [(1, 9), (9, 1)])
def test_jdrl2022_warp_refuses_single_pixel_sides(shape):
    with pytest.raises(AlignmentError, match="at least 2 pixels"):
        warp_jdrl2022(np.zeros((*shape, 3), np.float32), np.zeros((*shape, 2), np.float32))


def test_jdrl2022_warp_of_tensors_is_that_of_arrays_and_passes_gradients_on():
    image, flow = picture(), wavy_flow().astype(np.float32)
    tensor = as_tensor(image).requires_grad_()
    read = warp_jdrl2022(tensor, as_tensor(flow))
    np.testing.assert_array_equal(read[0].detach().permute(1, 2, 0).numpy(), warp_jdrl2022(image, flow))
    read.sum().backward()
    # Sampling is a weighted mean, so what flows back is as much as flowed in.
    assert tensor.grad.sum().item() == pytest.approx(read.numel(), rel=1e-4)


def test_jdrl2022_warp_does_not_mix_arrays_and_tensors():
    with pytest.raises(AlignmentError, match="two numpy arrays or two tensors"):
        warp_jdrl2022(picture(), as_tensor(wavy_flow()))
