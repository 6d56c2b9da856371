"""Dense optical flow between two pictures, by backends whose parameters are data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from sdd_bench.alignment.inputs import require_pictures
from sdd_bench.alignment.ptlflow_model import load_ptlflow
from sdd_bench.alignment.pwcnet import PwcNetFlow
from sdd_bench.alignment.refinement import VariationalRefinement
from sdd_bench.errors import AlignmentError, unknown_name

if TYPE_CHECKING:
    from typing_extensions import Self

# OpenCV's type stubs demand an initial flow; at run time None says that there is none.
_NO_START: Any = None


class FlowBackend(Protocol):
    """A way to compute flow; it is named, and its parameters can be recorded and hashed with `model_dump`.

    One that computes on other devices, too, may have a method ``batch``, see `PwcNetFlow.batch`: training then keeps
    pictures and flow there.
    """

    @property
    def name(self) -> str:
        """The name `flow` knows it by."""

    def __call__(self, source: NDArray[np.float32], target: NDArray[np.float32]) -> NDArray[np.float32]:
        """Flow from source to target.

        Args:
            source: H x W x 3, float32 RGB in [0, 1] (values outside are clipped).
            target: same shape, dtype and range.

        Returns:
            H x W x 2, float32, (x, y) in pixels: a pixel of the source at p is found at p + flow[p] in the target.

        Raises:
            AlignmentError: the pictures are not such arrays, differ in shape, hold NaN or are too small.
        """

    @property
    def weights_sha256(self) -> str | None:
        """SHA-256 of the file of its weights, None if it has none."""

    def on(self, device: str) -> FlowBackend:
        """The same flow computed on another device, as torch names it, if the backend can; the same one if it can't."""

    def model_dump(self) -> dict[str, Any]:
        """Name and all parameters, as plain data; the device is none of them."""


