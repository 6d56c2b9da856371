"""How far a zoom and shift move a frame, and which of the two moves it more."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np

from sdd_bench.alignment.similarity import Similarity

Kind = Literal["zoom", "shift"]


class Misalignment(NamedTuple):
    """Lengths in pixels.

    Attributes:
        corner: largest displacement over the four corners.
        corner_sd: its standard deviation by the covariance of the similarity; None where that is unknown.
        zoom_rms: root mean square over the frame of what the zoom moves, which moves nothing at the centre.
        shift: length of the shift, which moves all pixels alike.
    """

    corner: float
    corner_sd: float | None
    zoom_rms: float
    shift: float

    @property
    def rms(self) -> float:
        """Root mean square of the displacement over the frame. Zoom and shift add up, about the centre, as squares."""
        return math.hypot(self.zoom_rms, self.shift)

    @property
    def dominant(self) -> Kind:
        """Which of the two types of misalignment of the JDRL paper moves the frame more."""
        return "zoom" if self.zoom_rms > self.shift else "shift"


def misalignment(similarity: Similarity, shape: tuple[int, ...]) -> Misalignment:
    """Displacement of a frame by a similarity.

    Args:
        similarity: that converged, without rotation.
        shape: of the pictures, (H, W) or (H, W, C).
    """
    height, width = shape[:2]
    half = np.array([(width - 1) / 2, (height - 1) / 2])
    corners = np.array([[-1, -1], [1, -1], [-1, 1], [1, 1]]) * half
    moved = (similarity.zoom - 1) * corners + np.array(similarity.shift)
    lengths = np.hypot(moved[:, 0], moved[:, 1])
    farthest = int(lengths.argmax())
    deviation = None
    if similarity.covariance is not None:
        # The length grows by what a change adds along the displacement; without one, along the diagonal.
        along = moved[farthest] / lengths[farthest] if lengths[farthest] > 0 else half / np.linalg.norm(half)
        by = np.array([along @ corners[farthest], *along])
        deviation = float(np.sqrt(by @ similarity.covariance @ by))
    return Misalignment(
        corner=float(lengths[farthest]),
        corner_sd=deviation,
        zoom_rms=abs(similarity.zoom - 1) * math.sqrt((height**2 + width**2 - 2) / 12),
        shift=math.hypot(*similarity.shift),
    )
