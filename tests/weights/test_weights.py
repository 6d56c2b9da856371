"""Files of weights on this machine: found, added, verified, and never trusted."""

import dataclasses
import io
import os
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from sdd_bench import weights
from sdd_bench.errors import OutputError, WeightsError
from sdd_bench.io.state_dicts import read_state_dict


class Code:
    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self.marker,)


def test_the_registry_names_what_the_libraries_themselves_download():
    """Oracles: the sources of torchvision and ptlflow, read as text because their import is slow; torch.hub's names."""

    def source(package, *parts):
        return Path(find_spec(package).origin).parent.joinpath("models", *parts).read_text()

    alexnet = source("torchvision", "alexnet.py")
    assert f'url="{weights.entry("alexnet").url}"' in alexnet
    assert f'"_file_size": {weights.entry("alexnet").size / 2**20:.3f}' in alexnet
    dense = source("ptlflow", "pwcnet", "pwcnet.py").split("class PWCDCNet", 1)[1]
    assert f'"things": "{weights.entry("pwcnet-ptlflow").url}"' in dense
    for entry in weights.REGISTRY.values():
        assert entry.licence and entry.citation and entry.used_by
        assert not entry.sha256 or entry.sha256.startswith(entry.file.rsplit("-", 1)[1].split(".")[0])


def test_registry_entries_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        weights.entry("alexnet").sha256 = ""


def test_missing_weights_are_an_error_that_names_both_ways_out(cache, left_over):
    assert weights.find("alexnet") is None
    for use in (weights.path, weights.verify):
        with pytest.raises(WeightsError, match="missing") as error:
            use("alexnet")
        assert "sdd-bench weights fetch alexnet" in str(error.value)
        assert "sdd-bench weights add alexnet FILE" in str(error.value)
        assert str(cache) in str(error.value)
    assert left_over() == []


def test_an_unknown_name_lists_the_nearest():
    for use in (weights.path, weights.find, weights.verify, weights.fetch, weights.how_to_get):
        with pytest.raises(WeightsError, match="Did you mean alexnet"):
            use("alexnt")


def test_added_weights_are_found_and_verified(cache, known, tmp_path, left_over, good, digest):
    known()
    (tmp_path / "mine.bin").write_bytes(good)
    assert weights.add("small", tmp_path / "mine.bin") == cache / "small.pth"
    assert weights.path("small") == weights.find("small") == cache / "small.pth"
    assert weights.verify("small") == digest
    assert (tmp_path / "mine.bin").read_bytes() == good
    assert left_over() == ["small.pth", "small.pth.sha256"]
    assert (cache / "small.pth.sha256").read_text() == f"{digest}  small.pth\n"
    assert {s.entry.name: s.present for s in weights.status()}["small"]


@pytest.mark.parametrize("digits", [64, 8, 0])
def test_weights_that_changed_after_they_came_are_refused(known, tmp_path, digits, good, digest, checkpoint):
    known(pin=digest[:digits])
    (tmp_path / "mine").write_bytes(good)
    path = weights.add("small", tmp_path / "mine")
    path.write_bytes(checkpoint({"layer.weight": torch.ones(3)}))
    for use in (weights.path, weights.find, weights.verify, weights.fetch):
        with pytest.raises(WeightsError, match=r"small\.pth.*SHA-256"):
            use("small")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n <!DOCTYPE html><html>Sign in</html>", "is an HTML page"),
        (b"<HTML><body>quota exceeded</body></HTML>", "is an HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:7be5\nsize 244408911\n", "is a Git LFS pointer"),
        (lambda checkpoint: checkpoint()[:-50], "is truncated"),
        (
            lambda checkpoint: checkpoint(_use_new_zipfile_serialization=False)[:-50],
            "is no readable checkpoint",
        ),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "is no readable checkpoint"),
        (lambda checkpoint: checkpoint([1, 2]), "holds no state dict.*list"),
        (lambda checkpoint: checkpoint({"a": 1}), "holds no state dict"),
        (lambda checkpoint: checkpoint({}), "holds no state dict"),
        (lambda checkpoint: checkpoint({"layer.weight": torch.ones(3)}), "is not the file small: expected SHA-256"),
    ],
)
@pytest.mark.parametrize("digits", [64, 0])
def test_what_is_no_checkpoint_is_recognised_and_not_added(
    known, tmp_path, content, message, digits, left_over, checkpoint, digest
):
    known(pin=digest[:digits])
    file = tmp_path / "downloaded.pth"
    file.write_bytes(content(checkpoint) if callable(content) else content)
    if not digits and "SHA-256" in message:
        assert weights.add("small", file).is_file()
        return
    with pytest.raises(WeightsError, match=message) as error:
        weights.add("small", file)
    assert str(file) in str(error.value)
    assert left_over() == []


def test_a_truncated_zip_is_really_one(good):
    assert good.startswith(b"PK") and zipfile.is_zipfile(io.BytesIO(good))
    assert not zipfile.is_zipfile(io.BytesIO(good[:-50]))


def test_code_in_a_checkpoint_is_never_run(known, tmp_path, left_over, checkpoint):
    marker, file = tmp_path / "it ran", tmp_path / "evil.pth"
    file.write_bytes(checkpoint({"layer.weight": torch.ones(3), "extra": Code(marker)}))
    known(pin="")
    with pytest.raises(WeightsError, match=r"holds more than tensors: it would call (posix|nt)\.mkdir"):
        weights.add("small", file)
    assert not marker.exists()
    assert left_over() == []
    torch.load(file, weights_only=False)
    assert marker.exists()  # the trap works


def test_state_dicts_are_read_from_all_kinds_of_checkpoints(tmp_path, good, state, checkpoint):
    from safetensors.torch import save_file

    (tmp_path / "zip.pth").write_bytes(good)
    (tmp_path / "legacy.pth").write_bytes(checkpoint(_use_new_zipfile_serialization=False))
    (tmp_path / "lightning.ckpt").write_bytes(checkpoint({"state_dict": state, "epoch": 3}))
    save_file(state, tmp_path / "own.safetensors")
    for file in tmp_path.glob("*.*"):
        found = read_state_dict(file)
        assert found.keys() == state.keys()
        assert all(torch.equal(found[key], state[key]) for key in state)


def test_a_file_that_is_not_there_or_unreadable_is_said_so(cache, known, tmp_path, good):
    known()
    with pytest.raises(WeightsError, match="is no file"):
        weights.add("small", tmp_path / "none.pth")
    with pytest.raises(WeightsError, match="is no file"):
        weights.add("small", tmp_path)
    cache.parent.mkdir()
    cache.write_text("in the way")
    (tmp_path / "mine").write_bytes(good)
    with pytest.raises(OutputError):
        weights.add("small", tmp_path / "mine")


def test_the_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    import pooch

    monkeypatch.setenv("SDD_BENCH_CACHE", str(tmp_path / "elsewhere"))
    assert weights.folder() == tmp_path / "elsewhere" / "weights"
    monkeypatch.delenv("SDD_BENCH_CACHE")
    assert weights.cache_folder() == pooch.os_cache("sdd-bench")
