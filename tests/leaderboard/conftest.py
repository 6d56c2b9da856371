import hashlib
import shutil

import pytest

from sdd_bench import evaluate
from sdd_bench.leaderboard.folder import entry_path
from sdd_bench.leaderboard.records import Method, computed_entry


@pytest.fixture
def scored(image):
    """Makes the row of an image whose numbers can be true, with a prediction file of its own."""

    def make(stem, psnr, method="a method", **changes):
        changes = {"ssim": 0.5, "mae": 0.03, "environment": None} | changes
        digest = hashlib.sha256(f"{method} {stem}".encode()).hexdigest()
        return image(stem, psnr, **changes).model_copy(update={"prediction_sha256": digest})

    return make


@pytest.fixture
def entry(scored, result):
    """Makes the entry of a method from the PSNR of its images (16 to 30 dB can be true)."""

    def make(method="a method", psnr=(20.0, 21.0, 22.0), status="self-reported", about=None, **changes):
        images = [scored(f"{number:02}", value, method) for number, value in enumerate(psnr)]
        about = Method(name=method) if about is None else about
        return computed_entry(result(images, method, **changes), about, status)

    return make


@pytest.fixture
def keep(tmp_path):
    """Writes entries into a leaderboard, whose folder it returns."""

    def write(*entries):
        for one in entries:
            path = entry_path(tmp_path / "board", one)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(one.to_json(), "utf-8")
        return tmp_path / "board"

    return write


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Rows that were computed before; tests for which it does not matter where they come from take less time so."""
    return tmp_path_factory.mktemp("rows")


@pytest.fixture(scope="module")
def scored_blur(prepared, tmp_path_factory, cache):
    """The blurry inputs as predictions, and their result under dpdd2020."""
    pred = tmp_path_factory.mktemp("pred") / "blurry"
    shutil.copytree(prepared / "test" / "blur", pred)
    return pred, evaluate(pred, prepared, "dpdd2020", cache=cache, progress=False)


@pytest.fixture
def pred(scored_blur, tmp_path):
    """A copy of these predictions, to be changed."""
    return shutil.copytree(scored_blur[0], tmp_path / "pred")
