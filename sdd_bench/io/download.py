"""Downloading one file so that an interruption costs only what was not there yet."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, TypeAlias

from sdd_bench.errors import WeightsError
from sdd_bench.io.atomic import make_folder, output_errors

Progress: TypeAlias = Callable[[int, int | None], None]
"""Called with the bytes there are and, if the server says so, the bytes there will be."""

ATTEMPTS = 5
TIMEOUT_SECONDS = 30  # without a byte, not for the whole file
_CHUNK_BYTES = 1 << 16
_PASSING = frozenset(
    {408, 425, 429}
)  # client errors by number that are worth another try: timeout, too early, too many


def download(url: str, part: Path, progress: Progress | None = None, *, pause: float = 1.0) -> None:
    """Download a file; bytes that are already there are not asked for again.

    Args:
        url: what to download.
        part: where to; what an earlier call left there is continued.
        progress: told how far it is.
        pause: seconds to wait after the first failure; twice as long after each further one.

    Raises:
        WeightsError: the server refuses, sends a web page, or was not reached in 5 attempts; `part` stays.
        OutputError: `part` can't be written.
    """
    with output_errors(part):
        make_folder(part.parent)
    for attempt in range(ATTEMPTS):
        try:
            _transfer(url, part, progress)
            return
        except OSError as error:  # the base of all that requests raises
            response: Any = getattr(error, "response", None)
            status = 0 if response is None else response.status_code
            if status == 416:  # nothing is left to send: all is there, or it is another file
                if response.headers.get("Content-Range") == f"bytes */{part.stat().st_size}":
                    return
                part.unlink()
            elif 400 <= status < 500 and status not in _PASSING:
                raise WeightsError(f"{url} can't be downloaded: the server says {status} {response.reason}.") from error
            failure = error
        if attempt + 1 < ATTEMPTS:
            time.sleep(pause * 2**attempt)
    cause = getattr(failure.args[0], "reason", failure) if failure.args else failure  # without urllib3's wrapping
    raise WeightsError(
        f"{url} can't be downloaded: {cause}. Tried {ATTEMPTS} times. Check the connection and try again; what is "
        "there is kept and continued."
    ) from failure


def _transfer(url: str, part: Path, progress: Progress | None) -> None:
    import pooch

    with output_errors(part):
        file = part.open("ab")
    with file:
        sink = _Sink(file, part, progress)
        # Without "identity" a server may compress on the way, and then lengths and ranges mean something else.
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={sink.done}-"} if sink.done else {})
        get = pooch.HTTPDownloader(
            chunk_size=_CHUNK_BYTES, timeout=TIMEOUT_SECONDS, headers=headers, hooks={"response": sink.begin}
        )
        try:
            get(url, sink, None)
        finally:
            sink.close()


class _Sink:
    """The open file as pooch writes to it: counts, reports, and starts anew if the server doesn't continue."""

    def __init__(self, file: IO[bytes], part: Path, progress: Progress | None) -> None:
        self._file, self._part, self._progress = file, part, progress
        self._total: int | None = None
        self._response: Any = None
        self.done = file.tell()

    def begin(self, response: Any, **_: Any) -> None:
        self._response = response
        if response.is_redirect or not response.ok:
            return  # requests goes on, or pooch raises
        if "text/html" in response.headers.get("Content-Type", ""):
            raise WeightsError(
                f"{response.url} is a web page, not weights. Open it in a browser, and bring the file by "
                "`sdd-bench weights add`."
            )
        continues = response.headers.get("Content-Range", "").startswith(f"bytes {self.done}-")
        if response.status_code != 206 or not continues:
            with output_errors(self._part):
                self._file.truncate(0)
            self.done = 0
        if response.status_code == 206 and not continues:
            raise ConnectionError(f"the server sent {response.headers.get('Content-Range')}, which was not asked for")
        length = response.headers.get("Content-Length")
        self._total = self.done + int(length) if length else None

    def write(self, chunk: bytes) -> None:
        with output_errors(self._part):
            self._file.write(chunk)
        self.done += len(chunk)
        if self._progress is not None:
            self._progress(self.done, self._total)

    def flush(self) -> None:
        with output_errors(self._part):
            self._file.flush()

    def close(self) -> None:
        # pooch leaves a failed response to the garbage collector, and its socket open until then.
        if self._response is not None:
            self._response.close()
