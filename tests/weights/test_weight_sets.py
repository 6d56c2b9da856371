"""Weights that consist of several files, and those that no command can fetch."""

import hashlib
from pathlib import Path

import pytest
import torch

from sdd_bench import weights
from sdd_bench.errors import WeightsError
from sdd_bench.weight_files import WeightFile

DMPHN = Path(__file__).parents[3] / "shared" / "data" / "dmphn" / "checkpoints"


@pytest.fixture
def release(tmp_path):
    folder = tmp_path / "release"
    folder.mkdir()
    for number, name in enumerate(("encoder.pkl", "decoder.pkl")):
        torch.save({"weight": torch.full((3,), float(number))}, folder / name)
    return folder


@pytest.fixture
def pair(monkeypatch, release):
    parts = tuple((file.name, hashlib.sha256(file.read_bytes()).hexdigest()) for file in sorted(release.iterdir()))
    entry = WeightFile("pair", "tests", "two", release.as_uri(), "", None, "CC0-1.0", "Nobody. 2020", parts=parts)
    monkeypatch.setitem(weights.REGISTRY, "pair", entry)
    return entry


def test_a_set_is_added_found_and_verified_as_a_folder(pair, release, cache):
    assert pair.pinned == "full"
    assert weights.find("pair") is None
    assert weights.add("pair", release) == weights.find("pair") == weights.path("pair") == cache / "two"
    assert {file.name for file in (cache / "two").glob("*.pkl")} == {"encoder.pkl", "decoder.pkl"}
    lines = "\n".join(digest for _, digest in pair.parts)
    assert weights.verify("pair") == hashlib.sha256(lines.encode()).hexdigest()
    assert next(status for status in weights.status() if status.entry is pair).present


def test_a_set_with_a_part_missing_is_not_here(pair, release, cache):
    weights.add("pair", release)
    (cache / "two" / "decoder.pkl").unlink()
    assert weights.find("pair") is None
    with pytest.raises(WeightsError, match=r"missing: no .*decoder\.pkl"):
        weights.verify("pair")


def test_a_changed_part_is_refused(pair, release, cache):
    weights.add("pair", release)
    torch.save({"weight": torch.zeros(4)}, cache / "two" / "encoder.pkl")
    with pytest.raises(WeightsError, match=r"encoder\.pkl is not the file pair"):
        weights.path("pair")


def test_nothing_is_added_of_a_set_that_is_not_whole(pair, release, cache):
    (release / "encoder.pkl").unlink()
    with pytest.raises(WeightsError, match=r"encoder\.pkl is no file"):
        weights.add("pair", release)
    assert not cache.exists()


def test_the_parts_that_are_missing_are_fetched(pair, release, cache, monkeypatch):
    asked = []

    def download(url, part, progress):
        asked.append(url.rsplit("/", 1)[1])
        part.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes((release / asked[-1]).read_bytes())

    monkeypatch.setattr(weights, "download", download)
    assert weights.fetch("pair") == cache / "two"
    (cache / "two" / "encoder.pkl").unlink()
    weights.fetch("pair")
    assert asked == ["decoder.pkl", "encoder.pkl", "encoder.pkl"]


def test_weights_behind_a_page_say_what_to_do_by_hand():
    with pytest.raises(WeightsError, match=r"can't be fetched by a command. See https://\S+ \(AGPL-3\.0\): .*unpack"):
        weights.fetch("ifan")
    assert "weights add restormer-dpdd FILE" in weights.how_to_get("restormer-dpdd")
    assert "weights add dmphn-gopro FOLDER" in weights.how_to_get("dmphn-gopro")


@pytest.mark.skipif(not DMPHN.is_dir(), reason="needs the released weights of ../shared/data/dmphn")
def test_the_hashes_of_dmphn_are_those_of_its_release():
    weights.add("dmphn-gopro", DMPHN)
    assert weights.path("dmphn-gopro").is_dir()
