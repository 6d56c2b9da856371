"""Frozen benchmarks: what is pinned stays, what is rendered is what is pinned, and what is not says so."""

import hashlib
import json
import platform

import numpy as np
import pytest
from click.testing import CliRunner

from sdd_bench.cli import main
from sdd_bench.datasets import benchmark as benchmark_module
from sdd_bench.datasets import frozen_scenes
from sdd_bench.datasets.benchmark import make_benchmark, photograph_sha256, prepare_scenes, render_scenes
from sdd_bench.datasets.frozen_scenes import FrozenBenchmark, FrozenScene, benchmark_names, frozen_benchmark
from sdd_bench.datasets.manifest import DatasetManifest, PairRecord, SourceFile
from sdd_bench.datasets.preset import load_preset
from sdd_bench.datasets.scenes import SceneSettings, random_scene
from sdd_bench.datasets.verify import manifest_files
from sdd_bench.errors import DatasetError, OutputError

# Entries are of these datasets. A benchmark that has to change is a new one, beside the old one.
PINNED = {"synth-v1": "2e60f2ec5d0c408933acffde214660ccd8f43b97467bbd48a1e9be9a70b9aaa2"}
FILES = {"synth-v1": "f4e5aeba48dbe4b638446dc61ac0d961ef2a084bebe1eaa237412673e9fed41d"}
SMALL = SceneSettings(width=96, height=80, photographs=("brick", "coffee"))
LEAKS = {"level": "off"}  # so few photographs are in both splits


def photographs(scene):
    return {layer.photograph for layer in scene.layers}


def test_a_frozen_benchmark_stays_what_it_is():
    assert {name: frozen_benchmark(name).manifest_sha256 for name in benchmark_names()} == PINNED
    found = {name: hashlib.sha256((frozen_scenes._FOLDER / f"{name}.json").read_bytes()).hexdigest() for name in PINNED}
    assert found == FILES


