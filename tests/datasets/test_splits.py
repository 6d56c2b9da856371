from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdd_bench.datasets.preset import Preset, load_preset
from sdd_bench.datasets.sources import SourcePair
from sdd_bench.datasets.splits import draw_test_scenes, scene_count_notes, split_pairs
from sdd_bench.errors import DatasetError, ProblemsError


def preset(**parameters: Any) -> Preset:
    return Preset(name="test", **parameters)


def pair(stem: str, scene: str | None = None, environment: Any = None, split: Any = None) -> SourcePair:
    return SourcePair(stem, {"blur": "b", "gt": "g"}, scene or stem, environment, split)


def scenes(indoor: int, outdoor: int, unknown: int = 0) -> dict[str, Any]:
    numbers = {"indoor": indoor, "outdoor": outdoor, "unknown": unknown}
    return {f"{name}{k}": name for name, count in numbers.items() for k in range(count)}


def drawn(names: set[str]) -> dict[str, int]:
    return {kind: sum(name.startswith(kind) for name in names) for kind in ("indoor", "outdoor", "unknown")}


@given(
    indoor=st.integers(0, 30),
    outdoor=st.integers(0, 30),
    share=st.floats(0, 1),
    seed=st.integers(0, 99),
    data=st.data(),
)
def test_the_draw_does_not_depend_on_the_order_of_scenes(
    indoor: int, outdoor: int, share: float, seed: int, data: Any
) -> None:
    ordered = scenes(indoor, outdoor)
    shuffled = dict(data.draw(st.permutations(list(ordered.items()))))
    chosen = preset(test_share=share, seed=seed)
    assert draw_test_scenes(ordered, chosen) == draw_test_scenes(shuffled, chosen)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40), st.floats(0, 1))
def test_each_environment_gives_its_share_within_one_scene(
    indoor: int, outdoor: int, unknown: int, share: float
) -> None:
    counts = drawn(draw_test_scenes(scenes(indoor, outdoor, unknown), preset(test_share=share)))
    for kind, size in (("indoor", indoor), ("outdoor", outdoor), ("unknown", unknown)):
        assert abs(counts[kind] - share * size) <= 1 + 1e-9


@given(st.integers(2, 60), st.floats(0.001, 0.999))
def test_neither_split_is_empty_where_two_scenes_or_more_are_shared_out(count: int, share: float) -> None:
    assert 0 < len(draw_test_scenes(scenes(count, 0), preset(test_share=share))) < count


@pytest.mark.parametrize(("share", "expected"), [(0, 0), (1, 7), (0.5, 4), (0.2, 1)])
def test_shares_are_rounded_half_up_and_0_and_1_are_meant(share: float, expected: int) -> None:
    assert len(draw_test_scenes(scenes(3, 4), preset(test_share=share))) == expected


def test_shares_and_counts_may_differ_by_environment() -> None:
    assert drawn(draw_test_scenes(scenes(10, 20, 5), preset(test_share={"indoor": 0.5, "outdoor": 0.1}))) == {
        "indoor": 5,
        "outdoor": 2,
        "unknown": 0,
    }
    assert drawn(draw_test_scenes(scenes(10, 20, 5), preset(test_count={"outdoor": 7, "unknown": 5}))) == {
        "indoor": 0,
        "outdoor": 7,
        "unknown": 5,
    }
    assert drawn(draw_test_scenes(scenes(10, 20), preset(test_count=6))) == {"indoor": 2, "outdoor": 4, "unknown": 0}


def test_another_seed_draws_other_scenes() -> None:
    draws = {frozenset(draw_test_scenes(scenes(30, 30), preset(seed=seed))) for seed in range(5)}
    assert len(draws) == 5


@pytest.mark.parametrize("count", [9, {"indoor": 4}])
def test_more_test_scenes_than_there_are_is_an_error(count: Any) -> None:
    with pytest.raises(DatasetError, match="test_count asks for"):
        draw_test_scenes(scenes(3, 4), preset(test_count=count))


def test_pairs_of_one_scene_stay_together() -> None:
    pairs = [pair(f"{scene}{k}", scene=f"s{scene}") for scene in range(10) for k in range(3)]
    splits = split_pairs(pairs, preset(test_share=0.3))
    by_scene = {scene: {splits[f"{scene}{k}"] for k in range(3)} for scene in range(10)}
    assert all(len(its) == 1 for its in by_scene.values())
    assert sum(its == {"test"} for its in by_scene.values()) == 3


def test_splits_named_by_the_folder_win() -> None:
    pairs = [pair("a", split="test"), pair("b", split="train"), pair("c", split="test")]
    assert split_pairs(pairs, preset(test_share=0)) == {"a": "test", "b": "train", "c": "test"}


def test_all_contradictions_are_reported_together() -> None:
    pairs = [
        pair("a", scene="one", split="test", environment="indoor"),
        pair("b", scene="one", split="train"),
        pair("c", scene="two", environment="indoor"),
    ]
    with pytest.raises(ProblemsError) as caught:
        split_pairs(pairs, preset())
    assert caught.value.problems == [
        "scene 'one' has more than one split: test, train",
        "scene 'one' has more than one environment: indoor, none",
        "c: names no split, others do; give all pairs one, or none",
    ]


def test_a_validation_split_named_by_the_folder_is_kept() -> None:
    pairs = [pair("a", split="val"), pair("b", split="train"), pair("c", split="test")]
    assert split_pairs(pairs, preset()) == {"a": "val", "b": "train", "c": "test"}


def sdd_pairs(indoor: int, outdoor: int, split: Any = None) -> list[SourcePair]:
    # Two pairs of the first scene: scenes are counted, not pairs.
    names = [f"indoor{k}" for k in range(indoor)] + [f"outdoor{k}" for k in range(outdoor)]
    return [
        *(pair(name, environment=name.rstrip("0123456789"), split=split) for name in names),
        pair("again", names[0], "indoor", split),
    ]


def notes(pairs: list[SourcePair]) -> list[str]:
    sdd = load_preset("sdd")
    return scene_count_notes(pairs, split_pairs(pairs, sdd), sdd)


def test_the_papers_scenes_pass_without_a_note() -> None:
    # JDRL, section 3: 50 indoor and 65 outdoor scenes for training, 11 and 24 for testing.
    assert notes(sdd_pairs(61, 89)) == []


@pytest.mark.parametrize(
    ("pairs", "found", "why"),
    [
        (sdd_pairs(62, 88), "51 train indoor instead of 50; 64 train outdoor instead of 65", "check the environments"),
        (sdd_pairs(61, 80), "train outdoor instead of 65", "holds 141 scenes, the preset states 150"),
        (sdd_pairs(61, 89, "test"), "61 test indoor instead of 11", "that of the raw folder or the split table"),
        ([pair(str(k)) for k in range(150)], "115 train unknown instead of 0", "check the environments"),
    ],
)
def test_other_counts_than_the_papers_are_explained(pairs: list[SourcePair], found: str, why: str) -> None:
    (note,) = notes(pairs)
    assert found in note
    assert why in note
    assert "can't be compared with published ones" in note


def test_a_preset_without_counts_makes_no_note() -> None:
    assert scene_count_notes([pair("a")], {"a": "test"}, preset()) == []
