from pathlib import Path

import pytest

from sdd_bench.leaderboard.disagreements import disagreements, markdown_disagreements
from sdd_bench.leaderboard.folder import load
from sdd_bench.leaderboard.records import Method, PrintedNumber, PublishedScores, Source, published_entry

BOARD = Path(__file__).parents[2] / "leaderboards"


def published(psnr, source, name="m", reference="gt", **about):
    scores = PublishedScores(group="all", reference=reference, psnr=PrintedNumber.parse(psnr))
    fields = {"dataset": "SDD", "protocol": None, "source": Source(title=source), "scores": (scores,)}
    return published_entry(method=Method(name=name, **about), **fields)


def test_one_method_with_two_numbers_is_told_with_both_sources():
    (found,) = disagreements(
        [published("24.28", "A"), published("25.09", "B", name="m (single)"), published("25.09", "C")]
    )
    assert (found.method, found.metric) == ("m", "psnr")
    assert found.numbers == (("25.09", ("B", "C")), ("24.28", ("A",)))
    assert found.spread == pytest.approx(0.81)
    text = markdown_disagreements([found])
    assert "| SDD | m | PSNR ↑ | 25.09: B; C<br>24.28: A |" in text


def test_numbers_that_differ_by_their_rounding_agree():
    assert disagreements([published("25.98", "A"), published("25.976", "B"), published("26.0", "C")]) == []
    assert len(disagreements([published("25.98", "A"), published("25.96", "B")])) == 1


def test_what_has_to_differ_is_no_disagreement():
    others = [
        published("26.00", "B", reference="deformed_gt"),
        published("26.00", "C", framework="jdrl"),
        published("26.00", "D", variant="no-mask"),
        published("26.00", "E", name="n"),
    ]
    assert disagreements([published("25.00", "A"), *others]) == []
    assert markdown_disagreements([]) == ""


@pytest.mark.parametrize(
    ("dataset", "method", "metric", "numbers"),
    [
        # Traps that readers of the field have fallen into.
        ("RealDOF", "Restormer", "psnr", {"24.284", "25.09"}),
        ("DPDD", "DRBNet", "psnr", {"25.47", "25.72", "25.725"}),
        ("DPDD", "NRKNet", "ssim", {"0.810", "0.817"}),
        ("DPDD", "GKMNet", "lpips", {"0.219", "0.306"}),
    ],
)
def test_the_known_traps_are_found_among_the_published_numbers(dataset, method, metric, numbers):
    found = {(one.dataset, one.method, one.metric): one for one in disagreements(load(BOARD))}
    assert {text for text, _ in found[dataset, method, metric].numbers} == numbers
