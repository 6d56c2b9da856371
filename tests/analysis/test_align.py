import hashlib
import json

import numpy as np
import pytest
from click.testing import CliRunner

from sdd_bench import open_dataset
from sdd_bench.analysis import align as align_module
from sdd_bench.analysis.align import align
from sdd_bench.cli import main
from sdd_bench.datasets.verify import verify_dataset
from sdd_bench.errors import DatasetError, OutputError, ProblemsError
from sdd_bench.io.images import read_image


@pytest.fixture(scope="module")
def aligned(data, cache, result, tmp_path_factory):
    """The dataset without the pair of unlike pictures, registered; and its folder."""
    out = tmp_path_factory.mktemp("aligned") / "out"
    return align(data, out, skip_unconverged=True, cache=cache, progress=False), out


def psnr(a, b):
    return -10 * np.log10(np.mean((a.astype(float) - b) ** 2))


def test_the_registered_ground_truth_is_nearly_the_truly_aligned_one(aligned, data):
    done, out = aligned
    for split in ("train", "test"):
        before = open_dataset(data, split)
        for pair in open_dataset(out, split):
            assert pair.size == (192 - 2 * done.margin.x, 144 - 2 * done.margin.y)
            # Rendered, not resampled: the truth owes nothing to the kernel.
            now = psnr(pair.gt(), pair.aligned_gt())
            assert now > psnr(before[pair.stem].gt(), before[pair.stem].aligned_gt()) + 6


def test_blurry_images_are_the_same_but_for_the_crop(aligned, data):
    done, out = aligned
    x, y = done.margin
    for pair in open_dataset(out, "test"):
        whole = open_dataset(data, "test")[pair.stem].blur()
        assert np.array_equal(pair.blur(), whole[y:-y, x:-x])


def test_hardly_any_zoom_and_shift_remain(aligned):
    done, _ = aligned
    assert [pair.stem for pair in done.after.pairs] == ["scene_000", "scene_001", "scene_002"]
    for pair in done.after.pairs:
        assert pair.similarity.corner < 0.25


def test_the_new_dataset_is_whole_and_says_where_it_comes_from(aligned, data):
    done, out = aligned
    assert verify_dataset(out, progress=False).sound
    source = open_dataset(data, "test").manifest
    assert any(source.manifest_hash in note for note in done.manifest.notes)
    assert any("noise" in note for note in done.manifest.notes)
    known = {pair.stem: pair.files for pair in source.pairs}
    for pair in done.manifest.pairs:
        for kind in ("blur", "gt", "aligned_gt"):
            assert known[pair.stem][pair.sources[kind].path] == pair.sources[kind].sha256


def test_every_parameter_is_recorded(aligned, result):
    done, out = aligned
    record = json.loads((out / "alignment.json").read_text())
    assert record["interpolation"] == "lanczos4"
    assert record["margin"] == {"x": done.margin.x, "y": done.margin.y}
    assert list(record["left_out"]) == ["noise"]
    for pair in result.pairs[1:]:
        found = record["pairs"][pair.stem]
        assert found["before"]["similarity"]["zoom"] == pair.similarity.zoom
        assert tuple(found["before"]["similarity"]["shift"]) == pair.similarity.shift
        assert found["after"]["residual_rms"] < 0.2


def test_training_patches_are_cut_anew_from_the_registered_images(aligned):
    done, out = aligned
    (pair,) = (pair for pair in done.manifest.pairs if pair.split == "train")
    assert pair.patches
    for patch in pair.patches:
        cut = read_image(out / f"train_patches/gt/{pair.stem}_{patch.index:02d}.png")
        whole = read_image(out / pair.image("gt"))
        assert np.array_equal(cut, whole[patch.y : patch.y + 64, patch.x : patch.x + 64])


def test_an_interrupted_run_goes_on_to_the_same_bytes(aligned, data, cache, tmp_path, monkeypatch):
    _, whole = aligned
    done = []

    def interrupted(*arguments):
        if done:
            raise KeyboardInterrupt
        done.append(1)
        return original(*arguments)

    original = align_module.register_pair
    monkeypatch.setattr(align_module, "register_pair", interrupted)
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        align(data, out, skip_unconverged=True, cache=cache, progress=False)
    assert not out.exists()
    monkeypatch.setattr(align_module, "register_pair", original)
    align(data, out, skip_unconverged=True, cache=cache, progress=False)
    hashes = [
        {path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*.*")}
        for folder in (whole, out)
    ]
    assert hashes[0] == hashes[1]


def test_pairs_without_zoom_and_shift_are_listed_and_nothing_is_written(data, cache, tmp_path):
    with pytest.raises(ProblemsError, match="--skip-unconverged") as error:
        align(data, tmp_path / "out", cache=cache, progress=False)
    assert [problem.split(":")[0] for problem in error.value.problems] == ["noise"]
    assert not list(tmp_path.iterdir())


def test_an_output_inside_the_dataset_or_occupied_is_refused(data, cache, tmp_path):
    with pytest.raises(OutputError, match="lies inside"):
        align(data, data / "out", cache=cache)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="already exists"):
        align(data, tmp_path, cache=cache)


def test_a_margin_that_leaves_no_room_for_a_patch_is_an_error_that_names_the_worst_pair(
    data, cache, tmp_path, monkeypatch
):
    monkeypatch.setattr(align_module, "common_margin", lambda jobs: align_module.Margin(70, 2))
    with pytest.raises(DatasetError, match=r"52 x 140 pixels would be left.*scene_00\d is misaligned most"):
        align(data, tmp_path / "out", skip_unconverged=True, cache=cache, progress=False)


def test_the_command_says_what_misalignment_remains(data, cache, tmp_path):
    given = ["align", str(data), "--out", str(tmp_path / "out"), "--skip-unconverged", "--cache", str(cache)]
    run = CliRunner().invoke(main, given)
    assert run.exit_code == 0, run.output
    for expected in ("remaining", "residual, RMS, px", "left out, noise", "cut off:"):
        assert expected in run.output
    assert (tmp_path / "out" / "dataset.json").is_file()
