"""The documentation's pages as the tests see them, and a folder in which their commands find what they name."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# What may keep a block from being run. It stands in a comment before the block, and then the block is parsed only.
REASONS = re.compile(r"a GPU|the internet|a cluster|foreign weights|minutes of work|the package [a-z-]+")
_MARK = re.compile(r"<!-- not run: (.*) -->\s*\Z")


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
        page: the file, relative to the repository.
        line: where it begins, from 1.
        language: of the fence; empty if it states none.
        text: what is in it.
        reason: why it is not run; empty if it is.
    """

    page: str
    line: int
    language: str
    text: str
    reason: str

    def commands(self) -> list[str]:
        """Of a shell block: each command on one line, as a shell takes it, without comments."""
        lines = self.text.replace("\\\n", " ").splitlines()
        found = []
        for line in lines:
            words = shlex.split(line, comments=True)
            text = line.partition(" #")[0].strip()
            if words:
                found += [part.strip() for part in text.split(" && ")]
        return found


def blocks_of(page: Path) -> list[Block]:
    """All fenced blocks of a page but those that are Sphinx directives."""
    tokens = MarkdownIt("commonmark").parse(page.read_text("utf-8"))
    blocks = []
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.type != "fence" or token.info.startswith("{"):
            continue
        mark = _MARK.search(before.content) if before is not None and before.type == "html_block" else None
        assert token.map is not None
        place = (page.relative_to(ROOT).as_posix(), token.map[0] + 1)
        blocks.append(Block(*place, token.info.strip(), token.content, mark[1] if mark else ""))
    return blocks


def spans_of(page: Path) -> list[tuple[str, int]]:
    """All code within the running text of a page, with the line of its paragraph."""
    tokens = MarkdownIt("commonmark").enable("table").parse(page.read_text("utf-8"))
    return [
        (" ".join(child.content.split()), token.map[0] + 1)
        for token in tokens
        if token.type == "inline" and token.map
        for child in token.children or []
        if child.type == "code_inline"
    ]


