import math

import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from sdd_bench.errors import ProblemsError, ResultError
from sdd_bench.evaluation.comparison import Comparison, MetricComparison, PairComparison, compare, sentence

STEADY = [20.0, 22.0, 24.0, 26.0, 28.0, 30.0, 32.0]


@pytest.fixture(scope="session")
def method(image, result):
    """Makes a method's result from its PSNR values."""

    def make(name, values, **changes):
        return result([image(f"s{place}", value) for place, value in enumerate(values)], name, **changes)

    return make


def only_pair(results, **options):
    comparison = compare(results, **options)
    return comparison.metrics[0].pairs[0]


def test_a_pair_is_compared_image_by_image(method):
    b = [value - gain for value, gain in zip(STEADY, (1, 2, 3, 4, 5, 6, -1), strict=True)]
    comparison = compare([method("B", b), method("A", STEADY)])
    (pair,) = comparison.metrics[0].pairs
    assert (pair.first, pair.second) == ("A", "B")
    assert pair.advantage == pytest.approx(20 / 7)
    assert (pair.wins, pair.ties, pair.losses) == (6, 0, 1)
    assert pair.interval[0] < 20 / 7 < pair.interval[1]
    # Ranks 1.5, 1.5, 3, 4, 5, 6, 7: the negative ones sum to 1.5 or less if there is none, or one of the first two.
    assert pair.p_value == pair.p_adjusted == 2 * 3 / 2**7
    assert (comparison.methods, comparison.against, comparison.metrics[0].images) == (("B", "A"), "deformed_gt", 7)


def test_lower_is_better_where_the_metric_says_so(image, result):
    near = result([image(str(i), 20.0, mae=0.01 * i, lpips=0.1) for i in range(7)], "near")
    far = result([image(str(i), 20.0, mae=0.01 * i + 0.02, lpips=0.3) for i in range(7)], "far")
    for metric, advantage in (("mae", 0.02), ("lpips", 0.2)):
        pair = only_pair([far, near], metrics=[metric])
        assert (pair.first, pair.wins) == ("near", 7)
        assert pair.advantage == pytest.approx(advantage)


def test_images_are_matched_by_stem_never_by_position(image, result, method):
    b = [value - gain for value, gain in zip(STEADY, (1, 2, 3, 4, 5, 6, -1), strict=True)]
    shuffled = result([image(f"s{place}", b[place]) for place in (3, 0, 6, 1, 5, 2, 4)], "B")
    assert compare([method("A", STEADY), shuffled]) == compare([method("A", STEADY), method("B", b)])


@given(st.lists(st.tuples(st.floats(5, 60), st.floats(5, 60)), min_size=1, max_size=12))
def test_the_better_mean_comes_first_whatever_the_order_given(method, values):
    a, b = method("A", [one for one, _ in values]), method("B", [other for _, other in values])
    pair, swapped = only_pair([a, b]), only_pair([b, a])
    if pair.advantage > 0:
        assert pair == swapped
    assert pair.advantage == pytest.approx(abs(math.fsum(one - other for one, other in values)) / len(values), abs=1e-9)
    assert pair.wins + pair.ties + pair.losses == len(values)


def test_p_values_of_all_pairs_are_corrected_together(method):
    a, b, c = STEADY, [value - 1 - place / 10 for place, value in enumerate(STEADY)], STEADY[::-1]
    pairs = compare([method("A", a), method("B", b), method("C", c)]).metrics[0].pairs
    assert [(pair.first, pair.second) for pair in pairs] == [("A", "C"), ("A", "B"), ("C", "B")]
    expected = scipy.stats.wilcoxon([x - y for x, y in zip(a, b, strict=True)], method="exact").pvalue
    assert pairs[1].p_value == pytest.approx(expected)
    assert pairs[1].p_adjusted == pytest.approx(3 * expected)  # the smallest of three
    assert all(pair.p_adjusted >= pair.p_value for pair in pairs)


def test_images_without_a_score_of_one_method_are_left_out_for_all_with_the_reason(image, result):
    rows = [image(str(i), 20.0 + i) for i in range(8)]
    a = result([*rows[:6], image("6", 0.0, error="lost"), rows[7]], "A")
    b = result([image("0", math.inf), *rows[1:7]], "B")
    (found,) = compare([a, b]).metrics
    assert found.images == 5
    assert found.left_out == {
        "0": "B: identical to the deformed GT, an infinite PSNR",
        "6": "A: lost",
        "7": "B: no row",
    }
    assert compare([a, b], metrics=["ssim"]).metrics[0].images == 6  # identical images have an SSIM


def test_only_the_images_of_the_group_are_compared(image, result):
    def rows(gain):
        return [
            image(f"{where}{i}", 20.0 + (gain if where == "indoor" else 0), where)
            for where in ("indoor", "outdoor")
            for i in range(7)
        ]

    results = [result(rows(2), "A"), result(rows(0), "B")]
    assert only_pair(results).advantage == 1
    assert only_pair(results, group="indoor").advantage == 2
    assert only_pair(results, group="outdoor").ties == 7


