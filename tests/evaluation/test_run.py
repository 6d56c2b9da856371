import dataclasses
import shutil

import cv2
import numpy as np
import pytest

from sdd_bench import evaluate, open_dataset, prepare, synthesize
from sdd_bench.alignment.flow import DisFlow
from sdd_bench.alignment.pwcnet import PwcNetFlow
from sdd_bench.datasets.scenes import SceneSettings
from sdd_bench.errors import DeviceError, ProblemsError, ProtocolError, ResultError, WeightsError
from sdd_bench.evaluation import DEFAULT_PROTOCOL, evaluator
from sdd_bench.evaluation.results import EvaluationResult
from sdd_bench.evaluation.run import evaluate_all
from sdd_bench.io.hashing import sha256
from sdd_bench.io.images import read_image, write_image
from sdd_bench.metrics import fidelity


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def folder(prepared, tmp_path):
    shutil.copytree(prepared / "test" / "blur", tmp_path / "blurry")
    return tmp_path / "blurry"


def test_scores_are_those_of_the_metrics_over_the_pixels_that_count(prepared, folder, cache):
    result = evaluate(folder, prepared, cache=cache, progress=False)
    assert result.method == "blurry"
    assert [image.stem for image in result.images] == open_dataset(prepared).stems
    for image, pair in zip(result.images, open_dataset(prepared), strict=True):
        reference = evaluator.align_reference(result.protocol, pair.blur(), pair.gt())
        prediction = read_image(folder / f"{pair.stem}.png")
        expected = fidelity(prediction, reference.deformed, reference.valid)
        assert (image.deformed_gt.psnr, image.deformed_gt.ssim, image.deformed_gt.mae) == (
            expected.psnr,
            expected.ssim,
            expected.mae,
        )
        assert image.gt.psnr == fidelity(prediction, pair.gt(), reference.valid).psnr
        assert image.aligned_gt.psnr == fidelity(prediction, pair.aligned_gt(), reference.valid).psnr


def test_a_perfect_prediction_is_identical_to_the_truth_and_said_to_be(prepared, cache):
    result = evaluate(prepared / "test" / "aligned_gt", prepared, cache=cache, progress=False)
    assert all(image.aligned_gt.identical for image in result.images)
    assert result.means["all"].aligned_gt.psnr is None
    assert result.means["all"].deformed_gt.psnr > 30


def test_missing_lpips_weights_are_said_with_the_way_to_get_them_or_are_an_error(
    prepared, folder, cache, tmp_path, monkeypatch
):
    monkeypatch.setenv("SDD_BENCH_CACHE", str(tmp_path / "no weights here"))
    result = evaluate(folder, prepared, cache=cache, progress=False)
    assert result.means["all"].gt.lpips is None
    assert any("LPIPS n/a" in note and "sdd-bench weights" in note for note in result.notes)
    with pytest.raises(WeightsError, match="sdd-bench weights add"):
        evaluate_all(folder, prepared, [DEFAULT_PROTOCOL], require=["lpips"], cache=cache, progress=False)


def test_a_second_method_shares_the_references_and_a_second_run_measures_nothing(
    prepared, folder, tmp_path, monkeypatch
):
    calls = []
    original = evaluator.align_reference
    monkeypatch.setattr(evaluator, "align_reference", lambda *given: calls.append(1) or original(*given))
    first = evaluate(folder, prepared, cache=tmp_path / "cache", progress=False)
    assert len(calls) == 3
    evaluate(prepared / "test" / "aligned_gt", prepared, cache=tmp_path / "cache", progress=False)
    assert len(calls) == 3
    monkeypatch.setattr(evaluator, "score_image", lambda *_, **__: pytest.fail("measured again"))
    again = evaluate(folder, prepared, cache=tmp_path / "cache", progress=False)
    assert again.model_dump(exclude={"run"}) == first.model_dump(exclude={"run"})


def but_for_the_run(result):
    return result.model_dump_json(exclude={"run"})


def test_worker_processes_give_the_same_result(prepared, folder, tmp_path, two_torch_threads):
    alone = evaluate(folder, prepared, "jdrl2022-dis", cache=tmp_path / "one", progress=False)
    workers = evaluate(folder, prepared, "jdrl2022-dis", cache=tmp_path / "two", workers=2, progress=False)
    assert but_for_the_run(workers) == but_for_the_run(alone)


