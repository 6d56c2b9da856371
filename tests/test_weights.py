"""The server is a local one on loopback; nothing is asked of the internet."""

import dataclasses
import hashlib
import io
import os
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from sdd_bench import weights
from sdd_bench.cli.weights import weights as command
from sdd_bench.errors import OutputError, WeightsError
from sdd_bench.io import download
from sdd_bench.io.state_dicts import read_state_dict

STATE = {"layer.weight": torch.arange(60000.0).reshape(100, 600), "layer.bias": torch.zeros(100)}


def checkpoint(content=STATE, **options):
    file = io.BytesIO()
    torch.save(content, file, **options)
    return file.getvalue()


GOOD = checkpoint()
DIGEST = hashlib.sha256(GOOD).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves `content`; `plan` holds one behaviour per request, then it serves properly."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.kind, self.plan, self.ranges = GOOD, "application/octet-stream", [], []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/weights.pth"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range")
        server.ranges.append(asked)
        behaviour = server.plan.pop(0) if server.plan else "serve"
        if isinstance(behaviour, int):
            self.send_error(behaviour)
            return
        if behaviour == "redirect":
            self.send_response(302)
            self.send_header("Location", server.url)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        if behaviour == "whole":
            start = 0
        if behaviour == "other part":
            start += 1000
        if start and start >= len(server.content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(server.content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = server.content[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
        self.send_header("Content-Type", server.kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if behaviour == "drop" else body)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("SDD_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(download.time, "sleep", lambda seconds: None)
    return tmp_path / "cache" / "weights"


@pytest.fixture
def known(monkeypatch):
    """Put a file of our own into the registry."""

    def put(url="http://127.0.0.1:1/none", digest=DIGEST, file="small.pth"):
        entry = weights.WeightFile("small", "tests", file, url, digest, len(GOOD), "CC0-1.0", "Nobody: Nothing. 2020")
        monkeypatch.setitem(weights.REGISTRY, "small", entry)
        return entry

    return put


def left_over(cache):
    return sorted(path.name for path in cache.glob("*")) if cache.exists() else []


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


def test_missing_weights_are_an_error_that_names_both_ways_out(cache):
    assert weights.find("alexnet") is None
    for use in (weights.path, weights.verify):
        with pytest.raises(WeightsError, match="missing") as error:
            use("alexnet")
        assert "sdd-bench weights fetch alexnet" in str(error.value)
        assert "sdd-bench weights add alexnet FILE" in str(error.value)
        assert str(cache) in str(error.value)
    assert left_over(cache) == []


def test_an_unknown_name_lists_the_nearest():
    for use in (weights.path, weights.find, weights.verify, weights.fetch, weights.how_to_get):
        with pytest.raises(WeightsError, match="Did you mean alexnet"):
            use("alexnt")


def test_added_weights_are_found_and_verified(cache, known, tmp_path):
    known()
    (tmp_path / "mine.bin").write_bytes(GOOD)
    assert weights.add("small", tmp_path / "mine.bin") == cache / "small.pth"
    assert weights.path("small") == weights.find("small") == cache / "small.pth"
    assert weights.verify("small") == DIGEST
    assert (tmp_path / "mine.bin").read_bytes() == GOOD
    assert left_over(cache) == ["small.pth", "small.pth.sha256"]
    assert (cache / "small.pth.sha256").read_text() == f"{DIGEST}  small.pth\n"
    assert {s.entry.name: s.present for s in weights.status()}["small"]


@pytest.mark.parametrize("pin", [DIGEST, DIGEST[:8], ""])
def test_weights_that_changed_after_they_came_are_refused(cache, known, tmp_path, pin):
    known(digest=pin)
    (tmp_path / "mine").write_bytes(GOOD)
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
        (GOOD[:-50], "is truncated"),
        (checkpoint(_use_new_zipfile_serialization=False)[:-50], "is no readable checkpoint"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "is no readable checkpoint"),
        (checkpoint([1, 2]), "holds no state dict.*list"),
        (checkpoint({"a": 1}), "holds no state dict"),
        (checkpoint({}), "holds no state dict"),
        (checkpoint({"layer.weight": torch.ones(3)}), "is not the file small: expected SHA-256"),
    ],
)
@pytest.mark.parametrize("pin", [DIGEST, ""])
def test_what_is_no_checkpoint_is_recognised_and_not_added(cache, known, tmp_path, content, message, pin):
    known(digest=pin)
    file = tmp_path / "downloaded.pth"
    file.write_bytes(content)
    if not pin and "SHA-256" in message:
        assert weights.add("small", file).is_file()
        return
    with pytest.raises(WeightsError, match=message) as error:
        weights.add("small", file)
    assert str(file) in str(error.value)
    assert left_over(cache) == []


def test_code_in_a_checkpoint_is_never_run(cache, known, tmp_path):
    marker, file = tmp_path / "it ran", tmp_path / "evil.pth"
    file.write_bytes(checkpoint({"layer.weight": torch.ones(3), "extra": Code(marker)}))
    known(digest="")
    with pytest.raises(WeightsError, match=r"holds more than tensors: it would call (posix|nt)\.mkdir"):
        weights.add("small", file)
    assert not marker.exists()
    assert left_over(cache) == []
    torch.load(file, weights_only=False)
    assert marker.exists()  # the trap works


def test_state_dicts_are_read_from_all_kinds_of_checkpoints(tmp_path):
    from safetensors.torch import save_file

    (tmp_path / "zip.pth").write_bytes(GOOD)
    (tmp_path / "legacy.pth").write_bytes(checkpoint(_use_new_zipfile_serialization=False))
    (tmp_path / "lightning.ckpt").write_bytes(checkpoint({"state_dict": STATE, "epoch": 3}))
    save_file(STATE, tmp_path / "own.safetensors")
    for file in tmp_path.glob("*.*"):
        found = read_state_dict(file)
        assert found.keys() == STATE.keys()
        assert all(torch.equal(found[key], STATE[key]) for key in STATE)


def test_a_file_that_is_not_there_or_unreadable_is_said_so(cache, known, tmp_path):
    known()
    with pytest.raises(WeightsError, match="is no file"):
        weights.add("small", tmp_path / "none.pth")
    with pytest.raises(WeightsError, match="is no file"):
        weights.add("small", tmp_path)
    cache.parent.mkdir()
    cache.write_text("in the way")
    (tmp_path / "mine").write_bytes(GOOD)
    with pytest.raises(OutputError):
        weights.add("small", tmp_path / "mine")


def test_a_download_is_verified_and_reported_and_done_once(cache, known, server):
    known(server.url)
    server.plan = ["redirect"]
    seen = []
    path = weights.fetch("small", lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == GOOD
    assert seen[-1] == (len(GOOD), len(GOOD))
    assert seen == sorted(seen)
    assert weights.fetch("small") == path
    assert len(server.ranges) == 2
    assert left_over(cache) == ["small.pth", "small.pth.sha256"]


@pytest.mark.parametrize(
    ("plan", "resumed"),
    [
        (["drop"], True),
        (["drop", "drop", 503], True),
        ([429, 500, "drop"], True),
        (["drop", "whole"], True),
        (["drop", "other part"], False),
    ],
)
def test_a_dropped_download_goes_on_where_it_stopped(known, server, plan, resumed):
    known(server.url)
    server.plan = plan
    assert weights.fetch("small").read_bytes() == GOOD
    starts = [int(r.removeprefix("bytes=").removesuffix("-")) for r in server.ranges if r]
    assert starts
    assert (server.ranges[-1] is not None) == resumed


def test_a_later_call_goes_on_with_what_an_earlier_one_left(cache, known, server):
    known(server.url)
    server.plan = ["drop"] + [500] * 4
    with pytest.raises(WeightsError, match=r"Tried 5 times.*kept"):
        weights.fetch("small")
    assert left_over(cache) == ["small.pth.part"]
    there = (cache / "small.pth.part").stat().st_size
    assert 0 < there < len(GOOD)
    server.ranges.clear()
    assert weights.fetch("small").read_bytes() == GOOD
    assert server.ranges == [f"bytes={there}-"]


@pytest.mark.parametrize(("part", "requests"), [(GOOD, 1), (GOOD + b"more", 2), (bytes(len(GOOD) + 9), 2)])
def test_a_part_that_is_complete_is_used_and_one_that_is_too_long_is_not(cache, known, server, part, requests):
    known(server.url)
    cache.mkdir(parents=True)
    (cache / "small.pth.part").write_bytes(part)
    assert weights.fetch("small").read_bytes() == GOOD
    assert len(server.ranges) == requests


def test_a_damaged_part_costs_one_failure_and_no_more(cache, known, server):
    known(server.url)
    cache.mkdir(parents=True)
    (cache / "small.pth.part").write_bytes(b"PK\x03\x04" + bytes(996))
    with pytest.raises(WeightsError):
        weights.fetch("small")
    assert left_over(cache) == []
    assert weights.fetch("small").read_bytes() == GOOD


def test_a_web_page_in_place_of_weights_is_recognised(cache, known, server):
    known(server.url)
    server.content, server.kind = b"<!doctype html><title>Sign in</title>", "text/html; charset=utf-8"
    with pytest.raises(WeightsError, match="is a web page"):
        weights.fetch("small")
    server.kind = "application/octet-stream"
    with pytest.raises(WeightsError, match="HTML page"):
        weights.fetch("small")
    assert "small.pth" not in left_over(cache)


@pytest.mark.parametrize("pin", ["0" * 64, "00000000"])
def test_a_download_with_another_hash_is_refused_and_not_kept(cache, known, server, pin):
    known(server.url, digest=pin)
    with pytest.raises(WeightsError, match=f"expected SHA-256 {pin[:8]}.*got {DIGEST}"):
        weights.fetch("small")
    assert left_over(cache) == []


def test_a_refusal_is_not_tried_again(known, server):
    known(server.url)
    server.plan = [404]
    with pytest.raises(WeightsError, match="the server says 404 Not Found"):
        weights.fetch("small")
    assert len(server.ranges) == 1


def test_an_unreachable_server_is_said_so(known):
    known("http://127.0.0.1:1/small.pth")
    with pytest.raises(WeightsError, match=r"can't be downloaded.*Tried 5 times"):
        weights.fetch("small")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_cache_that_cannot_be_written_is_said_so(cache, known, server):
    known(server.url)
    cache.mkdir(parents=True)
    cache.chmod(0o500)
    with pytest.raises(OutputError):
        weights.fetch("small")


def test_the_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    import pooch

    monkeypatch.setenv("SDD_BENCH_CACHE", str(tmp_path / "elsewhere"))
    assert weights.folder() == tmp_path / "elsewhere" / "weights"
    monkeypatch.delenv("SDD_BENCH_CACHE")
    assert weights.cache_folder() == pooch.os_cache("sdd-bench")


def run(*args):
    result = CliRunner().invoke(command, args, terminal_width=200, env={"COLUMNS": "200"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def test_the_list_shows_every_file_with_licence_and_presence(known, tmp_path):
    known()
    assert "present" not in run("list")
    (tmp_path / "mine").write_bytes(GOOD)
    weights.add("small", tmp_path / "mine")
    output = run("list")
    assert str(weights.folder()) in output
    for entry in weights.REGISTRY.values():
        assert entry.name in output and entry.licence in output and entry.file in output
    line = next(line for line in output.splitlines() if "small" in line)
    assert "present" in line and "CC0-1.0" in line
    assert "missing" in next(line for line in output.splitlines() if "alexnet" in line)


def test_the_licence_is_shown_before_the_download(known, server):
    known(server.url)
    output = run("fetch", "small")
    assert output.index("CC0-1.0") < output.index(DIGEST)
    known("http://127.0.0.1:1/small.pth", file="other.pth")
    result = CliRunner().invoke(command, ["fetch", "small"])
    assert isinstance(result.exception, WeightsError)
    assert "CC0-1.0" in result.output


def test_the_commands_add_and_verify_say_the_hash_and_what_it_is_worth(known, tmp_path):
    known(digest=DIGEST[:8])
    assert "No weights are here" in run("verify")
    (tmp_path / "mine").write_bytes(GOOD)
    for output in (run("add", "small", str(tmp_path / "mine")), run("verify"), run("verify", "small")):
        assert DIGEST in output and f"begins with {DIGEST[:8]}" in output
    known(digest="")
    assert "compare it with another source" in run("verify", "small")


def test_registry_entries_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        weights.entry("alexnet").sha256 = ""


def test_a_truncated_zip_is_really_one():
    assert GOOD.startswith(b"PK") and zipfile.is_zipfile(io.BytesIO(GOOD))
    assert not zipfile.is_zipfile(io.BytesIO(GOOD[:-50]))