class _OpencvFlow(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @property
    def weights_sha256(self) -> None:
        """None: there are no weights."""

    def on(self, device: str) -> Self:
        """The flow itself: OpenCV computes on the CPU, whatever the device."""
        return self


class DisFlow(_OpencvFlow):
    """Dense inverse search (Kroeger et al., ECCV 2016) by OpenCV; the defaults are those of its preset `medium`.

    Works on 8-bit gray. The result does not depend on the number of threads.
    """

    name: Literal["dis"] = "dis"
    finest_scale: int = Field(default=1, ge=0)
    """Pyramid level at which the search ends; 0 is full resolution, flow from a coarser one is enlarged."""
    gradient_descent_iterations: int = Field(default=25, ge=1)
    """Steps of the patch search per level."""
    variational_refinement_iterations: int = Field(default=5, ge=0)
    """Fixed-point iterations of the refinement per level."""
    alpha: float = Field(default=20.0, ge=0)
    """Weight of smoothness in the refinement."""
    delta: float = Field(default=5.0, ge=0)
    """Weight of colour constancy in the refinement."""
    gamma: float = Field(default=10.0, ge=0)
    """Weight of gradient constancy in the refinement."""
    patch_size: int = Field(default=8, ge=4)
    """Side of the patches, in pixels; below 4 OpenCV's implementation writes out of bounds."""
    patch_stride: int = Field(default=3, ge=1)
    """Distance of neighbouring patches, in pixels."""
    use_spatial_propagation: bool = True
    """Whether neighbouring patches pass on good matches."""

    def __call__(self, source: NDArray[np.float32], target: NDArray[np.float32]) -> NDArray[np.float32]:
        """Flow from source to target; arguments, result and errors are those of `FlowBackend`."""
        # Below this OpenCV silently replaces finest scale and patch size by its own choice, which it derives from the
        # width alone: it then crashes where the picture is much wider than high.
        a, b = _gray_pair(source, target, self.name, smallest=4 * self.patch_size * 2**self.finest_scale)
        search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        search.setFinestScale(self.finest_scale)
        search.setGradientDescentIterations(self.gradient_descent_iterations)
        search.setVariationalRefinementIterations(self.variational_refinement_iterations)
        search.setVariationalRefinementAlpha(self.alpha)
        search.setVariationalRefinementDelta(self.delta)
        search.setVariationalRefinementGamma(self.gamma)
        search.setPatchSize(self.patch_size)
        search.setPatchStride(self.patch_stride)
        search.setUseSpatialPropagation(self.use_spatial_propagation)
        return np.asarray(search.calc(a, b, _NO_START), dtype=np.float32)


class RefinedDisFlow(_OpencvFlow):
    """Dense inverse search on 8-bit gray, refined once more at full resolution in floating point.

    The result does not depend on the number of threads.
    """

    name: Literal["dis-refined"] = "dis-refined"
    search: DisFlow = DisFlow(finest_scale=0, variational_refinement_iterations=20, alpha=200.0, gamma=20.0)
    """Finds the flow."""
    refinement: VariationalRefinement = VariationalRefinement()
    """Of the flow that was found."""

    def __call__(self, source: NDArray[np.float32], target: NDArray[np.float32]) -> NDArray[np.float32]:
        """Flow from source to target; arguments, result and errors are those of `FlowBackend`."""
        return self.refinement(source, target, self.search(source, target))


class FarnebackFlow(_OpencvFlow):
    """Polynomial expansion (Farneback, SCIA 2003) by OpenCV; the defaults are those of its `FarnebackOpticalFlow`.

    Works on 8-bit gray.
    """

    name: Literal["farneback"] = "farneback"
    pyramid_scale: float = Field(default=0.5, gt=0, lt=1)
    """Size of a pyramid level relative to the next finer one."""
    levels: int = Field(default=5, ge=1)
    """Number of pyramid levels."""
    window_size: int = Field(default=13, ge=1)
    """Side of the averaging window, in pixels."""
    iterations: int = Field(default=10, ge=1)
    """Iterations per level."""
    polynomial_size: int = Field(default=5, ge=3)
    """Side of the neighbourhood the polynomials are fitted to, in pixels."""
    polynomial_sigma: float = Field(default=1.1, gt=0)
    """Standard deviation of the Gaussian weights of that fit, in pixels."""

    def __call__(self, source: NDArray[np.float32], target: NDArray[np.float32]) -> NDArray[np.float32]:
        """Flow from source to target; arguments, result and errors are those of `FlowBackend`."""
        a, b = _gray_pair(source, target, self.name, smallest=self.window_size)
        found = cv2.calcOpticalFlowFarneback(
            a,
            b,
            _NO_START,
            self.pyramid_scale,
            self.levels,
            self.window_size,
            self.iterations,
            self.polynomial_size,
            self.polynomial_sigma,
            0,
        )
        return np.asarray(found, dtype=np.float32)


_BACKENDS: dict[str, type[DisFlow] | type[RefinedDisFlow] | type[FarnebackFlow] | type[PwcNetFlow]] = {
    "dis": DisFlow,
    "dis-refined": RefinedDisFlow,
    "farneback": FarnebackFlow,
    "pwcnet": PwcNetFlow,
}


def flow(name: str, checkpoint: Path | str | None = None) -> FlowBackend:
    """The flow backend of that name with its default parameters.

    Args:
        name: ``"dis"``, ``"dis-refined"``, ``"farneback"``, ``"pwcnet"``, or with a checkpoint any model of ptlflow.
        checkpoint: a file with the weights of a model of ptlflow; the other backends take none.

    Returns:
        A callable (source, target) -> flow; see `FlowBackend`.

    Raises:
        AlignmentError: the name is unknown, or does not go with a checkpoint.
        WeightsError: the checkpoint is missing, damaged or another model's.
    """
    if name not in _BACKENDS:
        if checkpoint is None:
            raise AlignmentError(
                f"{unknown_name('flow', name, _BACKENDS)} A model of ptlflow needs a checkpoint beside its name."
            )
        return load_ptlflow(name, checkpoint)
    if checkpoint is not None:
        raise AlignmentError(
            f"the flow {name!r} takes no checkpoint"
            + ("; its weights are looked up by name, see `sdd-bench weights list`" if name == "pwcnet" else "")
        )
    return _BACKENDS[name]()


def _gray_pair(
    source: NDArray[np.float32], target: NDArray[np.float32], name: str, smallest: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    require_pictures(source, target, f"flow {name!r} with these parameters", smallest)
    return _gray8(source), _gray8(target)


def _gray8(picture: NDArray[np.float32]) -> NDArray[np.uint8]:
    """0.299 R + 0.587 G + 0.114 B (OpenCV's RGB2GRAY, as in ITU-R BT.601), rounded to 8 bit."""
    gray = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY)
    return np.rint(np.clip(gray, 0, 1) * 255).astype(np.uint8)
