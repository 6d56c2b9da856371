"""Random layered scenes whose every geometric and optical quantity is known.

A scene is a stack of flat layers, each facing the camera at one depth and covered with a real photograph. It is looked
at twice, as when the SDD pairs were shot: through a wide aperture (the blurry view), and with everything in focus after
the lens has moved (the sharp view, zoomed and shifted, with parallax between the layers). This file only describes
scenes; `rendering.py` draws them.

Coordinates: *scene pixels* ``u`` are pixels of the blurry view measured from its centre c = ((W-1)/2, (H-1)/2).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from sdd_bench.errors import DatasetError, unknown_name

Range = tuple[float, float]


class Photograph(NamedTuple):
    """What is known of a texture: where its scene would be filed, and what it may be used for.

    Backgrounds are larger than most of these pictures, which are mirrored beyond their borders: a wall or a lawn takes
    that well, a face does not. Some are held back from scenes that don't ask for them by name: what is tuned on other
    scenes can be checked on theirs.
    """

    environment: Literal["indoor", "outdoor"]
    background: bool = False
    held_back: bool = False


# Photographs that come inside the scikit-image package; nothing is downloaded.
PHOTOGRAPHS: dict[str, Photograph] = {
    "astronaut": Photograph("indoor"),
    "brick": Photograph("outdoor", background=True),
    "camera": Photograph("outdoor", held_back=True),
    "chelsea": Photograph("indoor"),
    "coffee": Photograph("indoor"),
    "coins": Photograph("indoor", background=True, held_back=True),
    "grass": Photograph("outdoor", background=True),
    "gravel": Photograph("outdoor", background=True),
    "hubble_deep_field": Photograph("outdoor", background=True),
    "immunohistochemistry": Photograph("indoor", background=True),
    "moon": Photograph("outdoor", background=True, held_back=True),
    "page": Photograph("indoor", background=True, held_back=True),
    "retina": Photograph("indoor", background=True),
    "rocket": Photograph("outdoor"),
    "stereo_motorcycle": Photograph("indoor", background=True),
}


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


# Beyond these a scene makes no sense, or takes forever.
_BOUNDS: dict[str, Range] = {
    "foreground_layers": (1, 20),
    "max_blur_radius": (0, 64),
    "zoom": (-0.2, 0.2),
    "shift": (-512, 512),
    "parallax": (0, 64),
    "exposure_stops": (-3, 3),
}


class SceneSettings(_Record):
    """Ranges from which scenes are drawn; every length is in pixels of the final pictures.

    The defaults are those of the measurements in the protocol's description: zoom to +-1 %, shift to +-6 px, parallax
    0.7 px, blur radius up to 2-4 px.
    """

    width: int = Field(default=640, ge=64, le=8192)
    height: int = Field(default=512, ge=64, le=8192)
    supersampling: int = Field(default=2, ge=2, le=8, description="render grid, samples per pixel and axis")
    texture_density: float = Field(default=2.1, ge=2.0, description="photograph pixels per final pixel")
    photographs: tuple[str, ...] = tuple(name for name, known in PHOTOGRAPHS.items() if not known.held_back)
    foreground_layers: tuple[int, int] = (2, 4)
    aperture: Literal["disc", "gaussian", "mixed"] = "mixed"
    max_blur_radius: Range = (2.0, 4.0)
    zoom: Range = (-0.01, 0.01)
    shift: Range = (-6.0, 6.0)
    parallax: Range = (0.4, 0.7)
    lens_blur: float = Field(default=0.5, ge=0.3, description="Gaussian point spread of the sharp lens, sigma")
    exposure_stops: Range = (-0.05, 0.05)
    read_noise: float = Field(default=0.0005, ge=0, description="sigma in linear light, full scale 1")
    shot_noise: float = Field(default=0.003, ge=0, description="sigma in linear light at full scale")

    @model_validator(mode="after")
    def _check(self) -> SceneSettings:
        for name in self.photographs:
            if name not in PHOTOGRAPHS:
                raise ValueError(unknown_name("photograph", name, PHOTOGRAPHS))
        if not any(PHOTOGRAPHS[name].background for name in self.photographs):
            able = ", ".join(name for name, photograph in PHOTOGRAPHS.items() if photograph.background)
            raise ValueError(f"photographs: none of them can fill the background; add one of {able}")
        for name, (least, most) in _BOUNDS.items():
            low, high = getattr(self, name)
            if not least <= low <= high <= most:
                raise ValueError(f"{name}: ({low}, {high}) is not a range from low to high within [{least}, {most}]")
        return self


class Outline(_Record):
    """A star-shaped blob: radius(theta) = size (1 + sum_k amplitude_k cos(k theta + phase_k)), k = 2, 3, ..."""

    centre: tuple[float, float]
    size: float
    amplitudes: tuple[float, ...]
    phases: tuple[float, ...]

    def inside(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """How far inside the outline a scene point lies, in pixels along the ray from the centre (negative: outside).

        Args:
            u: horizontal scene coordinates, broadcastable against ``v``.
            v: vertical scene coordinates.
        """
        du, dv = u - self.centre[0], v - self.centre[1]
        theta = np.arctan2(dv, du)
        radius = np.ones_like(theta)
        for k, (amplitude, phase) in enumerate(zip(self.amplitudes, self.phases, strict=True), start=2):
            radius += amplitude * np.cos(k * theta + phase)
        return np.asarray(self.size * radius - np.hypot(du, dv))


class Layer(_Record):
    """One flat layer. ``outline`` is None for the background, which covers everything."""

    photograph: str
    texture_origin: tuple[float, float] = Field(description="photograph pixel (x, y) shown at the scene's centre")
    depth: float = Field(gt=0, description="metres")
    blur_radius: float = Field(ge=0, description="radius of the circle of confusion, pixels")
    displacement: tuple[float, float] = Field(description="shift (x, y) in the sharp view, parallax included, pixels")
    outline: Outline | None = None


class Scene(_Record):
    """All parameters of one pair; layers from the nearest to the farthest."""

    environment: Literal["indoor", "outdoor"]
    zoom: float = Field(gt=0, description="similarity from the blurry to the sharp view: x' = c + zoom (x - c) + shift")
    shift: tuple[float, float] = Field(description="of the background, pixels")
    focus_distance: float = Field(description="metres")
    aperture: Literal["disc", "gaussian"]
    exposure_stops: float = Field(description="of the blurry view against the sharp one")
    layers: tuple[Layer, ...]


def circle_of_confusion(depth: float, focus_distance: float, radius_at_infinity: float) -> float:
    """Radius of the circle of confusion of a thin lens, in the unit of ``radius_at_infinity``.

    c(d) = c_inf |1 - d_f / d|, the thin-lens formula with aperture, focal length and pixel pitch gathered in c_inf
    (Potmesil and Chakravarty 1981, eq. 5).

    Args:
        depth: distance d of the layer, metres.
        focus_distance: distance d_f in perfect focus, metres.
        radius_at_infinity: c_inf.
    """
    return radius_at_infinity * abs(1.0 - focus_distance / depth)


def random_scene(settings: SceneSettings, rng: np.random.Generator) -> Scene:
    """Draw one scene.

    Args:
        settings: ranges to draw from.
        rng: the only source of randomness.
    """
    count = int(rng.integers(settings.foreground_layers[0], settings.foreground_layers[1] + 1))
    depths = [*sorted(rng.uniform(0.8, 3.0, count)), float(rng.uniform(4.0, 8.0))]
    focus = float(rng.uniform(depths[0], depths[-1]))
    largest = max(circle_of_confusion(d, focus, 1.0) for d in depths)
    at_infinity = float(rng.uniform(*settings.max_blur_radius)) / largest
    shift = rng.uniform(*settings.shift, 2)
    direction = rng.uniform(0, 2 * np.pi)
    parallax = rng.uniform(*settings.parallax) * np.array([np.cos(direction), np.sin(direction)])
    nearness = [(1 / d - 1 / depths[-1]) / max(1 / depths[0] - 1 / depths[-1], 1e-12) for d in depths]
    names = [str(name) for name in rng.permutation(settings.photographs)]
    background = next(name for name in names if PHOTOGRAPHS[name].background)
    names.remove(background)
    textures = [names[i % len(names)] if names else background for i in range(count)] + [background]
    layers = tuple(
        Layer(
            photograph=textures[i],
            texture_origin=_texture_origin(textures[i], rng),
            depth=float(depth),
            blur_radius=circle_of_confusion(depth, focus, at_infinity),
            displacement=_pair(shift + parallax * nearness[i]),
            outline=_random_outline(settings, rng) if i < count else None,
        )
        for i, depth in enumerate(depths)
    )
    aperture = settings.aperture if settings.aperture != "mixed" else rng.choice(["disc", "gaussian"])
    return Scene(
        environment=PHOTOGRAPHS[background].environment,
        zoom=1.0 + float(rng.uniform(*settings.zoom)),
        shift=_pair(shift),
        focus_distance=focus,
        aperture="disc" if aperture == "disc" else "gaussian",
        exposure_stops=float(rng.uniform(*settings.exposure_stops)),
        layers=layers,
    )


@lru_cache(maxsize=len(PHOTOGRAPHS))
def load_photograph(name: str) -> NDArray[np.uint8]:
    """One of `PHOTOGRAPHS` as H x W x 3 uint8 RGB (gray ones repeated); cached and read-only.

    Raises:
        DatasetError: if the name is unknown.
    """
    if name not in PHOTOGRAPHS:
        raise DatasetError(unknown_name("photograph", name, PHOTOGRAPHS))
    from skimage import data

    picture = getattr(data, name)()
    if isinstance(picture, tuple):  # stereo_motorcycle: left, right, disparity
        picture = picture[0]
    colour = np.ascontiguousarray(
        np.broadcast_to(picture[..., None], (*picture.shape, 3)) if picture.ndim == 2 else picture
    )
    colour.setflags(write=False)
    return colour


def _texture_origin(name: str, rng: np.random.Generator) -> tuple[float, float]:
    height, width = load_photograph(name).shape[:2]
    return float(width * rng.uniform(0.35, 0.65)), float(height * rng.uniform(0.35, 0.65))


def _random_outline(settings: SceneSettings, rng: np.random.Generator) -> Outline:
    extent = np.array([settings.width, settings.height])
    return Outline(
        centre=_pair(rng.uniform(-0.42, 0.42, 2) * extent),
        size=float(rng.uniform(0.12, 0.26) * extent.min()),
        amplitudes=tuple(float(a) for a in rng.uniform(0, 0.5, 5) / np.arange(2, 7)),
        phases=tuple(float(p) for p in rng.uniform(0, 2 * np.pi, 5)),
    )


def _pair(values: np.ndarray) -> tuple[float, float]:
    return float(values[0]), float(values[1])
