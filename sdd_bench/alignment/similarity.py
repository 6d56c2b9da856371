"""Zoom and shift between two pictures that are blurred differently."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sdd_bench.alignment.inputs import require_pictures
from sdd_bench.alignment.octaves import Gray, Placement
from sdd_bench.alignment.similarity_depth import Edition
from sdd_bench.alignment.similarity_refine import Bands
from sdd_bench.alignment.similarity_start import CoarseViews
from sdd_bench.alignment.similarity_tiles import NoTextureError

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
# Rotations tried, in radians. Steps of 1.7 degrees leave at most 0.9 open, which the coarse bands take.
_ANGLES = (0.0, 0.03, -0.03, 0.06, -0.06)
# Passes that turn the source by the rotation found; the last one is done once it moves the border less than so many
# pixels.
_TURNS = 4
_SMALL_TURN = 0.002


@dataclass(frozen=True, eq=False)
class Similarity:
    """Zoom and shift from a source to a target picture of the same size: x' = c + zoom R (x - c) + shift.

    c = ((W - 1) / 2, (H - 1) / 2). R turns by the rotation, from the x axis towards the y axis. Where the estimate did
    not converge, zoom, shift and rotation are NaN.

    Attributes:
        zoom: ratio of sizes, above 1 where the target shows things larger.
        shift: (x, y) in pixels.
        covariance: 3 x 3, of (zoom, shift x, shift y), or where a rotation was estimated 4 x 4, of (zoom, shift x,
            shift y, rotation); None where it is unknown.
        inlier_share: share of the information in the pictures that agrees with this motion, 0 to 1.
        converged: whether the estimate can be believed.
        reason: why not; empty if converged.
        rotation: in radians.
    """

    zoom: float
    shift: tuple[float, float]
    covariance: NDArray[np.float64] | None = None
    inlier_share: float = 1.0
    converged: bool = True
    reason: str = ""
    rotation: float = 0.0

    def inverse(self) -> Similarity:
        """The similarity from target to source."""
        zoom, turn = self.zoom, _rotation_matrix(-self.rotation)
        x, y = turn @ self.shift
        by = np.zeros((4, 4))
        by[0, 0], by[1:3, 0] = -1 / zoom**2, (x / zoom**2, y / zoom**2)
        by[1:3, 1:3] = -turn / zoom
        by[1:, 3] = -y / zoom, x / zoom, -1
        covariance = None if self.covariance is None else _carried(self.covariance, by)
        return replace(
            self, zoom=1 / zoom, shift=(-x / zoom, -y / zoom), covariance=covariance, rotation=-self.rotation
        )

    def compose(self, then: Similarity) -> Similarity:
        """This similarity followed by another: source -> target -> further target.

        Args:
            then: applied to the result of this one; ``i_to_j.compose(j_to_k)`` is i to k.

        Returns:
            The similarity from this one's source to the other's target. Covariances add up as of independent estimates.
        """
        zoom, turn = then.zoom, _rotation_matrix(then.rotation)
        x, y = turn @ self.shift
        covariance = None
        if self.covariance is not None and then.covariance is not None:
            by_self, by_then = zoom * np.eye(4), np.eye(4)
            by_self[1:3, 1:3], by_self[3, 3] = zoom * turn, 1
            by_then[0, 0], by_then[1:3, 0], by_then[1:3, 3] = self.zoom, (x, y), (-zoom * y, zoom * x)
            first, second = _carried(self.covariance, by_self), _carried(then.covariance, by_then)
            size = max(len(first), len(second))
            first, second = (np.pad(part, (0, size - len(part))) for part in (first, second))
            covariance = first + second
        return Similarity(
            zoom=self.zoom * zoom,
            shift=(zoom * x + then.shift[0], zoom * y + then.shift[1]),
            covariance=covariance,
            inlier_share=min(self.inlier_share, then.inlier_share),
            converged=self.converged and then.converged,
            reason=self.reason or then.reason,
            rotation=self.rotation + then.rotation,
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
        turned = (np.asarray(points) - centre) @ _rotation_matrix(self.rotation).T
        return np.asarray(centre + self.zoom * turned + np.array(self.shift))

    def flow(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """The flow from source to target, F(source, target)(x) = x' - x.

        Args:
            shape: of the pictures, (H, W) or (H, W, C).

        Returns:
            H x W x 2, float32, (x, y) in pixels.
        """
        height, width = shape[:2]
        if not self.rotation:  # rows and columns apart
            across = (self.zoom - 1) * (np.arange(width) - (width - 1) / 2) + self.shift[0]
            down = (self.zoom - 1) * (np.arange(height) - (height - 1) / 2) + self.shift[1]
            return np.stack(np.meshgrid(across, down), axis=-1).astype(np.float32)
        x, y = np.arange(width) - (width - 1) / 2, np.arange(height) - (height - 1) / 2
        y = y[:, None]
        rows = self.zoom * _rotation_matrix(self.rotation) - np.eye(2)
        flow = (row[0] * x + row[1] * y + move for row, move in zip(rows, self.shift, strict=True))
        return np.stack([component.astype(np.float32) for component in flow], axis=-1)


def _rotation_matrix(angle: float) -> NDArray[np.float64]:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _carried(covariance: NDArray[np.float64], by: NDArray[np.float64]) -> NDArray[np.float64]:
    """A covariance carried through a Jacobian; where no rotation was estimated, there is none to carry."""
    part = by[: len(covariance), : len(covariance)]
    return np.asarray(part @ covariance @ part.T)


def estimate_similarity(
    source: NDArray[np.float32], target: NDArray[np.float32], *, rotation: bool = False, edition: Edition = 2
) -> Similarity:
    """Estimates zoom and shift from source to target, which may be blurred differently from place to place.

    A search over zoom and shift on coarse pictures gives candidates; they are refined coarse to fine by local
    displacements in octave bands, with gain and blur fitted locally; correlation decides between them, and whether to
    believe the best.

    Args:
        source: H x W x 3, float32 RGB in [0, 1].
        target: same shape, dtype and range.
        rotation: estimate a rotation too, at about eight times the time. Without, it is taken to be none: a lens that
            moves along its axis doesn't turn the picture.
        edition: 2, or 1 as frozen with the protocol `sdd-v1`, which takes a flat scene for a deep one now and then and
            is then off by tenths of a pixel.

    Returns:
        The similarity. Where the pictures don't tell (no shared texture, no match, repeating texture) it has
        ``converged=False``, a reason, and NaN for zoom and shift. Zooms beyond about 10 % are not found, nor rotations
        beyond about 4 degrees.

    Raises:
        AlignmentError: the pictures are not such arrays, differ in shape, hold NaN or have a side below 64 pixels.
    """
    a, b = _gray_pair(source, target)
    try:
        return _estimate_with_rotation(a, b, edition) if rotation else _estimate(a, b, edition, rotation=False)
    except NoTextureError as error:
        return _undecided(str(error))


def _estimate_with_rotation(a: Gray, b: Gray, edition: Edition) -> Similarity:
    """Turn the source until no rotation is missing: first by coarse estimates, then by whole ones."""

    def likely(angle: float) -> float:
        try:
            views, _, centre = _prepared(*_turned(a, b, angle), rotation=True)
        except NoTextureError:
            return -1.0
        return max(views.agreement(candidate).in_place for candidate in views.candidates(centre))

    angle, reach = max(_ANGLES, key=likely), max(a.shape) / 2
    for _ in range(_TURNS):
        turned = _turned(a, b, angle)
        _, missing = _start(*_prepared(*turned, rotation=True))
        angle += missing
        if abs(missing) * reach < 1:
            break
    for _ in range(_TURNS):
        found = _estimate(*_turned(a, b, angle), edition, rotation=True)
        if not found.converged:
            return found
        angle += found.rotation
        if abs(found.rotation) * reach < _SMALL_TURN:
            break
    return replace(found, rotation=angle)


def _turned(a: Gray, b: Gray, angle: float) -> tuple[Gray, Gray]:
    """The first picture turned about its centre, and both without the border that has nothing to show then."""
    if not angle:
        return a, b
    # Where each pixel comes from is the inverse rotation; that in (y, x) is the rotation in (x, y).
    back = _rotation_matrix(angle)
    centre = (np.array(a.shape) - 1) / 2
    turned = ndimage.affine_transform(a, back, offset=centre - back @ centre, order=3, mode="nearest")
    border = int(np.ceil(abs(np.sin(angle)) * max(a.shape) / 2)) + 2
    inner = slice(border, -border), slice(border, -border)
    if min(turned[inner].shape) < _COARSEST:
        raise NoTextureError("the pictures are turned so far that they hardly overlap")
    return np.ascontiguousarray(turned[inner]), np.ascontiguousarray(b[inner])


def _prepared(a: Gray, b: Gray, *, rotation: bool) -> tuple[CoarseViews, Bands, tuple[float, float]]:
    """Both pictures for the search and for the refinement, and their centre."""
    height, width = a.shape
    coarsest = int(np.log2(min(a.shape) / _COARSEST))
    finest = min(coarsest, max(0, int(np.ceil(np.log2(a.size / _ENOUGH_PIXELS) / 2))))
    return CoarseViews(a, b), Bands(a, b, finest, coarsest, rotation), ((width - 1) / 2, (height - 1) / 2)


def _start(views: CoarseViews, bands: Bands, centre: tuple[float, float]) -> tuple[Placement, float]:
    """The candidate that correlates best once refined in the coarse bands, and the rotation that it lacks."""
    problem: NoTextureError | None = None
    tried = []
    for candidate in views.candidates(centre):
        try:
            placement, turn = bands.approach(candidate)
        except NoTextureError as error:
            problem = problem or error
            continue
        tried.append((views.agreement(placement).in_place, placement, turn))
    if not tried:
        raise problem or NoTextureError("no candidate")
    return max(tried)[1:]


def _estimate(a: Gray, b: Gray, edition: Edition, *, rotation: bool) -> Similarity:
    """The similarity of gray pictures. A rotation is that which is missing, after zoom and shift."""
    views, bands, centre = _prepared(a, b, rotation=rotation)
    placement, _ = _start(views, bands, centre)
    refined = bands.refine(placement, edition)
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
    return Similarity(zoom, (x, y), refined.covariance, refined.inlier_share, rotation=refined.turn)


def _undecided(reason: str) -> Similarity:
    return Similarity(np.nan, (np.nan, np.nan), None, 0.0, converged=False, reason=reason, rotation=np.nan)


def _gray_pair(
    source: NDArray[np.float32], target: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    require_pictures(source, target, "a similarity", _SMALLEST)
    return _gray(source), _gray(target)


def _gray(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY), dtype=np.float32)
