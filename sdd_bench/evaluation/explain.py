"""A protocol in sentences: everything its record says, for people."""

from __future__ import annotations

from collections.abc import Mapping

from sdd_bench import weights
from sdd_bench.evaluation.protocol import Protocol

FRAMES = {
    "input": "the blurry input",
    "prediction": "each prediction",
    "none": "nothing",
}
_GROUND_TRUTH = {
    "input": "Deformed towards the blurry input, once per pair: all methods are held against the same reference, and "
    "one that moves content is not forgiven.",
    "prediction": "Deformed towards each prediction: every method gets a reference of its own, and a prediction that "
    "moves content gets one moved likewise.",
    "none": "Taken as it is. Where a pair does not line up, its misalignment is part of every score.",
}
_SAMPLING = {
    "lanczos6": "Lanczos-6: 12 x 12 taps, sinc(d) sinc(d/6), weights divided by their sum, border repeated, values "
    "clipped to [0, 1]. No flow is the identity, to the bit.",
    **{
        f"lanczos{n}": f"Lanczos-{n}: {2 * n} x {2 * n} taps, sinc(d) sinc(d/{n}), weights divided by their sum, "
        "border repeated, values clipped to [0, 1]. No flow is the identity, to the bit."
        for n in (4, 6)
    },
    "bilinear": "Bilinear, border repeated. No flow is the identity, to the bit.",
    "jdrl2022": "Bilinear, border repeated, on the JDRL release's grid: flow f at pixel i of w reads the ground truth "
    "at (i + f) w / (w - 1) - 1/2, so that even no flow moves it by up to half a pixel. A defect, kept because the "
    "published numbers contain it.",
}
_METRICS = {
    "psnr": "PSNR: 10 log10(1 / MSE) in dB, MSE over all pixels and channels in [0, 1].",
    "ssim": "SSIM: uniform 7 x 7 windows, sample covariance, K1 = 0.01, K2 = 0.03, per channel, as scikit-image.",
    "mae": "MAE: mean absolute error over all pixels and channels in [0, 1].",
    "lpips": "LPIPS: AlexNet, version 0.1, inputs scaled to [-1, 1], no resizing, as the package lpips 0.1.4; n/a "
    "without its weights.",
}


def explain(protocol: Protocol) -> dict[str, str]:
    """Say what a protocol does.

    Returns:
        Per subject one or more sentences, in the order in which the steps are taken.
    """
    about = {
        "status": "Frozen: its numbers stay what they are."
        if protocol.frozen
        else "Under development: its numbers will change until it is frozen under a name without .dev.",
        "for": protocol.description,
        "ground truth": _GROUND_TRUTH[protocol.frame],
    }
    if protocol.flow is not None and protocol.warp is not None:
        about["flow"] = f"From {FRAMES[protocol.frame]} to the ground truth, by {_flow(protocol.flow.model_dump())}."
        if protocol.flow_weights is not None:
            about["weights"] = f"{protocol.flow_weights}. {weights.how_to_get(protocol.flow_weights)}"
        about["blur"] = (
            "Both pictures are taken as they are to find the flow."
            if protocol.equalise is None
            else "The flow is found between pictures of equal blur: the ground truth, moved by the best zoom and "
            "shift, is blurred as much as the other picture, locally, or that one where it is the sharper "
            f"({_settings(protocol.equalise.model_dump())})."
        )
        about["sampling"] = _SAMPLING[protocol.warp]
        about["pixels"] = _pixels(protocol)
    about["files"] = _files(protocol)
    about["metrics"] = " ".join(_METRICS[metric] for metric in protocol.metrics)
    about["means"] = "Over images, not over pixels; identical pictures are left out of the mean PSNR and counted."
    return about


def _flow(settings: dict[str, object]) -> str:
    name = settings.pop("name")
    return f"{name} ({_settings(settings)})"


def _pixels(protocol: Protocol) -> str:
    mask = protocol.mask
    if mask is None:
        return "All count."
    return (
        "Left out, also of the scores against the ground truth as it is, are those whose place, or whose circle of "
        "confusion, lies outside of it; those of the deformed ground truth that would change by over "
        f"{mask.change_tolerance:g} if the bends of the flow lay one pixel elsewhere; and those that going there and "
        f"back along the flow misses by over {mask.forward_backward_tolerance:g} px, unless that changes less. "
        f"Over {mask.warn_share:.0%} left out is noted; over {mask.error_share:.0%}, the pair has no scores."
    )


def _files(protocol: Protocol) -> str:
    if protocol.bit_depth is None:
        text = "Predictions of 8 or 16 bits, or floating point."
    else:
        text = f"Predictions of {protocol.bit_depth} bits per sample only."
        others = [f"{other.id} ({bits})" for bits, other in protocol.variants().items() if other.id != protocol.id]
        if others:
            text += f" The same for other bit depths: {', '.join(others)}; or --bit-depth."
    if protocol.bit_depth == 8:
        text += " The dataset's pictures are rounded to 8 bits where they have more."
    if protocol.crop == "detect":
        text += (
            " Cropped ones are accepted: unet16 (top left corner, multiples of 16) and mprnet8 (centre, multiples of "
            "8). The rule is found out from the sizes, or given by --crop; input and ground truth are cropped alike."
        )
    return text


def _settings(values: Mapping[str, object]) -> str:
    """Every parameter with its value."""
    parts = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            parts.append(f"{name} ({_settings(value)})")
        elif isinstance(value, (list, tuple)):
            parts.append(f"{name} {' '.join(map(str, value))}")
        else:
            parts.append(f"{name} {value}")
    return ", ".join(parts)
