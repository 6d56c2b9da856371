"""Sparse representation of patches: orthogonal matching pursuit, and learning a dictionary for it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]


def matching_pursuit(patches: Image, dictionary: Image, atoms: int) -> tuple[NDArray[np.intp], Image, Image]:
    """Approximate every patch by ever more atoms (orthogonal matching pursuit, Pati et al. 1993).

    Each step takes the atom that is most like what is left, then fits all atoms taken so far by least squares; here
    through an orthonormal basis of them that grows by one vector a step.

    Args:
        patches: N x D float32.
        dictionary: K x D float32, atoms of norm 1.
        atoms: how many to take, at most K and D.

    Returns:
        The atoms taken, N x ``atoms``; the norm of what is left after 0, 1, ... of them, N x (``atoms`` + 1); and what
        is left in the end, N x D.
    """
    count, size = patches.shape
    left = patches.copy()
    basis = np.zeros((atoms, count, size), np.float32)
    taken = np.zeros((count, atoms), np.intp)
    norms = np.zeros((count, atoms + 1), np.float32)
    norms[:, 0] = np.linalg.norm(left, axis=1)
    every = np.arange(count)
    available = np.ones((count, len(dictionary)), bool)
    for step in range(atoms):
        likeness = np.where(available, np.abs(left @ dictionary.T), -1)
        taken[:, step] = likeness.argmax(1)
        available[every, taken[:, step]] = False
        vector = dictionary[taken[:, step]]
        for _ in range(2 if step else 0):  # the second pass removes what rounding left of the first
            for earlier in basis[:step]:
                vector = vector - np.einsum("nd,nd->n", vector, earlier)[:, None] * earlier
        length = np.linalg.norm(vector, axis=1, keepdims=True)
        basis[step] = np.where(length > 1e-4, vector / np.maximum(length, 1e-12), 0)
        left = left - np.einsum("nd,nd->n", left, basis[step])[:, None] * basis[step]
        norms[:, step + 1] = np.linalg.norm(left, axis=1)
    return taken, norms, left


def learn_dictionary(
    patches: Image, size: int, *, atoms: int, rounds: int, rng: np.random.Generator
) -> tuple[Image, list[float]]:
    """Method of optimal directions (Engan et al. 1999): code all patches, refit all atoms, again and again.

    Args:
        patches: N x D float32, norm 1.
        size: number of atoms in the dictionary.
        atoms: per patch.
        rounds: of coding and refitting.
        rng: chooses the patches to start from and to replace unused atoms by.

    Returns:
        ``size`` x D float32, atoms of norm 1, and the root mean square of what is left before each refitting.
    """
    dictionary = patches[rng.choice(len(patches), size, replace=False)]
    misfits = []
    for _ in range(rounds):
        taken, norms, _ = matching_pursuit(patches, dictionary, atoms)
        misfits.append(float(np.sqrt(np.mean(norms[:, -1] ** 2))))
        codes = _codes(patches, dictionary, taken)
        gram = codes.T @ codes
        refitted = np.linalg.solve(gram + 1e-6 * np.trace(gram) / size * np.eye(size), codes.T @ patches)
        unused = np.flatnonzero(np.linalg.norm(refitted, axis=1) < 1e-3)
        refitted[unused] = patches[rng.choice(len(patches), len(unused), replace=False)]
        dictionary = (refitted / np.linalg.norm(refitted, axis=1, keepdims=True)).astype(np.float32)
    return dictionary, misfits


def _codes(patches: Image, dictionary: Image, taken: NDArray[np.intp]) -> NDArray[np.float64]:
    chosen = dictionary[taken].astype(np.float64)  # N x atoms x D
    gram = chosen @ chosen.swapaxes(1, 2) + 1e-8 * np.eye(taken.shape[1])
    values = np.linalg.solve(gram, chosen @ patches[..., None].astype(np.float64))[..., 0]
    codes = np.zeros((len(patches), len(dictionary)))
    np.put_along_axis(codes, taken, values, 1)
    return codes
