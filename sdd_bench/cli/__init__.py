"""The `sdd-bench` command: each command reads its options, calls one workflow and prints.

Options can be given as environment variables too: ``SDD_BENCH_EVALUATE_WORKERS=2`` stands for ``evaluate --workers 2``.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from sdd_bench.errors import SddBenchError

# Command, its module in this package, and its line in the overview: nothing is imported to print the overview.
_COMMANDS = {
    "demo": "Make a small dataset with known truth, score five methods and show what the scores are worth.",
    "synth": "Write synthetic pairs with known truth.",
    "prepare": "Make a checked, split and cropped dataset from raw pairs.",
    "verify": "Check that every file of a prepared dataset is there and as it was written.",
    "analyze": "Measure how badly the pairs of a dataset are misaligned.",
    "align": "Register a dataset: move every ground truth by its zoom and shift.",
    "predict": "Run a model, or a program of your own, over a dataset or a folder of pictures.",
    "train-reference": "Train JDRL or RGL with misaligned pairs, score the network and make its entry.",
    "evaluate": "Score a folder of predictions.",
    "protocols": "List the evaluation protocols, or explain one.",
    "compare": "Say which of several methods are better, and which can't be told apart.",
    "leaderboard": "Keep entries, check them, and make tables.",
    "submit": "Pack predictions for a leaderboard, or check what someone packed.",
    "weights": "Get, add and verify the weight files that some metrics and flows need.",
}


class _Commands(click.Group):
    """Commands that are imported when they are run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(importlib.import_module(f"{__name__}.{name}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SddBenchError as error:
            click.echo(f"Error: {error}", err=True)
            sys.exit(1)
        except KeyboardInterrupt:
            click.echo("Interrupted. Run the same command again to go on from here.", err=True)
            sys.exit(130)


@click.group(
    cls=_Commands,
    context_settings={
        "auto_envvar_prefix": "SDD_BENCH",
        "help_option_names": ["-h", "--help"],
        "max_content_width": 110,
    },
)
@click.version_option(package_name="sdd-bench")
def main() -> None:
    """Dataset toolkit and benchmark for single-image defocus deblurring with misaligned photo pairs."""
