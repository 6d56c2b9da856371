"""Every command line of a benchmark, and of what else is run as a script, is one that its own parser takes."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Runs each script up to the end of its `parse_args`, all in one process, since most of the time goes into imports.
PARSE = """
import argparse, contextlib, io, json, runpy, sys

class Parsed(Exception):
    pass

def parse_args(self, *given):
    whole(self, *given)
    raise Parsed

whole = argparse.ArgumentParser.parse_args
argparse.ArgumentParser.parse_args = parse_args
failures = []
for words in json.load(sys.stdin):
    sys.argv = words
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            runpy.run_path(words[0], run_name="__main__")
        failures.append([words, "ran"])
    except Parsed:
        pass
    except BaseException as error:
        failures.append([words, f"{error!r} {said.getvalue()[-500:]}"])
print(json.dumps(failures))
"""


@pytest.fixture(scope="module")
def command_lines(blocks, spans):
    """Words after ``python``, of all blocks and of all code in running text."""
    found = {}
    for page, line, text in [
        *spans,
        *(
            (b.page, b.line, c)
            for of_page in blocks.values()
            for b in of_page
            if b.language in ("", "sh")
            for c in b.commands()
        ),
    ]:
        if text.startswith("python ") and "/" in text.split()[1]:
            found.setdefault(tuple(shlex.split(text)[1:]), f"{page}:{line}")
    return found


def test_every_script_takes_its_documented_options(command_lines):
    with_parser, failures = [], []
    for words, place in command_lines.items():
        script = ROOT / words[0]
        if not script.is_file():
            failures.append(f"{place}: {words[0]} is not there")
        elif "parse_args" in script.read_text("utf-8"):
            with_parser.append(words)
        elif any(word.startswith("-") for word in words[1:]):
            failures.append(f"{place}: {words[0]} takes no options")
    done = subprocess.run(
        [sys.executable, "-c", PARSE],
        input=json.dumps(with_parser),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        timeout=300,
        env=os.environ | {"PYTHONPATH": str(ROOT / "benchmarks")},
    )
    failures += [f"{command_lines[tuple(words)]}: {shlex.join(words)}: {why}" for words, why in json.loads(done.stdout)]
    assert failures == []
    assert len(with_parser) > 20


def test_every_benchmark_is_documented():
    text = " ".join(path.read_text("utf-8") for path in (ROOT / "docs").rglob("*.md"))
    scripts = {path.name for path in (ROOT / "benchmarks").glob("*.py") if "__main__" in path.read_text("utf-8")}
    assert {name for name in scripts if f"benchmarks/{name}" not in text} == set()
