import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import ndimage, optimize
from skimage import data, restoration

from sdd_bench.alignment.blur import aperture_kernel
from sdd_bench.models.classical.hyper_laplacian import hyper_laplacian, shrink
from sdd_bench.models.classical.richardson_lucy import richardson_lucy
from sdd_bench.models.classical.transfer import completed, convolve, taper_edges, transfer_function
from sdd_bench.models.classical.wiener import wiener

ALL = [wiener, hyper_laplacian, richardson_lucy]


@pytest.fixture(scope="module")
def sharp():
    return np.ascontiguousarray(np.moveaxis(data.astronaut()[100:196, 160:240] / 255, -1, 0)).astype(np.float32)


def wrapped(picture, kernel):
    return np.stack([ndimage.convolve(channel, kernel, mode="wrap") for channel in picture])


@pytest.mark.parametrize("size", [(40, 36), (41, 37)])
def test_convolution_on_the_torus_is_the_sum_over_the_kernel(size):
    rng = np.random.default_rng(1)
    picture, kernel = rng.random((2, *size), np.float32), rng.random((5, 7), np.float32)
    assert convolve(picture, transfer_function(kernel, size)) == pytest.approx(wrapped(picture, kernel), abs=1e-4)


def test_wiener_is_the_quotient_of_spectra(sharp):
    kernel = aperture_kernel(3.0, "disc")
    blurry = wrapped(sharp, kernel)
    height, width = sharp.shape[1:]
    torus = np.zeros((height, width))
    for (row, column), value in np.ndenumerate(kernel):
        torus[(row - 3) % height, (column - 3) % width] = value
    transfer = np.fft.fft2(torus)
    fall = sum(
        np.abs(np.exp(2j * np.pi * f) - 1) ** 2 for f in np.meshgrid(np.fft.fftfreq(width), np.fft.fftfreq(height))
    )
    spectrum = np.fft.fft2(blurry) * transfer.conj() / (np.abs(transfer) ** 2 + (0.01 / 0.05) ** 2 * fall)
    found = wiener(blurry, kernel, 0.01, gradient=0.05, model_error=0.0)
    assert found == pytest.approx(np.fft.ifft2(spectrum).real, abs=1e-4)


@given(st.floats(-1.9, 1.9), st.sampled_from([1.0, 2.0**1.5, 8.0, 64.0, 2.0**7.5]), st.sampled_from([0.5, 2 / 3, 0.8]))
def test_no_number_costs_less_than_the_one_from_the_table(value, beta, alpha):
    def cost(w):
        return np.abs(w) ** alpha + beta / 2 * (w - value) ** 2

    found = float(shrink(np.array([value], np.float32), beta, alpha)[0])
    tried = np.linspace(-2, 2, 4001)
    best = tried[np.argmin(cost(tried))]
    polished = optimize.minimize_scalar(cost, bounds=(best - 1e-3, best + 1e-3), method="bounded").fun
    least = min(cost(0.0), polished)
    # At the jump from 0, where both sides cost the same, the table interpolates over 1.2e-4.
    beside = [shrink(np.array([value + d], np.float32), beta, alpha)[0] == 0 for d in (-2.5e-4, 2.5e-4)]
    assume(beside[0] == beside[1])
    assert cost(found) <= least + 1e-4


def test_hyper_laplacian_lowers_its_own_cost(sharp):
    kernel = aperture_kernel(2.5, "disc")
    rng = np.random.default_rng(2)
    blurry = (wrapped(sharp, kernel) + rng.normal(0, 0.01, sharp.shape)).astype(np.float32)

    def cost(x):
        gradients = [np.roll(x, -1, axis) - x for axis in (1, 2)]
        misfit = 0.2 / 0.01**2 / 2 * ((wrapped(x, kernel) - blurry) ** 2).sum()
        return misfit + sum((np.abs(g) ** (2 / 3)).sum() for g in gradients)

    found = hyper_laplacian(blurry, kernel, 0.01, model_error=0.0)
    assert cost(found) < 0.8 * min(cost(blurry), cost(wiener(blurry, kernel, 0.01)))


def test_hyper_laplacian_keeps_plain_areas_calmer_than_wiener():
    flat = np.zeros((1, 64, 64), np.float32)
    flat[:, 16:48, 16:48] = 0.6
    kernel = aperture_kernel(3.0, "disc")
    blurry = (wrapped(flat, kernel) + np.random.default_rng(3).normal(0, 0.01, flat.shape)).astype(np.float32)
    errors = [float(np.mean((method(blurry, kernel, 0.01) - flat) ** 2)) for method in (hyper_laplacian, wiener)]
    assert errors[0] < 0.25 * errors[1]