ALL_BLOCKS = {page.relative_to(ROOT).as_posix(): blocks_of(page) for page in PAGES}
ALL_SPANS = [(page.relative_to(ROOT).as_posix(), line, text) for page in PAGES for text, line in spans_of(page)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test per page that has blocks of the kind which the test is about."""
    for name, languages in (("shell_page", {"", "sh"}), ("python_page", {"python"})):
        if name in metafunc.fixturenames:
            pages = [page for page, blocks in ALL_BLOCKS.items() if any(b.language in languages for b in blocks)]
            metafunc.parametrize(name, pages)


@pytest.fixture(scope="session")
def blocks() -> dict[str, list[Block]]:
    """All blocks, by page."""
    return ALL_BLOCKS


@pytest.fixture(scope="session")
def spans() -> list[tuple[str, int, str]]:
    """Page, line and text of all code in running text."""
    return ALL_SPANS


@pytest.fixture(scope="session")
def reasons() -> re.Pattern[str]:
    """The reasons that are taken."""
    return REASONS


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that the documentation's commands name, small; made once."""
    from sdd_bench import open_dataset, prepare, synthesize
    from sdd_bench.datasets.scenes import SceneSettings
    from sdd_bench.io.images import write_image

    folder = tmp_path_factory.mktemp("documented") / "work"
    small = SceneSettings(width=160, height=128, shift=(-3.0, 3.0), max_blur_radius=(1.5, 2.5))
    synthesize(folder / "RAW", test=6, train=3, seed=5, settings=small, progress=False)
    synthesize(folder / "other_raw", test=1, train=1, seed=8, settings=small, progress=False)
    for raw, name in (("RAW", "DATASET"), ("other_raw", "OTHER")):
        prepare(folder / raw, folder / name, "as-is", patch_size=64, stride=64, pack=True, progress=False)
    dataset = open_dataset(folder / "DATASET")
    for number, pair in enumerate(dataset):
        blur = pair.blur()
        write_image(folder / "predictions" / "mynet" / f"{pair.stem}.png", blur * 0.95)
        write_image(folder / "predictions" / "other" / f"{pair.stem}.png", blur * (0.99 - 0.01 * number))
    write_image(folder / "picture.png", dataset[dataset.stems[0]].blur())
    (folder / "settings.json").write_text(
        small.model_dump_json(include={"width", "height", "shift", "max_blur_radius"})
    )
    shutil.copytree(folder / "DATASET", folder / "sdd-bench-demo" / "dataset")
    shutil.copytree(folder / "RAW", folder / "sdd-bench-demo" / "raw")
    shutil.copytree(folder / "DATASET", folder / "synth-v1" / "dataset")
    _photographs(folder)
    _scores(folder)
    _weights(folder)
    return folder


def _photographs(folder: Path) -> None:
    """Three scenes as a camera has them: a blurry and a sharp photograph, told apart by aperture and time."""
    from PIL import Image

    (folder / "PHOTOGRAPHS").mkdir()
    for scene in range(3):
        for shot, (kind, aperture) in enumerate((("blur", 2.8), ("sharp", 16.0))):
            exif = Image.Exif()
            exif[272] = "A camera"
            details = exif.get_ifd(0x8769)
            details[36867] = f"2026:05:04 12:0{scene}:0{shot}"
            details[33437] = aperture
            picture = Image.open(folder / "RAW" / kind / f"scene_00{scene}.png")
            picture.save(folder / "PHOTOGRAPHS" / f"IMG_{scene}{shot}.jpg", exif=exif, quality=95)


def _scores(folder: Path) -> None:
    """Results of two methods, and a leaderboard with one of them and some published numbers."""
    for method in ("mynet", "other"):
        for out in ("results", "sdd-bench-demo/results"):
            given = ["--pred", folder / "predictions" / method, "--dataset", folder / "DATASET", "--out", folder / out]
            _sdd_bench("evaluate", *given, "--no-report")
    board = folder / "leaderboards"
    (board / "published").mkdir(parents=True)
    for path in (ROOT / "leaderboards" / "published").glob("sdd-*.json"):
        shutil.copy(path, board / "published")
    shutil.copytree(board, folder / "leaderboards.old")
    _sdd_bench("leaderboard", "add", folder / "results" / "other" / "sdd-v1", "--board", board)
    _sdd_bench("leaderboard", "build", board, "--format", "json", "--out", folder / "before.json")


def _sdd_bench(*words: str | Path) -> None:
    from click.testing import CliRunner

    from sdd_bench.cli import main

    done = CliRunner().invoke(main, list(map(str, words)))
    assert done.exit_code == 0, done.output


def _weights(folder: Path) -> None:
    """A narrow network, seeded."""
    import torch

    from sdd_bench.models import checkpoints, create

    torch.manual_seed(3)
    checkpoints.save(
        create("unet", width=2, residual=True), folder / "unet.safetensors", "unet", {"width": 2, "residual": True}
    )


@pytest.fixture
def work(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the template as the current folder, and settings that make every command small."""
    folder = tmp_path / "work"
    shutil.copytree(template, folder)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    for name, value in {
        "PREPARE_PRESET": "as-is",
        "PREPARE_PATCH_SIZE": "64",
        "PREPARE_STRIDE": "64",
        "SYNTH_SETTINGS": "settings.json",
        "TRAIN_REFERENCE_DEVICE": "cpu",
        "TRAIN_REFERENCE_CHANGES": "data.crop=64 data.repeat=1 optimiser.epochs=1 optimiser.batch=1 "
        "optimiser.reblurring_alone=0 objective.initial_epochs=0 objective.reblurring.width=4 validation.crop=64",
    }.items():
        monkeypatch.setenv(f"SDD_BENCH_{name}", value)
    return folder


@pytest.fixture
def placeholders(work: Path) -> Callable[[str], str]:
    """Puts what stands for something that only a run can know in place of its placeholder."""
    (entry,) = (work / "leaderboards" / "entries").iterdir()

    def fill(command: str) -> str:
        return re.sub(r"\bENTRY\b", entry.stem, command)

    return fill
