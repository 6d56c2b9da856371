"""What else estimates zoom and shift: the peers of `estimate_similarity` in its study, with OpenCV and scikit-image.

Each takes two pictures H x W x 3 float32 in [0, 1] and returns the `Similarity` from the first to the second, or None
where it gives up.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.alignment import Similarity, estimate_similarity

Image = NDArray[np.float32]
Estimator = Callable[[Image, Image], Similarity | None]


def ours(source: Image, target: Image) -> Similarity | None:
    """The estimator that is studied."""
    found = estimate_similarity(source, target)
    return found if found.converged else None


def phase_correlation(source: Image, target: Image) -> Similarity:
    """Shift only, to 1/50 px; it knows no zoom."""
    from skimage.registration import phase_cross_correlation

    shift = phase_cross_correlation(_gray(target), _gray(source), upsample_factor=50)[0]
    return Similarity(1.0, (float(shift[1]), float(shift[0])))


def orb(source: Image, target: Image) -> Similarity | None:
    """4000 ORB features, ratio test, RANSAC over zoom, rotation and shift."""
    return _features(source, target, cv2.ORB_create(4000), cv2.NORM_HAMMING)


def sift(source: Image, target: Image) -> Similarity | None:
    """4000 SIFT features, ratio test, RANSAC over zoom, rotation and shift."""
    return _features(source, target, cv2.SIFT_create(4000), cv2.NORM_L2)


def _features(source: Image, target: Image, detector: cv2.Feature2D, norm: int) -> Similarity | None:
    (points, first), (others, second) = (detector.detectAndCompute(_bytes(p), None) for p in (source, target))
    if first is None or second is None:
        return None
    pairs = [match for match in cv2.BFMatcher(norm).knnMatch(first, second, k=2) if len(match) == 2]
    kept = [best for best, next_best in pairs if best.distance < 0.75 * next_best.distance]
    if len(kept) < 8:
        return None
    places = np.array([points[match.queryIdx].pt for match in kept])
    found = np.array([others[match.trainIdx].pt for match in kept])
    matrix, _ = cv2.estimateAffinePartial2D(places, found, ransacReprojThreshold=1.5)
    return None if matrix is None else _of_matrix(matrix, source.shape)


def dis_flow(source: Image, target: Image) -> Similarity:
    """DIS flow, medium preset, at every fourth pixel of the better textured half; fitted with Tukey's biweight."""
    first, second = _bytes(source), _bytes(target)
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(first, second, None)
    height, width = first.shape
    y, x = np.mgrid[16 : height - 16 : 4, 16 : width - 16 : 4]
    slopes = [cv2.Sobel(second, cv2.CV_32F, dx, 1 - dx) for dx in (1, 0)]
    texture = cv2.boxFilter(slopes[0] ** 2 + slopes[1] ** 2, -1, (9, 9))[y, x]
    chosen = texture > np.median(texture)
    place = np.stack([x, y], axis=-1)[chosen] - [(width - 1) / 2, (height - 1) / 2]
    moved = place + flow[y, x][chosen]
    weight = np.ones(len(place))
    for _ in range(20):
        share = weight[:, None] / weight.sum()
        middle, moved_middle = (share * place).sum(0), (share * moved).sum(0)
        zoom = (share * (place - middle) * (moved - moved_middle)).sum() / (share * (place - middle) ** 2).sum()
        shift = moved_middle - zoom * middle
        miss = np.linalg.norm(moved - zoom * place - shift, axis=1)
        weight = np.clip(1 - (miss / (4.685 * (1.4826 * np.median(miss) + 1e-6))) ** 2, 0, None) ** 2
    return Similarity(float(zoom), (float(shift[0]), float(shift[1])))


def ecc_pyramid(source: Image, target: Image) -> Similarity | None:
    """`cv2.findTransformECC`, affine, over a pyramid down to 1/8, up to 100 iterations a level, to 1e-7."""
    matrix = np.eye(2, 3, dtype=np.float32)
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 100, 1e-7)
    full = [_gray(source), _gray(target)]
    for scale in (1 / 8, 1 / 4, 1 / 2, 1):
        first, second = (
            cv2.resize(p, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else p for p in full
        )
        here = matrix.copy()
        # Pixel centres of a smaller picture: x' = (x + 0.5) scale - 0.5.
        offset = (1 - scale) / 2 * (matrix[:, :2].sum(axis=1) - 1)
        here[:, 2] = matrix[:, 2] * scale + offset
        try:
            _, here = cv2.findTransformECC(first, second, here, cv2.MOTION_AFFINE, stop, None, 5)
        except cv2.error:
            return None
        matrix = here.copy()
        matrix[:, 2] = (here[:, 2] - (1 - scale) / 2 * (here[:, :2].sum(axis=1) - 1)) / scale
    return _of_matrix(matrix, source.shape, affine=True)


def _of_matrix(matrix: NDArray[np.floating], shape: tuple[int, ...], affine: bool = False) -> Similarity:
    linear = matrix[:, :2].astype(np.float64)
    centre = np.array([(shape[1] - 1) / 2, (shape[0] - 1) / 2])
    shift = linear @ centre + matrix[:, 2] - centre
    zoom = np.trace(linear) / 2 if affine else np.hypot(linear[0, 0], linear[1, 0])
    return Similarity(float(zoom), (float(shift[0]), float(shift[1])))


def _gray(picture: Image) -> Image:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.float32)


def _bytes(picture: Image) -> NDArray[np.uint8]:
    return np.rint(np.clip(_gray(picture), 0, 1) * 255).astype(np.uint8)


PEERS: dict[str, Estimator] = {
    "phase correlation": phase_correlation,
    "ORB + RANSAC": orb,
    "SIFT + RANSAC": sift,
    "DIS flow + robust fit": dis_flow,
    "OpenCV ECC, pyramid": ecc_pyramid,
    "`estimate_similarity`": ours,
}
