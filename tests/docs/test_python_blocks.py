"""The documentation's Python runs: one page's blocks after the other, in one namespace.

A block under ``<!-- not run: the package NAME -->`` is compiled, and runs where that package is installed.
"""

from __future__ import annotations

import importlib.util
import re

import pytest


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # of mlcroissant's own libraries
def test_every_example_runs(python_page, blocks, reasons, work):
    names = {"__name__": "documented"}
    for block in blocks[python_page]:
        if block.language != "python":
            continue
        place = f"{block.page}:{block.line}"
        code = compile(block.text, place, "exec")
        assert not block.reason or reasons.fullmatch(block.reason), f"{place}: {block.reason}"
        if block.reason:
            package = block.reason.rpartition(" ")[2]
            assert f"import {package}" in block.text, f"{place}: does not use {package}"
            if importlib.util.find_spec(package) is None:
                continue
        if not re.match(r"# infer\.py\n", block.text):  # a program, which test_shell_blocks.py runs
            exec(code, names)
