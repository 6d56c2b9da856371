"""Tables and figure of `jdrl_recovery.py`, from the records of its runs.

    python benchmarks/recovery_tables.py

makes those in docs/studies/ again, from `docs/studies/jdrl_recovery.jsonl`: one run per line, of however many calls of
the study, on whichever days and machines (each line says which).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from sdd_bench.io.atomic import atomic_path, write_text

REPORT = Path(__file__).parents[1] / "docs" / "studies" / "jdrl_recovery.md"
RECORDS = REPORT.with_suffix(".jsonl")

# Zoom and shift in pixels, drawn evenly from minus to plus this, and parallax in pixels, from 0 to this.
STRENGTHS = {"mild": (0.015, 5.0, 0.7), "middle": (0.03, 12.0, 1.5), "strong": (0.05, 20.0, 3.0)}
ALIGNED = "aligned"
"""The strength of the ceiling: its pairs are the same at all strengths, so one run serves them all."""
MAIN = ("plain", "ceiling", "align-once", "no-reblur", "jdrl", "jdrl-0.1", "rgl", "rgl-0.1")
"""Methods that are compared at every strength."""
ABLATIONS = ("no-deform-0.1", "no-cycle-0.1", "no-mask-0.1", "no-isotropic-0.1", "no-weights-0.1")
"""Of `jdrl-0.1`; at the strongest misalignment only."""
UNGUIDED = ("no-guidance-0.1", "layers-only")
"""Of `rgl-0.1`, likewise: without pseudo supervision, and without reblurring, too."""
METHODS = (*MAIN, *ABLATIONS, *UNGUIDED)
_FULL = "jdrl-0.1"  # what others are held against

Run = dict[str, Any]


def merge(runs: Sequence[Run], more: Sequence[Run]) -> list[Run]:
    """Some runs and others, which replace those of the same budget, strength, method and seed; in a fixed order."""

    def key(run: Run) -> tuple[str, str, str, int]:
        return run["budget"], run["strength"], run["method"], run["seed"]

    return sorted({key(run): run for run in [*runs, *more]}.values(), key=key)


def read_records(path: Path = RECORDS) -> list[Run]:
    """All runs of a file; none if there is no file."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.is_file() else []


def write_records(runs: Sequence[Run], path: Path = RECORDS) -> None:
    """One run per line."""
    write_text(path, "".join(f"{json.dumps(run)}\n" for run in runs))


def interval(values: Sequence[float], digits: int, sign: str = "") -> str:
    """Mean with the half-width of its 95 % interval by Student's t, if there is more than one value."""
    mean = f"{np.mean(values):{sign}.{digits}f}"
    return mean if len(values) < 2 else f"{mean} ± {half_width(values):.{digits}f}"


def half_width(values: Sequence[float]) -> float:
    """Of the 95 % interval of the mean by Student's t; NaN for a single value."""
    if len(values) < 2:
        return float("nan")
    return float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))


def at(runs: Sequence[Run], strength: str) -> list[Run]:
    """The runs of a strength, and the ceiling, which is of all of them."""
    return [run for run in runs if run["strength"] in (strength, ALIGNED)]


def differences(runs: Sequence[Run], method: str) -> list[float]:
    """PSNR of a method less that of `jdrl-0.1`, seed by seed, where both were run; all at one strength."""
    of = {(run["method"], run["seed"]): run["psnr"] for run in runs}
    return [of[m, s] - of[_FULL, s] for m, s in of if m == method and (_FULL, s) in of]


def gaps(runs: Sequence[Run], method: str, score: str = "psnr") -> list[float]:
    """Gap recovered, seed by seed, where plain, ceiling and the method were run; all at one strength."""
    of = {(run["method"], run["seed"]): run[score] for run in runs}
    seeds = [s for m, s in of if m == method and ("plain", s) in of and ("ceiling", s) in of]
    return [(of[method, s] - of["plain", s]) / (of["ceiling", s] - of["plain", s]) for s in seeds]


def tables(runs: Sequence[Run]) -> str:
    """Markdown: the gap against strength, then a table per strength; for every budget."""
    parts = []
    for budget in dict.fromkeys(run["budget"] for run in runs):
        own = [run for run in runs if run["budget"] == budget]
        parts += [f"### Gap recovered against strength (budget `{budget}`)", "", *_against_strength(own), ""]
        for strength in reversed(STRENGTHS):
            if any(run["strength"] == strength for run in own):
                parts += [*_of_strength(at(own, strength), strength), ""]
    return "\n".join(parts)


def _against_strength(runs: Sequence[Run]) -> list[str]:
    shown = [s for s in STRENGTHS if any(run["strength"] == s for run in runs)]
    lines = [f"| method | {' | '.join(f'{s}, PSNR | SSIM' for s in shown)} |", f"|---|{'---:|---:|' * len(shown)}"]
    for method in MAIN:
        cells = []
        for strength in shown:
            for score in ("psnr", "ssim"):
                recovered = gaps(at(runs, strength), method, score)
                cells.append(interval(recovered, 2) if recovered else "")
        if method not in ("plain", "ceiling") and any(cells):
            lines.append(f"| {method} | {' | '.join(cells)} |")
    return lines


