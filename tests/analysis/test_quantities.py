import pytest

from sdd_bench.analysis.comparison import compare, median_ratio
from sdd_bench.analysis.quantities import QUANTILES, QUANTITIES, groups, outcome, quantiles
from sdd_bench.analysis.records import AnalysisResult, PairAnalysis, SimilarityRecord


def pair(stem, corner=None, *, zoom_rms=1.0, shift=(0.0, 0.5), environment=None, reason="", size=(300, 400)):
    found = corner is not None and SimilarityRecord(
        zoom=1.01,
        shift=shift,
        covariance=None,
        inlier_share=1.0,
        corner=corner,
        corner_sd=None,
        zoom_rms=zoom_rms,
        dominant="zoom" if zoom_rms > 0.5 else "shift",
    )
    return PairAnalysis(
        stem=stem,
        scene=stem,
        environment=environment,
        split="test",
        size=size,
        similarity=found or None,
        residual=None,
        reason=reason,
    )


def result(pairs, name="data"):
    return AnalysisResult(
        tool_version="0", arithmetic=1, dataset=name, manifest_sha256="0" * 64, split="all", pairs=tuple(pairs)
    )


def test_quantiles_leave_pairs_without_a_value_out():
    pairs = [pair("a", 1.0), pair("b", 3.0), pair("c", reason="lost")]
    found = dict(zip(QUANTILES, quantiles(pairs, QUANTITIES["corner"]), strict=True))
    assert found[0.5] == 2.0
    assert found[1.0] == 3.0
    assert quantiles(pairs, QUANTITIES["residual_rms"]) is None
    assert quantiles(pairs, QUANTITIES["zoom"])[2] == pytest.approx(1.0)


def test_outcome_counts_what_dominates_and_lists_reasons_most_frequent_first():
    pairs = [pair("a", 1.0), pair("b", 1.0, zoom_rms=0.1), pair("c", 2.0)]
    pairs += [pair("d", reason="dark"), pair("e", reason="lost"), pair("f", reason="lost")]
    found = outcome(pairs)
    assert (found.pairs, found.aligned) == (6, 3)
    assert found.zoom_dominates == pytest.approx(2 / 3)
    assert found.reasons == [("lost", ["e", "f"]), ("dark", ["d"])]
    assert [stem for stem, _ in found.unmeasured] == ["a", "b", "c"]


def test_without_any_pair_aligned_nothing_dominates():
    assert outcome([pair("a", reason="lost")]).zoom_dominates is None


def test_groups_are_told_apart_only_where_there_are_several():
    mixed = result([pair("a", 1.0, environment="indoor"), pair("b", 1.0, environment="outdoor"), pair("c", 1.0)])
    assert {name: len(found) for name, found in groups(mixed).items()} == {"all": 3, "indoor": 1, "outdoor": 1}
    assert list(groups(result([pair("a", 1.0, environment="indoor")]))) == ["all"]


def test_the_ratio_of_medians_and_its_interval():
    first, second = [2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0], [1.0, 1.5, 2.0, 2.5, 3.0, 3.5]
    found = median_ratio(first, second)
    assert found.value == pytest.approx(8 / 2.25)
    low, high = found.interval
    assert low < found.value < high
    # No resample's median leaves the samples.
    assert low >= 2 / 3.5
    assert high <= 14 / 1
    assert median_ratio(first, second) == found


def test_few_values_have_a_ratio_but_no_interval():
    assert median_ratio([2.0], [1.0]) == (2.0, None)


def test_equal_samples_differ_by_a_factor_whose_interval_holds_1():
    sample = [float(i) for i in range(1, 30)]
    found = median_ratio(sample, sample)
    assert found.value == 1
    assert found.interval[0] < 1 < found.interval[1]


def test_halving_a_dataset_halves_pixels_but_not_shares_of_the_diagonal():
    large = result([pair(f"p{i}", float(i + 1)) for i in range(7)])
    small = result([pair(f"p{i}", (i + 1) / 2, size=(150, 200)) for i in range(7)])
    found = compare(large, small)
    assert found.pixels.value == pytest.approx(2)
    assert found.of_diagonal.value == pytest.approx(1)


def test_a_dataset_without_displacement_has_no_ratio():
    assert compare(result([pair("a", 1.0)]), result([pair("b", 0.0)])) is None
    assert compare(result([pair("a", 1.0)]), result([pair("b", reason="lost")])) is None
