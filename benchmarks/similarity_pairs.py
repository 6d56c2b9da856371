"""Pairs and focal stacks with known motion for the study of `estimate_similarity`.

Both views of a pair are drawn from photographs of at least twice their resolution, in linear light, blurred by the
lens, averaged over the area of each pixel, defocused by discs whose radius varies over the frame, exposed, and encoded
as 8-bit sRGB with noise. Neither view is a resampling of the other.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sdd_bench.alignment import Similarity
from sdd_bench.alignment.blur import defocus
from sdd_bench.alignment.light import linear_to_srgb, srgb_to_linear

Image = NDArray[np.float32]

# Photographs that come inside the scikit-image package.
TUNING = (
    "astronaut",
    "brick",
    "chelsea",
    "coffee",
    "grass",
    "gravel",
    "hubble_deep_field",
    "immunohistochemistry",
    "retina",
    "rocket",
    "stereo_motorcycle",
)
HELD_BACK = ("camera", "cell", "clock", "coins", "moon", "page", "text")

SIZE = (816, 1200)
DENSITY = 2.1  # photograph pixels per pixel of a view
ZOOM, SHIFT = 0.05, 40.0  # largest of either sign
BLUR, NOISE = (0.5, 7.5), (0.002, 0.012)
_SUPERSAMPLING = 2
_LENS = 0.5  # Gaussian point spread, sigma in pixels
_MARGIN = 8
_CANVAS = tuple(int((side + 2 * SHIFT + 30) * DENSITY * (1 + ZOOM)) for side in SIZE)


class Pair(NamedTuple):
    """Two views H x W x 3 float32 in [0, 1], the similarity between them, and how they were taken.

    `blur` is the largest radius of the circle of confusion, in pixels; `noise` has this sigma where full scale is 1.
    """

    source: Image
    target: Image
    truth: Similarity
    blur: float
    noise: float


def make_pair(seed: int, photographs: tuple[str, ...]) -> Pair:
    """One pair of about one megapixel, all random."""
    rng = np.random.default_rng(seed)
    truth = Similarity(1 + rng.uniform(-ZOOM, ZOOM), tuple(rng.uniform(-SHIFT, SHIFT, 2)))
    blur, noise = rng.uniform(*BLUR), rng.uniform(*NOISE)
    cells = ((2, 2), (2, 3), (3, 4))[rng.integers(3)]
    spline = _spline(mosaic(photographs, _CANVAS, cells, rng))
    focus = [("sharp", "waves"), ("waves", "sharp"), ("near", "far")][rng.integers(3)]
    views = []
    for kind, motion in zip(focus, (Similarity(1.0, (0.0, 0.0)), truth), strict=True):
        light = _defocused(_view(spline, motion), _radius(kind, blur, rng)) * rng.uniform(0.95, 1.05)
        views.append(_encoded(light, noise, rng))
    return Pair(views[0], views[1], truth, float(blur), float(noise))


def make_stack(seed: int, photographs: tuple[str, ...], slices: int = 6) -> list[Image]:
    """A focal stack of a scene of three depths: the lens zooms, shakes and shifts the viewpoint from slice to slice.

    There is no one similarity between two slices, as in a real stack. Blur radii reach 10 to 14 px.
    """
    rng = np.random.default_rng(seed)
    textures = [_spline(mosaic(photographs, _CANVAS, (2, 3), rng)) for _ in range(3)]
    covers = [_spline(_blob(rng)), _spline(_blob(rng)), None]
    depths = [rng.uniform(0, 0.3), rng.uniform(0.4, 0.7), 1.0]
    largest, parallax = rng.uniform(10, 14), rng.uniform(1, 3, 2)
    zoom, walk = 1.0, np.zeros(2)
    stack = []
    for i in range(slices):
        light, through = np.zeros(SIZE, np.float32), np.ones(SIZE, np.float32)
        for texture, cover, depth in zip(textures, covers, depths, strict=True):
            shift = walk + parallax * (depth - 0.5) * i / (slices - 1)
            motion = Similarity(zoom, (float(shift[0]), float(shift[1])))
            radius = float(largest * abs(depth - i / (slices - 1)))
            mask = np.ones(SIZE, np.float32) if cover is None else np.clip(_view(cover, motion), 0, 1)
            light += through * defocus(mask * np.clip(_view(texture, motion), 0, 1), radius, "disc")
            through *= 1 - defocus(mask, radius, "disc")
        stack.append(_encoded(light, 0.004, rng))
        zoom *= 1 + rng.uniform(0.004, 0.012)
        walk = walk + rng.uniform(-4, 4, 2)
    return stack


def _blob(rng: np.random.Generator) -> Image:
    height, width = _CANVAS
    y, x = np.mgrid[0:height, 0:width] / height
    centre, size = (rng.uniform(0.25, 0.75), rng.uniform(0.25, 1.2)), rng.uniform(0.15, 0.3)
    angle = np.arctan2(y - centre[0], x - centre[1])
    edge = size * (1 + 0.3 * np.cos(3 * angle + rng.uniform(0, 6)))
    return np.clip((edge - np.hypot(y - centre[0], x - centre[1])) * height / DENSITY + 0.5, 0, 1).astype(np.float32)


def _spline(picture: Image) -> Image:
    return np.asarray(ndimage.spline_filter(picture, order=3, mode="mirror", output=np.float32))


def _encoded(light: Image, noise: float, rng: np.random.Generator) -> Image:
    code = linear_to_srgb(np.clip(light, 0, 1)) + rng.normal(0, noise, light.shape)
    rounded = np.rint(np.clip(code, 0, 1) * 255) / 255
    return np.repeat(rounded.astype(np.float32)[..., None], 3, axis=2)


def mosaic(
    photographs: tuple[str, ...], size: tuple[int, ...], cells: tuple[int, int], rng: np.random.Generator
) -> Image:
    """Photographs side by side, linear light: one picture would have the texture of one thing only."""
    out = np.zeros(size, np.float32)
    names = [str(name) for _ in range(3) for name in rng.permutation(photographs)]
    rows, columns = (np.linspace(0, length, n + 1).astype(int) for length, n in zip(size, cells, strict=True))
    for i in range(cells[0]):
        for j in range(cells[1]):
            picture = _light(names.pop(0))
            height, width = rows[i + 1] - rows[i], columns[j + 1] - columns[j]
            larger = max(1.0, (height + 1) / picture.shape[0], (width + 1) / picture.shape[1])
            picture = cv2.resize(picture, None, fx=larger, fy=larger, interpolation=cv2.INTER_CUBIC)
            y, x = (rng.integers(0, n - m + 1) for n, m in zip(picture.shape, (height, width), strict=True))
            out[rows[i] : rows[i + 1], columns[j] : columns[j + 1]] = picture[y : y + height, x : x + width]
    return np.clip(out, 0, 1)


@lru_cache
def _light(name: str) -> Image:
    from skimage import data

    picture = getattr(data, name)()
    picture = picture[0] if isinstance(picture, tuple) else picture  # stereo_motorcycle: left, right, disparity
    gray = picture if picture.ndim == 2 else cv2.cvtColor(np.ascontiguousarray(picture[..., :3]), cv2.COLOR_RGB2GRAY)
    return srgb_to_linear((gray / 255).astype(np.float32))


def _view(spline: Image, motion: Similarity) -> Image:
    k = _SUPERSAMPLING

    def positions(pixels: int, move: float, length: int) -> NDArray[np.float64]:
        fine = (np.arange((pixels + 2 * _MARGIN) * k) + 0.5) / k - 0.5 - _MARGIN - (pixels - 1) / 2
        return (fine - move) / motion.zoom * DENSITY + (length - 1) / 2

    y = positions(SIZE[0], motion.shift[1], spline.shape[0])
    x = positions(SIZE[1], motion.shift[0], spline.shape[1])
    drawn = ndimage.affine_transform(
        spline,
        (y[1] - y[0], x[1] - x[0]),
        offset=(y[0], x[0]),
        output_shape=(len(y), len(x)),
        output=np.float32,
        order=3,
        mode="mirror",
        prefilter=False,
    )
    blurred = cv2.GaussianBlur(drawn, (0, 0), _LENS * k)[_MARGIN * k : -_MARGIN * k, _MARGIN * k : -_MARGIN * k]
    return np.asarray(blurred.reshape(SIZE[0], k, SIZE[1], k).mean((1, 3)), np.float32)


def _radius(kind: str, largest: float, rng: np.random.Generator) -> Image:
    """Radius of the circle of confusion over the frame."""
    y, x = np.mgrid[0 : SIZE[0], 0 : SIZE[1]] / np.array(SIZE)[:, None, None]
    phase = rng.uniform(0, 2 * np.pi)
    if kind == "sharp":
        radius = np.zeros(SIZE)
    elif kind == "waves":
        radius = largest * (0.53 + 0.47 * np.sin(4 * x + 3 * y + phase))
    else:  # a tilted plane through the focus
        away = (x - 0.5) * np.cos(phase) + (y - 0.5) * np.sin(phase)
        radius = largest * np.abs(away - rng.uniform(-0.4, 0.4)) / 0.9
    return radius.astype(np.float32)


def _defocused(light: Image, radius: Image) -> Image:
    levels = np.linspace(0, max(float(radius.max()), 0.5), 8)
    out = np.zeros_like(light)
    for level in levels:
        weight = np.clip(1 - np.abs(radius - level) / levels[1], 0, None).astype(np.float32)
        if weight.any():
            out += weight * defocus(light, float(level), "disc")
    return out
