"""Pictures of real predictions for a site: drawn from the very files that an entry scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sdd_bench import weights
from sdd_bench.datasets.dataset import Dataset, open_dataset
from sdd_bench.errors import ProblemsError, ResultError, unknown_name
from sdd_bench.evaluation.evaluator import Job, Setting, load_pictures
from sdd_bench.evaluation.predictions import check_predictions
from sdd_bench.evaluation.report_pictures import Scales, common_scales, draw_view, jpeg
from sdd_bench.evaluation.report_views import LONGEST_SIDE, take_views
from sdd_bench.evaluation.run import check_inputs
from sdd_bench.io.atomic import file_batch
from sdd_bench.leaderboard.records import ComputedEntry, PublishedEntry
from sdd_bench.leaderboard.site.picture_files import (
    EntryPictures,
    ImagePictures,
    list_file,
    picture_file,
    picture_name,
    scored_sha256,
)
from sdd_bench.parallel import WorkerPool, map_items, worker_pool

ERROR_SCALE = 0.2
"""Absolute error that full colour stands for in every error map of every site: methods added later can be compared."""


@dataclass(frozen=True)
class Drawn:
    """What `draw` makes of one image: JPEG files by what they show, and sizes and scale as in `ImagePictures`."""

    files: Mapping[str, bytes]
    size: tuple[int, int]
    shown: tuple[int, int]
    flow_scale: float | None


@dataclass(frozen=True)
class _Drawing:
    job: Job
    longest_side: int


def add_pictures(
    site: Path,
    entries: Sequence[PublishedEntry | ComputedEntry],
    predictions: Mapping[str, Path],
    datasets: Sequence[Path],
    *,
    longest_side: int = LONGEST_SIDE,
    cache: Path | None = None,
    workers: int = 1,
    progress: bool = True,
) -> None:
    """Draw the pictures of entries and write them into a site; those of the same entries are replaced.

    Args:
        site: its folder.
        entries: of the leaderboard.
        predictions: folder of prediction files by the entry's id.
        datasets: folders of prepared datasets, among them those of the entries.
        longest_side: of the pictures, at most, pixels.
        cache: folder of aligned references, as for `evaluate`; None takes the user's.
        workers: worker processes.
        progress: show progress on the terminal.

    Raises:
        ResultError: if an entry is not known, was copied, or none of the datasets is its own.
        ProblemsError: naming every file that is not the one that was scored.
        SddBenchError: as `evaluate`, for files that can't be read and weights that are missing.
    """
    computed = {entry.id: entry for entry in entries if isinstance(entry, ComputedEntry)}
    for name in predictions:
        if name not in computed:
            raise ResultError(unknown_name("computed entry", name, computed))
    jobs = {
        name: _jobs(computed[name], folder, _dataset_of(computed[name], datasets), cache or weights.cache_folder())
        for name, folder in predictions.items()
    }
    with worker_pool(workers) as pool:
        for name, of_entry in jobs.items():
            drawings = [_Drawing(job, longest_side) for job in of_entry]
            _add_entry(site, computed[name], drawings, pool, progress)


def _add_entry(
    site: Path, entry: ComputedEntry, drawings: Sequence[_Drawing], workers: WorkerPool, progress: bool
) -> None:
    images = {}
    with file_batch() as batch:
        written: set[str] = set()
        for drawing, drawn in map_items(
            draw, drawings, workers=workers, describe=f"drawing {entry.method.label}", progress=progress, label=_label
        ):
            names = {layer: picture_name(data) for layer, data in drawn.files.items()}
            for layer, data in drawn.files.items():
                path = picture_file(site, names[layer])
                if names[layer] not in written and not path.is_file():
                    batch.write_bytes(path, data)
                written.add(names[layer])
            images[drawing.job.pair.stem] = ImagePictures.model_validate(
                {"size": drawn.size, "shown": drawn.shown, "flow_scale": drawn.flow_scale, "files": names}
            )
        listed = EntryPictures(scored_sha256=scored_sha256(entry), error_scale=ERROR_SCALE, images=images)
        batch.write_bytes(list_file(site, entry), listed.to_json().encode())


def draw(drawing: _Drawing) -> Drawn:
    """Draw the pictures of one image, as it was scored."""
    job = drawing.job
    views = take_views(
        load_pictures(job), masked=job.setting.protocol.mask is not None, longest_side=drawing.longest_side
    )
    flow_scale = common_scales([views]).flow
    drawn = draw_view(views.whole, Scales(ERROR_SCALE, flow_scale))
    height, width = views.whole.error.shape
    files = {layer: jpeg(pixels) for layer, pixels in drawn.items()}
    return Drawn(files, views.size, (width, height), flow_scale)


def _dataset_of(entry: ComputedEntry, folders: Sequence[Path]) -> Dataset:
    wanted = entry.result.dataset
    for folder in folders:
        dataset = open_dataset(folder, wanted.split)
        if dataset.hash == wanted.manifest_sha256:
            return dataset
    raise ResultError(
        f"none of {', '.join(map(str, folders)) or 'the folders given'} is the dataset of {entry.id}: {wanted.name}, "
        f"manifest {wanted.manifest_sha256[:12]}. Give its folder with --dataset-folder."
    )


def _jobs(entry: ComputedEntry, folder: Path, dataset: Dataset, cache: Path) -> list[Job]:
    result = entry.result
    found = check_predictions(
        folder, dataset, [result.protocol], crop=None if result.crop == "none" else result.crop, progress=False
    )
    scored = {image.stem: image.prediction_sha256 for image in result.images}
    problems = [
        f"{prediction.path.name}: not the file that was scored"
        for stem, prediction in found.items()
        if scored.get(stem) != prediction.sha256
    ]
    if problems:
        raise ProblemsError(f"{folder} does not hold the predictions of {entry.id}", problems)
    flow = result.protocol.flow_weights
    used = {flow: weights.verify(flow)} if flow is not None else {}
    setting = Setting(result.protocol, cache, weights_sha256=used)
    hashes = check_inputs(dataset)
    return [Job(setting, pair, hashes[pair.stem], found[pair.stem]) for pair in dataset]


def _label(drawing: _Drawing) -> str:
    return drawing.job.pair.stem
