"""Commands and options that running text mentions exist, and every command has its reference and its page."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from sdd_bench.cli import main

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def leaves(command=main, words=()):
    """Every command that is no group, with its words."""
    if not isinstance(command, click.Group):
        return [(" ".join(words), command)]
    context = click.Context(command)
    return [
        found
        for name in command.list_commands(context)
        for found in leaves(command.get_command(context, name), (*words, name))
    ]


def options_of(command):
    return {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}


@pytest.fixture(scope="module")
def known_options():
    """All options of commands, and those of benchmarks."""
    found = {"--help", "--version"}
    for _, command in leaves():
        found |= options_of(command)
    for path in (ROOT / "benchmarks").glob("*.py"):
        found |= set(re.findall(r"add_argument\(\s*\"(--[\w-]+)\"", path.read_text("utf-8")))
    return found


def test_commands_and_their_options_in_running_text_exist(spans):
    wrong = []
    for page, line, text in spans:
        if not text.startswith("sdd-bench "):
            continue
        words = shlex.split(text)[1:]
        command, context = main, click.Context(main)
        while isinstance(command, click.Group) and words and command is not None:
            command = command.get_command(context, words.pop(0))
        known = {"--help"} | (options_of(command) if command is not None else set())
        unknown = {word.partition("=")[0] for word in words if word.startswith("--")} - known
        if (command is None and not re.match(r"sdd-bench [A-Z{<]", text)) or unknown:
            wrong.append(f"{page}:{line}: {text}")
    assert wrong == []


def test_options_in_running_text_exist(spans, known_options):
    named = [
        (f"{page}:{line}", text.split()[0].partition("=")[0]) for page, line, text in spans if text.startswith("--")
    ]
    assert len(named) > 60
    assert [f"{place}: {option}" for place, option in named if option not in known_options] == []


def test_every_command_has_its_reference_out_of_the_program():
    shown = {
        name.strip()
        for page in DOCS.rglob("*.md")
        for name in re.findall(r"^```\{command\} (.+)$", page.read_text("utf-8"), re.MULTILINE)
    }
    assert {name for name, _ in leaves()} - shown == set()


def test_every_protocol_is_explained():
    from sdd_bench.evaluation.protocol import list_protocols

    page = (DOCS / "reference" / "protocols.md").read_text("utf-8")
    shown = re.findall(r"^```\{protocol\} (.+)$", page, re.MULTILINE)
    assert sorted(shown) == sorted(protocol.id for protocol in list_protocols())
    assert all(f"## {name}\n" in page for name in shown)


def test_links_of_the_readme_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+)", (ROOT / "README.md").read_text("utf-8"))
    assert len(links) > 10
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []


def test_the_workflow_publishes_what_make_builds():
    workflow = (ROOT / ".github" / "workflows" / "docs.yml").read_text("utf-8")
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert "run: make docs " in workflow
    (folder,) = re.findall(r"path: (\S+)", workflow)
    assert f"--doctree-dir build/doctrees docs {folder}\n" in makefile
    used = re.findall(r"uses: \S+@(\S+)", workflow)
    assert len(used) == 4
    assert all(re.fullmatch(r"[0-9a-f]{40}", commit) for commit in used)
