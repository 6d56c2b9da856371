"""`sdd-bench analyze`: measure how badly the pairs of datasets are misaligned."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from sdd_bench import __version__, weights
from sdd_bench.analysis.pair import ARITHMETIC, ROWS_FOLDER, Job, measure
from sdd_bench.analysis.records import AnalysisResult, PairAnalysis
from sdd_bench.datasets.dataset import Dataset, open_dataset
from sdd_bench.datasets.manifest import Split, read_manifest
from sdd_bench.errors import DatasetError, unknown_name
from sdd_bench.io.atomic import make_folder, output_errors, remove_leftovers
from sdd_bench.parallel import map_items

Part = Literal["train", "val", "test", "all"]
COMPARED_FOLDER = "compared"
PAGE_NAME = "analysis.html"


def analyze(
    dataset: str | Path | Dataset,
    *,
    split: str = "all",
    cache: str | Path | None = None,
    workers: int = 1,
    cluster: str | None = None,
    progress: bool = True,
) -> AnalysisResult:
    """Measure zoom, shift and what they leave for every pair of a dataset.

    A pair whose zoom and shift can't be found with confidence has a reason in their place. A run that was killed goes
    on where it stopped.

    Args:
        dataset: a prepared dataset's folder, or one split of it that was opened.
        split: "train", "val", "test" or "all", of a folder.
        cache: folder for measurements, shared by all runs; None takes the user's cache.
        workers: worker processes.
        cluster: address of a Dask scheduler whose workers are used instead; they must see the same files.
        progress: show progress on the terminal.

    Raises:
        DatasetError: if the folder is no prepared dataset, has nothing in this split, or a file of it was changed.
        ProblemsError: if images are missing.
        OutputError: if the cache can't be written.
        WorkerError: if the cluster can't be reached.
    """
    (result,) = analyze_all(
        [dataset], split=split, cache=cache, workers=workers, cluster=cluster, progress=progress, report=False
    )
    return result


def analyze_all(
    datasets: Sequence[str | Path | Dataset],
    *,
    split: str = "all",
    out: str | Path | None = None,
    report: bool = True,
    cache: str | Path | None = None,
    workers: int = 1,
    cluster: str | None = None,
    progress: bool = True,
) -> list[AnalysisResult]:
    """Analyse one dataset, or two side by side.

    Args:
        datasets: one, or two to compare; see `analyze`.
        split: as for `analyze`.
        out: folder for ``analysis.json`` and ``analysis.csv`` of the first, and of the second in ``compared/``; None
            saves nothing.
        report: write a page with charts and pictures of both into ``out``, ``analysis.html``.
        cache: as for `analyze`.
        workers: as for `analyze`.
        cluster: as for `analyze`.
        progress: as for `analyze`.

    Raises:
        DatasetError: as for `analyze`.
        ProblemsError: as for `analyze`.
        OutputError: if ``out`` or the cache can't be written.
        WorkerError: as for `analyze`.
    """
    opened = [_open(dataset, split) for dataset in datasets]
    store = (Path(cache) if cache is not None else weights.cache_folder()).absolute()
    for folder in (store / ROWS_FOLDER, *([] if out is None else [Path(out)])):
        with output_errors(folder):
            make_folder(folder)
        remove_leftovers(folder)
    jobs = [_jobs(parts, store) for parts in opened]
    measured = map_items(
        measure,
        [job for of_dataset in jobs for job in of_dataset],
        workers=workers,
        cluster=cluster,
        describe="analyzing",
        progress=progress,
        label=_label,
    )
    measurement_of = dict(measured)
    results = [
        AnalysisResult(
            tool_version=__version__,
            arithmetic=ARITHMETIC,
            dataset=parts[0].manifest.name,
            manifest_sha256=parts[0].hash,
            split=parts[0].split if isinstance(dataset, Dataset) else _part(split),
            pairs=tuple(
                PairAnalysis(
                    stem=job.pair.stem,
                    scene=job.pair.scene,
                    environment=job.pair.environment,
                    split=job.pair.split,
                    size=job.pair.size,
                    **dict(measurement_of[job]),
                )
                for job in of_dataset
            ),
        )
        for dataset, parts, of_dataset in zip(datasets, opened, jobs, strict=True)
    ]
    if out is not None:
        for folder, result in zip((Path(out), Path(out) / COMPARED_FOLDER), results, strict=False):
            result.save(folder)
        if report:
            from sdd_bench.analysis.page import write_page

            pairs = [{job.pair.stem: job.pair for job in of_dataset} for of_dataset in jobs]
            write_page(Path(out) / PAGE_NAME, list(zip(results, pairs, strict=True)))
    return results


def _part(split: str) -> Part:
    known: tuple[Part, ...] = get_args(Part)
    for part in known:
        if part == split:
            return part
    raise DatasetError(unknown_name("split", split, known))


def _open(dataset: str | Path | Dataset, split: str) -> list[Dataset]:
    """The parts that are asked for, all files in place."""
    if isinstance(dataset, Dataset):
        return [Dataset(dataset.path.absolute(), dataset.split, dataset.manifest)]
    folder = Path(dataset).absolute()
    if _part(split) != "all":
        return [open_dataset(folder, split)]
    known: tuple[Split, ...] = get_args(Split)
    counts = read_manifest(folder).counts()
    present = [name for name in known if counts[name]["pairs"]]
    if not present:
        raise DatasetError(f"{folder} has no pairs.")
    return [open_dataset(folder, name) for name in present]


def _jobs(parts: list[Dataset], store: Path) -> list[Job]:
    """One per pair, by stem."""
    stated = {record.stem: record for record in parts[0].manifest.pairs}
    jobs = []
    for pair in sorted((pair for part in parts for pair in part), key=lambda pair: pair.stem):
        record = stated[pair.stem]
        jobs.append(Job(pair, record.files[record.image("blur")], record.files[record.image("gt")], store))
    return jobs


def _label(job: Job) -> str:
    return job.pair.stem
