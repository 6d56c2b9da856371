"""The renderer against independent truths: the lens integral, the flow it states, and skimage's colour conversion."""

import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdd_bench.alignment.blur import aperture_kernel
from sdd_bench.alignment.light import srgb_to_linear
from sdd_bench.alignment.warp import warp
from sdd_bench.datasets import rendering
from sdd_bench.datasets.rendering import render_pair
from sdd_bench.datasets.scenes import Layer, Outline, Scene, SceneSettings, random_scene

SMALL = SceneSettings(width=96, height=80, read_noise=0, shot_noise=0, supersampling=2)
BLOB = Outline(centre=(4.0, -3.0), size=24.0, amplitudes=(0.2, 0.1), phases=(0.3, 1.0))


def layer(photograph, radius, displacement=(0.0, 0.0), outline=None, depth=1.0):
    return Layer(
        photograph=photograph,
        texture_origin=(250.0, 250.0),
        depth=depth,
        blur_radius=radius,
        displacement=displacement,
        outline=outline,
    )


def scene(*layers, zoom=1.0, aperture="disc", exposure=0.0):
    return Scene(
        environment="outdoor",
        zoom=zoom,
        shift=layers[-1].displacement,
        focus_distance=1.0,
        aperture=aperture,
        exposure_stops=exposure,
        layers=layers,
    )


def psnr(a, b, where=None):
    error = (a.astype(float) - b) ** 2 / 255**2
    return -10 * np.log10(error.mean() if where is None else error[where].mean())


def lens_integral(drawn_scene, settings):
    """The blurry view by its definition: the mean, over the aperture, of what each point of the lens sees.

    Seen from a point of the lens, a layer out of focus is displaced in proportion to its radius; here all radii are 0
    or the same, so displacements are whole samples.
    """
    k = settings.supersampling
    radius = max(part.blur_radius for part in drawn_scene.layers)
    margin = int(np.ceil(2 * radius + 4 * settings.lens_blur)) + 1
    x, y = (rendering._fine_grid(n, k, margin) for n in (settings.width, settings.height))
    drawn = [rendering._draw(part, x, y, 1.0, (0.0, 0.0), settings) for part in drawn_scene.layers]
    kernel = aperture_kernel(radius * k, drawn_scene.aperture)
    half = kernel.shape[0] // 2
    total = np.zeros((len(y), len(x), 3))
    for (row, column), weight in np.ndenumerate(kernel):
        seen, through = np.zeros_like(total), np.ones((len(y), len(x), 1))
        for part, picture in zip(drawn_scene.layers, drawn, strict=True):
            moved = np.roll(picture, (row - half, column - half), (0, 1)) if part.blur_radius else picture
            seen += through * moved[..., :3]
            through = through * (1 - moved[..., 3:])
        total += weight * seen
    total = cv2.GaussianBlur(total, (0, 0), settings.lens_blur * k)[margin * k : -margin * k, margin * k : -margin * k]
    return total.reshape(settings.height, k, settings.width, k, 3).mean((1, 3))


@pytest.mark.parametrize("radii", [(3.0, 0.0), (0.0, 3.0)], ids=["near layer blurred", "far layer blurred"])
@pytest.mark.parametrize("aperture", ["disc", "gaussian"])
def test_occlusion_with_one_layer_out_of_focus_is_the_exact_lens_integral(radii, aperture):
    drawn = scene(layer("coffee", radii[0], outline=BLOB), layer("gravel", radii[1]), aperture=aperture)
    view = rendering._view(drawn, SMALL, moved=False, defocused=True)
    assert np.abs(view - lens_integral(drawn, SMALL)).max() < 1e-5


def test_occlusion_with_both_layers_out_of_focus_is_close_to_the_lens_integral():
    drawn = scene(layer("coffee", 3.0, outline=BLOB), layer("gravel", 3.0))
    error = np.abs(rendering._view(drawn, SMALL, moved=False, defocused=True) - lens_integral(drawn, SMALL))
    assert 1e-4 < error.max() < 0.08
    assert error.mean() < 0.002


def test_without_misalignment_the_sharp_view_is_the_aligned_one_to_the_bit():
    pair = render_pair(scene(layer("coffee", 1.0, outline=BLOB), layer("gravel", 2.0)), SMALL, np.random.default_rng(0))
    assert np.array_equal(pair.sharp, pair.aligned)
    assert not pair.flow.any()
    assert pair.visible.all()


def test_a_scene_in_perfect_focus_has_no_blur():
    pair = render_pair(scene(layer("coffee", 0.0, outline=BLOB), layer("gravel", 0.0)), SMALL, np.random.default_rng(0))
    assert np.array_equal(pair.blur, pair.aligned)
    assert not pair.defocus.any()


