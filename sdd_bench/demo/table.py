"""The demo's table: the same predictions by three rulers, and by the truth."""

from __future__ import annotations

from collections.abc import Sequence

from sdd_bench.evaluation.results import EvaluationResult, Mean

HEADER = (
    "method",
    "GT as it is",
    "GT deformed towards each prediction",
    "truth (aligned GT)",
    "GT deformed once, towards the input",
    "truth, same pixels",
)


def demo_rows(results: Sequence[EvaluationResult], per_prediction: str, per_pair: str) -> list[tuple[str, list[float]]]:
    """Mean PSNR in dB per method, in the order of `HEADER`.

    Args:
        results: of every method under both protocols.
        per_prediction: id of the protocol of the second column, whose ground truth as it is fills the first and whose
            truth, over all pixels, the third.
        per_pair: id of the protocol of the fourth column and of the truth over the pixels that it counts.
    """
    by_protocol: dict[str, dict[str, EvaluationResult]] = {}
    for result in results:
        by_protocol.setdefault(result.method, {})[result.protocol.id] = result
    rows = []
    for method, of in by_protocol.items():
        naive, fair = of[per_prediction].means["all"], of[per_pair].means["all"]
        means = (naive.gt, naive.deformed_gt, naive.aligned_gt, fair.deformed_gt, fair.aligned_gt)
        rows.append((method, [_psnr(mean) for mean in means]))
    return rows


def what_to_see(rows: Sequence[tuple[str, list[float]]]) -> str:
    """One sentence under the table, with the figures of these rows."""
    values = [row for _, row in rows]
    naive = max(abs(gt - truth) for gt, _, truth, _, _ in values)
    fooled_name, fooled = max(rows, key=lambda row: row[1][1] - row[1][2])
    close = max(abs(fair - truth) for _, _, _, fair, truth in values)
    return (
        f"What to see: against the ground truth as it is, scores are off by up to {naive:.1f} dB; deforming it towards "
        f'each prediction rewards "{fooled_name}" with {fooled[1] - fooled[2]:.1f} dB too much; deforming it once, '
        f"towards the input, stays within {close:.2f} dB of the truth for all {len(rows)} methods."
    )


def demo_table(results: Sequence[EvaluationResult], per_prediction: str, per_pair: str) -> str:
    """The table as Markdown, the sentence under it."""
    rows = demo_rows(results, per_prediction, per_pair)
    lines = [
        "Mean PSNR in dB of the same predictions:",
        "",
        f"| {HEADER[0]} | {HEADER[1]} | {HEADER[2]} ({per_prediction}) | {HEADER[3]} | {HEADER[4]} ({per_pair}) "
        f"| {HEADER[5]} |",
        "|---|---:|---:|---:|---:|---:|",
        *(f"| {method} | " + " | ".join(f"{value:.2f}" for value in values) + " |" for method, values in rows),
    ]
    return "\n".join([*lines, "", what_to_see(rows), ""])


def _psnr(mean: Mean | None) -> float:
    if mean is None or mean.psnr is None:
        raise ValueError("the demo's predictions are never identical to a reference")
    return mean.psnr
