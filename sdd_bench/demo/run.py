"""Synthetic scenes -> prepared dataset -> five methods -> scores by two protocols -> one table against the truth."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdd_bench import __version__
from sdd_bench.datasets.dataset import Dataset, open_dataset
from sdd_bench.datasets.prepare import prepare
from sdd_bench.datasets.scenes import SceneSettings
from sdd_bench.datasets.synthesis import synthesize
from sdd_bench.demo.figure import draw_scene
from sdd_bench.demo.methods import METHODS, nearly_perfect
from sdd_bench.demo.table import demo_table
from sdd_bench.errors import OutputError
from sdd_bench.evaluation import DEFAULT_PROTOCOL
from sdd_bench.evaluation.protocol import get_protocol
from sdd_bench.evaluation.references import align_reference
from sdd_bench.evaluation.results import EvaluationResult
from sdd_bench.evaluation.run import evaluate_all
from sdd_bench.io.atomic import write_json, write_text
from sdd_bench.io.images import write_image
from sdd_bench.leaderboard.selection import entries_of_results
from sdd_bench.leaderboard.site.build import build_site, claim
from sdd_bench.leaderboard.site.pictures import add_pictures
from sdd_bench.leaderboard.table import markdown
from sdd_bench.models.predict import predict

CLASSICAL = "ebdb+wiener"
PER_PREDICTION, PER_PAIR = "jdrl2022-dis", DEFAULT_PROTOCOL
SETTINGS = SceneSettings(width=448, height=320)
PLAN = {"sdd_bench_demo": __version__, "settings": SETTINGS.model_dump(mode="json")}


@dataclass(frozen=True)
class DemoResult:
    """What the demo found and wrote.

    Attributes:
        results: per method and protocol.
        table: Markdown file of the table.
        picture: PNG file of one scene.
        leaderboard: Markdown file made from the result files.
        site: page of the leaderboard, with the pictures of all methods.
    """

    results: list[EvaluationResult]
    table: Path
    picture: Path
    leaderboard: Path
    site: Path


def run_demo(out: str | Path, *, workers: int = 1, progress: bool = True) -> DemoResult:
    """Run the whole tool on a small synthetic dataset; scenes, dataset and scores of an earlier run are used again.

    Args:
        out: folder to work in: new, empty, or an earlier demo's.
        workers: worker processes that render and prepare; so few images are scored faster without.
        progress: show progress on the terminal.

    Raises:
        OutputError: if the folder holds something else.
    """
    out = Path(out)
    _claim(out)
    raw, prepared = out / "raw", out / "dataset"
    if not raw.exists():
        synthesize(raw, test=8, train=2, seed=2022, settings=SETTINGS, workers=workers, progress=progress)
    if not prepared.exists():
        prepare(raw, prepared, "as-is", name="demo", patch_size=256, stride=64, workers=workers, progress=progress)
    dataset = open_dataset(prepared)
    _predict(dataset, out / "predictions")
    predict(CLASSICAL, dataset, out / "predictions" / CLASSICAL, workers=workers, progress=progress)
    results = [
        result
        for method in (*METHODS, CLASSICAL)
        for result in evaluate_all(
            out / "predictions" / method,
            dataset,
            [PER_PREDICTION, PER_PAIR],
            out=out / "results",
            cache=out / "cache",
            overwrite=True,
            progress=progress,
            command="sdd-bench demo",
        )
    ]
    written = DemoResult(
        results, out / "table.md", out / "scene.png", out / "leaderboard.md", _site(out, results, workers, progress)
    )
    write_text(written.table, demo_table(results, PER_PREDICTION, PER_PAIR))
    write_text(written.leaderboard, markdown(results))
    _draw(dataset, written.picture)
    return written


def _claim(out: Path) -> None:
    """Mark a new folder as the demo's, or make sure that it is."""
    mark = out / "demo.json"
    if mark.exists():
        if json.loads(mark.read_text("utf-8")) != PLAN:
            raise OutputError(
                f"{out} holds a demo of another version of sdd-bench; delete it or choose another folder."
            )
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"{out} exists and is not a demo's folder; choose another with --out.")
    else:
        write_json(mark, PLAN)


def _predict(dataset: Dataset, folder: Path) -> None:
    for index, pair in enumerate(dataset):
        blur, aligned = pair.blur(), pair.aligned_gt()
        for number, (name, method) in enumerate(METHODS.items()):
            rng = np.random.default_rng([index, number])
            write_image(folder / name / f"{pair.stem}.png", np.clip(method(blur, aligned, rng), 0, 1))


def _site(out: Path, results: list[EvaluationResult], workers: int, progress: bool) -> Path:
    entries = entries_of_results(results)
    predictions = {entry.id: out / "predictions" / entry.method.name for entry in entries}
    claim(out / "site")
    add_pictures(
        out / "site", entries, predictions, [out / "dataset"], cache=out / "cache", workers=workers, progress=progress
    )
    return build_site(entries, out / "site").home


def _draw(dataset: Dataset, path: Path) -> None:
    pair = next(iter(dataset))
    blur, gt, aligned = pair.blur(), pair.gt(), pair.aligned_gt()
    reference = align_reference(get_protocol(PER_PAIR), blur, gt)
    prediction = nearly_perfect(blur, aligned, np.random.default_rng([0, list(METHODS).index("nearly perfect")]))
    draw_scene(path, blur, gt, reference.deformed, reference.valid, aligned, prediction)
