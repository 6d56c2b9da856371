"""``meta.yaml``: what a submission says of its method, written by people."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from sdd_bench.errors import ProblemsError, SubmissionError, unknown_name
from sdd_bench.leaderboard.characters import shown
from sdd_bench.leaderboard.records import Method

META_VERSION = "1"
_VERSION = "schema_version"
_LARGEST = 1 << 14  # bytes

TEMPLATE = f"""\
# What the leaderboard says of your method. Every value is one line of text, as it is to be read. Only the name is
# needed; what you leave empty is not shown.
{_VERSION}: {META_VERSION}

name:              # of the method, in any script
framework:         # by which a known network was trained, for example jdrl
variant:           # which of several of the same name, for example of an ablation
trained_on:        # training data, for example SDD
authors:           # for example: A. Author, B. Author
paper:             # title, DOI or address
code:              # address
year:              # of the paper
venue:             # of the paper
weights_sha256:    # of your weight file: sha256sum FILE

# What `sdd-bench predict` made says these by itself, in predict.json beside it.
parameters:              # how many your network has, for example 31033411; 0 if it has none
seconds_per_megapixel:   # of the input, without reading and writing files
machine:                 # what that was measured on: the processor or the GPU by its name
threads:                 # of the processor, where it was measured on one
"""
"""A ``meta.yaml`` to fill in."""


class _TextLoader(yaml.BaseLoader):
    """Reads every value as text, so that a method may be called No or 1e3; nothing but keys and texts is read."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise yaml.MarkedYAMLError(
                None, None, "& and * (references) are not read: put it in quotes", event.start_mark
            )
        if getattr(event, "tag", None) is not None:
            raise yaml.MarkedYAMLError(None, None, "! (a type) is not read: put it in quotes", event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = []
        for key, _ in node.value:
            if key.value in seen:
                twice = f"{shown(str(key.value))} is there more than once"
                raise yaml.MarkedYAMLError(None, None, twice, key.start_mark)
            seen.append(key.value)
        return super().construct_mapping(node, deep)


def read_meta(path: Path) -> Method:
    """Read what a submission says of its method.

    Raises:
        SubmissionError: if the file is missing, or no YAML of keys and texts.
        ProblemsError: naming every key that is unknown or has a value it can't have.
    """
    content = _load(path)
    problems = []
    version = content.pop(_VERSION, None)
    if version != META_VERSION:
        problems.append(f"{_VERSION}: found {shown(str(version or 'none'))}; expected {META_VERSION}")
    fields: dict[str, Any] = {key: value for key, value in content.items() if value != ""}
    try:
        method = Method.model_validate(fields)
    except ValidationError as error:
        problems += [_problem(found["loc"], found["type"], found["msg"]) for found in error.errors()]
    if problems:
        raise ProblemsError(str(path), problems)
    return method


def _load(path: Path) -> dict[str, Any]:
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise SubmissionError(f"{path}: not there. `sdd-bench submit init` writes one to fill in.") from error
    except OSError as error:
        raise SubmissionError(f"{path}: can't be read: {error.strerror}.") from error
    try:
        if len(data) > _LARGEST:
            raise SubmissionError(f"{path}: {len(data):,} bytes; at most {_LARGEST:,} are read.")
        text = data.decode("utf-8-sig")
        content = yaml.load(text, _TextLoader)
    except UnicodeDecodeError as error:
        raise SubmissionError(f"{path}: not UTF-8 ({error}). Save it as UTF-8.") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "
        what = ", ".join(filter(None, (error.context, error.problem)))
        raise SubmissionError(f"{path}: {where}{what}. Texts with marks such as : and # stand in quotes.") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SubmissionError(f"{path}: not YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(content, dict):
        raise SubmissionError(f"{path}: expected lines of `key: text`. `sdd-bench submit init` writes one to fill in.")
    return content


def _problem(place: tuple[int | str, ...], kind: str, message: str) -> str:
    key = shown(str(place[0])) if place else "meta"
    if kind == "extra_forbidden":
        return unknown_name("key", key, [_VERSION, *Method.model_fields])
    if kind == "missing":
        return f"{key}: missing"
    return f"{key}: {message}"
