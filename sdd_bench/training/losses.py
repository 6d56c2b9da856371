"""Distances between pictures that networks are trained with."""

from __future__ import annotations

import torch

from sdd_bench.errors import TrainingError

EPSILON = 1e-3  # of Li et al., AAAI 2023, and of Zamir et al., CVPR 2021


def charbonnier(
    prediction: torch.Tensor, target: torch.Tensor, mask: torch.Tensor | None = None, epsilon: float = EPSILON
) -> torch.Tensor:
    """Charbonnier distance: the mean of sqrt(d^2 + epsilon^2) over all values, d = mask (prediction - target).

    Values outside of the mask count as equal, with epsilon each: a small mask makes the loss small.

    Args:
        prediction: any shape.
        target: the same shape.
        mask: True or 1 where a pixel counts; a shape that can be expanded to that of the pictures, such as
            N x 1 x H x W.
        epsilon: the distance of equal values.

    Returns:
        A scalar.

    Raises:
        TrainingError: shapes do not fit.
    """
    if prediction.shape != target.shape:
        raise TrainingError(
            f"prediction and target differ in shape: {tuple(prediction.shape)} and {tuple(target.shape)}"
        )
    difference = prediction - target
    if mask is not None:
        if not _expands(mask, difference):
            raise TrainingError(f"a mask {tuple(mask.shape)} does not fit pictures {tuple(difference.shape)}")
        difference = difference * mask
    return (difference.square() + epsilon**2).sqrt().mean()


def edge_loss(prediction: torch.Tensor, target: torch.Tensor, epsilon: float = EPSILON) -> torch.Tensor:
    """Charbonnier distance of the Laplacians of two pictures (Zamir et al., CVPR 2021, MPRNet's second loss).

    The Laplacian is a picture less its next coarser octave enlarged again (Burt, Adelson 1983): blurred with the outer
    product of (1, 5, 8, 5, 1) / 20, every other pixel kept and multiplied by 4, the rest set to 0, and blurred once
    more; borders are repeated.

    Args:
        prediction: N x C x H x W.
        target: the same shape.
        epsilon: the distance of equal values.

    Returns:
        A scalar.

    Raises:
        TrainingError: shapes do not fit.
    """
    if prediction.shape != target.shape or prediction.ndim != 4:
        raise TrainingError(
            f"expected two tensors N x C x H x W, got shapes {tuple(prediction.shape)} and {tuple(target.shape)}"
        )
    edges = _laplacian(prediction - target)  # it is linear
    return charbonnier(edges, torch.zeros_like(edges), epsilon=epsilon)


def _laplacian(image: torch.Tensor) -> torch.Tensor:
    coarse = torch.zeros_like(image)
    coarse[..., ::2, ::2] = 4 * _smooth(image)[..., ::2, ::2]
    return image - _smooth(coarse)


def _smooth(image: torch.Tensor) -> torch.Tensor:
    # Not a convolution: that would be computed in half precision under autocast.
    for axis in (2, 3):
        size = image.shape[axis]
        padded = torch.nn.functional.pad(image, (2, 2, 0, 0) if axis == 3 else (0, 0, 2, 2), mode="replicate")
        image = 0.4 * padded.narrow(axis, 2, size)
        for distance, tap in ((1, 0.25), (2, 0.05)):
            for start in (2 - distance, 2 + distance):
                image = image + tap * padded.narrow(axis, start, size)
    return image


def _expands(mask: torch.Tensor, to: torch.Tensor) -> bool:
    sides = zip(mask.shape, to.shape, strict=False)
    return mask.ndim == to.ndim and all(own in (1, wanted) for own, wanted in sides)
