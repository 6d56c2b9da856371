"""Rendering of layered scenes: what a sensor behind a lens records.

Every view is drawn from photographs of at least twice its resolution on a fine grid, in linear light, blurred by the
lens, averaged over the area of each pixel and encoded as sRGB. No view is a resampling of another one, so a warp can't
reproduce the aligned picture for free by using the same interpolation kernel.

All of it is float64. Libraries order their sums by processor and version, and in float32 such differences (1e-7) move a
few pixels of every picture across a rounding step; in float64 (1e-16) practically none, ever.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sdd_bench.alignment.blur import aperture_kernel
from sdd_bench.alignment.light import linear_to_srgb, srgb_to_linear
from sdd_bench.datasets.scenes import Layer, Scene, SceneSettings, load_photograph

Image = NDArray[np.float64]
# Of the sensor's noise. The stream of a RandomState is the same in every version of NumPy, that of a Generator is not.
Noise = np.random.Generator | np.random.RandomState


@dataclass(frozen=True)
class RenderedPair:
    """One pair with everything that is known about it; pictures are H x W x 3 uint8 sRGB.

    Attributes:
        blur: the blurry view.
        sharp: the sharp view, misaligned.
        aligned: the sharp view as it would be had the lens not moved; free of noise.
        flow: H x W x 2 float32, F(blur, sharp): pixel x of ``blur`` shows what lies at x + F(x) in ``sharp``.
        visible: H x W bool, whether that place is inside ``sharp`` and not hidden there by a nearer layer.
        defocus: H x W float32, radius of the circle of confusion in pixels.
    """

    blur: NDArray[np.uint8]
    sharp: NDArray[np.uint8]
    aligned: NDArray[np.uint8]
    flow: NDArray[np.float32]
    visible: NDArray[np.bool_]
    defocus: NDArray[np.float32]


def render_pair(scene: Scene, settings: SceneSettings, rng: Noise) -> RenderedPair:
    """Render one scene.

    Args:
        scene: what to draw.
        settings: picture size, sampling, lens and noise.
        rng: source of the sensor noise.
    """
    aligned = _view(scene, settings, moved=False, defocused=False)
    sharp = _view(scene, settings, moved=True, defocused=False)
    blur = _view(scene, settings, moved=False, defocused=True) * 2.0**scene.exposure_stops
    flow, visible, defocus = _truth(scene, settings)
    return RenderedPair(
        blur=_encode(_expose(blur, settings, rng)),
        sharp=_encode(_expose(sharp, settings, rng)),
        aligned=_encode(aligned),
        flow=flow,
        visible=visible,
        defocus=defocus,
    )


def _view(scene: Scene, settings: SceneSettings, *, moved: bool, defocused: bool) -> Image:
    """H x W x 3 in linear light, without exposure change and noise."""
    k = settings.supersampling
    margin = int(np.ceil(2 * max(layer.blur_radius for layer in scene.layers) + 4 * settings.lens_blur)) + 1
    x, y = (_fine_grid(n, k, margin) for n in (settings.width, settings.height))
    colour = np.zeros((len(y), len(x), 3))
    through = np.ones((len(y), len(x), 1))
    for layer in scene.layers:
        drawn = _draw(layer, x, y, scene.zoom if moved else 1.0, layer.displacement if moved else (0.0, 0.0), settings)
        if defocused:
            kernel = aperture_kernel(layer.blur_radius * k, scene.aperture)
            cv2.filter2D(drawn, -1, kernel, dst=drawn, borderType=cv2.BORDER_REFLECT)
        # What passes the nearer layers sees this one. Blurring colour times cover, and the cover, before the product
        # is exact wherever at most one of the overlapping layers is out of focus, and close to the integral over the
        # lens elsewhere.
        colour += through * drawn[..., :3]
        through *= 1.0 - drawn[..., 3:]
    cv2.GaussianBlur(colour, (0, 0), settings.lens_blur * k, dst=colour, borderType=cv2.BORDER_REFLECT)
    inner = colour[margin * k : -margin * k, margin * k : -margin * k]
    return np.asarray(inner.reshape(settings.height, k, settings.width, k, 3).mean((1, 3)))


def _fine_grid(pixels: int, k: int, margin: int) -> NDArray[np.float64]:
    """Scene coordinates of the fine samples of one axis, ``margin`` pixels beyond the picture on both sides."""
    samples = np.arange((pixels + 2 * margin) * k)
    return (samples + 0.5) / k - 0.5 - margin - (pixels - 1) / 2


def _draw(
    layer: Layer,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    zoom: float,
    displacement: tuple[float, float],
    settings: SceneSettings,
) -> Image:
    """Colour times cover, and cover, at the fine samples: len(y) x len(x) x 4, linear light."""
    u, v = (x - displacement[0]) / zoom, (y - displacement[1]) / zoom
    out = np.zeros((len(y), len(x), 4))
    if layer.outline is None:
        cover, rows, columns = np.ones((len(y), len(x), 1)), slice(None), slice(None)
    else:
        reach = layer.outline.size * (1 + sum(layer.outline.amplitudes)) + 1
        columns = _between(u, layer.outline.centre[0] - reach, layer.outline.centre[0] + reach)
        rows = _between(v, layer.outline.centre[1] - reach, layer.outline.centre[1] + reach)
        if columns.start == columns.stop or rows.start == rows.stop:
            return out
        inside = layer.outline.inside(u[None, columns], v[rows, None])
        # The border is one fine sample wide, as area coverage of a straight edge would be.
        cover = np.clip(inside * settings.supersampling * zoom + 0.5, 0, 1)[..., None]
    density = settings.texture_density
    out[rows, columns, :3] = cover * _sample_texture(
        layer.photograph, layer.texture_origin[0] + density * u[columns], layer.texture_origin[1] + density * v[rows]
    )
    out[rows, columns, 3:] = cover
    return out


def _between(ascending: NDArray[np.float64], low: float, high: float) -> slice:
    start, stop = np.searchsorted(ascending, (low, high))
    return slice(int(start), int(stop))


def _sample_texture(name: str, columns: NDArray[np.float64], rows: NDArray[np.float64]) -> Image:
    """The photograph's cubic spline at evenly spaced positions, mirrored beyond its borders, in linear light."""
    spacing = (rows[1] - rows[0], columns[1] - columns[0]) if len(rows) > 1 and len(columns) > 1 else (1.0, 1.0)
    with warnings.catch_warnings():
        # SciPy before 1.16 tells, at every call, what changed in 0.18.
        warnings.filterwarnings("ignore", "The behavior of affine_transform with a 1-D array")
        planes = [
            ndimage.affine_transform(
                plane,
                spacing,
                offset=(rows[0], columns[0]),
                output_shape=(len(rows), len(columns)),
                order=3,
                mode="mirror",
                prefilter=False,
            )
            for plane in _texture_splines(name)
        ]
    return np.asarray(np.clip(np.stack(planes, -1), 0, 1))


