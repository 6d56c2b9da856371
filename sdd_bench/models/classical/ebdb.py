"""Defocus map from the re-blurring of edges (Karaali and Jung, IEEE TIP 2018)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.alignment.blur import Aperture
from sdd_bench.alignment.light import luminance
from sdd_bench.models.classical.edges import LARGEST, Gradient, crests, gradient, radius_from_ratio
from sdd_bench.models.classical.noise import noise_level
from sdd_bench.models.classical.propagation import by_guided_filters, propagate

Image = NDArray[np.float32]

# Pairs (fine, coarse) of smoothing, sigma in pixels, from the least to the most. A narrow pair is undisturbed by
# neighbouring edges, a wide one is calm in noise.
SCALES: tuple[tuple[float, float], ...] = ((1.0, 1.6), (1.4, 2.4), (2.0, 3.6), (3.0, 5.4))
_AGREEMENT = float(np.cos(np.pi / 8))  # cosine of the angle by which an edge may turn between two scales
_STEPS = 12  # of averaging along edges
_SIDE = 480  # of the picture in which measurements are spread, the longer one, pixels


def ebdb_map(image: Image, *, aperture: Aperture = "disc", noise: float | None = None) -> Image:
    """Radius of the circle of confusion at every pixel, from how much a second blur weakens the edges.

    Three steps. Edges that keep their direction from the finest scale to a coarser one are consistent with it; each is
    measured at the narrowest pair of scales that it is consistent with and at which it stands out of the noise. The
    measurements are averaged along connected edges only. A guided filter spreads them over the picture.

    Args:
        image: H x W x 3 float32 sRGB in [0, 1].
        aperture: shape of the circle of confusion; the paper has a Gaussian of sigma = radius / 2.
        noise: standard deviation in linear light; None measures it.

    Returns:
        H x W float32, pixels, not negative; 0 everywhere if the picture has no edge.
    """
    light = luminance(image)
    level = noise_level(light[None]) if noise is None else noise
    radius, confidence = edge_radii(light, level, aperture)
    radius = along_edges(radius, confidence, _STEPS)
    return propagate(image, radius, confidence, by_guided_filters, _SIDE)


def edge_radii(light: Image, noise: float, aperture: Aperture) -> tuple[Image, Image]:
    """Radius at the edges, and how far each measurement is to be trusted: 0 off the edges, up to 1.

    Args:
        light: H x W float32, linear light.
        noise: its standard deviation.
        aperture: shape of the circle of confusion.
    """
    finest = gradient(light, SCALES[0][0])
    low = edge_threshold(noise, SCALES[0][0])
    edges = crests(finest, low, 2 * low)
    radius, trusted = np.zeros_like(light), np.zeros(light.shape, bool)
    consistent = edges
    for fine_scale, coarse_scale in SCALES:
        fine, coarse = gradient(light, fine_scale), gradient(light, coarse_scale)
        consistent = consistent & _agree(finest, fine) & _agree(finest, coarse)
        ratio = np.asarray(fine.magnitude / np.maximum(coarse.magnitude, 1e-9), np.float32)
        here = radius_from_ratio(ratio, fine_scale, coarse_scale, aperture)
        # A ratio of 1 or less is no step edge.
        usable = (
            consistent & (ratio > 1) & (here < 0.98 * LARGEST) & (fine.magnitude > edge_threshold(noise, fine_scale))
        )
        first = usable & ~trusted
        radius[first] = here[first]
        trusted |= usable
    strength = finest.magnitude / np.float32(low)
    return radius, np.where(trusted, np.minimum(strength / 8, 1), 0).astype(np.float32)


def along_edges(radius: Image, confidence: Image, steps: int) -> Image:
    """Average measurements with those of neighbouring edge pixels again and again, never across a gap.

    Args:
        radius: H x W float32, of interest where the confidence is positive.
        confidence: H x W float32, not negative.
        steps: how often; information travels one pixel along the edge in each.
    """
    edge = confidence > 0
    for _ in range(steps):
        spread = cv2.boxFilter(confidence * radius, -1, (3, 3), normalize=False, borderType=cv2.BORDER_CONSTANT)
        total = cv2.boxFilter(confidence, -1, (3, 3), normalize=False, borderType=cv2.BORDER_CONSTANT)
        radius = np.where(edge, spread / np.maximum(total, 1e-9), 0).astype(np.float32)
    return radius


def _agree(a: Gradient, b: Gradient) -> NDArray[np.bool_]:
    return np.asarray(a.x * b.x + a.y * b.y >= _AGREEMENT * a.magnitude * b.magnitude)


def edge_threshold(noise: float, scale: float) -> float:
    """Least gradient of an edge: six times what noise leaves, and no less than a step of 1/100 of full scale has.

    White noise of standard deviation s, smoothed by sigma, has a gradient of s / (sqrt(8 pi) sigma^2) per axis.

    Args:
        noise: standard deviation of the noise.
        scale: sigma of the smoothing, pixels.
    """
    return max(6 * noise / (float(np.sqrt(8 * np.pi)) * scale**2), 0.004)
