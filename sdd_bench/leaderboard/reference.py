"""`sdd-bench train-reference`: from a prepared dataset to an evaluated entry of a leaderboard.

```
OUT/run.json, log.csv, tensorboard/, strips/, checkpoints/    the training run
OUT/weights.safetensors      weights of the best epoch, for `sdd-bench predict --checkpoint`
OUT/predictions/             the test split, with predict.json
OUT/results/                 its scores: result.json, per_image.csv, report.html
OUT/entry/                   a leaderboard of one entry; `sdd-bench leaderboard add` puts it into others
OUT/README.md                the model card
```
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sdd_bench.datasets.dataset import open_dataset
from sdd_bench.datasets.manifest import read_manifest
from sdd_bench.device import DeviceName
from sdd_bench.errors import TrainingError
from sdd_bench.evaluation import DEFAULT_PROTOCOL
from sdd_bench.io.hashing import sha256
from sdd_bench.training.recipe import METHODS, Recipe, get_recipe, recipe_names

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sdd_bench.evaluation.results import EvaluationResult
    from sdd_bench.training.run_folder import Precision
    from sdd_bench.training.trainer import TrainingResult


class ReferenceResult(NamedTuple):
    """A reference submission.

    Attributes:
        training: what the training run came to.
        evaluation: scores of the test split; None if it was not asked for.
        entry: file of the leaderboard entry; None likewise.
    """

    training: TrainingResult
    evaluation: EvaluationResult | None
    entry: Path | None


def train_reference(
    dataset: str | Path,
    out: str | Path,
    *,
    model: str = "unet",
    method: str = "jdrl",
    recipe: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
    changes: Mapping[str, Any] | None = None,
    seed: int = 0,
    start_from: str | Path | None = None,
    device: DeviceName = "auto",
    devices: int = 1,
    precision: Precision = "32-true",
    loaders: int = 0,
    workers: int = 1,
    strips_every: int = 10,
    evaluate: bool = True,
    progress: bool = True,
    fused_reblurring: bool = False,
) -> ReferenceResult:
    """Train a network with misaligned pairs, run it over the test split and score it; an interrupted run goes on.

    The test split is read for the final scores alone: the best epoch is chosen on the split "val", or on scenes taken
    out of the training ones.

    Args:
        dataset: a prepared dataset's folder.
        out: folder to train in.
        model: a network of the zoo, or ``module:Class`` of one's own.
        method: ``plain``, ``jdrl`` or ``rgl``; or the name of a recipe.
        recipe: a recipe by name or file, in place of the method's own.
        options: arguments of the network, for example ``{"width": 16}``.
        changes: settings of the recipe by dotted name, for example ``{"objective.flow.name": "dis"}``.
        seed: of everything random.
        start_from: weights to begin with, a ``.safetensors`` file.
        device: ``auto`` takes CUDA where there is a device.
        devices: how many to train on.
        precision: ``32-true`` or ``bf16-mixed``.
        loaders: processes that load crops; 0 loads them in the training process.
        workers: worker processes of the evaluation.
        strips_every: epochs between sample strips; 0 draws none.
        evaluate: whether to predict, score and enter the test split at the end.
        progress: show progress on the terminal.
        fused_reblurring: reblur by kernels written for GPUs; the result is the same but for rounding.

    Raises:
        TrainingError: settings do not fit, the folder holds another run, or the loss is not finite.
        ModelError: no such network.
        DatasetError: no such dataset, or it has no test split to score.
        ProblemsError: the dataset lacks files, or they are too small.
        WeightsError: the flow's weights are missing.
        DeviceError: there is no such device, or reblurring can't be fused on it.
        KeyboardInterrupt: Ctrl-C; the step was finished and saved.
    """
    from sdd_bench.training.run_folder import TrainingSettings
    from sdd_bench.training.trainer import train

    folder, chosen = Path(out), get_recipe(recipe or method, changes)
    if evaluate and not read_manifest(Path(dataset)).counts()["test"]["pairs"]:
        raise TrainingError(f"{dataset} has no test split to score in the end. Leave that out with --no-evaluate.")
    training = train(
        TrainingSettings(
            dataset=Path(dataset),
            out=folder,
            model=model,
            options=dict(options or {}),
            recipe=chosen,
            seed=seed,
            start_from=None if start_from is None else Path(start_from),
            device=device,
            devices=devices,
            precision=precision,
            workers=loaders,
            strips_every=strips_every,
            progress=progress,
            fused_reblurring=fused_reblurring,
        ),
        align_for_validation,
    )
    if not evaluate:
        return ReferenceResult(training, None, None)
    from sdd_bench.leaderboard.add import add_result
    from sdd_bench.leaderboard.model_card import write_model_card

    framework = _framework(chosen)
    evaluation = _score(dataset, folder, f"{model.rpartition(':')[2]}-{framework}", training, device, workers, progress)
    about: dict[str, str | int | None] = {
        "name": model.rpartition(":")[2],
        "framework": None if framework == "plain" else framework,
        "variant": variant(chosen),
        "trained_on": open_dataset(dataset).manifest.name,
    }
    result = folder / "results" / evaluation.method / evaluation.protocol.id
    entry = add_result(result, folder / "entry", about, training.weights, replace=True)
    write_model_card(folder, training, evaluation)
    return ReferenceResult(training, evaluation, entry)


def align_for_validation(
    blurry: NDArray[np.float32], sharp: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The sharp picture deformed towards the blurry one as the default protocol does, and which pixels count."""
    from sdd_bench.evaluation.protocol import get_protocol
    from sdd_bench.evaluation.references import align_reference

    reference = align_reference(get_protocol(DEFAULT_PROTOCOL), blurry, sharp)
    return reference.deformed, reference.valid


def variant(recipe: Recipe) -> str | None:
    """What tells a recipe from those of the methods, in tables.

    Returns:
        None for the recipe of a method; the name of another one that comes with this package; for one with settings of
        its own its name and the first 8 digits of its hash.
    """
    if recipe.hash in {get_recipe(name).hash for name in METHODS}:
        return None
    if recipe.name in recipe_names() and recipe.hash == get_recipe(recipe.name).hash:
        return recipe.name
    return f"{recipe.name}-{recipe.hash[:8]}"


def _framework(recipe: Recipe) -> str:
    """What tables call it: by what the recipe computes, not by how it was asked for."""
    if recipe.objective.guidance is not None:
        return "rgl"
    return "jdrl" if recipe.objective.deform or recipe.objective.reblurring is not None else "plain"


def _score(
    dataset: str | Path,
    folder: Path,
    method: str,
    training: TrainingResult,
    device: DeviceName,
    workers: int,
    progress: bool,
) -> EvaluationResult:
    from sdd_bench.evaluation.run import evaluate_all
    from sdd_bench.models.predict import predict
    from sdd_bench.models.prediction_record import read_record
    from sdd_bench.training.networks import trained

    predictions = folder / "predictions"
    # Their record holds the hash of the weights: what other weights made before is replaced, the rest is kept.
    network = trained(folder)
    record = read_record(predictions) if predictions.is_dir() else None
    stale = record is not None and record.settings.checkpoint_sha256 != sha256(network.checkpoint)
    predict(
        network.model,
        dataset,
        predictions,
        checkpoint=network.checkpoint,
        options=network.options,
        device=device,
        overwrite=stale,
        progress=progress,
    )
    (evaluation,) = evaluate_all(
        predictions,
        dataset,
        [DEFAULT_PROTOCOL],
        method=method,
        out=folder / "results",
        report=True,
        overwrite=True,
        workers=workers,
        device=device,
        progress=progress,
    )
    return evaluation