def _of_strength(runs: Sequence[Run], strength: str) -> list[str]:
    zoom, shift, parallax = STRENGTHS[strength]
    lines = [
        f"### {strength}: zoom to ±{zoom:.1%}, shift to ±{shift:g} px, parallax to {parallax:g} px",
        "",
        f"Input: {runs[0]['input_psnr']:.2f} dB, SSIM {runs[0]['input_ssim']:.4f}; smoothness as a map of blur: "
        f"{runs[0]['smoothness_map']:.2f}.",
        "",
        f"| method | seeds | PSNR, dB | less `{_FULL}` | SSIM | moved, px "
        "| reblurs by, px | map, module | map, estimator | s/run |",
        f"|{'---|' * 10}",
    ]
    for method in METHODS:
        own = [run for run in runs if run["method"] == method]
        if not own:
            continue
        against = differences(runs, method) if method != _FULL else []
        cells = [
            method,
            f"{len(own)}",
            interval([run["psnr"] for run in own], 2),
            interval(against, 2, "+") if against else "",
            interval([run["ssim"] for run in own], 4),
            _mean(own, "deformation"),
            _mean(own, "module_radius"),
            _mean(own, "module_map"),
            _mean(own, "estimator_map"),
            _seconds(own),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _mean(runs: Sequence[Run], name: str) -> str:
    """Over the runs that have it, and how many those are where others have not."""
    values = [run[name] for run in runs if run[name] is not None]
    if not values:
        return ""
    return f"{np.mean(values):.2f}" + (f" ({len(values)} of {len(runs)})" if len(values) < len(runs) else "")


def _seconds(runs: Sequence[Run]) -> str:
    """Times of different machines have no mean."""
    same = len({(run["machine"], run["threads"]) for run in runs}) == 1
    return f"{np.mean([run['seconds'] for run in runs]):.0f}" if same else "several machines"


def draw(runs: Sequence[Run], path: Path) -> None:
    """PSNR at the strongest misalignment, a dot per seed, and the gap recovered against strength."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.2), dpi=110, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    *_, strongest = STRENGTHS
    strong = at(runs, strongest)
    blurry = runs[0]["input_psnr"]  # of the same test pictures for all
    of = {m: {run["seed"]: run["psnr"] for run in strong if run["method"] == m} for m in METHODS}
    means = {method: float(np.mean(list(values.values()))) for method, values in of.items() if values}
    low = [method for method, mean in means.items() if mean < blurry - 1]
    shown = [method for method in reversed(means) if method not in low]
    for seed in sorted({run["seed"] for run in strong}):
        rows = [row for row, method in enumerate(shown) if seed in of[method]]
        found = [of[shown[row]][seed] for row in rows]
        left.plot(found, rows, "o", color=f"C{seed}", alpha=0.8, markersize=6, label=f"seed {seed}")
    left.plot([means[method] for method in shown], range(len(shown)), "k|", markersize=14, label="mean")
    left.legend(fontsize=8, loc="upper left", bbox_to_anchor=(0.02, 0.94))
    left.axvline(blurry, color="gray", linestyle=":")
    left.text(blurry, len(shown) - 0.5, " blurry input", color="gray", fontsize=8, clip_on=True)
    left.set(
        ylim=(-0.6, len(shown)),
        yticks=range(len(shown)),
        yticklabels=shown,
        xlabel="PSNR against the truth, dB",
    )
    beyond = ", ".join(f"{method} {means[method]:.1f}" for method in low)
    left.set_title(strongest + (f"; not in the picture: {beyond} dB" if low else ""), fontsize=9)
    methods = [m for m in MAIN if m not in ("plain", "ceiling") and any(gaps(at(runs, s), m) for s in STRENGTHS)]
    for number, method in enumerate(methods):
        recovered = {STRENGTHS[s][1]: gaps(at(runs, s), method) for s in STRENGTHS}
        shifts = [shift for shift, values in recovered.items() if values]
        right.errorbar(
            [shift + 0.25 * (number - len(methods) / 2) for shift in shifts],
            [np.mean(recovered[shift]) for shift in shifts],
            [np.nan_to_num(half_width(recovered[shift])) for shift in shifts],
            marker="o",
            markersize=4,
            capsize=3,
            label=method,
        )
    right.axhline(1, color="gray", linestyle=":")
    right.set(xlabel="shift to ±, px", ylabel="gap recovered (PSNR), with 95 % intervals")
    right.set(xticks=[strength[1] for strength in STRENGTHS.values()])
    if methods:
        right.legend(fontsize=8)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", pil_kwargs={"optimize": True})


def write_report(runs: Sequence[Run]) -> None:
    """Records, tables and figure of the documentation; the figure shows the budget that its text is about."""
    write_records(runs)
    if shown := [run for run in runs if run["budget"] == "laptop"]:
        draw(shown, REPORT.with_suffix(".png"))
    start, end = "<!-- tables -->\n", "<!-- end of tables -->"
    before, _, rest = REPORT.read_text("utf-8").partition(start)
    write_text(REPORT, f"{before}{start}\n{tables(runs)}\n{end}{rest.partition(end)[2]}")


if __name__ == "__main__":
    write_report(read_records())