@pytest.mark.parametrize("name", PINNED)
def test_training_and_test_scenes_share_no_photograph_and_half_of_each_are_indoor(name):
    scenes = frozen_benchmark(name).scenes
    used = {split: set() for split in ("train", "test")}
    for scene in scenes:
        used[scene.split] |= photographs(scene.scene)
    assert not used["train"] & used["test"]
    assert used["train"] | used["test"] == set(frozen_benchmark(name).photographs)
    for split, count in (("train", 24), ("test", 12)):
        environments = [scene.scene.environment for scene in scenes if scene.split == split]
        assert (len(environments), environments.count("indoor")) == (count, count // 2)


@pytest.mark.parametrize("name", PINNED)
def test_its_photographs_are_png_files_whose_pixels_are_those_that_were_pinned(name):
    # How a JPEG is decoded depends on the library; these are the bundled ones.
    assert not set(frozen_benchmark(name).photographs) & {"hubble_deep_field", "retina", "rocket"}
    for photograph, digest in frozen_benchmark(name).photographs.items():
        assert photograph_sha256(photograph) == digest


@pytest.mark.parametrize("stem", ["train_03", "test_02"])
def test_its_pictures_come_out_to_the_byte(stem, tmp_path):
    benchmark = frozen_benchmark("synth-v1")
    (scene,) = (scene for scene in benchmark.scenes if scene.stem == stem)
    record = benchmark_module._write_scene(benchmark.settings, tmp_path, (scene, stem))
    for raw, prepared in {"blur": "blur", "sharp": "gt", "aligned": "aligned_gt"}.items():
        # `prepare` codes a picture that keeps its size as it was coded before.
        assert record["files"][f"{raw}/{stem}.png"] == benchmark.files[f"{scene.split}/{prepared}/{stem}.png"]


@pytest.mark.parametrize("name", PINNED)
def test_the_pinned_hash_follows_from_the_pinned_files(name):
    # So a change of what is in a manifest is seen without rendering everything.
    benchmark = frozen_benchmark(name)
    pairs = []
    for scene in sorted(benchmark.scenes, key=lambda scene: scene.stem):
        paths = {kind: f"{scene.split}/{kind}/{scene.stem}.png" for kind in ("blur", "gt", "aligned_gt")}
        pairs.append(
            PairRecord(
                stem=scene.stem,
                scene=scene.stem,
                environment=scene.scene.environment,
                split=scene.split,
                size=(benchmark.settings.width, benchmark.settings.height),
                bit_depth=8,
                sources={kind: SourceFile(path="", sha256=benchmark.files[path]) for kind, path in paths.items()},
                files={path: benchmark.files[path] for path in paths.values()},
            )
        )
    manifest = DatasetManifest(
        name="any", tool_version="any", layout="pairs.csv", preset=benchmark.preset, pairs=tuple(pairs)
    )
    assert manifest.manifest_hash == benchmark.manifest_sha256


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A benchmark of three small scenes, and a folder in which its dataset was made before it was pinned."""
    scenes = [
        FrozenScene(stem=stem, split=split, noise_seed=i, scene=random_scene(SMALL, np.random.default_rng(i)))
        for i, (stem, split) in enumerate({"train_0": "train", "train_1": "train", "test_0": "test"}.items())
    ]
    draft = FrozenBenchmark(
        name="tiny",
        description="",
        settings=SMALL,
        preset=load_preset("as-is", {"patch_size": None, "checks": {"leak": LEAKS, "misaligned": LEAKS}}),
        photographs={name: photograph_sha256(name) for name in SMALL.photographs},
        manifest_sha256="0" * 64,
        files={},
        scenes=scenes,
    )
    folder = tmp_path_factory.mktemp("tiny")
    render_scenes(draft, folder / "raw", progress=False)
    manifest = prepare_scenes(draft, folder / "raw", folder / "dataset", progress=False)
    pins = {"manifest_sha256": manifest.manifest_hash, "files": manifest_files(manifest)}
    return draft.model_copy(update=pins), folder


@pytest.fixture
def pinned(tiny, monkeypatch):
    def pin(**changes):
        monkeypatch.setattr(benchmark_module, "frozen_benchmark", lambda _: tiny[0].model_copy(update=changes))

    pin()
    return pin


def test_a_benchmark_is_made_with_any_number_of_workers_and_then_only_checked(tiny, pinned, tmp_path):
    made = make_benchmark("tiny", tmp_path / "out", workers=2, progress=False)
    assert made.manifest_hash == tiny[0].manifest_sha256
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert make_benchmark("tiny", tmp_path / "out", progress=False) == made
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_run_that_stopped_between_rendering_and_preparing_goes_on(tiny, pinned, tmp_path):
    render_scenes(tiny[0], tmp_path / "raw", progress=False)
    before = (tmp_path / "raw" / "blur" / "test_0.png").stat().st_mtime_ns
    make_benchmark("tiny", tmp_path, progress=False)
    assert (tmp_path / "raw" / "blur" / "test_0.png").stat().st_mtime_ns == before


def test_pictures_that_came_out_otherwise_are_named_with_what_that_means(tiny, pinned):
    files = tiny[0].files
    pinned(manifest_sha256="1" * 64, files={**files, "test/blur/test_0.png": "2" * 64})
    with pytest.raises(DatasetError) as caught:
        make_benchmark("tiny", tiny[1], progress=False)
    message = str(caught.value)
    assert "is not tiny" in message
    assert "can't stand in the tables of tiny" in message
    assert f"1 of {len(files)} pictures differ: test/blur/test_0.png" in message
    assert f"the rendering rounds otherwise here: {platform.machine()}, numpy {np.__version__}" in message


def test_photographs_of_another_scikit_image_are_the_cause_that_is_named(tiny, pinned):
    pinned(
        manifest_sha256="1" * 64,
        files=dict.fromkeys(tiny[0].files, "2" * 64),
        photographs={**tiny[0].photographs, "coffee": "3" * 64},
    )
    with pytest.raises(DatasetError, match=r"pictures differ: .* and 4 more") as caught:
        make_benchmark("tiny", tiny[1], progress=False)
    assert "photographs that scikit-image holds otherwise: coffee; the versions here: numpy" in str(caught.value)


def test_the_same_pictures_prepared_otherwise_are_told_from_other_pictures(tiny, pinned):
    pinned(manifest_sha256="1" * 64)
    with pytest.raises(DatasetError, match="its pictures are those of the benchmark: it was prepared in another way"):
        make_benchmark("tiny", tiny[1], progress=False)


def test_another_dataset_or_raw_folder_in_its_place_is_refused(tiny, pinned, tmp_path):
    prepare_scenes(tiny[0].model_copy(update={"name": "mine"}), tiny[1] / "raw", tmp_path / "dataset", progress=False)
    with pytest.raises(OutputError, match="is the dataset 'mine' already"):
        make_benchmark("tiny", tmp_path, progress=False)
    (tmp_path / "b" / "raw").mkdir(parents=True)
    (tmp_path / "b" / "raw" / "synthesis.json").write_text(json.dumps({"benchmark": "tiny", "scenes_sha256": "other"}))
    with pytest.raises(OutputError, match="already exists"):
        make_benchmark("tiny", tmp_path / "b", progress=False)


def test_the_command_says_what_was_made_and_that_it_is_the_pinned_one(tiny, pinned):
    done = CliRunner().invoke(main, ["synth", "--benchmark", "tiny", "--out", str(tiny[1])])
    assert done.exit_code == 0
    assert "tiny: 2 training and 1 test pairs" in done.output
    assert f"manifest {tiny[0].manifest_sha256}: as pinned" in done.output


def test_the_command_refuses_settings_beside_a_benchmark_and_suggests_the_nearest_name(tmp_path):
    done = CliRunner().invoke(main, ["synth", "--benchmark", "synth-v1", "--test", "8", "--out", str(tmp_path / "a")])
    assert done.exit_code == 2
    assert "leave out --test" in done.output
    done = CliRunner().invoke(main, ["synth", "--benchmark", "synth-1", "--out", str(tmp_path / "a")])
    assert done.exit_code == 1
    assert "Did you mean synth-v1?" in done.output
    assert not (tmp_path / "a").exists()
