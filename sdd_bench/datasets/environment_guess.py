"""A guess whether a photograph was taken indoors or outdoors: a suggestion for a person, never an answer.

By what the camera noted, where it did: daylight is far brighter than lamps. By the picture otherwise, which says
little: sky (a bright, smooth, not reddish upper third) and plants (green) speak for outdoors, warm light for indoors.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.datasets.exif import Capture
from sdd_bench.datasets.manifest import Environment

# EV at ISO 100: lamps give 5 to 8, a window's light up to 10, an overcast day 12, sunlight 15.
_DIVIDING_EV = 10.0
_EV_STEEPNESS = 1.0
_MOST_BY_PICTURE = 0.7
_SIDE = 128


class Guess(NamedTuple):
    """The environment that is more likely, how likely it is thought to be (0.5 to 1), and by what."""

    environment: Environment
    confidence: float
    reason: str


def guess_environment(picture: NDArray[np.float32], capture: Capture) -> Guess:
    """Guess the environment of a photograph.

    Args:
        picture: H x W x 3, float32 in [0, 1], sRGB.
        capture: what the camera noted.
    """
    value = capture.exposure_value
    if value is not None:
        return _guess(_sigmoid(_EV_STEEPNESS * (value - _DIVIDING_EV)), f"exposure value {value:.1f}")
    small = np.asarray(cv2.resize(picture, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), np.float32)
    sky, plants, warmth = _sky(small[: _SIDE // 3]), _plants(small), _warmth(small)
    outdoors = _sigmoid(4 * sky + 4 * plants - 2 * warmth)
    limited = min(max(outdoors, 1 - _MOST_BY_PICTURE), _MOST_BY_PICTURE)
    return _guess(limited, f"sky {sky:.0%}, plants {plants:.0%}, warmth {warmth:+.2f}")


def _guess(outdoors: float, reason: str) -> Guess:
    return Guess("outdoor", outdoors, reason) if outdoors >= 0.5 else Guess("indoor", 1 - outdoors, reason)


def _sky(top: NDArray[np.float32]) -> float:
    red, _, blue = np.moveaxis(top, 2, 0)
    gray = cv2.cvtColor(top, cv2.COLOR_RGB2GRAY)
    smooth = np.abs(gray - cv2.GaussianBlur(gray, (0, 0), 3)) < 0.02
    return float(((gray > 0.5) & (blue >= red) & smooth).mean())


def _plants(picture: NDArray[np.float32]) -> float:
    red, green, blue = np.moveaxis(picture, 2, 0)
    return float(((green > red * 1.05) & (green > blue * 1.15)).mean())


def _warmth(picture: NDArray[np.float32]) -> float:
    """Stops by which the mean red exceeds the mean blue."""
    red, _, blue = np.maximum(picture.reshape(-1, 3).mean(axis=0), 1e-3)
    return float(math.log2(red / blue))


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))
