"""Per-image measurements kept as they finish, so that an interrupted run goes on and no image is measured twice."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from pydantic import ValidationError

from sdd_bench.evaluation.references import unreadable
from sdd_bench.evaluation.results import Measurement
from sdd_bench.io.atomic import write_json


class RowStore:
    """Measurements on disk, each under the hash of everything it depends on.

    A file that is damaged, or was changed by hand, counts as absent: its content is checked against its own hash.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, key: str) -> Measurement | None:
        """The measurement of that key, or None if there is no sound one."""
        try:
            kept = json.loads(self._path(key).read_text("utf-8"))
            if kept["sha256"] != _hash(kept["measurement"]):
                return None
            return Measurement.model_validate(kept["measurement"])
        except (FileNotFoundError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError, ValidationError):
            return None
        except OSError as error:
            raise unreadable(self._path(key), error) from error

    def save(self, key: str, measurement: Measurement) -> None:
        """Keep a measurement under a key."""
        content = measurement.model_dump(mode="json")
        write_json(self._path(key), {"sha256": _hash(content), "measurement": content})

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.json"


def _hash(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
