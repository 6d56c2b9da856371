"""`sdd-bench leaderboard build --site`: a pure function of entries and of the pictures a site already has."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sdd_bench.errors import OutputError
from sdd_bench.io.atomic import file_batch, output_errors, write_text
from sdd_bench.leaderboard.boards import make_boards
from sdd_bench.leaderboard.boards_data import csv_board, json_boards
from sdd_bench.leaderboard.boards_latex import latex_boards
from sdd_bench.leaderboard.disagreements import disagreements
from sdd_bench.leaderboard.records import ComputedEntry, PublishedEntry
from sdd_bench.leaderboard.site.addresses import (
    ASSETS,
    HOME,
    PICTURES,
    TRAPS,
    board_file,
    board_page,
    compare_page,
    entry_data,
    method_page,
)
from sdd_bench.leaderboard.site.board_page import PAGE_SIZE, Family, families, headings, lines, ordering_column
from sdd_bench.leaderboard.site.compare_page import comparison, entry_script
from sdd_bench.leaderboard.site.environment import assets, render
from sdd_bench.leaderboard.site.method_page import method_pages
from sdd_bench.leaderboard.site.picture_files import EntryPictures, read_pictures
from sdd_bench.leaderboard.site.traps_page import traps

MARK = "site.json"
"""Names every page and data file of a site; a folder that has none is no site, and is left alone."""
_FORMAT = {"sdd_bench_site": 1}


@dataclass(frozen=True)
class Site:
    """What was built.

    Attributes:
        home: the page to open.
        entries: how many it shows.
        files: how many pages, scripts and tables it has.
        size: of these together, bytes.
        with_pictures: ids of the entries that have pictures.
        picture_bytes: of all pictures together.
    """

    home: Path
    entries: int
    files: int
    size: int
    with_pictures: tuple[str, ...]
    picture_bytes: int


def claim(folder: Path) -> None:
    """Make sure that a site may be built in a folder, before any work, and mark it as one.

    Raises:
        OutputError: if the folder holds something else.
    """
    with output_errors(folder):
        if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and _listed(folder) is None)):
            raise OutputError(f"{folder} exists and is not a leaderboard's site; choose another folder.")
    if _listed(folder) is None:
        write_text(folder / MARK, _mark([]))


def build_site(entries: Sequence[PublishedEntry | ComputedEntry], folder: Path) -> Site:
    """Write the site of a leaderboard; what an earlier build wrote and this one does not is removed.

    Pictures that are in the folder are kept as long as their entry is there with the same predictions.

    Args:
        entries: none, or any number.
        folder: new, empty, or an earlier site.

    Raises:
        OutputError: if the folder holds something else, or can't be written.
    """
    claim(folder)
    found = {
        entry.id: pictures
        for entry in entries
        if isinstance(entry, ComputedEntry) and (pictures := read_pictures(folder, entry)) is not None
    }
    files = site_files(entries, found)
    earlier = _listed(folder) or []
    with file_batch() as batch:
        for name, data in files.items():
            path = folder / name
            if not path.is_file() or path.read_bytes() != data:  # most pages of most builds are there already
                batch.write_bytes(path, data)
    for name in earlier:
        if name not in files:
            (folder / name).unlink(missing_ok=True)
    size = _drop_other_pictures(folder, found)
    return Site(
        home=folder / HOME,
        entries=len(entries),
        files=len(files),
        size=sum(map(len, files.values())),
        with_pictures=tuple(found),
        picture_bytes=size,
    )


def site_files(
    entries: Sequence[PublishedEntry | ComputedEntry], pictures: dict[str, EntryPictures]
) -> dict[str, bytes]:
    """Every file of a site but its pictures, by its address.

    Args:
        entries: in any order.
        pictures: by entry.
    """
    boards = make_boards(entries)
    grouped = families(boards)
    with_pictures = set(pictures)
    files = {f"{ASSETS}/{name}": data for name, data in assets().items()}
    methods = {row.entry.method.label for board in boards for row in board.rows}
    files[HOME] = render("home.html", HOME, families=grouped, entries=len(entries), methods=len(methods))
    files[TRAPS] = render("traps.html", TRAPS, told=traps(entries))
    for family in grouped:
        files |= _family_files(family, pictures)
    for page in method_pages(grouped, with_pictures):
        address = method_page(page.label)
        files[address] = render("method.html", address, page=page)
    found = disagreements([row.entry for board in boards for row in board.rows if board.group == "all"])
    files["leaderboard.json"] = json_boards(boards, found).encode()
    files[MARK] = _mark([*files, MARK]).encode()
    return files


def _family_files(family: Family, pictures: dict[str, EntryPictures]) -> dict[str, bytes]:
    files = {}
    for board in family.boards:
        address = board_page(board)
        files[address] = render(
            "board.html",
            address,
            board=board,
            family=family,
            headings=headings(board),
            lines=lines(board),
            ordering=ordering_column(board).key,
            page_size=PAGE_SIZE,
        )
        files[board_file(board, "csv")] = csv_board(board).encode()
        files[board_file(board, "tex")] = latex_boards([board]).encode()
    if family.computed:
        board = family.main
        shown = {row.entry.id for row in board.rows} & set(pictures)
        address = compare_page(board)
        files[address] = render(
            "compare.html", address, board=board, family=family, data=comparison(board, shown), shown=shown
        )
        for row in board.rows:
            if isinstance(row.entry, ComputedEntry):
                script = entry_script(row.entry, board, pictures.get(row.entry.id))
                files[entry_data(row.entry)] = script.encode()
    return files


def _mark(files: Sequence[str]) -> str:
    return json.dumps(_FORMAT | {"files": sorted(files)}, indent=1) + "\n"


def _listed(folder: Path) -> list[str] | None:
    """The files that an earlier build wrote; None if the folder is no site."""
    try:
        content = json.loads((folder / MARK).read_bytes())
    except (OSError, ValueError):
        return None
    names = content.get("files") if isinstance(content, dict) and content.items() >= _FORMAT.items() else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    # Only names that a build makes: no list, however it came about, has files elsewhere removed.
    return [name for name in names if not Path(name).is_absolute() and ".." not in Path(name).parts]


def _drop_other_pictures(folder: Path, kept: dict[str, EntryPictures]) -> int:
    """Remove pictures that no entry shows any more.

    Returns:
        Size of the others, bytes.
    """
    names = {name for pictures in kept.values() for image in pictures.images.values() for name in image.files.values()}
    lists = {f"{name}.json" for name in kept}
    size = 0
    for path in sorted((folder / PICTURES).glob("*.json")):
        if path.name not in lists:
            path.unlink()
    for path in sorted((folder / PICTURES / "files").glob("*.jpg")):
        if path.name in names:
            size += path.stat().st_size
        else:
            path.unlink()
    return size
