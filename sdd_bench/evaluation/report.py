"""`report.html`: one result as a page that can be mailed, printed and read anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sdd_bench.evaluation.evaluator import Job, load_pictures
from sdd_bench.evaluation.report_page import render
from sdd_bench.evaluation.report_pictures import common_scales, draw_strip
from sdd_bench.evaluation.report_ranking import main_reference, pick, rank
from sdd_bench.evaluation.report_views import Views, take_views
from sdd_bench.evaluation.results import EvaluationResult
from sdd_bench.io.atomic import write_text
from sdd_bench.parallel import map_items

REPORT_NAME = "report.html"


def write_report(
    result: EvaluationResult,
    jobs: Sequence[Job],
    path: str | Path,
    *,
    cluster: str | None = None,
    progress: bool = True,
) -> None:
    """Write the page of a result: its numbers, and the pictures of its worst, median and best image.

    The same result and files give the same bytes.

    Args:
        result: what was measured.
        jobs: what it was measured from; only those of the three images are read again. Their deformed ground truth
            comes from the store of references, or is computed again under a protocol that keeps none.
        path: the HTML file to write.
        cluster: address of the Dask scheduler on whose workers it was measured, if any.
        progress: show progress on the terminal.

    Raises:
        SddBenchError: if a picture is not what it was when it was measured, or the file can't be written.
    """
    picked = pick(rank(result.images, main_reference(result))).values()
    by_stem = {job.pair.stem: job for job in jobs}
    wanted = [by_stem[image.stem] for image in picked]
    loaded = map_items(_views, wanted, cluster=cluster, describe="drawing the report", progress=progress, label=_label)
    views = {job.pair.stem: view for job, view in loaded}
    scales = common_scales(list(views.values())) if views else None
    strips = {} if scales is None else {stem: draw_strip(view, scales) for stem, view in views.items()}
    write_text(path, render(result, strips, scales))


def _views(job: Job) -> Views:
    return take_views(load_pictures(job), masked=job.setting.protocol.mask is not None)


def _label(job: Job) -> str:
    return job.pair.stem
