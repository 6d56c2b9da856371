"""Directives whose text comes out of the program, so that no option and no number is copied by hand.

``command`` shows what ``sdd-bench NAME --help`` shows, ``commands`` the overview, ``protocol`` what ``sdd-bench
protocols NAME`` explains.
"""

from __future__ import annotations

import re
from typing import Any

import click
from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from sdd_bench.cli import main
from sdd_bench.evaluation.explain import explain
from sdd_bench.evaluation.protocol import get_protocol

PROGRAM = "sdd-bench"
_MARKED = re.compile(r"(`[^`]+`|(?<![\w-])--[a-z][\w-]*|\[[^\]]*(?:default|required|x[<>])[^\]]*\])")


class CommandDirective(SphinxDirective):
    """``{command} leaderboard add``: usage, description and options."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Make the nodes."""
        words = self.arguments[0].split()
        command, context = _find(words)
        label = _label(words)
        self.env.domains.standard_domain.anonlabels[label] = self.env.docname, label
        self.env.domains.standard_domain.labels[label] = self.env.docname, label, " ".join(words)
        return [nodes.target("", "", ids=[label]), *_reference(words, command, context)]


class CommandsDirective(SphinxDirective):
    """``{commands}``: every command with the first line of its help, leading to where its options are."""

    def run(self) -> list[nodes.Node]:
        """Make the nodes."""
        listed = nodes.definition_list()
        context = click.Context(main, info_name=PROGRAM)
        for name in main.list_commands(context):
            command, _ = _find([name])
            for words, each in _leaves([name], command):
                line = click.Context(each).command.help or ""
                link = pending_xref(
                    "", refdomain="std", reftype="ref", reftarget=_label(words), refexplicit=True, refwarn=True
                )
                link += nodes.literal("", " ".join([PROGRAM, *words]), classes=["xref"])
                term = nodes.term("", "", link)
                listed += nodes.definition_list_item("", term, _definition(line.strip().split("\n\n")[0]))
        return [listed]


class ProtocolDirective(SphinxDirective):
    """``{protocol} sdd-v1``: what its record says, in sentences."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Make the nodes."""
        protocol = get_protocol(self.arguments[0])
        listed = nodes.definition_list(classes=["protocol"])
        for subject, text in (explain(protocol) | {"hash": protocol.hash}).items():
            term = nodes.term("", subject)
            listed += nodes.definition_list_item("", term, _definition(text))
        return [listed]


def _label(words: list[str]) -> str:
    return f"command-{nodes.make_id(' '.join(words))}"


def _leaves(words: list[str], command: click.Command) -> list[tuple[list[str], click.Command]]:
    if not isinstance(command, click.Group):
        return [(words, command)]
    return [found for name, each in command.commands.items() for found in _leaves([*words, name], each)]


def _find(words: list[str]) -> tuple[click.Command, click.Context]:
    command: click.Command = main
    context = click.Context(main, info_name=PROGRAM, max_content_width=100)
    for word in words:
        found = command.get_command(context, word) if isinstance(command, click.Group) else None
        if found is None:
            raise ValueError(f"no command {' '.join([PROGRAM, *words])}")
        command, context = found, click.Context(found, info_name=word, parent=context)
    return command, context


def _reference(words: list[str], command: click.Command, context: click.Context) -> list[nodes.Node]:
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    made: list[nodes.Node] = [nodes.literal_block(usage, usage, language="text")]
    made += [_paragraph(text) for text in (command.help or "").strip().split("\n\n") if text]
    options = nodes.definition_list(classes=["options"])
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is None or isinstance(parameter, click.Argument) or "--help" in parameter.opts:
            continue
        anchor = nodes.make_id("-".join([*words, parameter.opts[-1]]))
        term = nodes.term("", "", nodes.literal("", record[0]), ids=[anchor])
        options += nodes.definition_list_item("", term, _definition(record[1]))
    return [*made, options] if options.children else made


def _definition(text: str) -> nodes.definition:
    return nodes.definition("", _paragraph(text))


def _paragraph(text: str) -> nodes.paragraph:
    """A paragraph in which what stands in backticks, options and what stands in brackets are set apart."""
    paragraph = nodes.paragraph()
    for part in _MARKED.split(" ".join(text.split())):
        if part.startswith("`"):
            paragraph += nodes.literal("", part.strip("`"))
        elif part.startswith("--"):
            paragraph += nodes.literal("", part)
        elif part.startswith("["):
            paragraph += nodes.inline("", part, classes=["note"])
        elif part:
            paragraph += nodes.Text(part)
    return paragraph


def _spare_bars(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Absolute values, as in |F|, are no substitutions."""
    for number, line in enumerate(lines):
        parts = line.split("`")
        lines[number] = "`".join(part if place % 2 else part.replace("|", "\\|") for place, part in enumerate(parts))


def _level_captions(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """A heading has a level; Sphinx gives the captions of the contents none, which screen readers miss."""
    tree = context.get("furo_navigation_tree", "")
    context["furo_navigation_tree"] = tree.replace('role="heading"', 'role="heading" aria-level="2"')


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_directive("command", CommandDirective)
    app.add_directive("commands", CommandsDirective)
    app.add_directive("protocol", ProtocolDirective)
    app.connect("autodoc-process-docstring", _spare_bars)
    app.connect("html-page-context", _level_captions, priority=900)  # after the theme
    return {"parallel_read_safe": True, "parallel_write_safe": True}
