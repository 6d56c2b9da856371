"""`sdd-bench protocols`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from sdd_bench.evaluation.protocol import Protocol


@click.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print the records and their hashes as JSON.")
def protocols(names: tuple[str, ...], as_json: bool) -> None:
    """List the evaluation protocols, or explain each NAME.

    A protocol is a record of everything that changes a number. Results are comparable only under the same protocol, of
    the same hash.
    """
    from sdd_bench.evaluation.protocol import get_protocol, list_protocols

    records = [get_protocol(name) for name in names] if names else list_protocols()
    if as_json:
        content = [{"protocol_sha256": r.hash, "protocol": r.model_dump(mode="json")} for r in records]
        click.echo(json.dumps(content, indent=2, ensure_ascii=False))
    elif names:
        for record in records:
            _explain(record)
    else:
        _list(records)


def _list(records: list[Protocol]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from sdd_bench.evaluation import DEFAULT_PROTOCOL

    lines = Table.grid(padding=(0, 2))
    lines.add_column(style="bold", no_wrap=True)
    lines.add_column()
    for record in records:
        default = " (the default)" if record.id == DEFAULT_PROTOCOL else ""
        lines.add_row(record.id, Text(f"{record.title}{default}"))
        flow = "no flow" if record.flow is None else f"flow {record.flow.name}"
        depth = "any bit depth" if record.bit_depth is None else f"{record.bit_depth} bits"
        facts = f"frame {record.frame}, {flow}, {depth}; {' '.join(record.metrics)}; hash {record.hash[:12]}"
        lines.add_row("", Text(facts, style="dim"))
    console = Console()
    console.print(lines)
    console.print("`sdd-bench protocols NAME` explains one.", markup=False, highlight=False)


def _explain(record: Protocol) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from sdd_bench.evaluation.explain import explain

    console = Console()
    console.print(record.id, style="bold", markup=False, highlight=False)
    console.print(record.title, markup=False, highlight=False)
    lines = Table.grid(padding=(0, 2))
    lines.add_column(style="dim", no_wrap=True)
    lines.add_column(overflow="fold")
    for subject, text in explain(record).items():
        lines.add_row(subject, Text(text))
    lines.add_row("hash", record.hash)
    console.print(lines)
    console.print()
