"""Per-image measurements kept as they finish, so that an interrupted run goes on and no image is measured twice."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel

from sdd_bench.evaluation.archives import unreadable
from sdd_bench.io.atomic import write_json

Record = TypeVar("Record", bound=BaseModel)


class RowStore(Generic[Record]):
    """Records on disk, each under the hash of everything it depends on.

    A file that is damaged, renamed or changed by hand counts as absent: key and content are checked against its hash.
    """

    def __init__(self, folder: Path, kind: type[Record]) -> None:
        self._folder = folder
        self._kind = kind

    def load(self, key: str) -> Record | None:
        """The record of that key, or None if there is no sound one."""
        try:
            kept = json.loads(self._path(key).read_text("utf-8"))
            if kept["sha256"] != _hash(key, kept["record"]):
                return None
            return self._kind.model_validate(kept["record"])
        except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError):
            return None
        except OSError as error:
            raise unreadable(self._path(key), error) from error

    def save(self, key: str, record: Record) -> None:
        """Keep a record under a key."""
        content = record.model_dump(mode="json")
        write_json(self._path(key), {"sha256": _hash(key, content), "record": content})

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.json"


def _hash(key: str, content: object) -> str:
    return hashlib.sha256(json.dumps([key, content], sort_keys=True).encode()).hexdigest()
