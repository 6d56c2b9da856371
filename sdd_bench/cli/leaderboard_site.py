"""The part of `sdd-bench leaderboard build` that makes the pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click


def parse_predictions(pairs: Sequence[str]) -> dict[str, Path]:
    """Read ``ENTRY=FOLDER``, as often as it is given.

    Raises:
        UsageError: of click, if one is not of this form, an entry is named twice, or a folder is not there.
    """
    found: dict[str, Path] = {}
    for pair in pairs:
        entry, equals, folder = pair.partition("=")
        entry = Path(entry).name.removesuffix(".json")
        if not equals or not entry or not folder:
            raise click.UsageError(f"--predictions {pair}: expected ENTRY=FOLDER, ENTRY as its file is named.")
        if entry in found:
            raise click.UsageError(f"--predictions {entry}: given twice; an entry has one folder.")
        if not Path(folder).is_dir():
            raise click.UsageError(f"--predictions {pair}: {folder} is not a folder.")
        found[entry] = Path(folder)
    return found


def make_site(
    folder: Path, site: Path, predictions: Sequence[str], datasets: Sequence[Path], side: int, workers: int
) -> None:
    """Draw the pictures that were asked for, build the pages, and say where they are."""
    from sdd_bench.leaderboard.folder import load
    from sdd_bench.leaderboard.selection import entries_of_results, holds_results
    from sdd_bench.leaderboard.site.build import build_site, claim
    from sdd_bench.leaderboard.site.pictures import add_pictures
    from sdd_bench.leaderboard.table import collect

    of_entries = parse_predictions(predictions)
    of_results = holds_results(folder)
    entries = [*entries_of_results(collect(folder))] if of_results else load(folder, may_be_empty=True)
    claim(site)
    if of_entries:
        add_pictures(site, entries, of_entries, datasets, longest_side=side, workers=workers)
    built = build_site(entries, site)
    pictures = f", pictures of {len(built.with_pictures)} of them ({built.picture_bytes / 1e6:.1f} MB)"
    click.echo(
        f"Wrote {built.files} files ({built.size / 1e6:.1f} MB) of {built.entries} entries"
        f"{pictures if built.with_pictures else ''}"
    )
    click.echo(f"Open {built.home}")