@lru_cache(maxsize=16)
def _texture_splines(name: str) -> tuple[NDArray[np.float64], ...]:
    linear = srgb_to_linear(load_photograph(name) / 255.0)
    return tuple(ndimage.spline_filter(linear[..., c], order=3, mode="mirror") for c in range(3))


def _truth(scene: Scene, settings: SceneSettings) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float32]]:
    """Flow, visibility and blur radius at the pixel centres of the blurry view, by the layer that is seen there."""
    centre = ((settings.width - 1) / 2, (settings.height - 1) / 2)
    u, v = np.meshgrid(np.arange(settings.width) - centre[0], np.arange(settings.height) - centre[1])
    seen = _nearest_layer(scene, lambda _: (u, v))
    displacement = np.array([layer.displacement for layer in scene.layers])[seen]
    flow = (scene.zoom - 1) * np.stack([u, v], -1) + displacement
    there = np.stack([u, v], -1) + flow
    hiding = _nearest_layer(
        scene,
        lambda layer: (
            (there[..., 0] - layer.displacement[0]) / scene.zoom,
            (there[..., 1] - layer.displacement[1]) / scene.zoom,
        ),
    )
    within = (np.abs(there[..., 0]) <= centre[0]) & (np.abs(there[..., 1]) <= centre[1])
    defocus = np.array([layer.blur_radius for layer in scene.layers], np.float32)[seen]
    # The layer seen in the blurry view covers its own place in the sharp one, so `hiding` is it or a nearer one.
    return flow.astype(np.float32), within & (hiding >= seen), defocus


def _nearest_layer(
    scene: Scene, place: Callable[[Layer], tuple[NDArray[np.float64], NDArray[np.float64]]]
) -> NDArray[np.intp]:
    """Index of the nearest layer that covers each point; ``place`` gives the points in a layer's scene coordinates."""
    index = np.full(place(scene.layers[-1])[0].shape, len(scene.layers) - 1)
    for i in reversed(range(len(scene.layers))):
        outline = scene.layers[i].outline
        if outline is not None:
            index[outline.inside(*place(scene.layers[i])) >= 0] = i
    return index


def photograph(encoded: NDArray[np.uint8], settings: SceneSettings, rng: Noise) -> NDArray[np.uint8]:
    """A rendered view as the sensor would have recorded it, with its noise.

    Args:
        encoded: H x W x 3 uint8 sRGB, free of noise: ``RenderedPair.aligned``.
        settings: of the noise.
        rng: the only source of randomness.
    """
    return _encode(_expose(srgb_to_linear(encoded / 255), settings, rng))


def _expose(linear: Image, settings: SceneSettings, rng: Noise) -> Image:
    """Sensor noise: read noise and Gaussian shot noise with variance proportional to the light."""
    sigma = np.sqrt(settings.read_noise**2 + settings.shot_noise**2 * np.clip(linear, 0, 1))
    return np.asarray(linear + sigma * rng.standard_normal(linear.shape))


def _encode(linear: Image) -> NDArray[np.uint8]:
    return np.rint(linear_to_srgb(np.clip(linear, 0, 1)) * 255).astype(np.uint8)
