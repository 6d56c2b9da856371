"""Where each page and data file of a site lies: names that any host and any file system takes."""

from __future__ import annotations

import hashlib

from sdd_bench.leaderboard.boards import Board
from sdd_bench.leaderboard.boards_data import file_name
from sdd_bench.leaderboard.escape import slug
from sdd_bench.leaderboard.records import ComputedEntry, PublishedEntry

HOME = "index.html"
TRAPS = "traps.html"
ASSETS = "assets"
PICTURES = "pictures"


def board_page(board: Board) -> str:
    """Page of a table."""
    return f"boards/{file_name(board)}.html"


def board_file(board: Board, kind: str) -> str:
    """The table as a file for other programs.

    Args:
        board: the table.
        kind: ``csv`` or ``tex``.
    """
    return f"boards/{file_name(board)}.{kind}"


def compare_page(board: Board) -> str:
    """Page on which the methods of a table of all images are compared image by image."""
    return f"compare/{file_name(board)}.html"


def method_page(label: str) -> str:
    """Page of everything known of one method, by its name in tables."""
    name = "-".join(filter(None, (slug(label), hashlib.sha256(label.encode()).hexdigest()[:8])))
    return f"methods/{name}.html"


def entry_data(entry: PublishedEntry | ComputedEntry) -> str:
    """Script that holds the per-image scores of an entry: a page opened from a folder may load no other data."""
    return f"data/{entry.id}.js"
