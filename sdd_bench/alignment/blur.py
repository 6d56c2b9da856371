"""Local defocus blur: how strongly one picture is blurred against another, and blurring by such a map.

Blur adds light: the pictures here are of linear light, not of code values.
"""

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
    window: float = Field(default=4.0, gt=0, description="sigma over which the misfit of a radius is averaged")
    smoothing: float = Field(default=2.0, ge=0, description="sigma of the smoothing of the map that was found")
    reverse_share: float = Field(
        default=0.5,
        ge=0,
        lt=1,
        description="the sharp picture counts as the blurrier one where blurring the blurry one instead leaves less "
        "than this share of the misfit",
    )

    @field_validator("radii")
    @classmethod
    def _ascend_from_none(cls, radii: tuple[float, ...]) -> tuple[float, ...]:
        if radii[0] != 0 or any(high <= low for low, high in pairwise(radii)):
            raise ValueError(f"radii must ascend from 0, got {radii}")
        return radii


class BlurMap(NamedTuple):
    """A picture's blur against a sharp one.

    Attributes:
        radius: H x W float32, radius of the circle of confusion in pixels; negative where the sharp picture is the
            blurrier one, and has that radius against the other.
        aperture: shape of the circle of confusion.
        misfit: mean squared difference that it leaves.
    """

    radius: Image
    aperture: Aperture
    misfit: float


# A disc of at least twice this radius is drawn at half the size, of four times at a quarter, and so on: what is blurred
# that much has little finer detail. The difference has 1/50 of the contrast that is left.
_SMALLEST_DISC = 6.0


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
    reduction = 2 ** max(int(np.log2(radius / _SMALLEST_DISC)), 0)
    if reduction == 1:
        kernel = aperture_kernel(radius, shape)
        return np.asarray(cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REFLECT), np.float32)
    height, width = image.shape[:2]
    whole = cv2.copyMakeBorder(image, 0, -height % reduction, 0, -width % reduction, cv2.BORDER_REFLECT)
    size = (whole.shape[1], whole.shape[0])
    small = cv2.resize(whole, (size[0] // reduction, size[1] // reduction), interpolation=cv2.INTER_AREA)
    blurred = defocus(np.asarray(small, np.float32), radius / reduction, shape)
    return np.asarray(cv2.resize(blurred, size, interpolation=cv2.INTER_CUBIC)[:height, :width], np.float32)


def blur_levels(image: Image, shape: Aperture, settings: BlurSettings) -> list[Image]:
    """A picture under every tried blur.

    Args:
        image: H x W float32, linear light.
        shape: of the aperture.
        settings: which blurs to try.

    Returns:
        One H x W float32 picture per radius of the settings.
    """
    return [defocus(image, radius, shape) for radius in settings.radii]


def blur_map(blurry: Image, levels: list[Image], shape: Aperture, settings: BlurSettings) -> BlurMap:
    """Find the local blur of an aligned sharp picture that explains the blurry one best.

    The squared misfit is averaged over a Gaussian window. Between two tried radii the picture is interpolated linearly,
    here as in `blend_levels`, so the map is the one with which that function comes closest to the blurry picture.

    Args:
        blurry: H x W float32, linear light.
        levels: the sharp picture under every tried blur, in the frame of the blurry one, equally exposed.
        shape: of the aperture of that blur.
        settings: which blurs were tried and over which window to average.
    """
    radius, misfit = _search(blurry, levels, settings)
    return _smoothed(radius, misfit, blurry.shape, shape, settings)


def relative_blur_map(
    blurry_levels: list[Image], sharp_levels: list[Image], shape: Aperture, settings: BlurSettings
) -> BlurMap:
    """Find the local blur of either of two aligned pictures that brings it closest to the other.

    In a close-up the sharp picture, too, is in focus at some depths only, and the blurry one may be sharper there.

    Args:
        blurry_levels: the blurry picture under every tried blur, the first being none; H x W float32, linear light.
        sharp_levels: the sharp picture likewise, in the frame of the blurry one, equally exposed.
        shape: of the aperture of that blur.
        settings: which blurs were tried and over which window to average.
    """
    radius, misfit = _search(blurry_levels[0], sharp_levels, settings)
    reverse_radius, reverse_misfit = _search(sharp_levels[0], blurry_levels, settings)
    reverse = reverse_misfit < settings.reverse_share * misfit
    radius[reverse] = -reverse_radius[reverse]
    misfit[reverse] = reverse_misfit[reverse]
    return _smoothed(radius, misfit, blurry_levels[0].shape, shape, settings)


def _search(picture: Image, levels: list[Image], settings: BlurSettings) -> tuple[Image, Image]:
    """Radius that brings the other picture closest, and the misfit it leaves; at half the size."""
    position = least = None
    for level, (lower, upper) in enumerate(pairwise(levels)):
        # Of all pictures (1 - t) lower + t upper, the one closest to the picture.
        step, missing = upper - lower, picture - lower
        length, along, whole = (
            _averaged(product, settings.window) for product in (step * step, step * missing, missing * missing)
        )
        share = np.clip(along / np.maximum(length, 1e-12), 0, 1)
        misfit = whole - share * (2 * along - share * length)
        if position is None or least is None:
            position, least = level + share, misfit
        else:
            better = misfit < least
            position[better], least[better] = level + share[better], misfit[better]
    if position is None or least is None:
        raise ValueError(f"expected one picture for each of {len(settings.radii)} radii, got {len(levels)}")
    radius = np.interp(position, np.arange(len(settings.radii)), settings.radii)
    return radius.astype(np.float32), np.asarray(least, np.float32)


def _smoothed(radius: Image, misfit: Image, size: tuple[int, ...], shape: Aperture, settings: BlurSettings) -> BlurMap:
    # The median drops lone pixels whose window happened to fit another radius, the smoothing the steps between windows.
    smooth = cv2.medianBlur(radius, 3)
    if settings.smoothing:
        smooth = cv2.GaussianBlur(smooth, (0, 0), settings.smoothing / 2)
    full = cv2.resize(smooth, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
    return BlurMap(np.asarray(full, np.float32), shape, float(misfit.mean()))


def _averaged(product: Image, window: float) -> Image:
    # At half the size: the window is much wider than two pixels.
    size = (-(-product.shape[1] // 2), -(-product.shape[0] // 2))
    small = cv2.resize(product, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(small, (0, 0), window / 2), np.float32)


def blend_levels(levels: list[Image], radius: Image, settings: BlurSettings) -> Image:
    """Blur each pixel by its own circle of confusion, interpolated linearly between the two nearest tried ones.

    Args:
        levels: the picture under every tried blur, H x W float32 each.
        radius: H x W float32, radius per pixel.
        settings: which blurs were tried.
    """
    position = np.interp(radius, settings.radii, np.arange(len(settings.radii))).astype(np.float32)
    out = np.zeros_like(levels[0])
    for index, level in enumerate(levels):
        weight = np.clip(1 - np.abs(position - index), 0, 1)
        if weight.any():
            out += weight * level
    return out
