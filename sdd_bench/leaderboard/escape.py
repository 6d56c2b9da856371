"""Names as text: nothing in them ends a cell, becomes markup or runs."""

from __future__ import annotations

import re
import unicodedata

_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    # After the end of a line they would be its options.
    **{character: f"{{{character}}}" for character in "*[]"},
    **{character: f"\\{character}" for character in "&%$#_"},
}


def markdown_text(text: str) -> str:
    """Text that can't end a table cell or become Markdown or HTML."""
    text = " ".join(text.split())
    for character in "\\`*_[]<>|&~$":
        text = text.replace(character, "\\" + character)
    return text


def latex_text(text: str) -> str:
    """Text in which no character commands LaTeX."""
    return "".join(_LATEX.get(character, character) for character in " ".join(text.split()))


def slug(text: str, longest: int = 40) -> str:
    """A name of a file that every system takes: lower-case letters, digits and single hyphens; may be empty."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:longest].strip("-")
