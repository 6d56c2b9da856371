"""Variational refinement of a flow, in floating point and with a say in what counts as noise."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

# OpenCV adds the square of this, in units of the pictures it is given, to the squared gradients by which it divides the
# data terms (`zeta` in variational_refinement.cpp). It can't be set, but the unit can be chosen.
_OPENCV_ZETA = 0.1
# Of the successive over-relaxation; OpenCV's defaults, written down because the numbers of a protocol hang on them.
_RELAXATIONS, _OMEGA = 5, 1.6


class VariationalRefinement(BaseModel):
    """The energy of Brox et al. (ECCV 2004), minimised by OpenCV from a flow that is close already.

    The data terms are divided by the local gradient, so weak texture counts as much as strong texture, down to
    ``noise``. Works on gray pictures in floating point: where blur is strong, the steps of 8 bit would be most of what
    is left. The result does not depend on the number of threads.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    alpha: float = Field(default=15.0, ge=0, description="weight of smoothness")
    delta: float = Field(default=5.0, ge=0, description="weight of colour constancy")
    gamma: float = Field(default=2.0, ge=0, description="weight of gradient constancy")
    epsilon: float = Field(
        default=0.2, gt=0, description="pixels per pixel: bends below it cost their square, those above their size"
    )
    noise: float = Field(default=0.02, gt=0, description="in [0, 1] per 2 pixels: weaker gradients lose their say")
    iterations: int = Field(default=15, ge=1, description="fixed-point iterations, of 5 relaxations each")

    def __call__(
        self, source: NDArray[np.float32], target: NDArray[np.float32], flow: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """A better flow from source to target.

        Args:
            source: H x W x 3, float32 RGB in [0, 1].
            target: same shape, dtype and range.
            flow: H x W x 2, float32, pixels; within about a pixel of the truth.

        Returns:
            H x W x 2, float32, pixels.
        """
        refinement = cv2.VariationalRefinement.create()
        refinement.setAlpha(self.alpha)
        refinement.setDelta(self.delta)
        refinement.setGamma(self.gamma)
        refinement.setEpsilon(self.epsilon)
        refinement.setFixedPointIterations(self.iterations)
        refinement.setSorIterations(_RELAXATIONS)
        refinement.setOmega(_OMEGA)
        gray = [
            np.asarray(cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY), np.float32)
            * np.float32(_OPENCV_ZETA / self.noise)
            for picture in (source, target)
        ]
        refined: NDArray[np.float32] = flow.copy()
        refinement.calc(gray[0], gray[1], refined)
        return refined