def test_richardson_lucy_makes_the_steps_of_its_definition(sharp):
    kernel = aperture_kernel(2.0, "disc")
    blurry = wrapped(sharp + 0.05, kernel)  # nowhere black, so that the definition divides by nothing
    expected = blurry.astype(np.float64)
    for _ in range(4):
        expected = expected * wrapped(blurry / wrapped(expected, kernel), kernel[::-1, ::-1])
    assert richardson_lucy(blurry, kernel, 0.0, iterations=4) == pytest.approx(expected, abs=1e-4)


def test_richardson_lucy_makes_the_steps_of_scikit_image(sharp):
    # Theirs starts from gray, so that its first step ends at the blurry picture blurred again; beyond its border it is
    # dark, as within a dark margin here.
    kernel = aperture_kernel(2.0, "disc")
    blurry = wrapped(np.pad(sharp, ((0, 0), (16, 16), (16, 16))), kernel)
    theirs = restoration.richardson_lucy(blurry[0], kernel, num_iter=9, clip=False, filter_epsilon=1e-6)
    ours = richardson_lucy(blurry, kernel, 0.0, iterations=8, start=wrapped(blurry, kernel))[0]
    assert ours[18:-18, 18:-18] == pytest.approx(theirs[18:-18, 18:-18], abs=2e-3)


def test_richardson_lucy_stops_at_the_noise(sharp):
    kernel = aperture_kernel(2.0, "disc")
    rng = np.random.default_rng(4)
    blurry = (wrapped(sharp, kernel) + rng.normal(0, 0.02, sharp.shape)).astype(np.float32)
    stopped = richardson_lucy(blurry, kernel, 0.02, iterations=60)
    assert np.mean((stopped - sharp) ** 2) < 0.7 * np.mean(
        (richardson_lucy(blurry, kernel, 0, iterations=60) - sharp) ** 2
    )


@pytest.mark.parametrize("method", ALL)
@given(st.floats(0.01, 1), st.floats(0.6, 5), st.floats(0.0, 0.05))
def test_plain_pictures_stay(method, value, radius, noise):
    plain = np.full((3, 24, 32), value, np.float32)
    assert method(plain, aperture_kernel(radius, "disc"), noise) == pytest.approx(plain, abs=1e-4)


def test_tapered_pictures_are_untouched_inside_and_continue_across_the_border(sharp):
    kernel = aperture_kernel(4.0, "disc")
    tapered = taper_edges(sharp, kernel)
    assert np.array_equal(tapered[:, 10:-10, 10:-10], sharp[:, 10:-10, 10:-10])
    steps = [np.abs(picture[:, 0] - picture[:, -1]).mean() for picture in (tapered, sharp)]
    assert steps[0] < 0.5 * steps[1]


@pytest.mark.parametrize("method", ALL)
def test_trusting_everything_is_trusting_without_saying_so(method, sharp):
    kernel = aperture_kernel(2.0, "disc")
    blurry = wrapped(sharp, kernel)
    assert method(blurry, kernel, 0.002, trust=np.ones(sharp.shape[1:], np.float32)) == pytest.approx(
        method(blurry, kernel, 0.002), abs=2e-3 if method is wiener else 1e-4
    )


@pytest.mark.parametrize(("method", "share"), [(wiener, 0.6), (hyper_laplacian, 0.6), (richardson_lucy, 0.9)])
def test_what_is_not_trusted_disturbs_less(method, share, sharp):
    kernel = aperture_kernel(3.0, "disc")
    blurry = wrapped(sharp, kernel)
    blurry[:, 40:56, 30:50] = 0.9  # something in front, in focus
    trust = np.ones(sharp.shape[1:], np.float32)
    trust[40:56, 30:50] = 0
    around = np.zeros(trust.shape, bool)
    around[30:66, 20:60] = True
    around &= trust > 0
    errors = [
        float(np.mean((method(blurry, kernel, 0.002, trust=t) - sharp)[:, around] ** 2))
        for t in (trust, np.ones_like(trust))
    ]
    assert errors[0] < share * errors[1]


def test_what_is_missing_is_predicted():
    observed, predicted = np.full((1, 2, 2), 0.8, np.float32), np.full((1, 2, 2), 0.2, np.float32)
    trust = np.array([[0, 1], [0.5, 0.25]], np.float32)
    assert completed(observed, predicted, trust)[0] == pytest.approx(np.array([[0.2, 0.8], [0.5, 0.35]]))
    assert completed(observed, predicted, None) is observed


@pytest.mark.parametrize("method", [wiener, hyper_laplacian])
def test_the_noisier_the_calmer(method, sharp):
    kernel = aperture_kernel(2.5, "disc")
    blurry = wrapped(sharp, kernel)
    restored = [method(blurry, kernel, noise) for noise in (0.0, 0.01, 0.03, 0.1)]
    variation = [float(np.abs(np.diff(picture)).sum()) for picture in restored]
    assert all(np.diff(variation) < 0)
