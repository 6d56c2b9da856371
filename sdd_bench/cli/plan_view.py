"""What `sdd-bench prepare --plan` prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from sdd_bench.datasets.plan import Job, Plan

_PAIRS_SHOWN = 40


def print_plan(plan: Plan, console: Console) -> None:
    """Print layout, pairs, split, sizes, patches, checks, and all that stands against preparing."""
    from sdd_bench.datasets.manifest import check_warnings

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    say(f"{plan.raw}: layout {plan.layout}, preset {plan.preset.name}, {len(plan.pairs)} pairs")
    for remark in plan.remarks:
        say(f"  {remark}")
    shown = plan.jobs if plan.confirmation else plan.jobs[:_PAIRS_SHOWN]
    if shown:
        console.print(_pairs(plan, shown))
    if len(shown) < len(plan.jobs):
        say(f"and {len(plan.jobs) - len(shown)} more pairs")
    for line in _sizes(plan):
        say(line)
    console.print(_splits(plan))
    if any(plan.checks.values()):
        console.print(_checks(plan))
    for note in plan.notes:
        say(f"  warning: {note}")
    for line in check_warnings(plan.checks):
        say(f"  warning: {line}")
    if plan.without_environment:
        say(
            f"  {len(plan.without_environment)} scenes have no environment, which this preset needs: without --plan, "
            "a table to fill in is written, with suggestions (--environment-csv FILE says where)"
        )
    if plan.confirmation:
        say(
            "The pairs are a guess from what the camera noted. If the table is right: "
            f"--accept-pairs {plan.confirmation}. If not: --save-pairs FOLDER/pairs.csv, correct it, prepare FOLDER."
        )
    for problem in plan.problems:
        say(f"  problem: {problem}")


def _pairs(plan: Plan, jobs: tuple[Job, ...]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    told = any(job.pair.evidence for job in jobs)
    table = Table(*("pair", "scene", "environment", "split", "blur", "sharp"), *(["why"] if told else []))
    for job in jobs:
        pair = job.pair
        cells = [pair.stem, pair.scene, pair.environment or "", job.split, pair.sources["blur"], pair.sources["gt"]]
        table.add_row(*(escape(cell) for cell in [*cells, *([pair.evidence] if told else [])]))
    return table


def _sizes(plan: Plan) -> Iterator[str]:
    kinds = Counter(
        (job.info.width, job.info.height, job.info.bit_depth, job.info.format, job.size, job.bit_depth)
        for job in plan.jobs
    )
    for (width, height, depth, kind, size, written), count in kinds.most_common():
        resized = "size kept" if (width, height) == size else f"reduced by area averaging to {size[0]} x {size[1]}"
        yield f"{count} pairs of {width} x {height}, {depth}-bit {kind}: {resized}, written with {written} bits"
    preset = plan.preset
    if preset.patch_size is None:
        yield "no training patches"
    else:
        counts = sorted({job.patch_count for job in plan.jobs if job.patch_count})
        each = f"; {' or '.join(map(str, counts))} kept of each training image" if counts else ""
        kept = f"the sharpest {preset.keep_share:.0%}{each}"
        yield f"training patches of {preset.patch_size} by stride {preset.stride}, {kept}"


def _splits(plan: Plan) -> Table:
    from rich.table import Table

    table = Table("split", *("pairs", "scenes", "indoor", "outdoor", "unknown", "patches"))
    for split in ("train", "val", "test"):
        jobs = [job for job in plan.jobs if job.split == split]
        if not jobs and split == "val":
            continue
        places = Counter(environment for _, environment in {(j.pair.scene, j.pair.environment) for j in jobs})
        numbers = [len(jobs), sum(places.values()), places["indoor"], places["outdoor"], places[None]]
        table.add_row(split, *map(str, numbers), str(sum(job.patch_count for job in jobs)))
    return table


def _checks(plan: Plan) -> Table:
    from rich.table import Table

    from sdd_bench.datasets.checks.rules import CHECKS

    table = Table("check", "measures", "passes", "otherwise", "smallest", "median", "largest", "warnings")
    for name, rule in plan.preset.checks.items():
        rows = [check for checks in plan.checks.values() for check in checks if check.name == name]
        kind = CHECKS[name]
        values = sorted(check.value for check in rows if check.value is not None)
        spread = [f"{values[at]:.3g}" for at in (0, len(values) // 2, -1)] if values else ["", "", ""]
        passes = f"{kind.passes} {rule.threshold:g} {kind.unit}"
        table.add_row(name, kind.measures, passes, rule.level, *spread, str(sum(c.level == "warning" for c in rows)))
    return table
