"""The sums that PSNR, SSIM and MAE are made of, added up over stripes of rows.

Both pictures are read once, so the extra memory is a few stripes, however large the pictures are. A stripe is turned
into the sum p = pred + ref and the difference d = pred - ref, from which everything follows: MSE and MAE are means of
d^2 and |d|, and with box means m and box variances v the SSIM of Wang et al. 2004, eq. 13, is

    (m_p^2 - m_d^2 + 2 C1) (v_p - v_d + 2 C2) / ((m_p^2 + m_d^2 + 2 C1) (v_p + v_d + 2 C2))

because 4 a b = p^2 - d^2 and 2 (a^2 + b^2) = p^2 + d^2.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.metrics.inputs import (
    WINDOW,
    Array,
    Mask,
    require_mask,
    require_picture,
    require_range,
    require_room,
    require_same,
    require_something,
)

if TYPE_CHECKING:
    from torch import Tensor

BORDER = WINDOW // 2
# Wang et al. 2004: K1 = 0.01, K2 = 0.03, data range 1. Sample covariance is n/(n-1) times the plain one, n = 49; that
# factor is common to both covariance terms of the quotient, so it is taken out of them and divides C2 instead.
C1 = 0.01**2
C2 = 0.03**2 * (WINDOW**2 - 1) / WINDOW**2
# Fixed, never derived from the machine: the same pictures give the same bits with any number of threads.
STRIPE_VALUES = 1 << 18  # of one stripe and plane: five planes of 2 MiB stay in the cache
STRIPE_PIXELS = 1 << 19  # the same for tensors: larger, because every step costs kernel launches


class Sums(NamedTuple):
    """What one pair of pictures adds up to.

    Attributes:
        squared: sum of squared differences over the valid values.
        absolute: sum of absolute differences over the valid values.
        values: number of valid values (pixels times channels).
        similarity: sum of the SSIM map over the values whose whole window is valid.
        windows: number of those values.
    """

    squared: float
    absolute: float
    values: int
    similarity: float
    windows: int


class _Stripe(NamedTuple):
    """Rows [top, bottom) of a picture, and [first, last) with the halo that their windows need."""

    top: int
    bottom: int
    first: int
    last: int


def _stripes(height: int, rows: int) -> Iterator[_Stripe]:
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        yield _Stripe(top, bottom, max(top - BORDER, 0), min(bottom + BORDER, height))


def array_sums(pred: Array, ref: object, mask: object, *, structure: bool) -> Sums:
    """Add up the sums of one pair of arrays, on as many threads as OpenCV may use.

    Args:
        pred: H x W x 3, float32 or float64, in [0, 1].
        ref: the same shape and range.
        mask: H x W bool, True where a pixel counts, or None.
        structure: whether the SSIM sums are needed; without them they are 0.

    Returns:
        The sums, in float64; the number of threads does not change them.

    Raises:
        MetricError: shapes, dtypes or values are not as above, or the mask leaves nothing to measure.
    """
    pred, ref = (require_picture(n, a, np.ndarray, "H x W x 3") for n, a in (("pred", pred), ("ref", ref)))
    require_same("shape", {"pred": pred.shape, "ref": ref.shape})
    height, width = pred.shape[:2]
    if structure:
        require_room(height, width)
    valid: Mask | None = None
    whole: Mask | None = None
    values, windows = pred.size, 3 * (height - 2 * BORDER) * (width - 2 * BORDER)
    if mask is not None:
        valid = np.ascontiguousarray(require_mask(mask, np.ndarray, (height, width)))
        whole = cv2.erode(valid.view(np.uint8), np.ones((WINDOW, WINDOW), np.uint8)).astype(bool)
        values = 3 * int(np.count_nonzero(valid))
        windows = 3 * int(np.count_nonzero(whole[BORDER:-BORDER, BORDER:-BORDER]))
    require_something("mask", values, windows if structure else None)

    rows = max(STRIPE_VALUES // (3 * width), 2 * WINDOW)
    stripes = list(_stripes(height, rows))
    threads = min(max(cv2.getNumThreads(), 1), len(stripes))
    scratch: SimpleQueue[NDArray[np.float64]] = SimpleQueue()
    for _ in range(threads):
        scratch.put(np.empty((5, min(rows + 2 * BORDER, height), width, 3)))

    def add_up(stripe: _Stripe) -> tuple[float, float, float]:
        planes = scratch.get()
        try:
            return _stripe_sums(pred, ref, valid, whole, stripe, planes, structure=structure)
        finally:
            scratch.put(planes)

    with ThreadPoolExecutor(threads) as pool:
        squared, absolute, similarity = zip(*pool.map(add_up, stripes), strict=True)
    return Sums(math.fsum(squared), math.fsum(absolute), values, math.fsum(similarity), windows if structure else 0)


def _stripe_sums(
    pred: Array,
    ref: Array,
    valid: Mask | None,
    whole: Mask | None,
    stripe: _Stripe,
    planes: NDArray[np.float64],
    *,
    structure: bool,
) -> tuple[float, float, float]:
    top, bottom, first, last = stripe
    for name, image in (("pred", pred), ("ref", ref)):
        require_range(name, float(image[top:bottom].min()), float(image[top:bottom].max()))
    p, d, m_p, m_d, v_p = planes[:, : last - first]
    np.add(pred[first:last], ref[first:last], out=p, dtype=np.float64)
    np.subtract(pred[first:last], ref[first:last], out=d, dtype=np.float64)
    if valid is not None:
        d[~valid[first:last]] = 0  # only windows that are left out below see this
    own = d[top - first : bottom - first]
    squared, absolute = cv2.norm(own, cv2.NORM_L2SQR), cv2.norm(own, cv2.NORM_L1)
    if not structure or last - first < WINDOW:
        return squared, absolute, 0.0

    # Every step writes into one of the five planes: fresh arrays would cost more in page faults than in arithmetic.
    cv2.boxFilter(p, cv2.CV_64F, (WINDOW, WINDOW), dst=m_p)
    cv2.boxFilter(d, cv2.CV_64F, (WINDOW, WINDOW), dst=m_d)
    p *= p
    d *= d
    cv2.boxFilter(p, cv2.CV_64F, (WINDOW, WINDOW), dst=v_p)
    v_d = p
    cv2.boxFilter(d, cv2.CV_64F, (WINDOW, WINDOW), dst=v_d)
    m_p, m_d, v_p, v_d, similarity = (plane[BORDER:-BORDER] for plane in (m_p, m_d, v_p, v_d, d))
    m_p *= m_p
    m_d *= m_d
    v_p -= m_p
    v_d -= m_d
    m_p += 2 * C1
    v_p += 2 * C2
    np.subtract(m_p, m_d, out=similarity)
    m_p += m_d
    similarity *= np.subtract(v_p, v_d, out=m_d)
    v_p += v_d
    m_p *= v_p
    similarity /= m_p
    if whole is not None:
        similarity[~whole[first + BORDER : last - BORDER]] = 0
    return squared, absolute, float(similarity[:, BORDER:-BORDER].sum())


def tensor_sums(pred: Tensor, ref: object, mask: object, *, structure: bool) -> list[Sums]:
    """Add up the sums of N pairs of tensors, on their device.

    Args:
        pred: N x 3 x H x W, float32 or float64, in [0, 1].
        ref: the same shape, range and device.
        mask: N x H x W bool on the same device, True where a pixel counts, or None.
        structure: whether the SSIM sums are needed; without them they are 0.

    Returns:
        The sums of every pair, in float64.

    Raises:
        MetricError: shapes, dtypes or values are not as above, or the mask leaves nothing to measure.
    """
    import torch

    pred, ref = (require_picture(n, t, torch.Tensor, "N x 3 x H x W") for n, t in (("pred", pred), ("ref", ref)))
    require_same("shape", {"pred": tuple(pred.shape), "ref": tuple(ref.shape)})
    count, _, height, width = pred.shape
    if structure:
        require_room(height, width)
    everywhere = torch.ones(1, dtype=torch.bool, device=pred.device).expand(count, height, width)
    valid = everywhere if mask is None else require_mask(mask, torch.Tensor, (count, height, width))
    require_same("device", {"pred": pred.device, "ref": ref.device, "mask": valid.device})
    with torch.no_grad():
        # Picture by picture: a score must not depend on the batch it is in, and memory stays that of one stripe.
        return [_tensor_pair_sums(i, pred[i], ref[i], valid[i], structure=structure) for i in range(count)]


def _tensor_pair_sums(i: int, pred: Tensor, ref: Tensor, valid: Tensor, *, structure: bool) -> Sums:
    import torch
    from torch.nn.functional import avg_pool2d, max_pool2d

    for name, image in (("pred", pred), ("ref", ref)):
        low, high = torch.stack(image.aminmax()).tolist()
        require_range(f"{name}[{i}]", low, high)
    height, width = valid.shape
    parts = []
    for top, bottom, first, last in _stripes(height, max(STRIPE_PIXELS // width, 2 * WINDOW)):
        a, b, invalid = pred[:, first:last].double(), ref[:, first:last].double(), ~valid[first:last]
        p, d = a + b, (a - b).masked_fill(invalid, 0)
        own = d[:, top - first : bottom - first]
        part = [own.square().sum(), own.abs().sum(), 3 * valid[top:bottom].sum()]
        if structure and last - first >= WINDOW:
            # A square window as a column and then a row: 14 additions per pixel in place of 49.
            planes = torch.cat((p, d, p.square(), d.square()))
            m_p, m_d, s_p, s_d = avg_pool2d(avg_pool2d(planes, (WINDOW, 1), 1), (1, WINDOW), 1).view(4, 3, -1)
            broken = max_pool2d(max_pool2d(invalid[None].float(), (WINDOW, 1), 1), (1, WINDOW), 1).view(1, -1) > 0
            u_p, u_d = m_p.square(), m_d.square()
            v_p, v_d = s_p - u_p, s_d - u_d
            ratio = (u_p - u_d + 2 * C1) * (v_p - v_d + 2 * C2) / ((u_p + u_d + 2 * C1) * (v_p + v_d + 2 * C2))
            part += [ratio.masked_fill(broken, 0).sum(), 3 * (~broken).sum()]
        else:
            part += [torch.zeros_like(part[0])] * 2
        parts.append(torch.stack([value.double() for value in part]))
    columns = zip(*torch.stack(parts).tolist(), strict=True)
    squared, absolute, values, similarity, windows = (math.fsum(column) for column in columns)
    require_something(f"mask[{i}]", int(values), int(windows) if structure else None)
    return Sums(squared, absolute, int(values), similarity, int(windows))
