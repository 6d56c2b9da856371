"""Zoom and shift between two pictures that are blurred differently."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.alignment.inputs import require_pictures
from sdd_bench.alignment.similarity_refine import Bands, NoTextureError
from sdd_bench.alignment.similarity_start import CoarseViews

# Smallest side accepted: below it hardly a dozen tiles remain.
_SMALLEST = 64
# The coarsest band has a shorter side of at least this many pixels.
_COARSEST = 48
# More pixels than this don't make the estimate better, only slower: larger pictures end at a coarser level.
_ENOUGH_PIXELS = 2.5e6
# Correlation of the coarse pictures in place, from which on an alignment is believed. Measured: rendered pairs 0.99 and
# more, near neighbours in a real focal stack 0.86 to 0.98; mirrored or unrelated pictures at their best fit up to 0.68.
_BELIEVED = 0.75
# Correlation elsewhere relative to that in place, from which on texture counts as repeating. Photographs of brick
# walls reach 0.74; gratings 0.95 and more.
_AMBIGUOUS = 0.85


@dataclass(frozen=True, eq=False)
class Similarity:
    """Zoom and shift from a source to a target picture of the same size: x' = c + zoom (x - c) + shift.

    c = ((W - 1) / 2, (H - 1) / 2). Where the estimate did not converge, zoom and shift are NaN.

    Attributes:
        zoom: ratio of sizes, above 1 where the target shows things larger.
        shift: (x, y) in pixels.
        covariance: 3 x 3, of (zoom, shift x, shift y); None where it is unknown.
        inlier_share: share of the information in the pictures that agrees with this motion, 0 to 1.
        converged: whether the estimate can be believed.
        reason: why not; empty if converged.
    """

    zoom: float
    shift: tuple[float, float]
    covariance: NDArray[np.float64] | None = None
    inlier_share: float = 1.0
    converged: bool = True
    reason: str = ""

    def inverse(self) -> Similarity:
        """The similarity from target to source."""
        zoom, (x, y) = self.zoom, self.shift
        by = np.array([[-1 / zoom**2, 0, 0], [x / zoom**2, -1 / zoom, 0], [y / zoom**2, 0, -1 / zoom]])
        covariance = None if self.covariance is None else by @ self.covariance @ by.T
        return Similarity(1 / zoom, (-x / zoom, -y / zoom), covariance, self.inlier_share, self.converged, self.reason)

    def compose(self, then: Similarity) -> Similarity:
        """This similarity followed by another: source -> target -> further target.

        Args:
            then: applied to the result of this one; ``i_to_j.compose(j_to_k)`` is i to k.

        Returns:
            The similarity from this one's source to the other's target. Covariances add up as of independent estimates.
        """
        zoom, (x, y) = then.zoom, self.shift
        covariance = None
        if self.covariance is not None and then.covariance is not None:
            by_then = np.array([[self.zoom, 0, 0], [x, 1, 0], [y, 0, 1]])
            by_self = zoom * np.eye(3)
            covariance = by_self @ self.covariance @ by_self.T + by_then @ then.covariance @ by_then.T
        return Similarity(
            zoom=self.zoom * zoom,
            shift=(zoom * x + then.shift[0], zoom * y + then.shift[1]),
            covariance=covariance,
            inlier_share=min(self.inlier_share, then.inlier_share),
            converged=self.converged and then.converged,
            reason=self.reason or then.reason,
        )

    def apply(self, points: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Where points of the source are in the target.

        Args:
            points: [..., 2], (x, y) in pixels.
            shape: of the pictures, (H, W) or (H, W, C).

        Returns:
            [..., 2], (x, y) in pixels.
        """
        centre = np.array([(shape[1] - 1) / 2, (shape[0] - 1) / 2])
        return np.asarray(centre + self.zoom * (np.asarray(points) - centre) + np.array(self.shift))

    def flow(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """The flow from source to target, F(source, target)(x) = x' - x.

        Args:
            shape: of the pictures, (H, W) or (H, W, C).

        Returns:
            H x W x 2, float32, (x, y) in pixels.
        """
        height, width = shape[:2]
        across = (self.zoom - 1) * (np.arange(width) - (width - 1) / 2) + self.shift[0]
        down = (self.zoom - 1) * (np.arange(height) - (height - 1) / 2) + self.shift[1]
        return np.stack(np.meshgrid(across, down), axis=-1).astype(np.float32)


def estimate_similarity(source: NDArray[np.float32], target: NDArray[np.float32]) -> Similarity:
    """Estimates zoom and shift from source to target, which may be blurred differently from place to place.

    A search over zoom and shift on coarse pictures gives candidates; they are refined coarse to fine by local
    displacements in octave bands, with gain and blur fitted locally; correlation decides between them, and whether to
    believe the best.

    Args:
        source: H x W x 3, float32 RGB in [0, 1].
        target: same shape, dtype and range.

    Returns:
        The similarity. Where the pictures don't tell (no shared texture, no match, repeating texture) it has
        ``converged=False``, a reason, and NaN for zoom and shift. Zooms beyond about 10 % are not found.

    Raises:
        AlignmentError: the pictures are not such arrays, differ in shape, hold NaN or have a side below 64 pixels.
    """
    a, b = _gray_pair(source, target)
    height, width = a.shape
    centre = ((width - 1) / 2, (height - 1) / 2)
    coarsest = int(np.log2(min(a.shape) / _COARSEST))
    finest = min(coarsest, max(0, int(np.ceil(np.log2(a.size / _ENOUGH_PIXELS) / 2))))
    views, bands = CoarseViews(a, b), Bands(a, b, finest, coarsest)
    reason = ""
    tried = []
    for start in views.candidates(centre):
        try:
            placement = bands.refine(start, finest=max(finest, coarsest - 1)).placement
        except NoTextureError as error:
            reason = reason or str(error)
            continue
        tried.append((views.agreement(placement).in_place, placement))
    if not tried:
        return _undecided(reason)
    _, placement = max(tried)
    try:
        refined = bands.refine(placement, finest)
    except NoTextureError as error:
        return _undecided(str(error))
    agreement = views.agreement(refined.placement)
    if agreement.in_place < _BELIEVED:
        return _undecided(
            f"the best alignment found correlates by {agreement.in_place:.2f} only, at least {_BELIEVED} is asked for: "
            "the pictures may show different things, be blurred too differently, or differ in more than zoom and shift"
        )
    if agreement.elsewhere > _AMBIGUOUS * agreement.in_place:
        return _undecided(
            f"the texture repeats: another shift correlates by {agreement.elsewhere:.2f}, "
            f"the best by {agreement.in_place:.2f}"
        )
    zoom, x, y = (float(value) for value in refined.placement[:3])
    return Similarity(zoom, (x, y), refined.covariance, refined.inlier_share)


def _undecided(reason: str) -> Similarity:
    return Similarity(np.nan, (np.nan, np.nan), None, 0.0, converged=False, reason=reason)


def _gray_pair(
    source: NDArray[np.float32], target: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    require_pictures(source, target, "a similarity", _SMALLEST)
    return _gray(source), _gray(target)


def _gray(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY), dtype=np.float32)