def test_the_stated_flow_leads_from_the_aligned_view_to_the_sharp_one():
    # A warp of the sharp view along the stated flow comes within the error of resampling; a tenth of a pixel beside it
    # does not, in any direction: so the flow is right to a few hundredths.
    drawn = scene(
        layer("chelsea", 0.0, (2.6, -1.3), BLOB, depth=1.0), layer("retina", 0.0, (2.2, -1.7), depth=5.0), zoom=1.012
    )
    smooth = SMALL.model_copy(update={"lens_blur": 1.0})
    pair = render_pair(drawn, smooth, np.random.default_rng(0))
    inner = np.zeros(pair.visible.shape, bool)
    inner[8:-8, 8:-8] = True
    borders = cv2.dilate((np.abs(np.gradient(pair.flow[..., 0])).sum(0) > 0.1).astype(np.uint8), np.ones((9, 9)))
    inner &= ~borders.astype(bool) & pair.visible
    sharp = pair.sharp.astype(np.float32) / 255
    at = {
        offset: psnr(pair.aligned, 255 * warp(sharp, pair.flow + np.float32(offset)), inner)
        for offset in [(0, 0), (0.1, 0), (-0.1, 0), (0, 0.1), (0, -0.1)]
    }
    assert at[0, 0] > 45
    assert all(at[0, 0] > at[offset] + 1 for offset in at if offset != (0, 0))


def test_pixels_hidden_in_the_sharp_view_or_outside_it_are_not_visible():
    # The blob moves 6 px to the right over the background, which itself stays.
    drawn = scene(layer("coffee", 0.0, (6.0, 0.0), BLOB, depth=1.0), layer("gravel", 0.0, depth=5.0))
    pair = render_pair(drawn, SMALL, np.random.default_rng(0))
    blob = pair.flow[..., 0] > 0
    assert pair.visible[blob].all()
    newly_covered = np.roll(blob, 6, axis=1) & ~blob
    assert np.array_equal(~pair.visible, newly_covered)

    shifted = render_pair(scene(layer("gravel", 0.0, (5.0, 0.0))), SMALL, np.random.default_rng(0))
    assert not shifted.visible[:, -5:].any()
    assert shifted.visible[:, :-5].all()


def test_the_defocus_map_holds_the_radius_of_the_layer_that_is_seen():
    pair = render_pair(scene(layer("coffee", 1.5, outline=BLOB), layer("gravel", 3.0)), SMALL, np.random.default_rng(0))
    centre = (round(39.5 - 3), round(47.5 + 4))
    assert pair.defocus[centre] == 1.5
    assert pair.defocus[0, 0] == 3.0


def test_exposure_scales_the_light_of_the_blurry_view_alone():
    plain = scene(layer("retina", 0.0))
    brighter = plain.model_copy(update={"exposure_stops": 0.25})
    a, b = (render_pair(s, SMALL, np.random.default_rng(0)) for s in (plain, brighter))
    assert np.array_equal(a.sharp, b.sharp)
    light = [srgb_to_linear(p.blur / 255).mean() for p in (a, b)]
    assert light[1] / light[0] == pytest.approx(2**0.25, rel=2e-3)


def test_sensor_noise_has_the_stated_variance():
    noisy = SMALL.model_copy(update={"read_noise": 0.01, "shot_noise": 0.02})
    linear = np.full((400, 400, 3), 0.25, np.float32)
    noise = rendering._expose(linear, noisy, np.random.default_rng(0)) - linear
    # Poisson-Gaussian model: variance = read^2 + shot^2 * light; tolerance: four standard errors of 480,000 samples.
    assert noise.var() == pytest.approx(0.01**2 + 0.02**2 * 0.25, rel=4 * np.sqrt(2 / noise.size))
    assert abs(noise.mean()) < 4 * noise.std() / np.sqrt(noise.size)


@settings(max_examples=5)
@given(st.integers(0, 1000))
def test_the_same_seed_renders_the_same_pair(seed):
    pairs = []
    for _ in range(2):
        rng = np.random.default_rng(seed)
        pairs.append(render_pair(random_scene(SMALL, rng), SMALL, rng))
    for name in ("blur", "sharp", "aligned", "flow", "visible", "defocus"):
        assert np.array_equal(getattr(pairs[0], name), getattr(pairs[1], name))


WITHOUT_VECTORS = {
    "OPENCV_CPU_DISABLE": "AVX512-SKX,AVX2,FP16,AVX,SSE4.2,SSE4.1",
    "OPENCV_IPP": "disabled",
    "OPENBLAS_CORETYPE": "Prescott",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX2,-FMA",
}


def test_a_processor_without_vector_instructions_moves_light_by_far_less_than_decides_a_rounding_step(tmp_path):
    # A step of 8 bits is 3e-4 of linear light or more: values that are off by 1e-13 are rounded otherwise once in a
    # thousand pictures of a million. Those of float32, off by 1e-7, are in every picture.
    drawn = scene(layer("coffee", 3.0, outline=BLOB), layer("gravel", 6.0), zoom=1.01)
    code = (
        "import sys, numpy; from sdd_bench.datasets.rendering import _view; from sdd_bench.datasets.scenes import *;"
        "scene, settings = Scene.model_validate_json(sys.argv[1]), SceneSettings.model_validate_json(sys.argv[2]);"
        "numpy.save(sys.argv[3], _view(scene, settings, moved=True, defocused=True))"
    )
    out = tmp_path / "view.npy"
    arguments = [drawn.model_dump_json(), SMALL.model_dump_json(), str(out)]
    subprocess.run([sys.executable, "-c", code, *arguments], env=os.environ | WITHOUT_VECTORS, check=True)
    here = rendering._view(drawn, SMALL, moved=True, defocused=True)
    assert here.dtype == np.float64
    assert np.abs(np.load(out) - here).max() < 1e-13
