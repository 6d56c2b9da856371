"""A program of the user's own that deblurs: run without a shell, timed, and what it wrote checked."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sdd_bench.datasets.sources import composed
from sdd_bench.errors import ImageError, PredictionError, ProblemsError
from sdd_bench.io.atomic import write_bytes
from sdd_bench.io.hashing import sha256
from sdd_bench.io.images import IMAGE_SUFFIXES, read_samples
from sdd_bench.models.prediction_inputs import Picture
from sdd_bench.models.prediction_record import PictureRecord
from sdd_bench.parallel import map_items

_FOLDERS, _IMAGES = {"{input}", "{output}"}, {"{input_image}", "{output_image}"}
_LAST_LINES = 15  # of what a program that failed has printed
_GRACE_SECONDS = 5.0  # between asking a program to end and ending it
_LOOK_SECONDS = 0.2  # between looks at what it has written
STAGING_PREFIX = ".sdd-bench-command-"
_STALE_SECONDS = 86_400


@dataclass(frozen=True)
class Command:
    """A command line with placeholders.

    Attributes:
        template: as given.
        words: of it.
        per_image: whether it runs once per picture, or once for all.
    """

    template: str
    words: tuple[str, ...]
    per_image: bool


def parse_command(template: str) -> Command:
    """Split a command line into words, as a shell would.

    Raises:
        PredictionError: it is empty, has an open quote, or not one of the two pairs of placeholders.
    """
    try:
        words = tuple(shlex.split(template))
    except ValueError as error:
        raise PredictionError(f"--command {template!r} can't be split into words: {error}.") from error
    found = {name for name in _FOLDERS | _IMAGES if any(name in word for word in words)}
    if found not in (_FOLDERS, _IMAGES):
        raise PredictionError(
            f"--command {template!r} has the placeholders {', '.join(sorted(found)) or 'none'}: expected {{input}} and "
            "{output} (folders), or {input_image} and {output_image} (run once per picture)."
        )
    return Command(template, words, found == _IMAGES)


@dataclass(frozen=True)
class PerImage:
    """Runs a command for one picture; may be sent to worker processes.

    Attributes:
        command: with placeholders of images.
        out: the folder of predictions.
    """

    command: Command
    out: Path

    def __call__(self, picture: Picture) -> PictureRecord:
        """Run it and take its picture.

        Raises:
            PredictionError: it could not be started, or failed.
            ProblemsError: it wrote no picture, or not one of the right size.
        """
        with _staging(self.out) as folder:
            target = folder / f"{picture.stem}.png"
            places = {"{input_image}": picture.path.absolute(), "{output_image}": target}
            clock = time.perf_counter()
            with _running(self.command, places) as process:
                process.wait()
            seconds = time.perf_counter() - clock
            (found,) = _check(self.command, folder, [picture]).values()
            return _take(picture, found, self.out, seconds)


def run_on_folder(
    command: Command, pictures: Sequence[Picture], out: Path, progress: bool
) -> Iterator[tuple[Picture, PictureRecord]]:
    """Run a command once, over a folder of links to all pictures, and take its pictures.

    Args:
        command: with placeholders of folders.
        pictures: to work on.
        out: the folder of predictions.
        progress: show on the terminal how many pictures it has written.

    Raises:
        PredictionError: it could not be started, or failed.
        ProblemsError: with every picture that it did not write, or not in the right size.
    """
    with _staging(out) as folder:
        given, made = folder / "input", folder / "output"
        for place in (given, made):
            place.mkdir()
        for picture in pictures:
            _link(picture.path.absolute(), given / picture.path.name)
        clock = time.perf_counter()
        with _running(command, {"{input}": given, "{output}": made}) as process:

            def wait(picture: Picture) -> None:
                while process.poll() is None and not _of_stem(made).get(picture.stem):
                    time.sleep(_LOOK_SECONDS)

            for _ in map_items(wait, pictures, describe="command", progress=progress):
                pass
            process.wait()
        seconds = (time.perf_counter() - clock) / len(pictures)
        found = _check(command, made, pictures)
        for picture in pictures:
            yield picture, _take(picture, found[picture.stem], out, seconds)


@contextmanager
def _staging(out: Path) -> Iterator[Path]:
    for left in out.glob(f"{STAGING_PREFIX}*"):  # of a run that was killed
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=STAGING_PREFIX, dir=out.absolute()) as folder:
        yield Path(folder)


@contextmanager
def _running(command: Command, places: Mapping[str, Path]) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program; at the end of the block it must have ended well, and it is ended if the block is left early."""
    words = []
    for word in command.words:
        for name, place in places.items():
            word = word.replace(name, str(place))
        words.append(word)
    with tempfile.TemporaryFile() as printed:
        try:
            process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=printed, stderr=subprocess.STDOUT)
        except OSError as error:
            raise PredictionError(
                f"{words[0]} can't be started: {error.strerror}. It is run without a shell, in the current folder."
            ) from error
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(_GRACE_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        if process.returncode:
            ended = f"exit code {process.returncode}" if process.returncode > 0 else f"signal {-process.returncode}"
            raise PredictionError(f"the command failed with {ended}: {shlex.join(words)}\n{_tail(printed)}")


def _tail(printed: IO[bytes]) -> str:
    printed.seek(0)
    lines = printed.read().decode(errors="replace").splitlines()
    return "\n".join(["It printed:", *lines[-_LAST_LINES:]]) if lines else "It printed nothing."


def _link(source: Path, target: Path) -> None:
    try:
        target.symlink_to(source)
    except OSError:  # Windows lets only some users make links
        shutil.copyfile(source, target)


def _of_stem(folder: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix.lower() in IMAGE_SUFFIXES:
            found[composed(path.stem)].append(path)
    return found


def _check(command: Command, folder: Path, pictures: Sequence[Picture]) -> dict[str, Path]:
    """The file that was written for every picture, read whole.

    Raises:
        ProblemsError: with every one that is missing, written twice, unreadable or of another size.
    """
    there, found, problems = _of_stem(folder), {}, []
    for picture in pictures:
        paths = there.get(picture.stem, [])
        if len(paths) != 1:
            problems.append(f"{picture.stem}: " + (", ".join(path.name for path in paths) or "no picture"))
            continue
        try:
            height, width, _ = read_samples(paths[0]).shape
        except ImageError as error:
            problems.append(f"{paths[0].name}: {str(error).removeprefix(f'{paths[0]} ')}")
            continue
        if (height, width) != picture.size:
            problems.append(f"{paths[0].name}: {width} x {height}, expected {picture.size[1]} x {picture.size[0]}")
        found[picture.stem] = paths[0]
    if problems:
        raise ProblemsError(
            f"the command ended well, but what it wrote is not one picture each: {command.template}", problems
        )
    return found


def _take(picture: Picture, found: Path, out: Path, seconds: float) -> PictureRecord:
    target = out / f"{picture.stem}{found.suffix}"
    write_bytes(target, found.read_bytes())
    return PictureRecord(
        stem=picture.stem,
        input_sha256=sha256(picture.path),
        size=(picture.size[1], picture.size[0]),
        file=target.name,
        sha256=sha256(target),
        seconds=round(seconds, 3),
    )
