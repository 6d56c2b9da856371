"""The leaderboard of `synth-v1`, from nothing: the benchmark, every method that needs no foreign weights, the entries.

    python benchmarks/synth_v1_board.py --out FOLDER [--only input jnb+deconv ...] [--workers 2] [--write]

Renders and checks the benchmark, runs every command of every method as its entry states it, scores the predictions by
the default protocol, makes the entries, and computes each again (`leaderboard verify`). All of it stays in FOLDER, so
the run can be stopped and goes on; what is finished is not done again. Networks are trained on one thread of a
processor. --write puts the entries into leaderboards/entries and the tables into docs/synth-v1.md.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdd_bench.datasets.benchmark import make_benchmark
from sdd_bench.io.atomic import write_text
from sdd_bench.leaderboard.add import add_result
from sdd_bench.leaderboard.folder import load, read_entry
from sdd_bench.leaderboard.records import ComputedEntry
from sdd_bench.leaderboard.verify import verify

ROOT = Path(__file__).parents[1]
BENCHMARK = "synth-v1"
DATASET = f"{BENCHMARK}/dataset"
CLASSICAL = [f"{found}+{undone}" for found in ("jnb", "ebdb") for undone in ("deconv", "richardson-lucy", "wiener")]
SEED = 0
# Every network: the same data, steps, rate and seed: 16 epochs of 22 scenes (two choose the epoch), 4 crops of each.
TRAINING = (
    "--flow dis --option width=8 --option residual=true --set data.crop=192 --set data.repeat=4 "
    "--set optimiser.learning_rate=5e-4 --set optimiser.warm_up=200 --set optimiser.clip=1.0 --set validation.crop=384 "
    f"--set validation.every=2 --strips-every 0 --seed {SEED} --device cpu --no-evaluate"
)
EPOCHS = "--set optimiser.epochs=16 --set optimiser.halve_every=10"
# What docs/studies/jdrl_recovery.md found to be needed in so few steps.
DEFORMED = (
    "--set objective.initial_epochs=8 --set objective.inside_only=true --set objective.interpolation=lanczos4 "
    "--set objective.reblurring.width=16 --set objective.reblurring.weight=0.1"
)
# Four epochs more, in which the reblurring module learns and the network does not.
ALONE = "--set optimiser.epochs=20 --set optimiser.halve_every=14 --set optimiser.reblurring_alone=4"
GUIDANCE = "--set objective.guidance.weight=0.1 --set objective.guidance.detach=false"
SIZE = "width 8, 1,408 steps"


@dataclass(frozen=True)
class Method:
    """One row of the board.

    Attributes:
        folder: name of its folders.
        commands: that make its predictions, run in the work folder.
        about: how tables call it.
        weights: file of its weights, in the work folder.
    """

    folder: str
    commands: tuple[str, ...]
    about: dict[str, str | int | None]
    weights: str | None = None


def untrained(folder: str, how: str, **about: str | int) -> Method:
    """A method without weights."""
    return Method(folder, (f"sdd-bench predict {how} --dataset {DATASET} --out predictions/{folder}",), dict(about))


def network(method: str, settings: str, recipe: str | None = None) -> Method:
    """The U-Net, trained by one of the reference methods, or by a recipe of it that has another name."""
    folder, model = f"unet-{recipe or method}", "unet-rgl" if method == "rgl" else "unet"
    weights = f"training/{folder}/weights.safetensors"
    chosen = f"--method {method}" if recipe is None else f"--recipe {recipe}"
    trained = (
        f"OMP_NUM_THREADS=1 sdd-bench train-reference {DATASET} --out training/{folder} {chosen} "
        f"{TRAINING} {settings}".strip()
    )
    variant = SIZE if recipe is None else f"{recipe}, {SIZE}"
    options = "--option width=8 --option residual=true"
    predicted = untrained(folder, f"--model {model} --checkpoint {weights} {options} --device cpu").commands
    about = {"name": "UNet", "framework": None if method == "plain" else method}
    return Method(folder, (trained, *predicted), {**about, "variant": variant, "trained_on": BENCHMARK}, weights)


METHODS = [
    untrained("input", '--command "cp {input_image} {output_image}"', name="blurry input", parameters=0),
    *(untrained(name, f"--model {name}", name=name) for name in CLASSICAL),
    network("plain", EPOCHS),
    network("plain", EPOCHS, recipe="align-once"),
    network("jdrl", f"{ALONE} {DEFORMED}"),
    network("rgl", f"{EPOCHS} {DEFORMED} {GUIDANCE}"),
]


def run(command: str, folder: Path) -> None:
    """Run one command line in the work folder; it goes on where an earlier run stopped."""
    words = shlex.split(command)
    variables = dict(os.environ)
    while re.fullmatch(r"[A-Z_]+=.*", words[0]):
        name, _, value = words.pop(0).partition("=")
        variables[name] = value
    program = Path(sys.executable).with_name(words[0])
    subprocess.run([program, *words[1:]], cwd=folder, env=variables, check=True, stdout=subprocess.DEVNULL)


def make_entry(method: Method, folder: Path, workers: int) -> ComputedEntry:
    """Predictions, scores, entry, and the entry again; what an earlier run verified is taken as it is."""
    board = folder / "board" / method.folder
    if board.is_dir():
        (entry,) = load(board)
        if isinstance(entry, ComputedEntry) and entry.status == "verified" and entry.commands == commands(method):
            return entry
    begun = time.perf_counter()
    for command in method.commands:
        run(command, folder)
    scored = f"sdd-bench evaluate --pred predictions/{method.folder} --dataset {DATASET} --method {method.folder}"
    run(f"{scored} --overwrite --no-report --cache cache --workers {workers}", folder)
    weights = None if method.weights is None else folder / method.weights
    path = add_result(
        folder / "results" / method.folder / "sdd-v1",
        board,
        method.about,
        weights,
        replace=True,
        commands=commands(method),
    )
    # A cache of its own: references are shared by the methods, and no row of the evaluation is in it.
    done = verify(
        read_entry(path),
        folder / "predictions" / method.folder,
        folder / DATASET,
        cache=folder / "verification",
        workers=workers,
    )
    if not done.holds:
        raise SystemExit(f"{method.folder}: computed again, it differs: {done.differences}")
    write_text(path, done.verified.to_json())
    print(f"{method.folder}: {time.perf_counter() - begun:.0f} s, verified", flush=True)
    return done.verified


def commands(method: Method) -> tuple[str, ...]:
    """All commands, the first of which makes the benchmark."""
    return (f"sdd-bench synth --benchmark {BENCHMARK} --out {BENCHMARK}", *method.commands)


def scores_table(entries: list[ComputedEntry]) -> str:
    """Markdown: means over the test pairs, best first."""
    lines = [
        "| method | PSNR against GT | deformed GT | true aligned GT | SSIM, deformed GT | true | moved, px "
        "| parameters | s/megapixel |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for entry in entries:
        means = entry.result.means["all"]
        gt, deformed, aligned = means.gt, means.deformed_gt, means.aligned_gt
        assert gt is not None and deformed is not None and aligned is not None
        moved = "–" if means.deformation is None else f"{means.deformation:.2f}"
        lines.append(
            f"| {entry.method.label} | {gt.psnr:.2f} | {deformed.psnr:.2f} | {aligned.psnr:.2f} | "
            f"{deformed.ssim:.4f} | {aligned.ssim:.4f} | {moved} | {parameters(entry)} | {seconds(entry)} |"
        )
    timed = sorted({entry.method.timed_on for entry in entries if entry.method.timed_on is not None})
    lines += ["", f"Time by `predict`, without reading and writing, on: {'; '.join(timed) or 'not measured'}."]
    return "\n".join(lines)


def parameters(entry: ComputedEntry) -> str:
    """How many the method has."""
    count = entry.method.parameters
    return "n/a" if count is None else f"{count:,}" if count else "none"


def seconds(entry: ComputedEntry) -> str:
    """Per megapixel."""
    found = entry.method.seconds_per_megapixel
    return "n/a" if found is None else f"{found:.3g}"


def truth_table(entries: list[ComputedEntry]) -> str:
    """Markdown: how far scores against the deformed GT are from those against the truth."""
    lines = [
        "| method | mean, dB | mean of the absolute values, dB | largest, dB | order of the pairs (Spearman) |",
        "|---|---:|---:|---:|---:|",
    ]
    everything = []
    for entry in entries:
        pairs = psnr_pairs(entry)
        everything.append(pairs)
        lines.append(f"| {entry.method.label} | {errors(pairs)} | {spearman(pairs[:, 0], pairs[:, 1]):.3f} |")
    if len(entries) < 3:
        return "\n".join(lines)
    together = np.concatenate(everything)
    lines.append(f"| all {len(together)} predictions | {errors(together)} | {spearman(*together.T):.3f} |")
    scored = np.stack(everything)
    orders = [spearman(scored[:, i, 0], scored[:, i, 1]) for i in range(scored.shape[1])]
    means = spearman(scored[..., 0].mean(1), scored[..., 1].mean(1))
    return "\n".join(lines) + (
        f"\n\nOrder of the {len(entries)} methods by mean PSNR, deformed GT against truth: Spearman {means:.3f}; "
        f"on single pairs {min(orders):.3f} to {max(orders):.3f}."
    )


def psnr_pairs(entry: ComputedEntry) -> np.ndarray:
    """PSNR against the deformed GT and against the truth, per image."""
    return np.array([(image.deformed_gt.psnr, image.aligned_gt.psnr) for image in entry.result.images])


def errors(pairs: np.ndarray) -> str:
    """Three cells: what the deformed GT says more than the truth."""
    more = pairs[:, 0] - pairs[:, 1]
    return f"{more.mean():+.3f} | {np.abs(more).mean():.3f} | {np.abs(more).max():.2f}"


def spearman(first: np.ndarray, second: np.ndarray) -> float:
    """Correlation of the ranks."""
    return float(np.corrcoef(*(np.argsort(np.argsort(values)) for values in (first, second)))[0, 1])


def publish(entries: list[ComputedEntry], tables: dict[str, str]) -> None:
    """Put the entries into the project's leaderboard and the tables into its documentation."""
    for entry in entries:
        write_text(ROOT / "leaderboards" / "entries" / f"{entry.id}.json", entry.to_json())
    (page,) = (ROOT / "docs").rglob("synth-v1.md")
    text = page.read_text("utf-8")
    for name, table in tables.items():
        start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
        before, found, rest = text.partition(start)
        _, ended, after = rest.partition(end)
        if not found or not ended:
            raise SystemExit(f"{page}: has no place for the table {name}")
        text = f"{before}{start}\n{table}\n\n{end}{after}"
    write_text(page, text)


def main() -> None:
    """Make what is missing, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="work folder; absent, empty, or of an earlier run")
    parser.add_argument("--only", nargs="*", choices=[method.folder for method in METHODS], help="default: all")
    parser.add_argument("--workers", type=int, default=1, help="processes that render and score")
    parser.add_argument("--write", action="store_true", help="put these entries and tables of them into this project")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    make_benchmark(BENCHMARK, options.out / BENCHMARK, workers=options.workers)
    chosen = [method for method in METHODS if not options.only or method.folder in options.only]
    entries = [make_entry(method, options.out, options.workers) for method in chosen]
    entries.sort(key=lambda entry: -(psnr_pairs(entry)[:, 0].mean()))
    tables = {"scores": scores_table(entries), "truth": truth_table(entries)}
    print("\n\n".join(tables.values()))
    if options.write:
        publish(entries, tables)


if __name__ == "__main__":
    main()
