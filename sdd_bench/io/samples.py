"""Between the integer samples of a file and float images in [0, 1]."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sdd_bench.errors import ImageError
from sdd_bench.io.headers import check_size

_INTEGERS: dict[int, np.dtype[Any]] = {8: np.dtype(np.uint8), 16: np.dtype(np.uint16)}
_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def to_float(samples: NDArray[Any]) -> NDArray[np.float32]:
    """Divide integer samples by the highest value of their type; floats stay as they are.

    Args:
        samples: any shape, uint8, uint16 or float32.

    Returns:
        Float32; from integers the nearest float32 to value / 255 or value / 65535, as PyTorch's ``ToTensor`` gives it.
    """
    if samples.dtype == np.float32:
        return samples
    image: NDArray[np.float32] = np.divide(samples, np.float32(np.iinfo(samples.dtype).max), dtype=np.float32)
    return image


def to_samples(image: NDArray[Any], bit_depth: Literal[8, 16]) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Turn an image into the integers that a file of this depth stores; the inverse of `to_float`.

    Args:
        image: H x W x 3 RGB; float32 or float64 in [0, 1], or integers of `bit_depth`, which stay as they are.
        bit_depth: bits per sample.

    Returns:
        H x W x 3, uint8 or uint16: the image times 255 or 65535, in the image's own precision, rounded half to even (as
        IEEE 754, NumPy, PyTorch and OpenCV round).

    Raises:
        ImageError: wrong shape, type or range; nothing is clipped.
    """
    check_image(image)
    integer = _INTEGERS.get(bit_depth)
    if integer is None:
        raise ImageError(f"can't be written with {bit_depth} bits per sample: pictures have 8 or 16.")
    if image.dtype == integer:
        return image
    if image.dtype not in _FLOATS:
        raise ImageError(
            f"is an array of {image.dtype}, which can't be written with {bit_depth} bits per sample: "
            f"expected float32 in [0, 1] or {integer}."
        )
    check_unit_range(image)
    scaled = image * image.dtype.type(np.iinfo(integer).max)
    samples: NDArray[np.uint8] | NDArray[np.uint16] = np.rint(scaled, out=scaled).astype(integer)
    return samples


def check_image(image: NDArray[Any]) -> None:
    """Refuse what isn't an array of H x W x 3.

    Raises:
        ImageError: with the shape that was found.
    """
    shape = getattr(image, "shape", None)
    if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] != 3:
        found = f"an array of shape {shape}" if isinstance(image, np.ndarray) else f"a {type(image).__name__}"
        raise ImageError(f"is {found}, not a NumPy array H x W x 3.")
    check_size(image.shape[1], image.shape[0])


def check_unit_range(image: NDArray[np.floating[Any]]) -> None:
    """Refuse floats outside [0, 1], NaN and infinities.

    Args:
        image: any shape.

    Raises:
        ImageError: with how many there are of each, and the range of the finite ones.
    """
    if image.min() >= 0 and image.max() <= 1:  # false for NaN, too
        return
    finite = image[np.isfinite(image)]
    nan = int(np.isnan(image).sum())
    counts = {
        "NaN": nan,
        "infinite": image.size - finite.size - nan,
        "below 0": int((finite < 0).sum()),
        "above 1": int((finite > 1).sum()),
    }
    found = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
    span = f"; the finite ones span [{finite.min():g}, {finite.max():g}]" if finite.size else ""
    raise ImageError(f"has values outside [0, 1]: of {image.size:,} values {found}{span}. Scale or clip them first.")
