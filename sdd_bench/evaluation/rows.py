"""Per-image measurements kept as they finish, so that an interrupted run goes on and no image is measured twice."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from pydantic import ValidationError

from sdd_bench.evaluation.archives import unreadable
from sdd_bench.evaluation.results import Measurement
from sdd_bench.io.atomic import write_json


class RowStore:
    """Measurements on disk, each under the hash of everything it depends on.

    A file that is damaged, renamed or changed by hand counts as absent: key and content are checked against its hash.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, key: str) -> Measurement | None:
        """The measurement of that key, or None if there is no sound one."""
        try:
            kept = json.loads(self._path(key).read_text("utf-8"))
            if kept["sha256"] != _hash(key, kept["measurement"]):
                return None
            return Measurement.model_validate(kept["measurement"])
        except (FileNotFoundError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError, ValidationError):
            return None
        except OSError as error:
            raise unreadable(self._path(key), error) from error

    def save(self, key: str, measurement: Measurement) -> None:
        """Keep a measurement under a key."""
        content = measurement.model_dump(mode="json")
        write_json(self._path(key), {"sha256": _hash(key, content), "measurement": content})

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.json"


def _hash(key: str, content: object) -> str:
    return hashlib.sha256(json.dumps([key, content], sort_keys=True).encode()).hexdigest()
