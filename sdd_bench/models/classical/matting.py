"""The matting Laplacian (Levin, Lischinski and Weiss, PAMI 2008)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csc_array

Array = NDArray[np.float64]


def matting_laplacian(guide: Array, epsilon: float) -> csc_array:
    """The quadratic form of how far a map is from a linear function of colour in every window of 3 x 3 pixels.

    L_ij = sum over the windows k that hold i and j of
    delta_ij - (1 + (I_i - m_k)^T (C_k + epsilon / 9)^-1 (I_j - m_k)) / 9 (eq. 12), m_k and C_k the mean and the
    covariance of the window's colours.

    Args:
        guide: H x W x 3, at least 3 x 3.
        epsilon: penalty on the slopes.

    Returns:
        HW x HW, symmetric, positive semidefinite, its rows summing to 0.
    """
    from scipy.sparse import coo_array

    height, width = guide.shape[:2]
    index = np.arange(height * width).reshape(height, width)
    member = np.lib.stride_tricks.sliding_window_view(index, (3, 3)).reshape(-1, 9)
    colour = guide.reshape(-1, 3)[member]
    colour = colour - colour.mean(1, keepdims=True)
    covariance = colour.swapaxes(1, 2) @ colour / 9 + epsilon / 9 * np.eye(3)
    entries = np.eye(9) - (1 + colour @ np.linalg.solve(covariance, colour.swapaxes(1, 2))) / 9
    rows, columns = np.repeat(member, 9, 1).ravel(), np.tile(member, 9).ravel()
    return coo_array((entries.ravel(), (rows, columns)), shape=(index.size, index.size)).tocsc()


def solve_matting(guide: Array, measured: Array, pull: Array, epsilon: float = 1e-5) -> Array:
    """The map d that minimises d^T L d + sum of pull (d - measured)^2, by a direct factorisation.

    Args:
        guide: H x W x 3.
        measured: H x W.
        pull: H x W, not negative, positive somewhere.
        epsilon: of the Laplacian.
    """
    from scipy.sparse import diags_array
    from scipy.sparse.linalg import splu

    # Regions that are joined to the rest by hardly any colour must not make the system singular.
    system = matting_laplacian(guide, epsilon) + diags_array(pull.ravel() + 1e-9)
    factors = splu(system.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    return np.asarray(factors.solve((pull * measured).ravel())).reshape(measured.shape)