def test_the_reference_can_be_chosen_and_is_the_gt_where_there_is_no_deformed_one(image, result):
    def rows(gain):
        seen = [image(str(i), 20.0 + i + gain) for i in range(7)]
        return [row.model_copy(update={"gt": image(row.stem, 9.0).gt, "deformed_gt": row.gt}) for row in seen]

    results = [result(rows(2), "A"), result(rows(0), "B")]
    assert only_pair(results).advantage == pytest.approx(2)
    assert only_pair(results, against="gt").ties == 7
    without = [
        result([row.model_copy(update={"deformed_gt": None}) for row in rows(0)], name, protocol="dpdd2020")
        for name in "AB"
    ]
    assert compare(without).against == "gt"
    with pytest.raises(ResultError, match=r"has PSNR against the true aligned GT .* no true aligned GT"):
        compare(results, against="aligned_gt")


def test_everything_that_differs_is_named_in_one_report(method):
    with pytest.raises(ProblemsError) as caught:
        compare(
            [
                method("A", STEADY, weights_sha256={"alexnet": "c" * 64}),
                method("B", STEADY, protocol="dpdd2020", weights_sha256={"alexnet": "d" * 64}),
                method("C", STEADY, manifest="2" * 64, split="train"),
            ]
        )
    protocols, datasets, splits, weights = caught.value.problems
    assert protocols.startswith("different protocols: ")
    assert " of A, C; dpdd2020 " in protocols
    assert datasets == "different datasets: data 111111111111 of A, B; data 222222222222 of C"
    assert splits == "different splits: test of A, B; train of C"
    assert weights == "different weights alexnet: cccccccccccc of A; dddddddddddd of B"


def test_a_method_is_not_compared_with_itself_nor_numbers_of_random_weights(method):
    with pytest.raises(ProblemsError, match="A has 2 results") as caught:
        compare([method("A", STEADY), method("A", STEADY), method("B", STEADY, weights="random")])
    assert "B: computed with random weights" in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metrics": ["pnsr"]}, "unknown metric 'pnsr'. Did you mean psnr"),
        ({"against": "deformed"}, "Did you mean deformed_gt"),
        ({"group": "inside"}, "unknown group 'inside'"),
        ({"group": "outdoor"}, "no image of group 'outdoor'"),
        ({"metrics": ["lpips"]}, "has LPIPS against the deformed GT for every method.* s0: A: no LPIPS; B: no LPIPS"),
    ],
)
def test_what_can_not_be_compared_is_refused_with_the_reason(method, options, message):
    with pytest.raises(ResultError, match=message):
        compare([method("A", STEADY), method("B", STEADY)], **options)


def test_one_result_is_no_comparison(method):
    with pytest.raises(ResultError, match="found 1"):
        compare([method("A", STEADY)])


def test_a_comparison_written_as_json_comes_back_equal_and_always_the_same(method):
    results = [method("A", STEADY), method("B", STEADY[::-1])]
    text = compare(results, metrics=["psnr", "ssim"]).model_dump_json()
    assert text == compare(results, metrics=["psnr", "ssim"]).model_dump_json()
    assert Comparison.model_validate_json(text) == compare(results, metrics=["psnr", "ssim"])


def said(advantage, interval, p_adjusted, *, metric="psnr", images=35, pairs=1, group="all"):
    pair = PairComparison(
        first="MPRNet",
        second="IFAN",
        advantage=advantage,
        interval=interval,
        p_value=p_adjusted,
        p_adjusted=p_adjusted,
        wins=20,
        ties=0,
        losses=15,
    )
    comparison = MetricComparison(metric=metric, images=images, left_out={}, pairs=(pair,) * pairs)
    return sentence(comparison, pair, group)


def test_a_sentence_says_better_only_where_interval_and_test_agree():
    assert said(0.52, (0.31, 0.74), 0.001) == (
        "On 35 images MPRNet is better than IFAN by 0.52 dB (95 % interval 0.31 to 0.74)."
    )
    assert said(0.11, (-0.05, 0.27), 0.2) == (
        "On 35 images MPRNet and IFAN can't be told apart: difference 0.11 dB, 95 % interval -0.05 to 0.27."
    )
    assert said(0.11, (0.02, 0.2), 0.06, pairs=6) == (
        "On 35 images MPRNet and IFAN can't be told apart: difference 0.11 dB, 95 % interval 0.02 to 0.20, "
        "but the signed-rank test, corrected for 6 pairs, gives p = 0.060."
    )
    assert said(0.11, (-0.05, 0.27), 0.0004) == (
        "On 35 images MPRNet and IFAN can't be told apart: difference 0.11 dB, 95 % interval -0.05 to 0.27, "
        "but the signed-rank test gives p < 0.001."
    )


def test_a_sentence_names_group_and_metric_and_says_where_images_are_too_few():
    assert said(0.0123, (0.01, 0.0149), 0.01, metric="lpips", images=11, group="indoor") == (
        "On 11 indoor images MPRNet is better than IFAN by 0.012 in LPIPS (95 % interval 0.010 to 0.015)."
    )
    assert said(0.5, None, 1.0, images=1) == (
        "On 1 image MPRNet and IFAN can't be told apart: difference 0.50 dB, without an interval, "
        "which takes 6 images or more."
    )
