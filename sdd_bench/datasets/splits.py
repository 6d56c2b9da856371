"""Which scenes are for training and which for testing."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np

from sdd_bench.datasets.manifest import Split
from sdd_bench.datasets.preset import Preset, Stratum
from sdd_bench.datasets.sources import SourcePair
from sdd_bench.errors import DatasetError, ProblemsError

STRATA: tuple[Stratum, ...] = ("indoor", "outdoor", "unknown")


def split_pairs(pairs: Sequence[SourcePair], preset: Preset) -> dict[str, Split]:
    """Assign every pair to a split, all pairs of a scene to the same one.

    Splits named by the raw folder are kept. Otherwise scenes are drawn with `draw_test_scenes`.

    Args:
        pairs: the pairs of a raw folder.
        preset: its test share or count, and its seed.

    Returns:
        "train", "val" or "test" by stem; "val" only where the raw folder names it.

    Raises:
        ProblemsError: if only some pairs name a split, or a scene is in both splits or in several environments.
    """
    problems = [
        *_contradictions("split", [(pair.scene, pair.split) for pair in pairs if pair.split is not None]),
        *_contradictions("environment", [(pair.scene, pair.environment or "none") for pair in pairs]),
    ]
    without = [pair.stem for pair in pairs if pair.split is None]
    if 0 < len(without) < len(pairs):
        problems += [f"{stem}: names no split, others do; give all pairs one, or none" for stem in without]
    if problems:
        raise ProblemsError("the pairs can't be split", problems)
    named: dict[str, Split] = {pair.stem: pair.split for pair in pairs if pair.split is not None}
    if named:
        return named
    test = draw_test_scenes({pair.scene: pair.environment or "unknown" for pair in pairs}, preset)
    return {pair.stem: "test" if pair.scene in test else "train" for pair in pairs}


def scene_count_notes(pairs: Sequence[SourcePair], splits: Mapping[str, Split], preset: Preset) -> list[str]:
    """Say where the numbers of scenes differ from those that the preset states.

    Splits of ready patches are left out: they hold images, not scenes.

    Args:
        pairs: all pairs.
        splits: split by stem.
        preset: its name, counts, shares and seed.

    Returns:
        Nothing where all agree; otherwise one line that explains the difference and what to do.
    """
    if preset.scene_counts is None:
        return []
    cut = {splits[pair.stem] for pair in pairs if pair.is_patch}
    scenes = {(splits[pair.stem], pair.environment or "unknown", pair.scene) for pair in pairs}
    found = Counter((split, environment) for split, environment, _ in scenes)
    stated = {(split, name): n for split, counts in preset.scene_counts.items() for name, n in counts.items()}
    compared = sorted(key for key in stated.keys() | found.keys() if key[0] not in cut)
    wrong = [
        f"{found[key]} {key[0]} {key[1]} instead of {stated.get(key, 0)}"
        for key in compared
        if found[key] != stated.get(key, 0)
    ]
    if not wrong:
        return []
    total = sum(count for key, count in stated.items() if key[0] not in cut)
    have = sum(count for key, count in found.items() if key[0] not in cut)
    if have != total:
        why = f"the raw folder holds {have} scenes, the preset states {total}: use the whole of what was published"
    elif any(pair.split is None for pair in pairs):
        why = "the split was drawn, as many scenes as the preset states: check the environments of the scenes"
    else:
        why = "the split is that of the raw folder or the split table: check it, and the environments of the scenes"
    return [
        f"scene counts: preset {preset.name!r} states others ({'; '.join(wrong)}); {why}. Scores on this dataset can't "
        "be compared with published ones"
    ]


def draw_test_scenes(scenes: Mapping[str, Stratum], preset: Preset) -> set[str]:
    """Draw the scenes of the test split, at random within each environment.

    The scenes of each environment are sorted by name, and the first of `numpy.random.default_rng([seed, i])`'s
    permutation are taken, i being the environment's place in `STRATA`; so the order in which they were found has no
    influence. How many: the shares are taken of each environment, their sum is rounded to the whole number of test
    scenes (at least one, and at least one left for training, where there are two scenes or more and the share is not 0
    or 1), and those are given to the environments by largest remainder.

    Args:
        scenes: environment by scene.
        preset: its test share or count, and its seed.

    Returns:
        Names of the test scenes.

    Raises:
        DatasetError: if the test count is more than there are scenes.
    """
    strata = {stratum: sorted(scene for scene, its in scenes.items() if its == stratum) for stratum in STRATA}
    sizes = {stratum: len(names) for stratum, names in strata.items()}
    counts = _test_counts(sizes, preset)
    test: set[str] = set()
    for i, (stratum, names) in enumerate(strata.items()):
        order = np.random.default_rng([preset.seed, i]).permutation(len(names))
        test.update(names[k] for k in order[: counts[stratum]])
    return test


def _test_counts(sizes: Mapping[Stratum, int], preset: Preset) -> dict[Stratum, int]:
    total = sum(sizes.values())
    if isinstance(preset.test_count, dict):
        counts = {stratum: preset.test_count.get(stratum, 0) for stratum in sizes}
        for stratum, count in counts.items():
            if count > sizes[stratum]:
                raise DatasetError(f"test_count asks for {count} {stratum} scenes; there are {sizes[stratum]}.")
        return counts
    if preset.test_count is not None:
        if preset.test_count > total:
            raise DatasetError(f"test_count asks for {preset.test_count} scenes; there are {total}.")
        quotas = {stratum: Fraction(preset.test_count * size, max(total, 1)) for stratum, size in sizes.items()}
        return _largest_remainder(quotas, preset.test_count)
    shares = preset.test_share if isinstance(preset.test_share, dict) else dict.fromkeys(sizes, preset.test_share)
    quotas = {stratum: Fraction(str(shares.get(stratum, 0))) * size for stratum, size in sizes.items()}
    wanted = sum(quotas.values(), Fraction(0))
    count = math.floor(wanted + Fraction(1, 2))
    if total > 1 and 0 < wanted < total:
        count = min(max(count, 1), total - 1)
    return _largest_remainder(quotas, count)


def _largest_remainder(quotas: Mapping[Stratum, Fraction], total: int) -> dict[Stratum, int]:
    counts = {stratum: math.floor(quota) for stratum, quota in quotas.items()}
    by_remainder = sorted(quotas, key=lambda stratum: counts[stratum] - quotas[stratum])
    for stratum in by_remainder[: total - sum(counts.values())]:
        counts[stratum] += 1
    return counts


def _contradictions(what: str, values: Sequence[tuple[str, str]]) -> list[str]:
    by_scene: dict[str, set[str]] = {}
    for scene, value in values:
        by_scene.setdefault(scene, set()).add(value)
    return [
        f"scene {scene!r} has more than one {what}: {', '.join(sorted(found))}"
        for scene, found in sorted(by_scene.items())
        if len(found) > 1
    ]
