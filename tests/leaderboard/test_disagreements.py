from pathlib import Path

import pytest

from sdd_bench.leaderboard.disagreements import disagreements, markdown_disagreements
from sdd_bench.leaderboard.folder import load
from sdd_bench.leaderboard.records import Method

BOARD = Path(__file__).parents[2] / "leaderboards"


def test_one_method_with_two_numbers_is_told_with_both_sources(published):
    (found,) = disagreements(
        [
            published("m", "24.28", title="A"),
            published("m (single)", "25.09", title="B"),
            published("m", "25.09", title="C"),
        ]
    )
    assert (found.method, found.metric) == ("m", "psnr")
    assert found.numbers == (("25.09", ("B", "C")), ("24.28", ("A",)))
    assert found.spread == pytest.approx(0.81)
    text = markdown_disagreements([found])
    assert "| SDD | m | PSNR ↑ | 25.09: B; C<br>24.28: A |" in text


def test_numbers_that_differ_by_their_rounding_agree(published):
    first, near, coarse, other = (published("m", psnr, title=psnr) for psnr in ("25.98", "25.976", "26.0", "25.96"))
    assert disagreements([first, near, coarse]) == []
    assert len(disagreements([first, other])) == 1


def test_what_has_to_differ_is_no_disagreement(published):
    others = [
        published("m", "26.00", title="B", reference="deformed_gt"),
        published("m", "26.00", title="C", method=Method(name="m", framework="jdrl")),
        published("m", "26.00", title="D", method=Method(name="m", variant="no-mask")),
        published("n", "26.00", title="E"),
    ]
    assert disagreements([published("m", "25.00", title="A"), *others]) == []
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
