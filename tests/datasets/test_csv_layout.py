from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from sdd_bench.datasets.layouts import find_pairs
from sdd_bench.datasets.sources import SourcePair
from sdd_bench.errors import ProblemsError

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write pairs.csv beside empty files of the given names."""

    def make(content: str | bytes, *files: str) -> Path:
        raw = tmp_path / "raw"
        for name in files:
            path = raw / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        raw.mkdir(exist_ok=True)
        (raw / "pairs.csv").write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return raw

    return make


def pairs(raw: Path) -> list[SourcePair]:
    name, found = find_pairs(raw)
    assert name == "pairs.csv"
    return found.pairs


def problems(raw: Path) -> list[str]:
    with pytest.raises(ProblemsError) as caught:
        find_pairs(raw)
    return caught.value.problems


def test_all_columns_are_read(write: Write) -> None:
    raw = write(
        "split,blur,sharp,aligned,scene,environment,stem,x_camera\n"
        "test,b/1.png,s/one.png,a/1.png,kitchen,indoor,first,Canon\n",
        *("b/1.png", "s/one.png", "a/1.png"),
    )
    assert pairs(raw) == [
        SourcePair(
            stem="first",
            sources={"blur": "b/1.png", "gt": "s/one.png", "aligned_gt": "a/1.png"},
            scene="kitchen",
            environment="indoor",
            split="test",
        )
    ]


def test_two_columns_are_enough(write: Write) -> None:
    raw = write("blur,sharp\nb/x.1.png,s/y.tif\n", "b/x.1.png", "s/y.tif")
    assert pairs(raw) == [SourcePair("x.1", {"blur": "b/x.1.png", "gt": "s/y.tif"}, "x.1", None, None)]


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfblur,sharp\nb.png,s.png\n",
        b"blur,sharp\r\nb.png,s.png\r\n",
        b"blur,sharp\rb.png,s.png",
        b" blur , sharp \nb.png, s.png\n",
        b"\n\nblur,sharp\n\nb.png,s.png\n,\n",
        b'"blur","sharp"\n"b.png", "s.png"\n',
        b"blur,sharp,environment,split\nb.png,s.png,,\n",
    ],
    ids=["byte order mark", "CRLF", "CR", "spaces", "empty lines", "quotes", "empty cells"],
)
def test_what_spreadsheets_make_of_a_csv_is_read(write: Write, content: bytes) -> None:
    assert pairs(write(content, "b.png", "s.png")) == [SourcePair("b", {"blur": "b.png", "gt": "s.png"}, "b")]


def test_names_with_commas_quotes_spaces_dashes_and_unicode_are_read(write: Write) -> None:
    sharp_by_blur = {
        name: f"s/{k}.png"
        for k, name in enumerate(["a, b.png", 'a "b".png', " lead.png", "-rf.png", "Küche 日本.png", "1:2?.png"])
    }
    table = io.StringIO()
    csv.writer(table, quoting=csv.QUOTE_ALL).writerows([("blur", "sharp"), *sharp_by_blur.items()])
    raw = write(table.getvalue(), *sharp_by_blur, *sharp_by_blur.values())
    assert {p.sources["blur"]: p.sources["gt"] for p in pairs(raw)} == sharp_by_blur


def test_files_elsewhere_may_be_named(write: Write, tmp_path: Path) -> None:
    (tmp_path / "b.png").touch()
    (tmp_path / "s.png").touch()
    (found,) = pairs(write(f"blur,sharp\n../b.png,{tmp_path / 's.png'}\n"))
    assert found.sources == {"blur": "../b.png", "gt": str(tmp_path / "s.png")}


def test_case_of_environment_and_split_does_not_matter(write: Write) -> None:
    (found,) = pairs(write("blur,sharp,environment,split\nb.png,s.png,Indoor,TEST\n", "b.png", "s.png"))
    assert (found.environment, found.split) == ("indoor", "test")


def test_all_problems_of_the_rows_are_reported_together(write: Write) -> None:
    raw = write(
        "blur,sharp,aligned,stem,scene,environment,split\n"
        "b1.png,missing.png,,,,indor,trian\n"
        "b1.png,b1.png,,,,,\n"
        ",s.png,,,,,\n"
        "b2.png,s.png,gone.png,,,,\n"
        "folder,s.png,,,,,\n"
        "b3.png,s.png,,same,,,\n"
        "b1.png,s.png,,same,,,\n"
        "b1.png,s.png,,SAME,,,\n"
        "b1.png,s.png,,a/b,,,\n"
        "b1.png,s.png\n"
        "b1.nef,s.png,,,,,\n",
        *("b1.png", "b2.png", "b3.png", "s.png", "b1.nef", "folder/x"),
    )
    found = problems(raw)
    kinds = "(.png, .tif, .tiff, .jpg, .jpeg)"
    assert sorted(found) == sorted(
        [
            "line 2: sharp 'missing.png': no such file",
            "line 2: unknown environment 'indor'. Did you mean indoor or outdoor? Known: indoor, outdoor.",
            "line 2: unknown split 'trian'. Did you mean train? Known: test, train, val.",
            "line 3: blur and sharp are the same file, b1.png",
            "line 4: blur is empty",
            "line 5: aligned 'gone.png': no such file",
            "line 6: blur 'folder': not a file",
            "line 10: stem 'a/b' can't be the name of a file",
            "line 11: 2 cells; the header has 7 (a comma in a name needs quotes)",
            f"line 12: blur 'b1.nef': not a kind of image that is read {kinds}",
            "stems that differ only in case: SAME, same; rename all but one",
            "stem 'same' occurs 2 times; rename, or name the pairs in a column 'stem' of pairs.csv",
        ]
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty; expected a header with at least the columns blur and sharp"),
        ("\n \n", "empty"),
        ("blur,sharp\n", "a header and no pairs"),
        ("blur,sharpe\nb,s\n", "unknown column 'sharpe'. Did you mean sharp?"),
        ("blur,sharp,enviroment\nb,s,indoor\n", "Did you mean environment?"),
        ("blur,sharp,enviroment\nb,s,indoor\n", "A column of your own: x_enviroment."),
        ("sharp\ns\n", "column 'blur' is missing; found: sharp"),
        ("blur,sharp,blur\nb,s,b\n", "column 'blur' occurs 2 times"),
        ("blur;sharp\nb;s\n", "holds no comma"),
        ("blur\tsharp\nb\ts\n", "holds no comma"),
        ("blur,sharp,\nb,s,\n", "unknown column ''"),
        ('blur,sharp\n"b.png,s.png\n', "not a CSV file"),
        (b"blur,sharp\nK\xfcche.png,s.png\n", "not UTF-8 (byte 12); save it as UTF-8"),
    ],
)
def test_a_broken_table_says_what_is_wrong_with_it(write: Write, content: str | bytes, message: str) -> None:
    assert any(message in problem for problem in problems(write(content)))
