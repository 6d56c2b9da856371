"""Every command and all Python in the documentation run, in a small folder with the names that it uses.

``sdd-bench`` runs as it stands, and has to succeed. ``make`` and ``pip`` would change the machine: their targets and
packages have to exist. Benchmarks take hours: their own parsers parse their command lines (`test_benchmarks.py`). A
block under ``<!-- not run: REASON -->`` is parsed.

Python runs one page's blocks after the other, in one namespace. A block under ``<!-- not run: the package NAME -->`` is
compiled, and runs where that package is installed.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from sdd_bench.cli import main

ROOT = Path(__file__).parents[2]
# Commands that refuse a folder which is there already: the template's is moved out of their way.
MAKES_A_FOLDER = {"prepare", "align", "synth"}
PYTHON_PROJECT = (ROOT / "pyproject.toml").read_text("utf-8")


def parse(words: list[str]) -> click.Context:
    """Parse the words behind ``sdd-bench`` without running anything."""
    command: click.Command = main
    context = click.Context(main, info_name="sdd-bench")
    while isinstance(command, click.Group):
        name = words.pop(0)
        found = command.get_command(context, name)
        assert found is not None, f"no command {name}"
        command, context = found, click.Context(found, info_name=name, parent=context)
    return command.make_context(command.name, words, parent=context.parent)


def sdd_bench(words: list[str], parse_only: bool) -> str:
    if parse_only:
        parse(words)
        return ""
    if words[0] in MAKES_A_FOLDER and "--out" in words:
        shutil.rmtree(words[words.index("--out") + 1], ignore_errors=True)
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, f"sdd-bench {shlex.join(words)}\n{done.output}\n{done.exception!r}"
    return done.output


def check_make(words: list[str]) -> None:
    for target in words:
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE), f"make has no {target}"


def check_pip(words: list[str]) -> None:
    assert words[0] == "install"
    for package in words[1:]:
        named = re.fullmatch(r"(?:sdd-bench|\.)(?:\[(\w+)\])?", package)
        assert named, f"pip install {package}"
        assert named[1] is None or re.search(rf"^{named[1]} = \[", PYTHON_PROJECT, re.MULTILINE), f"no extra {named[1]}"


def by_hand(output: str) -> Callable[[str], str]:
    """What a person does between two commands: copy the code that the plan printed, fill in the name of the method."""
    meta = Path("meta.yaml")
    if meta.exists():
        meta.write_text(re.sub(r"^name: +#", "name: mynet #", meta.read_text("utf-8"), flags=re.MULTILINE), "utf-8")
    code = re.search(r"--accept-pairs ([0-9a-f]{8})\b", output)
    return lambda command: command.replace("--accept-pairs CODE", f"--accept-pairs {code[1]}") if code else command


def test_every_command_runs(shell_page, blocks, reasons, work, placeholders, monkeypatch):
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    written(blocks[shell_page])
    output = ""
    for block in blocks[shell_page]:
        if block.language not in ("", "sh"):
            continue
        assert not block.reason or reasons.fullmatch(block.reason), f"{block.page}:{block.line}: {block.reason}"
        for command in block.commands():
            words = shlex.split(by_hand(output)(placeholders(command)))
            with monkeypatch.context() as variables:
                while "=" in words[0]:
                    variables.setenv(*words.pop(0).split("=", 1))
                output += run(words, block)
        os.chdir(work)


def written(of_page):
    """Python blocks that begin with a file's name are that file."""
    for block in of_page:
        if block.language == "python" and (name := re.match(r"# (\w+\.py)\n", block.text)):
            Path(name[1]).write_text(block.text, "utf-8")
        elif block.language == "python" and "save_file" in block.text:
            exec(block.text, {})


def run(words, block):
    program, *rest = words
    place = f"{block.page}:{block.line}"
    if program == "sdd-bench":
        return sdd_bench(rest, parse_only=bool(block.reason))
    if program == "make":
        check_make(rest)
    elif program == "pip":
        check_pip(rest)
    elif program == "cd":
        os.chdir(rest[0])
    elif program == "sha256sum":
        subprocess.run(words, check=True, timeout=60)
    elif program == "python" and rest[0].startswith(("benchmarks/", "docs/")):
        assert (ROOT / rest[0]).is_file(), f"{place}: {rest[0]} is not there"  # its options: test_benchmarks.py
    else:
        pytest.fail(f"{place}: no one knows how to check {shlex.join(words)}")
    return ""


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # of mlcroissant's own libraries
def test_all_python_runs(python_page, blocks, reasons, work):
    names = {"__name__": "documented"}
    for block in blocks[python_page]:
        if block.language != "python":
            continue
        place = f"{block.page}:{block.line}"
        code = compile(block.text, place, "exec")
        assert not block.reason or reasons.fullmatch(block.reason), f"{place}: {block.reason}"
        if block.reason:
            package = block.reason.rpartition(" ")[2]
            assert f"import {package}" in block.text, f"{place}: does not use {package}"
            if importlib.util.find_spec(package) is None:
                continue
        if not re.match(r"# infer\.py\n", block.text):  # a program, which a command runs
            exec(code, names)


def test_every_block_says_what_it_is(blocks):
    known = {"sh", "python", "yaml", "json", "text"}
    unknown = [
        f"{b.page}:{b.line} {b.language!r}"
        for of_page in blocks.values()
        for b in of_page
        if b.language not in known and b.page != "README.md"
    ]
    assert unknown == []
    commands = [
        f"{b.page}:{b.line}"
        for of_page in blocks.values()
        for b in of_page
        if b.language not in ("", "sh") and re.search(r"^(\$ )?(sdd-bench|make|pip|python) ", b.text, re.MULTILINE)
    ]
    assert commands == []


def test_a_reason_stands_only_before_a_block_that_it_keeps_from_running(blocks):
    pages = {page: (ROOT / page).read_text("utf-8").count("<!-- not run:") for page in blocks}
    assert pages == {page: sum(bool(b.reason) for b in of_page) for page, of_page in blocks.items()}
