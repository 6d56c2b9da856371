"""A small checkpoint, a place for it in the registry, and a local server on loopback: nothing asks the internet."""

import hashlib
import io
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch

from sdd_bench import weights
from sdd_bench.io import download


class Server(ThreadingHTTPServer):
    """Serves `content`; `plan` holds one behaviour per request, then it serves properly."""

    daemon_threads = True

    def __init__(self, content):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.kind, self.plan, self.ranges = content, "application/octet-stream", [], []

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


@pytest.fixture(scope="session")
def state():
    """The tensors of the small checkpoint."""
    return {"layer.weight": torch.arange(60000.0).reshape(100, 600), "layer.bias": torch.zeros(100)}


@pytest.fixture(scope="session")
def checkpoint(state):
    """Makes the bytes of a checkpoint, of the small one unless told otherwise."""

    def make(content=state, **options):
        file = io.BytesIO()
        torch.save(content, file, **options)
        return file.getvalue()

    return make


@pytest.fixture(scope="session")
def good(checkpoint):
    """The bytes of the small checkpoint."""
    return checkpoint()


@pytest.fixture(scope="session")
def digest(good):
    """SHA-256 of the small checkpoint."""
    return hashlib.sha256(good).hexdigest()


@pytest.fixture
def server(monkeypatch, good):
    """Serves the small checkpoint."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Server(good)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """The folder of weights, empty; nobody waits between two tries of a download."""
    monkeypatch.setenv("SDD_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(download.time, "sleep", lambda seconds: None)
    return tmp_path / "cache" / "weights"


@pytest.fixture
def known(monkeypatch, good, digest):
    """Put the small checkpoint into the registry."""

    def put(url="http://127.0.0.1:1/none", pin=digest, file="small.pth"):
        entry = weights.WeightFile("small", "tests", file, url, pin, len(good), "CC0-1.0", "Nobody: Nothing. 2020")
        monkeypatch.setitem(weights.REGISTRY, "small", entry)
        return entry

    return put


@pytest.fixture
def left_over(cache):
    """Names of all that is in the cache."""
    return lambda: sorted(path.name for path in cache.glob("*")) if cache.exists() else []
