import hashlib

import pytest

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
