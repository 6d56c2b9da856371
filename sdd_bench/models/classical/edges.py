"""Edges of a picture and how far its gradient, and that of a blurrier copy, say they are blurred."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.alignment.blur import Aperture

Image = NDArray[np.float32]

# Edges in focus are not ideal steps. The pixel's area (variance 1/12), central differences (1/3) and a sharp lens (1/4)
# blur them by sigma = 0.8 px together, but beside other edges the gradient falls faster than that of a lone step, and
# they are read as too sharp: on rendered scenes the error is least with this sigma.
SHARP = 0.5
LARGEST = 16.0  # radius up to which blur is told apart


class Gradient(NamedTuple):
    """Gradient of a picture smoothed by a Gaussian: along x and y, and its magnitude, H x W float32 each."""

    x: Image
    y: Image
    magnitude: Image


def gradient(picture: Image, scale: float) -> Gradient:
    """Gradient after smoothing, by central differences.

    Args:
        picture: H x W float32.
        scale: sigma of the Gaussian, pixels.
    """
    smooth = cv2.GaussianBlur(picture, (0, 0), scale, borderType=cv2.BORDER_REFLECT)
    padded = cv2.copyMakeBorder(smooth, 1, 1, 1, 1, cv2.BORDER_REFLECT)
    x = np.asarray((padded[1:-1, 2:] - padded[1:-1, :-2]) / 2, np.float32)
    y = np.asarray((padded[2:, 1:-1] - padded[:-2, 1:-1]) / 2, np.float32)
    return Gradient(x, y, np.asarray(np.hypot(x, y), np.float32))


def crests(slope: Gradient, low: float, high: float) -> NDArray[np.bool_]:
    """Canny's edges: crests of the gradient above ``low`` that hang together with one above ``high``.

    Args:
        slope: of the picture.
        low: in the gradient's unit.
        high: no less than ``low``.
    """
    unit = 32000 / max(float(slope.magnitude.max()), 1e-6)
    x, y = ((component * unit).astype(np.int16) for component in (slope.x, slope.y))
    return np.asarray(cv2.Canny(x, y, low * unit, high * unit, L2gradient=True) > 0)


def reblurring_ratio(radius: float | NDArray[np.float64], fine: float, coarse: float, aperture: Aperture) -> Image:
    """Gradient at a defocused step edge after smoothing by ``fine``, over that after smoothing by ``coarse``.

    For a Gaussian of sigma s the gradient at the edge is proportional to 1 / s, and blurs add in squares: the ratio is
    sqrt((s^2 + coarse^2) / (s^2 + fine^2)) (Zhuo and Sim 2011, eq. 6, with both copies blurred). For a disc it is that
    of the integrals over its cross-section, the half ellipse 2 sqrt(r^2 - x^2) / (pi r^2).

    Args:
        radius: of the circle of confusion, pixels; a Gaussian's is 2 sigma.
        fine: sigma of the smoothing, everything that blurs in-focus edges included.
        coarse: the same, larger.
        aperture: shape of the circle of confusion.
    """
    radii = np.atleast_1d(np.asarray(radius, np.float64))
    if aperture == "gaussian":
        spread = (radii / 2) ** 2
        ratio = np.sqrt((spread + coarse**2) / (spread + fine**2))
    else:
        angle = (np.arange(128) + 0.5) / 128 * np.pi  # x = r cos(angle): the cross-section becomes sin^2
        share = np.sin(angle) ** 2
        x = radii[:, None] * np.cos(angle)
        at_fine, at_coarse = ((share * np.exp(-0.5 * (x / s) ** 2)).sum(1) / s for s in (fine, coarse))
        ratio = at_fine / at_coarse
    return np.asarray(ratio, np.float32).reshape(np.shape(radius))


def radius_from_ratio(ratio: Image, fine: float, coarse: float, aperture: Aperture) -> Image:
    """Invert `reblurring_ratio` for in-focus edges blurred by `SHARP`; from 0 to `LARGEST`.

    Args:
        ratio: of the gradients' magnitudes, any shape.
        fine: sigma of the smoothing applied to the picture.
        coarse: the same, larger.
        aperture: shape of the circle of confusion.
    """
    radii, ratios = _ratios(fine, coarse, aperture)
    return np.interp(ratio, ratios, radii).astype(np.float32)


@lru_cache(maxsize=64)
def _ratios(fine: float, coarse: float, aperture: Aperture) -> tuple[NDArray[np.float64], Image]:
    radii = np.linspace(LARGEST, 0, 641)
    return radii, reblurring_ratio(radii, float(np.hypot(fine, SHARP)), float(np.hypot(coarse, SHARP)), aperture)
