"""The LaTeX of tables as LaTeX reads it: it compiles, nothing hangs over, and what was written is what is printed."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sdd_bench.leaderboard.boards import make_boards
from sdd_bench.leaderboard.boards_latex import latex_boards
from sdd_bench.leaderboard.folder import load
from sdd_bench.leaderboard.records import Method

LEADERBOARDS = Path(__file__).parents[2] / "leaderboards"
DOCUMENT = r"""\documentclass{article}
\usepackage%s
\begin{document}
\input{tables}
\end{document}
"""


@pytest.fixture
def compile_tables(tmp_path):
    """Compiles tables in a document of the article class with the packages that their first line names; its log."""
    program = shutil.which("pdflatex")
    if program is None:
        pytest.skip("needs pdflatex: apt-get install texlive-latex-base texlive-latex-recommended")

    def make(boards):
        text = latex_boards(boards)
        (packages,) = re.findall(r"% \\usepackage(\{[a-z,]+\})", text)
        (tmp_path / "tables.tex").write_text(text, "utf-8")
        (tmp_path / "document.tex").write_text(DOCUMENT % packages)
        command = [program, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "document.tex"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout[-3000:]
        assert (tmp_path / "document.pdf").stat().st_size > 0
        return done.stdout

    return make


def complaints(log):
    return [line for line in log.splitlines() if re.search(r"Overfull|Missing|too large|undefined|Warning", line)]


def test_every_table_of_the_leaderboard_compiles_and_fits_the_page(compile_tables):
    boards = make_boards(load(LEADERBOARDS))
    log = compile_tables(boards)
    assert complaints(log) == []
    (pages,) = re.findall(r"\((\d+) pages?,", log)
    assert int(pages) >= len(boards) / 4


def test_names_full_of_markup_compile(compile_tables, entry):
    names = ["<script>|*x*\\input{y}_&%$#~^", "{", "}", "\\", "a -- b --- c", "``quoted''", "[x]", "\\end{table}"]
    rows = [entry(f"m{place}", (20.0 + place, 21.0), about=Method(name=name)) for place, name in enumerate(names)]
    assert complaints(compile_tables(make_boards(rows))) == []


def test_a_name_is_printed_as_it_is_written(compile_tables, entry, tmp_path):
    reader = shutil.which("pdftotext")
    if reader is None:
        pytest.skip("needs pdftotext: apt-get install poppler-utils")
    # After the end of a line, LaTeX takes a star or a bracket for its options, and prints neither.
    names = ["*star*", "[x]", "\\end{table}", "100 % & $1", "<i>|j|", "#3"]
    compile_tables(
        make_boards([entry(name, (20.0 + place,), about=Method(name=name)) for place, name in enumerate(names)])
    )
    command = [reader, "-layout", "document.pdf", "-"]
    printed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True).stdout
    assert [name for name in names if name not in printed] == []


def test_scores_with_intervals_stand_below_each_other_by_reference(entry, published):
    wide = make_boards([entry("a", [20.0 + i for i in range(8)]), entry("b", [21.0 + i for i in range(8)])])
    text = latex_boards(wide)
    assert len(re.findall(r"\\begin\{tabular\}", text)) == 2  # GT and deformed GT
    assert text.count("\\begin{table}") == 1
    assert [line.count("&") for line in text.splitlines() if line.startswith("a &")] == [3, 3]
    narrow = latex_boards(make_boards([published("a"), published("b", reference="deformed_gt")]))
    assert narrow.count("\\begin{tabular}") == 1
