"""Classical deblurring on the CPU: a defocus map, then deconvolution with the discs it says.

What is imported here knows names and papers only; arrays are worked on by what is imported at the first call.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sdd_bench.errors import ModelError, unknown_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sdd_bench.alignment.blur import Aperture

    Image = NDArray[np.float32]

__all__ = ["DECONVOLUTIONS", "MAPS", "METHODS", "Combination", "Part", "deconvolve_with", "defocus_map", "restore"]


@dataclass(frozen=True)
class Part:
    """One half of a method.

    Attributes:
        name: what commands call it.
        title: what tables call it.
        paper: where it is described.
        kind: ``map`` finds how blurred each pixel is, ``deconvolution`` undoes it.
        function: ``module:callable`` that does it.
    """

    name: str
    title: str
    paper: str
    kind: Literal["map", "deconvolution"]
    function: str

    def load(self) -> Any:
        """Import what does it."""
        module, _, attribute = self.function.partition(":")
        return getattr(importlib.import_module(f"sdd_bench.models.classical.{module}"), attribute)


@dataclass(frozen=True)
class Combination:
    """A method that deblurs pictures: a map, and a deconvolution with that map.

    Attributes:
        map: how the blur is found.
        deconvolution: how it is undone.
    """

    map: Part
    deconvolution: Part

    @property
    def name(self) -> str:
        """What commands call it: ``map+deconvolution``."""
        return f"{self.map.name}+{self.deconvolution.name}"

    @property
    def title(self) -> str:
        """What tables call it."""
        return f"{self.map.title}, {self.deconvolution.title}"

    @property
    def paper(self) -> str:
        """Where its halves are described."""
        return f"{self.map.paper}; {self.deconvolution.paper}"

    @property
    def kind(self) -> Literal["classical"]:
        """The same for all of them: no weights."""
        return "classical"


MAPS: dict[str, Part] = {
    part.name: part
    for part in (
        Part("jnb", "JNB", "Shi, Xu and Jia: Just Noticeable Defocus Blur. CVPR 2015", "map", "jnb:jnb_map"),
        Part(
            "ebdb",
            "EBDB",
            "Karaali and Jung: Edge-Based Defocus Blur Estimation with Adaptive Scale Selection. IEEE TIP 2018",
            "map",
            "ebdb:ebdb_map",
        ),
    )
}
DECONVOLUTIONS: dict[str, Part] = {
    part.name: part
    for part in (
        Part(
            "deconv",
            "hyper-Laplacian",
            "Krishnan and Fergus: Fast Image Deconvolution using Hyper-Laplacian Priors. NIPS 2009",
            "deconvolution",
            "hyper_laplacian:hyper_laplacian",
        ),
        Part(
            "richardson-lucy",
            "Richardson-Lucy",
            "Richardson: Bayesian-Based Iterative Method of Image Restoration. JOSA 1972",
            "deconvolution",
            "richardson_lucy:richardson_lucy",
        ),
        Part(
            "wiener",
            "Wiener",
            "Wiener: Extrapolation, Interpolation, and Smoothing of Stationary Time Series. 1949",
            "deconvolution",
            "wiener:wiener",
        ),
    )
}
METHODS: dict[str, Combination] = {
    method.name: method for method in (Combination(m, d) for m in MAPS.values() for d in DECONVOLUTIONS.values())
}


def restore(name: str, image: Image, *, noise: float | None = None, threads: int = 2) -> Image:
    """Deblur a picture by one of `METHODS`.

    Args:
        name: ``map+deconvolution``, as ``ebdb+deconv``.
        image: H x W x 3 float32 sRGB in [0, 1].
        noise: as of `deconvolve_with`.
        threads: as of `deconvolve_with`.

    Returns:
        The restored picture, like the given one.

    Raises:
        ModelError: if the name is unknown.
    """
    if name not in METHODS:
        raise ModelError(unknown_name("classical method", name, METHODS))
    radius = defocus_map(name, image, noise=noise)
    return deconvolve_with(METHODS[name].deconvolution.name, image, radius, noise=noise, threads=threads)


def defocus_map(name: str, image: Image, *, noise: float | None = None) -> Image:
    """Find how blurred a picture is, by one of `MAPS` or by the map of one of `METHODS`.

    Args:
        name: a map, as ``ebdb``, or a combination, as ``ebdb+deconv``.
        image: H x W x 3 float32 sRGB in [0, 1].
        noise: standard deviation in linear light; None measures it.

    Returns:
        H x W float32, radius of the circle of confusion in pixels, lowered to what the picture does not contradict.

    Raises:
        ModelError: if the name is unknown.
    """
    if name not in MAPS and name not in METHODS:
        raise ModelError(unknown_name("defocus map", name, [*MAPS, *METHODS]))
    part = MAPS[name] if name in MAPS else METHODS[name].map
    from sdd_bench.alignment.light import luminance
    from sdd_bench.models.classical.contradiction import uncontradicted

    return uncontradicted(luminance(image), part.load()(image, noise=noise), noise=noise)


def deconvolve_with(
    name: str,
    image: Image,
    radius: Image,
    *,
    noise: float | None = None,
    aperture: Aperture = "disc",
    threads: int = 2,
) -> Image:
    """Undo a known defocus blur by one of `DECONVOLUTIONS`.

    Args:
        name: of the deconvolution.
        image: H x W x 3 float32 sRGB in [0, 1].
        radius: H x W float32, radius of the circle of confusion in pixels, not negative.
        noise: standard deviation in linear light; None measures it.
        aperture: shape of the circle of confusion.
        threads: to work in; the result does not depend on them.

    Returns:
        H x W x 3 float32 sRGB in [0, 1].

    Raises:
        ModelError: if the name is unknown.
    """
    if name not in DECONVOLUTIONS:
        raise ModelError(unknown_name("deconvolution", name, DECONVOLUTIONS))
    from sdd_bench.models.classical.varying import deconvolve

    method = DECONVOLUTIONS[name].load()
    return deconvolve(image, radius, method, noise=noise, aperture=aperture, threads=threads)
