"""What changed between two leaderboards: entries, numbers, ranks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sdd_bench.leaderboard.escape import markdown_text
from sdd_bench.leaderboard.records import ComputedEntry, Method, PublishedEntry
from sdd_bench.leaderboard.snapshots import Snapshot, Standing, Table

ABSENT = "n/a"
_NAMED = 3  # images that a line names


@dataclass(frozen=True)
class EntryChange:
    """An entry that came, went or is another one.

    Attributes:
        id: of the entry.
        label: name of its method.
        kind: ``added``, ``removed`` or ``changed``.
        what: in words: where it stands, or what changed.
    """

    id: str
    label: str
    kind: str
    what: str


@dataclass(frozen=True)
class RowChange:
    """A number or a rank in a table that is another one.

    Attributes:
        table: title of the table.
        id: of the entry.
        label: name of its method.
        column: ``rank``, ``images``, ``deformation``, or a column such as ``psnr_gt``.
        old: as shown before.
        new: as shown now; more digits where these would show no difference.
    """

    table: str
    id: str
    label: str
    column: str
    old: str
    new: str


@dataclass(frozen=True)
class LeaderboardDiff:
    """All that changed.

    Attributes:
        entries: in the order of their ids.
        rows: numbers, table by table, in the order of the new rows.
        ranks: places in the tables' order, likewise; of entries that are in both.
        tables: titles of tables that came (``added``) or went (``removed``).
    """

    entries: tuple[EntryChange, ...]
    rows: tuple[RowChange, ...]
    ranks: tuple[RowChange, ...]
    tables: tuple[tuple[str, str], ...]

    @property
    def empty(self) -> bool:
        """Whether nothing changed."""
        return not (self.entries or self.rows or self.ranks or self.tables)


def diff(old: Snapshot, new: Snapshot) -> LeaderboardDiff:
    """Compare two leaderboards.

    An id depends on all that decides in which table an entry stands, so tables are the same if they share an id.
    """
    counterparts = [(table, _counterpart(table, old.tables)) for table in new.tables]
    matched = [table for _, table in counterparts if table is not None]
    gone = [table.title for table in old.tables if not any(table is one for one in matched)]
    return LeaderboardDiff(
        entries=tuple(_entries(old, new)),
        rows=tuple(change for table, before in counterparts if before is not None for change in _rows(before, table)),
        ranks=tuple(change for table, before in counterparts if before is not None for change in _ranks(before, table)),
        tables=(
            *((table.title, "added") for table, before in counterparts if before is None),
            *((title, "removed") for title in gone),
        ),
    )


def markdown_diff(found: LeaderboardDiff) -> str:
    """The changes as Markdown."""
    if found.empty:
        return "No change.\n"
    lines: list[str] = []
    if found.tables:
        lines += ["## Tables", "", "| | table |", "|---|---|"]
        lines += [f"| {kind} | {markdown_text(title)} |" for title, kind in found.tables] + [""]
    if found.entries:
        lines += ["## Entries", "", "| | method | | id |", "|---|---|---|---|"]
        lines += [
            f"| {change.kind} | {markdown_text(change.label)} | {markdown_text(change.what)} | `{change.id}` |"
            for change in found.entries
        ] + [""]
    for title, changes in (("Ranks", found.ranks), ("Numbers", found.rows)):
        if changes:
            lines += [f"## {title}", "", "| table | method | | old | new |", "|---|---|---|---:|---:|"]
            lines += [
                f"| {markdown_text(change.table)} | {markdown_text(change.label)} | {markdown_text(change.column)} "
                f"| {change.old} | {change.new} |"
                for change in changes
            ] + [""]
    return "\n".join(lines)


def _counterpart(table: Table, others: tuple[Table, ...]) -> Table | None:
    ids = {row.id for row in table.rows}
    return next((o for o in others if o.group == table.group and ids & {row.id for row in o.rows}), None)


def _entries(old: Snapshot, new: Snapshot) -> Iterator[EntryChange]:
    before, after = old.standings, new.standings
    for name in sorted(before.keys() | after.keys()):
        if name not in before:
            yield EntryChange(name, after[name].label, "added", after[name].status)
        elif name not in after:
            yield EntryChange(name, before[name].label, "removed", before[name].status)
        else:
            what = list(_facts(before[name], after[name]))
            if old.entries is not None and new.entries is not None:
                what += _images(old.entries[name], new.entries[name])
                if not what and old.entries[name].entry_sha256 != new.entries[name].entry_sha256:
                    what = ["how it was computed, or what is noted"]
            elif not what and before[name] != after[name]:
                what = ["its means"]
            if what:
                yield EntryChange(name, after[name].label, "changed", "; ".join(what))


def _facts(before: Standing, after: Standing) -> Iterator[str]:
    if before.status != after.status:
        yield f"{before.status} → {after.status}"
    for key in Method.model_fields:
        old, new = getattr(before.method, key), getattr(after.method, key)
        if old != new:
            yield f"{key}: {ABSENT if old is None else old} → {ABSENT if new is None else new}"


def _images(old: PublishedEntry | ComputedEntry, new: PublishedEntry | ComputedEntry) -> list[str]:
    """How many images have other rows or other files; published entries have no images."""
    if not isinstance(old, ComputedEntry) or not isinstance(new, ComputedEntry):
        return []
    before = {image.stem: image for image in old.result.images}
    after = {image.stem: image for image in new.result.images}
    stems = sorted(before.keys() | after.keys())
    changed = [stem for stem in stems if before.get(stem) != after.get(stem)]
    if not changed:
        return []
    files = sum(
        stem in before and stem in after and before[stem].prediction_sha256 != after[stem].prediction_sha256
        for stem in changed
    )
    names = ", ".join(changed[:_NAMED]) + (", ..." if len(changed) > _NAMED else "")
    return [f"{len(changed)} of {len(stems)} images ({names}), {files} with another prediction file"]


def _rows(old: Table, new: Table) -> Iterator[RowChange]:
    before = {row.id: row for row in old.rows}
    for row in new.rows:
        if row.id not in before:
            continue
        for column, (one, other) in _numbers(before[row.id], row).items():
            yield RowChange(new.title, row.id, row.label, column, one, other)


def _numbers(old: Standing, new: Standing) -> dict[str, tuple[str, str]]:
    found = {}
    for column in dict.fromkeys([*old.scores, *new.scores]):
        one, other = old.scores.get(column), new.scores.get(column)
        texts = (ABSENT if one is None else one.text, ABSENT if other is None else other.text)
        values = (None if one is None else one.value, None if other is None else other.value)
        if texts[0] != texts[1]:
            found[column] = texts
        elif values[0] != values[1]:  # a change that the table's digits hide
            found[column] = (repr(values[0]), repr(values[1]))
    counts = [ABSENT if row.images is None else f"{row.images} of {row.images + row.failed}" for row in (old, new)]
    if counts[0] != counts[1]:
        found["images"] = (counts[0], counts[1])
    if old.deformation != new.deformation:
        found["deformation"] = (_length(old.deformation), _length(new.deformation))
    return found


def _length(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.4f} px"


def _ranks(old: Table, new: Table) -> Iterator[RowChange]:
    before = {row.id: rank for rank, row in enumerate(old.rows, 1)}
    for rank, row in enumerate(new.rows, 1):
        if row.id in before and before[row.id] != rank:
            yield RowChange(new.title, row.id, row.label, "rank", str(before[row.id]), str(rank))
