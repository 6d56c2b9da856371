"""`sdd-bench leaderboard`."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def leaderboard() -> None:
    """Make tables from result files."""


@leaderboard.command()
@click.argument("results", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--out", type=click.Path(path_type=Path), help="Markdown file to write.  [default: the terminal]")
def build(results: Path, out: Path | None) -> None:
    """Make one Markdown table per dataset and protocol from every result.json below RESULTS."""
    from sdd_bench.io.atomic import write_text
    from sdd_bench.leaderboard.table import collect, markdown

    text = markdown(collect(results))
    if out is None:
        click.echo(text, nl=False)
    else:
        write_text(out, text)
        click.echo(f"Wrote {out}")
