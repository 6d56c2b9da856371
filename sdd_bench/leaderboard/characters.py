"""Characters by which a text is not what it looks like, and how such texts are shown."""

from __future__ import annotations

import unicodedata

_DIRECTION = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
_LONGEST = 80


def misleading(text: str) -> list[str]:
    """The control characters of a text, its line ends, and marks that turn the direction of what follows."""
    if text.isprintable():  # none of them is; most texts are done here
        return []
    return [
        character
        for character in text
        if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
        or unicodedata.bidirectional(character) in _DIRECTION
    ]


def spelled(text: str) -> str:
    """A text in which characters that are not seen, or do something, are written as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shown(text: str) -> str:
    """A name from a stranger for messages: spelled out, and cut where it gets long."""
    whole = spelled(text[: 2 * _LONGEST])
    return whole if len(whole) <= _LONGEST else f"{whole[:_LONGEST]}..."
