"""Local defocus blur: how strongly one picture is blurred against another, and blurring by such a map."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator

Image = NDArray[np.float32]
Aperture = Literal["disc", "gaussian"]


class BlurSettings(BaseModel):
    """How local blur is searched; all lengths in pixels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    apertures: tuple[Aperture, ...] = Field(default=("disc", "gaussian"), min_length=1, description="shapes tried")
    radii: tuple[float, ...] = Field(
        default=(0, 0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 12, 16, 20), min_length=3, description="tried, ascending"
    )
    window: float = Field(default=6.0, gt=0, description="sigma over which the misfit of a radius is averaged")
    smoothing: float = Field(default=3.0, ge=0, description="sigma of the smoothing of the map that was found")

    @field_validator("radii")
    @classmethod
    def _ascend_from_none(cls, radii: tuple[float, ...]) -> tuple[float, ...]:
        if radii[0] != 0 or any(high <= low for low, high in pairwise(radii)):
            raise ValueError(f"radii must ascend from 0, got {radii}")
        return radii


class BlurMap(NamedTuple):
    """A picture's blur against a sharp one.

    Attributes:
        radius: H x W float32, radius of the circle of confusion in pixels.
        aperture: the shape that explains the whole picture best.
        misfit: mean squared difference that it leaves.
    """

    radius: Image
    aperture: Aperture
    misfit: float


def aperture_kernel(radius: float, shape: Aperture) -> Image:
    """Point spread of a defocused point, (2n+1) x (2n+1), sum 1.

    Both shapes have the same second moment for the same radius (r^2/4 per axis), so ``radius`` means the same blur.

    Args:
        radius: radius of the circle of confusion, in samples; at 0 the kernel is the identity.
        shape: ``disc`` (a round aperture; a sample holds the share of its area inside) or ``gaussian`` (sigma = r/2).
    """
    if shape == "gaussian":
        half = int(np.ceil(2.0 * radius))
        offsets = np.arange(-half, half + 1, dtype=np.float64)
        line = np.exp(-0.5 * (offsets / (radius / 2)) ** 2) if radius > 0 else np.ones(1)
        kernel = np.outer(line, line)
    else:
        fine = 16
        half = int(np.ceil(max(radius - 0.5, 0.0)))
        line = (np.arange((2 * half + 1) * fine) + 0.5) / fine - half - 0.5
        covered = np.add.outer(line**2, line**2) <= max(radius, 1e-3) ** 2
        kernel = covered.reshape(2 * half + 1, fine, 2 * half + 1, fine).mean((1, 3))
        if radius < 1 / fine:
            kernel = np.ones((1, 1))
    return np.asarray(kernel / kernel.sum(), np.float32)


def defocus(image: Image, radius: float, shape: Aperture) -> Image:
    """Blur a whole picture by one circle of confusion; its border is mirrored.

    Args:
        image: H x W or H x W x C float32.
        radius: in pixels.
        shape: of the aperture.
    """
    if radius == 0:
        return image
    if shape == "gaussian":
        return np.asarray(cv2.GaussianBlur(image, (0, 0), radius / 2, borderType=cv2.BORDER_REFLECT), np.float32)
    kernel = aperture_kernel(radius, shape)
    return np.asarray(cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REFLECT), np.float32)


def blur_map(blurry: Image, aligned: Image, settings: BlurSettings) -> BlurMap:
    """Find the local blur of an aligned sharp picture that explains the blurry one best.

    The squared misfit is averaged over a Gaussian window. Between two tried radii the picture is interpolated linearly,
    here as in `blur_by_map`, so the map is the one with which that function comes closest to the blurry picture.

    Args:
        blurry: H x W x 3 float32.
        aligned: H x W x 3 float32, the sharp picture in the frame of the blurry one, equally exposed.
        settings: which blurs to try and over which window to average.
    """
    # Gray tells as much about blur as colour, in a third of the time.
    blurry_gray, aligned_gray = (
        np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.float32) for picture in (blurry, aligned)
    )
    maps = [_map_of(blurry_gray, aligned_gray, settings, shape) for shape in settings.apertures]
    best = min(maps, key=lambda found: found.misfit)
    # The median drops lone pixels whose window happened to fit another radius, the smoothing the steps between windows.
    radius = cv2.medianBlur(best.radius, 5)
    if settings.smoothing:
        radius = cv2.GaussianBlur(radius, (0, 0), settings.smoothing)
    return best._replace(radius=np.asarray(radius, np.float32))


def _map_of(blurry: Image, aligned: Image, settings: BlurSettings, shape: Aperture) -> BlurMap:
    def averaged(product: Image) -> Image:
        return np.asarray(cv2.GaussianBlur(product, (0, 0), settings.window), np.float32)

    position = np.zeros_like(blurry)
    least = np.full_like(position, np.inf)
    lower = defocus(aligned, settings.radii[0], shape)
    for level, radius in enumerate(settings.radii[1:]):
        # Of all pictures (1 - t) lower + t upper, the one closest to the blurry picture.
        upper = defocus(aligned, radius, shape)
        step, missing = upper - lower, blurry - lower
        length, along = averaged(step * step), averaged(step * missing)
        share = np.clip(along / np.maximum(length, 1e-12), 0, 1)
        misfit = averaged(missing * missing) - share * (2 * along - share * length)
        better = misfit < least
        position[better], least[better] = level + share[better], misfit[better]
        lower = upper
    found = np.interp(position, np.arange(len(settings.radii)), settings.radii).astype(np.float32)
    return BlurMap(found, shape, float(least.mean()))


def blur_by_map(image: Image, blur: BlurMap, settings: BlurSettings) -> Image:
    """Blur each pixel by its own circle of confusion, interpolated linearly between the two nearest tried ones.

    Args:
        image: H x W x 3 float32.
        blur: radius per pixel and shape of the aperture.
        settings: which blurs are prepared.
    """
    position = np.interp(blur.radius, settings.radii, np.arange(len(settings.radii))).astype(np.float32)[..., None]
    out = np.zeros_like(image)
    for level, radius in enumerate(settings.radii):
        weight = np.clip(1 - np.abs(position - level), 0, 1)
        if weight.any():
            out += weight * defocus(image, radius, blur.aperture)
    return out
