from __future__ import annotations

from pathlib import Path

import pytest

from sdd_bench.datasets.scene_labels import with_environments, with_splits
from sdd_bench.datasets.sources import SourcePair
from sdd_bench.errors import ProblemsError, SddBenchError


def pairs() -> list[SourcePair]:
    sources = {"blur": "b", "gt": "g"}
    return [
        SourcePair("a1", sources, "küche", "indoor", "train"),  # type: ignore[arg-type]
        SourcePair("a2", sources, "küche", "indoor", "train"),  # type: ignore[arg-type]
        SourcePair("b", sources, "b, street", None, "test"),  # type: ignore[arg-type]
    ]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "table.csv"


def test_a_table_of_scenes_replaces_the_splits_of_the_folder(table: Path) -> None:
    table.write_text('\ufeffscene,split,x_note\r\nküche,TEST,\r\n"b, street",val,odd\r\n\r\n', encoding="utf-8")
    assert [pair.split for pair in with_splits(pairs(), table)] == ["test", "test", "val"]


def test_a_table_of_stems_gives_environments_and_leaves_what_it_does_not_name(table: Path) -> None:
    table.write_text("stem,environment,suggestion,confidence,reason\nb,outdoor,indoor,0.9,dark\na1,,indoor,1,\n")
    assert [pair.environment for pair in with_environments(pairs(), table)] == ["indoor", "indoor", "outdoor"]


def test_a_suggestion_is_never_taken_for_an_answer(table: Path) -> None:
    table.write_text('scene,environment,suggestion,confidence,reason\n"b, street",,outdoor,0.99,bright\n')
    assert with_environments(pairs(), table)[2].environment is None


def test_pairs_without_split_are_listed(table: Path) -> None:
    table.write_text("stem,split\na1,train\na2,\n")
    with pytest.raises(ProblemsError) as caught:
        with_splits(pairs(), table)
    assert caught.value.problems == ["stem 'a2': no split", "stem 'b': no split"]


def test_all_wrong_rows_are_listed_with_the_nearest_names(table: Path) -> None:
    table.write_text("scene,split\nkuche,train\nküche,trian\nküche,train\nküche,test\nb\n", encoding="utf-8")
    with pytest.raises(ProblemsError) as caught:
        with_splits(pairs(), table)
    assert caught.value.problems == [
        "row 2: unknown scene 'kuche'. Did you mean küche?",
        "row 3: unknown split 'trian'. Did you mean train? Known: test, train, val.",
        "row 5: scene 'küche' is train in an earlier row, test here",
        "row 6: 1 cells; the header has 2",
    ]


def test_an_environment_against_the_folder_is_refused(table: Path) -> None:
    table.write_text("stem,environment\na1,outdoor\n")
    with pytest.raises(ProblemsError, match="a1: outdoor by the table, indoor by the raw folder"):
        with_environments(pairs(), table)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected one column scene or stem, found neither"),
        (b"scene,splt\n", "unknown column 'splt'. Did you mean split"),
        (b"scene,stem,split\n", "found scene and stem"),
        (b"scene\n", "column 'split' is missing; found: scene"),
        (b"scene,split\n\xff,train\n", "not UTF-8"),
        (b'scene,split\n"a,train\n', "not a CSV file"),
        (None, "can't be read"),
    ],
)
def test_a_broken_table_says_what_is_wrong_with_it(table: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        table.write_bytes(content)
    with pytest.raises(SddBenchError) as caught:
        with_splits(pairs(), table)
    assert message in str(caught.value)