def test_a_cluster_gives_the_same_result_though_its_workers_run_in_another_folder(
    prepared, folder, tmp_path, monkeypatch, two_torch_threads
):
    distributed = pytest.importorskip("distributed", reason="Dask is an extra")
    alone = evaluate(folder, prepared, "jdrl2022-dis", cache=tmp_path / "one", progress=False)
    with distributed.LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=None) as cluster:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "data").symlink_to(prepared)
        address = cluster.scheduler_address
        spread = evaluate("blurry", "data", "jdrl2022-dis", cache="two", cluster=address, progress=False)
    assert but_for_the_run(spread) == but_for_the_run(alone)
    assert len(list((tmp_path / "two" / "rows").iterdir())) == 3


def test_results_of_several_protocols_are_saved_apart(prepared, folder, cache, tmp_path):
    results = evaluate_all(
        folder, prepared, [DEFAULT_PROTOCOL, "jdrl2022-dis"], out=tmp_path / "out", cache=cache, progress=False
    )
    assert [result.protocol.id for result in results] == [DEFAULT_PROTOCOL, "jdrl2022-dis"]
    written = (path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert sorted(path.as_posix() for path in written) == [
        "blurry/jdrl2022-dis/per_image.csv",
        "blurry/jdrl2022-dis/result.json",
        f"blurry/{DEFAULT_PROTOCOL}/per_image.csv",
        f"blurry/{DEFAULT_PROTOCOL}/result.json",
    ]


def test_a_prediction_that_changes_while_it_is_scored_is_refused_and_not_kept(prepared, folder, tmp_path, monkeypatch):
    original = evaluator.read_samples

    def swapped(path):
        if path.parent == folder:
            shutil.copy(prepared / "test" / "aligned_gt" / path.name, path)
        return original(path)

    monkeypatch.setattr(evaluator, "read_samples", swapped)
    with pytest.raises(ResultError, match="changed while it was scored"):
        evaluate(folder, prepared, cache=tmp_path / "cache", progress=False)
    assert list((tmp_path / "cache").rglob("*.json")) == []


def test_names_may_be_in_decomposed_unicode_or_begin_with_a_dash(tmp_path):
    raw = synthesize(tmp_path / "raw", test=2, settings=SceneSettings(width=96, height=80), progress=False)
    names = {"scene_000.png": "caf\u00e9.png", "scene_001.png": "-x.png"}
    for folder in ("blur", "sharp"):
        for old, new in names.items():
            (raw / folder / old).rename(raw / folder / new)
    rows = [f"blur/{name},sharp/{name},test" for name in names.values()]
    (raw / "pairs.csv").write_text("\n".join(["blur,sharp,split", *rows]) + "\n")
    prepare(raw, tmp_path / "data", "as-is", patch_size=None, progress=False)
    (tmp_path / "-p").mkdir()
    shutil.copy(raw / "blur" / "caf\u00e9.png", tmp_path / "-p" / "cafe\u0301.png")
    shutil.copy(raw / "blur" / "-x.png", tmp_path / "-p")
    (result,) = evaluate_all(
        tmp_path / "-p", tmp_path / "data", ["dpdd2020"], out=tmp_path / "o", cache=tmp_path / "c", progress=False
    )
    assert [image.stem for image in result.images] == ["-x", "caf\u00e9"]
    assert EvaluationResult.load(tmp_path / "o" / "-p" / "dpdd2020" / "result.json") == result


def test_a_dataset_that_changed_since_it_was_prepared_is_refused(prepared, folder, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(prepared, copy)
    stems = open_dataset(copy).stems
    shutil.copy(copy / "test" / "gt" / f"{stems[0]}.png", copy / "test" / "gt" / f"{stems[1]}.png")
    with pytest.raises(ProblemsError, match=f"{stems[1]}: gt changed"):
        evaluate(folder, copy, cache=tmp_path / "cache", progress=False)


def test_a_pair_without_counterpart_gets_no_scores_and_a_reason(prepared, folder, tmp_path, monkeypatch):
    original = evaluator.align_reference

    def lost(*given):
        reference = original(*given)
        alignment = reference.alignment.model_copy(update={"left_out": 0.5})
        return dataclasses.replace(reference, alignment=alignment)

    monkeypatch.setattr(evaluator, "align_reference", lost)
    result = evaluate(folder, prepared, cache=tmp_path, progress=False)
    assert result.means["all"].failed == 3
    assert result.means["all"].gt is None
    assert all("50% of the pixels" in image.error for image in result.images)
    assert any("have no scores" in note for note in result.notes)


def test_unknown_protocols_and_impossible_names_are_refused_before_anything_is_read(prepared, tmp_path):
    with pytest.raises(ProtocolError, match="unknown protocol"):
        evaluate(tmp_path / "nowhere", prepared, "sdd-v9")
    with pytest.raises(ResultError, match="without slashes"):
        evaluate(tmp_path, prepared, method="../up")


def test_the_wavy_prediction_is_forgiven_per_prediction_and_seen_per_pair(prepared, cache, tmp_path):
    from sdd_bench.demo.methods import sharp_but_wavy

    for pair in open_dataset(prepared):
        wavy = sharp_but_wavy(pair.blur(), pair.aligned_gt(), np.random.default_rng(0))
        write_image(tmp_path / "wavy" / f"{pair.stem}.png", wavy)
    fair, fooled = (
        evaluate(tmp_path / "wavy", prepared, protocol, cache=cache, progress=False).means["all"]
        for protocol in (DEFAULT_PROTOCOL, "jdrl2022-dis")
    )
    assert abs(fair.deformed_gt.psnr - fair.aligned_gt.psnr) < 1
    assert fooled.deformed_gt.psnr > fooled.aligned_gt.psnr + 2


def test_a_protocol_without_deforming_scores_against_the_ground_truth_as_it_is(prepared, folder, cache):
    result = evaluate(folder, prepared, "dpdd2020", cache=cache, progress=False)
    for image, pair in zip(result.images, open_dataset(prepared), strict=True):
        expected = fidelity(read_image(folder / f"{pair.stem}.png"), pair.gt())
        assert (image.gt.psnr, image.gt.ssim, image.gt.mae) == (expected.psnr, expected.ssim, expected.mae)
        assert image.deformed_gt is None
        assert image.alignment.mean_flow is None
        assert not image.near_limit
    assert result.means["all"].deformed_gt is None


def test_a_dataset_of_more_bits_is_rounded_to_those_of_the_protocol(tmp_path):
    # Every 16-bit value here lies between two 8-bit ones; predictions rounded as a network's output is are identical.
    rng = np.random.default_rng(0)
    smooth = cv2.GaussianBlur(rng.random((80, 96, 3)), (0, 0), 2)
    deep = (smooth / smooth.max() * 65000).astype(np.uint16)
    write_image(tmp_path / "raw" / "blur" / "a.png", (deep * 0.9).astype(np.uint16), 16)
    write_image(tmp_path / "raw" / "sharp" / "a.png", deep, 16)
    (tmp_path / "raw" / "pairs.csv").write_text("blur,sharp,split\nblur/a.png,sharp/a.png,test\n")
    prepare(tmp_path / "raw", tmp_path / "data", "as-is", patch_size=None, progress=False)
    write_image(tmp_path / "8" / "a.png", np.rint(deep / 257).astype(np.uint8))
    write_image(tmp_path / "16" / "a.png", deep - 1, 16)

    options = {"cache": tmp_path / "cache", "progress": False}
    rounded = evaluate(tmp_path / "8", tmp_path / "data", "dpdd2020", **options)
    assert rounded.images[0].gt.identical
    assert any("1 pairs of the dataset have 16 bits" in note for note in rounded.notes)
    exact = evaluate(tmp_path / "16", tmp_path / "data", "dpdd2020", bit_depth=16, **options)
    assert exact.protocol.id == "dpdd2020-16bit"
    assert exact.images[0].gt.psnr == pytest.approx(20 * np.log10(65535), abs=1e-3)  # one step everywhere
    assert not any("rounded" in note for note in exact.notes)


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """A dataset of one pair of 101 x 91 pixels, which both crop rules cut."""
    folder = tmp_path_factory.mktemp("odd")
    synthesize(folder / "raw", test=1, seed=3, settings=SceneSettings(width=101, height=91), progress=False)
    return prepare(folder / "raw", folder / "data", "as-is", patch_size=None, progress=False) and folder / "data"


@pytest.mark.parametrize(
    ("rule", "left", "top", "width", "height"), [("unet16", 0, 0, 96, 80), ("mprnet8", 2, 2, 96, 88)]
)
def test_input_and_ground_truth_are_cropped_like_the_predictions(odd, cache, tmp_path, rule, left, top, width, height):
    (pair,) = open_dataset(odd)
    part = np.s_[top : top + height, left : left + width]
    write_image(tmp_path / "cut" / f"{pair.stem}.png", pair.blur()[part])
    result = evaluate(tmp_path / "cut", odd, "jdrl2022-dis", cache=cache, progress=False)
    assert result.crop == rule
    assert any(f"are cropped ({rule})" in note for note in result.notes)
    blur, gt = np.ascontiguousarray(pair.blur()[part]), np.ascontiguousarray(pair.gt()[part])
    reference = evaluator.align_reference(result.protocol, blur, gt)
    (image,) = result.images
    assert image.deformed_gt.psnr == fidelity(blur, reference.deformed).psnr
    assert image.gt.psnr == fidelity(blur, gt).psnr
    assert image.aligned_gt.psnr == fidelity(blur, np.ascontiguousarray(pair.aligned_gt()[part])).psnr
    with pytest.raises(ProblemsError, match="scores whole pictures"):
        evaluate(tmp_path / "cut", odd, "dpdd2020", cache=cache, progress=False)


def test_the_release_protocol_asks_for_its_weights_before_anything_is_read(prepared, tmp_path):
    with pytest.raises(
        WeightsError, match=r"pwc-default are missing.*weights fetch pwc-default.*weights add pwc-default"
    ):
        evaluate(tmp_path / "nowhere", prepared, "jdrl2022", progress=False)


def test_the_weights_of_a_flow_and_its_device_are_recorded_and_change_the_rows(prepared, folder, tmp_path, monkeypatch):
    # Stands in for the network: what is tested is what becomes of its weights' hash.
    monkeypatch.setattr(PwcNetFlow, "__call__", lambda self, source, target: DisFlow()(source, target))
    monkeypatch.setenv("SDD_BENCH_CACHE", str(tmp_path / "user"))
    file = tmp_path / "user" / "weights" / "pwc-default.pytorch"
    file.parent.mkdir(parents=True)
    calls = []
    original = evaluator.align_reference
    monkeypatch.setattr(evaluator, "align_reference", lambda *given: calls.append(1) or original(*given))
    # Another device counts, too: the network's last digits are its own there.
    for content, cuda, measured in ((b"one", False, 3), (b"one", False, 0), (b"two", False, 3), (b"two", True, 3)):
        monkeypatch.setattr("torch.cuda.is_available", lambda cuda=cuda: cuda)
        file.write_bytes(content)
        calls.clear()
        result = evaluate(folder, prepared, "jdrl2022", cache=tmp_path / "cache", progress=False)
        assert len(calls) == measured
        assert result.weights_sha256 == {"pwc-default": sha256(file)}
        assert result.weights == "unverified"
        assert result.run.device == ("cuda" if cuda else "cpu")
        assert any("pwc-default are not verified" in note and sha256(file) in note for note in result.notes)


def test_a_worker_with_other_weights_is_refused(prepared, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("SDD_BENCH_CACHE", str(tmp_path / "user"))
    (tmp_path / "user" / "weights").mkdir(parents=True)
    (tmp_path / "user" / "weights" / "pwc-default.pytorch").write_bytes(b"here")
    monkeypatch.setattr("sdd_bench.weights.verify", lambda _: "0" * 64)  # as the evaluation began
    monkeypatch.setattr(PwcNetFlow, "weights_sha256", property(lambda self: "1" * 64))  # as the worker finds
    with pytest.raises(WeightsError, match=r"have SHA-256 11.*began with 00"):
        evaluate(folder, prepared, "jdrl2022", cache=tmp_path / "cache", progress=False)


def test_scores_near_the_measurement_limit_are_marked(prepared, cache):
    # On the release's grid the truth itself scores about what the limit is.
    perfect = evaluate(prepared / "test" / "aligned_gt", prepared, "jdrl2022-dis", cache=cache, progress=False)
    assert perfect.table()["near_limit"].all()
    assert any(note.startswith("3 of 3 images score within 6 dB of the measurement limit") for note in perfect.notes)
    (image, *_), limit = perfect.images, 40.0
    alignment = image.alignment.model_copy(update={"limit": limit})
    for psnr, near in ((limit - 6.01, False), (limit - 5.99, True), (limit + 20, True), (None, True)):
        scores = image.deformed_gt.model_copy(update={"psnr": psnr, "identical": psnr is None})
        assert image.model_copy(update={"deformed_gt": scores, "alignment": alignment}).near_limit is near
    assert not image.model_copy(update={"alignment": alignment.model_copy(update={"limit": None})}).near_limit
    assert not image.model_copy(update={"deformed_gt": None, "alignment": alignment}).near_limit


def test_a_device_that_is_not_there_is_refused_before_anything_is_read(prepared, tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(DeviceError, match=r"no CUDA device.*--device cpu"):
        evaluate(tmp_path / "nowhere", prepared, device="cuda")


def test_without_lpips_and_networks_no_device_is_looked_for(prepared, folder, cache, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: pytest.fail("looked for"))
    assert evaluate(folder, prepared, "dpdd2020", cache=cache, progress=False).run.device == "cpu"
