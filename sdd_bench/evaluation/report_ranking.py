"""Images in the order of their scores, and the few that stand for the rest."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal

from sdd_bench.evaluation.results import EvaluationResult, ImageResult, Scores

MainReference = Literal["deformed_gt", "gt"]


def main_reference(result: EvaluationResult) -> MainReference:
    """The reference by which images are ranked: the deformed ground truth, or as it is where nothing is deformed."""
    return "gt" if result.protocol.frame == "none" else "deformed_gt"


def rank(images: Iterable[ImageResult], reference: MainReference) -> list[ImageResult]:
    """Images with scores by PSNR, worst first; identical ones last, ties by stem."""

    def order(image: ImageResult) -> tuple[float, str]:
        psnr = scores_of(image, reference).psnr
        return math.inf if psnr is None else psnr, image.stem

    return sorted((image for image in images if getattr(image, reference) is not None), key=order)


def scores_of(image: ImageResult, reference: MainReference) -> Scores:
    """The scores of an image that has some.

    Raises:
        ValueError: if it has none.
    """
    scores: Scores | None = getattr(image, reference)
    if scores is None:
        raise ValueError(f"{image.stem} has no scores against {reference}")
    return scores


def pick(ranked: Sequence[ImageResult]) -> dict[str, ImageResult]:
    """The worst, the median and the best of ranked images, by these names; fewer if there are fewer images.

    Of an even number, the median is the lower of the two in the middle.
    """
    if not ranked:
        return {}
    if len(ranked) == 1:
        return {"only": ranked[0]}
    picked = {"worst": ranked[0], "median": ranked[(len(ranked) - 1) // 2], "best": ranked[-1]}
    if len(ranked) == 2:
        del picked["median"]
    return picked
