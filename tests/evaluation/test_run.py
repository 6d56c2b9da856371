import json
import shutil

import numpy as np
import pytest

from sdd_bench import evaluate, open_dataset
from sdd_bench.errors import OutputError, ProblemsError, ProtocolError, ResultError, WeightsError
from sdd_bench.evaluation import evaluator
from sdd_bench.evaluation.protocol import get_protocol
from sdd_bench.evaluation.run import evaluate_all
from sdd_bench.io.images import read_image
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
        assert image.aligned_gt.psnr == fidelity(prediction, pair.aligned_gt()).psnr


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
        evaluate_all(folder, prepared, ["sdd-v1.dev"], require=["lpips"], cache=cache, progress=False)


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
    monkeypatch.setattr(evaluator, "score_image", lambda *_: pytest.fail("measured again"))
    again = evaluate(folder, prepared, cache=tmp_path / "cache", progress=False)
    assert again.model_dump(exclude={"run"}) == first.model_dump(exclude={"run"})


def test_a_damaged_row_is_measured_again(prepared, folder, tmp_path):
    first = evaluate(folder, prepared, cache=tmp_path, progress=False)
    rows = sorted((tmp_path / "rows").iterdir())
    assert len(rows) == 3
    rows[0].write_text("{")
    edited = json.loads(rows[1].read_text())
    edited["measurement"]["gt"]["psnr"] = 99.0
    rows[1].write_text(json.dumps(edited))
    again = evaluate(folder, prepared, cache=tmp_path, progress=False)
    assert again.images == first.images


def test_worker_processes_give_the_same_numbers(prepared, folder, tmp_path):
    alone = evaluate(folder, prepared, "jdrl2022.dev", cache=tmp_path / "one", progress=False)
    workers = evaluate(folder, prepared, "jdrl2022.dev", cache=tmp_path / "two", workers=2, progress=False)
    assert workers.images == alone.images


def test_results_of_several_protocols_are_saved_apart(prepared, folder, cache, tmp_path):
    results = evaluate_all(
        folder, prepared, ["sdd-v1.dev", "jdrl2022.dev"], out=tmp_path / "out", cache=cache, progress=False
    )
    assert [result.protocol.id for result in results] == ["sdd-v1.dev", "jdrl2022.dev"]
    written = (path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert sorted(path.as_posix() for path in written) == [
        "blurry/jdrl2022.dev/per_image.csv",
        "blurry/jdrl2022.dev/result.json",
        "blurry/sdd-v1.dev/per_image.csv",
        "blurry/sdd-v1.dev/result.json",
    ]


def test_a_result_is_not_lost_to_one_of_other_predictions_unless_that_is_asked_for(prepared, folder, cache, tmp_path):
    def score(pred, **options):
        given = {"method": "m", "out": tmp_path / "out", "cache": cache, "progress": False}
        return evaluate_all(pred, prepared, ["jdrl2022.dev"], **given, **options)

    (first,) = score(folder)
    assert [again.images for again in score(folder)] == [first.images]
    kept = tmp_path / "out" / "m" / "jdrl2022.dev" / "result.json"
    before = kept.read_bytes()
    with pytest.raises(ResultError, match="holds a result of other predictions"):
        score(prepared / "test" / "aligned_gt")
    assert kept.read_bytes() == before
    score(prepared / "test" / "aligned_gt", overwrite=True)
    assert kept.read_bytes() != before


def test_a_prediction_that_changes_while_it_is_scored_is_refused_and_not_kept(prepared, folder, tmp_path, monkeypatch):
    original = evaluator.read_image

    def swapped(path):
        if path.parent == folder:
            shutil.copy(prepared / "test" / "aligned_gt" / path.name, path)
        return original(path)

    monkeypatch.setattr(evaluator, "read_image", swapped)
    with pytest.raises(ResultError, match="changed while it was scored"):
        evaluate(folder, prepared, cache=tmp_path / "cache", progress=False)
    assert list((tmp_path / "cache").rglob("*.json")) == []


def test_lpips_sees_the_references_in_order_without_the_pixels_that_do_not_count(
    prepared, folder, tmp_path, monkeypatch
):
    seen = []

    def distance(prediction, *references):
        seen.append((prediction, references))
        return [float(np.abs(prediction - reference).mean()) for reference in references]

    monkeypatch.setattr(evaluator, "_lpips", lambda _: distance)
    pair = next(iter(open_dataset(prepared)))
    reference = evaluator.align_reference(get_protocol("sdd-v1.dev"), pair.blur(), pair.gt())
    scores = evaluator.score_image(pair.blur(), pair.gt(), reference, pair.aligned_gt(), tmp_path)
    prediction, (gt, deformed, aligned) = seen[0]
    assert np.array_equal(gt[reference.valid], pair.gt()[reference.valid])
    assert np.array_equal(deformed[reference.valid], reference.deformed[reference.valid])
    assert np.array_equal(gt[~reference.valid], prediction[~reference.valid])
    assert np.array_equal(aligned, pair.aligned_gt())
    assert [scores[name].lpips for name in ("gt", "deformed_gt", "aligned_gt")] == distance(
        prediction, gt, deformed, aligned
    )


def test_folders_that_cannot_be_written_are_found_before_anything_is_scored(prepared, folder, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    monkeypatch.setattr(evaluator, "score_image", lambda *_: pytest.fail("scored"))
    for options in ({"cache": tmp_path / "file"}, {"out": tmp_path / "file", "cache": tmp_path / "cache"}):
        with pytest.raises(OutputError):
            evaluate_all(folder, prepared, ["sdd-v1.dev"], progress=False, **options)


def test_names_in_decomposed_unicode_are_the_same_names(tmp_path):
    from sdd_bench import prepare, synthesize
    from sdd_bench.datasets.scenes import SceneSettings

    raw = synthesize(tmp_path / "raw", test=1, settings=SceneSettings(width=96, height=80), progress=False)
    for name in ("blur", "sharp"):
        (raw / name / "scene_000.png").rename(raw / name / "caf\u00e9.png")
    (raw / "pairs.csv").write_text("blur,sharp,split\nblur/caf\u00e9.png,sharp/caf\u00e9.png,test\n")
    prepare(raw, tmp_path / "data", "as-is", patch_size=None, progress=False)
    (tmp_path / "predictions").mkdir()
    shutil.copy(raw / "blur" / "caf\u00e9.png", tmp_path / "predictions" / "cafe\u0301.png")
    result = evaluate(tmp_path / "predictions", tmp_path / "data", "jdrl2022.dev", cache=tmp_path / "c", progress=False)
    assert len(result.images) == 1


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
        return evaluator.AlignedReference(reference.deformed, reference.valid, alignment)

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
    from sdd_bench.io.images import write_image

    for pair in open_dataset(prepared):
        wavy = sharp_but_wavy(pair.blur(), pair.aligned_gt(), np.random.default_rng(0))
        write_image(tmp_path / "wavy" / f"{pair.stem}.png", wavy)
    fair, fooled = (
        evaluate(tmp_path / "wavy", prepared, protocol, cache=cache, progress=False).means["all"]
        for protocol in ("sdd-v1.dev", "jdrl2022.dev")
    )
    assert abs(fair.deformed_gt.psnr - fair.aligned_gt.psnr) < 1
    assert fooled.deformed_gt.psnr > fooled.aligned_gt.psnr + 2
