"""Evaluations that are killed at random moments and run again: is the result the one that was never interrupted?

Scores synthetic pairs under two protocols with two worker processes, first twice in peace, then once per trial in an
empty cache: after a random time, drawn evenly from the duration of the faster undisturbed run, the whole process group
gets SIGKILL, and the same command then runs to its end. Its ``result.json`` must be the undisturbed one byte for byte
but for the section ``run``, and its ``per_image.csv`` wholly. Ends with 1 if one is not. Linux and macOS. Run:

    python benchmarks/kill_and_resume.py
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sdd_bench import prepare, synthesize
from sdd_bench.datasets.scenes import SceneSettings
from sdd_bench.evaluation import DEFAULT_PROTOCOL
from sdd_bench.io.atomic import TEMPORARY_PREFIX

PROTOCOLS = (DEFAULT_PROTOCOL, "jdrl2022-dis")


def command(folder: Path) -> list[str]:
    """The evaluation, with its cache and results in a folder."""
    program = Path(sys.executable).with_name("sdd-bench")
    protocols = [part for protocol in PROTOCOLS for part in ("--protocol", protocol)]
    places = ["--cache", str(folder / "cache"), "--out", str(folder / "out")]
    data = ["--pred", "data/test/blur", "--dataset", "data"]
    return [str(program), "evaluate", *data, *places, *protocols, "--workers", "2", "--no-report"]


def run(folder: Path, work: Path, kill_after: float | None = None) -> float:
    """Run the evaluation to its end, or kill it and its workers after some seconds; seconds it took."""
    start = time.perf_counter()
    process = subprocess.Popen(
        command(folder), cwd=work, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        _, errors = process.communicate(timeout=kill_after)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    else:
        if process.returncode:
            raise SystemExit(f"the evaluation failed:\n{errors.decode()}")
    return time.perf_counter() - start


def outcome(folder: Path) -> dict[str, str]:
    """The results of both protocols without the section that may differ, and their tables."""
    found = {}
    for name in ("result.json", "per_image.csv"):
        for path in sorted((folder / "out").rglob(name)):
            found[path.relative_to(folder / "out").as_posix()] = path.read_text("utf-8").split('\n  "run": ')[0]
    return found


def kept(folder: Path) -> tuple[int, int, int, int]:
    """Numbers of kept references and rows, results, and temporary files that a kill left behind."""
    names = [path.name for path in folder.rglob("*") if path.is_file()]
    temporary = sum(name.startswith(TEMPORARY_PREFIX) for name in names)
    whole = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(TEMPORARY_PREFIX)]
    references = sum(path.parent.name == "references" for path in whole)
    rows = sum(path.parent.name == "rows" for path in whole)
    return references, rows, sum(path.name == "result.json" for path in whole), temporary


def main() -> None:
    """Make the pairs, run the trials, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--pairs", type=int, default=35)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        settings = SceneSettings(width=256, height=192)
        synthesize(work / "raw", test=options.pairs, seed=options.seed, settings=settings, workers=2, progress=False)
        prepare(work / "raw", work / "data", "as-is", patch_size=None, progress=False)
        undisturbed = min(run(work / name, work) for name in ("first", "second"))  # the first fills the disk's cache
        expected = outcome(work / "first")
        if outcome(work / "second") != expected:
            raise SystemExit("two undisturbed runs differ")
        print(
            f"{options.pairs} pairs of 256 x 192, {' and '.join(PROTOCOLS)}, 2 workers: {undisturbed:.1f} s in peace\n"
        )
        print("| killed after, s | references | rows | results | temporary files | resumed in, s | identical |")
        print("|---:|---:|---:|---:|---:|---:|---|")
        same, resumed = 0, []
        for _ in range(options.kills):
            folder, moment = work / "trial", draw.uniform(0, undisturbed)
            run(folder, work, kill_after=moment)
            state = " | ".join(str(count) for count in kept(folder))
            resumed.append(run(folder, work))
            identical = outcome(folder) == expected
            same += identical
            print(f"| {moment:.2f} | {state} | {resumed[-1]:.1f} | {'yes' if identical else 'NO'} |", flush=True)
            shutil.rmtree(folder)
        print(
            f"\n{same} of {options.kills} identical but for `run`; median to resume {statistics.median(resumed):.1f} s"
        )
    sys.exit(same != options.kills)


if __name__ == "__main__":
    main()
