import html
import re

import pytest

from sdd_bench import open_dataset
from sdd_bench.analysis.page import write_page

NAME = "<script>alert(1)</script> & 'so'"


@pytest.fixture(scope="module")
def pairs(data):
    return {pair.stem: pair for split in ("train", "test") for pair in open_dataset(data, split)}


@pytest.fixture(scope="module")
def page(result, pairs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    named = result.model_copy(update={"dataset": NAME})
    write_page(folder / "page.html", [(named, pairs)])
    write_page(folder / "again.html", [(named, pairs)])
    assert (folder / "page.html").read_bytes() == (folder / "again.html").read_bytes()
    return (folder / "page.html").read_text()


def test_names_are_escaped(page):
    assert NAME not in page
    assert html.escape(NAME, quote=False).split("'")[0] in page


def test_nothing_is_loaded_from_elsewhere(page):
    assert not re.findall(r"(?:src|href)=\"(?!data:|#)", page)
    assert "url(http" not in page


def test_every_pair_and_every_reason_is_there(page, result):
    for pair in result.pairs:
        assert page.count(f"<bdi>{pair.stem}</bdi>") >= 1
        if pair.reason:
            assert html.escape(pair.reason, quote=False) in page
    assert "No zoom and shift in 1 pair" in page


def test_the_most_and_the_least_misaligned_pair_are_shown(page, result):
    ranked = sorted((pair.similarity.corner, pair.stem) for pair in result.pairs if pair.similarity)
    assert f"Most misaligned: <bdi>{ranked[-1][1]}</bdi>" in page
    assert f"Least misaligned: <bdi>{ranked[0][1]}</bdi>" in page


def test_two_datasets_of_one_name_are_told_apart(result, pairs, tmp_path):
    write_page(tmp_path / "page.html", [(result, pairs), (result, pairs)])
    page = (tmp_path / "page.html").read_text()
    name = result.dataset
    assert f"<bdi>{name} (1)</bdi> is misaligned <strong>1.00 times</strong>" in page
    assert f"<bdi>{name} (2)</bdi>" in page


def test_a_dataset_without_any_aligned_pair_has_a_page(result, pairs, tmp_path):
    lost = result.model_copy(update={"pairs": result.pairs[:1]})
    write_page(tmp_path / "page.html", [(lost, pairs)])
    page = (tmp_path / "page.html").read_text()
    assert "zoom and shift found in 0" in page
    assert 'id="scatter"' not in page
