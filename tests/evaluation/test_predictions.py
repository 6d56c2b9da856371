import errno
import json
import os
import shutil

import numpy as np
import pytest

from sdd_bench import evaluate, open_dataset, predict
from sdd_bench.datasets.dataset import Dataset
from sdd_bench.errors import ProblemsError, ProtocolError, ResultError
from sdd_bench.evaluation import DEFAULT_PROTOCOL
from sdd_bench.evaluation.predictions import check_predictions
from sdd_bench.evaluation.protocol import get_protocol
from sdd_bench.evaluation.results import EvaluationResult
from sdd_bench.io.hashing import sha256
from sdd_bench.io.images import read_image, write_image


@pytest.fixture
def folder(prepared, tmp_path):
    """Sound predictions for all three pairs: the blurry inputs."""
    shutil.copytree(prepared / "test" / "blur", tmp_path / "predictions")
    return tmp_path / "predictions"


def problems(folder, prepared):
    with pytest.raises(ProblemsError) as caught:
        check_predictions(folder, open_dataset(prepared), progress=False)
    return caught.value.problems


def test_sound_predictions_come_in_the_order_of_the_dataset(folder, prepared):
    dataset = open_dataset(prepared)
    found = check_predictions(folder, dataset, progress=False)
    assert list(found) == [pair.stem for pair in dataset]
    assert not any(prediction.lossy for prediction in found.values())


def test_all_problems_of_a_folder_are_in_one_report_and_nothing_is_computed_or_written(prepared, tmp_path):
    # One folder with every kind of problem at once; the stems are scene_000 to scene_002.
    folder, cache = tmp_path / "predictions", tmp_path / "cache"
    folder.mkdir()
    sound = read_image(prepared / "test" / "blur" / "scene_000.png")
    write_image(folder / "scene_000.png", sound)
    shutil.copy(folder / "scene_000.png", folder / "scene_000.tif.png")  # extra: another stem
    write_image(folder / "scene_000.tif", sound)  # duplicate stem
    write_image(folder / "scene_001.png", sound[:-8])  # wrong size
    np.save(folder / "scene_001.npy", np.full(sound.shape, np.nan, np.float32))  # NaN, and a duplicate stem
    (folder / "notes.txt").write_text("hello")  # extra: no image
    (folder / "nested").mkdir()  # extra folder
    with pytest.raises(ProblemsError) as caught:
        evaluate(folder, prepared, cache=cache, progress=False)
    message = str(caught.value)
    for expected in (
        "missing: no file for scene_002",
        "extra file scene_000.tif.png",
        "extra file notes.txt: not an image",
        "extra folder nested/",
        "duplicate stem scene_000: scene_000.png, scene_000.tif",
        "duplicate stem scene_001",
        "scene_001.png: wrong size: 160 x 120, expected 160 x 128",
        "scene_001.npy:",
        "NaN",
    ):
        assert expected in message
    assert "8 problem(s)" in message
    assert not cache.exists()


def test_every_unreadable_file_is_named(folder, prepared):
    whole = (folder / "scene_000.png").read_bytes()
    (folder / "scene_000.png").write_bytes(whole[: len(whole) // 2])
    (folder / "scene_001.png").write_bytes(b"")
    (folder / "scene_002.png").write_text("<!DOCTYPE html><html><body>404</body></html>")
    found = problems(folder, prepared)
    assert [line.split(":")[0] for line in found] == ["scene_000.png", "scene_001.png", "scene_002.png"]
    assert "empty" in found[1]
    assert "HTML" in found[2]


def test_hidden_files_and_the_clutter_of_file_managers_are_passed_over(folder, prepared):
    for name in (".DS_Store", "Thumbs.db", "._scene_000.png"):
        (folder / name).write_bytes(b"clutter")
    (folder / "__MACOSX").mkdir()
    assert len(check_predictions(folder, open_dataset(prepared), progress=False)) == 3


def test_a_folder_that_does_not_exist_is_named(prepared, tmp_path):
    with pytest.raises(ResultError, match="found nothing"):
        check_predictions(tmp_path / "nowhere", open_dataset(prepared), progress=False)
    with pytest.raises(ResultError, match="found a file"):
        check_predictions(prepared / "dataset.json", open_dataset(prepared), progress=False)


def test_jpeg_predictions_are_accepted_and_marked(folder, prepared):
    import cv2

    picture = cv2.imread(str(folder / "scene_001.png"))
    cv2.imwrite(str(folder / "scene_001.jpg"), picture)
    (folder / "scene_001.png").unlink()
    found = check_predictions(folder, open_dataset(prepared), progress=False)
    assert [prediction.lossy for prediction in found.values()] == [False, True, False]


def test_a_nested_folder_is_named_with_what_it_holds(folder, prepared):
    shutil.move(shutil.copytree(folder, folder.with_name("copy")), folder / "results")
    for path in folder.glob("*.png"):
        path.unlink()
    found = problems(folder, prepared)
    assert found[0].startswith("extra folder results/ with 3 images: predictions lie directly in the folder")
    assert [line.split(":")[0] for line in found[1:]] == ["missing"] * 3


def test_names_that_differ_by_case_are_told_from_the_right_ones(folder, prepared):
    shutil.copy(folder / "scene_000.png", folder / "Scene_000.png")
    (folder / "scene_001.png").rename(folder / "SCENE_001.png")
    found = problems(folder, prepared)
    assert any(line.startswith("extra file Scene_000.png: the stem is scene_000") for line in found)
    assert any(line.startswith("extra file SCENE_001.png: the stem is scene_001") for line in found)
    assert any(line.startswith("missing: no file for scene_001") for line in found)
    assert len(found) == 3


def renamed(prepared, stems):
    """The dataset with other stems; its files keep their names, which checking predictions does not look at."""
    dataset = open_dataset(prepared)
    records = []
    for record in dataset.manifest.pairs:
        stem = stems.get(record.stem, record.stem)
        files = {path.replace(record.stem, stem): digest for path, digest in record.files.items()}
        records.append(record.model_copy(update={"stem": stem, "files": files}))
    manifest = dataset.manifest.model_copy(update={"pairs": tuple(records)})
    return Dataset(dataset.path, dataset.split, manifest)


def test_names_that_differ_by_their_unicode_form_are_twins_and_said_to_look_alike(folder, prepared):
    dataset = renamed(prepared, {"scene_000": "caf\u00e9"})
    (folder / "scene_000.png").rename(folder / "caf\u00e9.png")
    assert len(check_predictions(folder, dataset, progress=False)) == 3
    shutil.copy(folder / "caf\u00e9.png", folder / "cafe\u0301.png")
    with pytest.raises(ProblemsError, match=r"duplicate stem café: .*encoded differently in Unicode.*keep one"):
        check_predictions(folder, dataset, progress=False)


def test_names_may_begin_with_a_dash(folder, prepared):
    (folder / "scene_000.png").rename(folder / "-x.png")
    (folder / "scene_001.png").rename(folder / "--help.png")
    dataset = renamed(prepared, {"scene_000": "-x", "scene_001": "--help"})
    assert set(check_predictions(folder, dataset, progress=False)) == {"-x", "--help", "scene_002"}


def in_depth(folder, kind):
    for path in sorted(folder.iterdir()):
        image = read_image(path)
        path.unlink()
        write_image(path.with_suffix(".npy" if kind == "float" else ".png"), image, 16 if kind == 16 else 8)


@pytest.mark.parametrize(
    ("protocol_id", "kind", "message"),
    [
        ("jdrl2022", 16, "16 bits per sample, but jdrl2022 is for 8-bit files; write the network's output with 8 bits"),
        ("jdrl2022", "float", "floating-point values, but jdrl2022 is for 8-bit files"),
        ("dpdd2020", 16, "write the network's output with 8 bits, or score these by dpdd2020-16bit (--bit-depth 16)"),
        ("dpdd2020-16bit", 8, "8 bits per sample, but dpdd2020-16bit is for 16-bit files"),
        ("dpdd2020-16bit", "float", "floating-point values, but dpdd2020-16bit is for 16-bit files"),
    ],
)
def test_another_bit_depth_than_the_protocols_is_a_problem_of_every_file(folder, prepared, protocol_id, kind, message):
    in_depth(folder, kind)
    with pytest.raises(ProblemsError) as caught:
        check_predictions(folder, open_dataset(prepared), [get_protocol(protocol_id)], progress=False)
    assert len(caught.value.problems) == 3
    assert message in caught.value.problems[0]


@pytest.mark.parametrize(
    ("protocol_id", "kind"), [("jdrl2022", 8), ("dpdd2020-16bit", 16), (DEFAULT_PROTOCOL, "float")]
)
def test_the_bit_depth_of_the_protocol_is_accepted(folder, prepared, protocol_id, kind):
    in_depth(folder, kind)
    assert len(check_predictions(folder, open_dataset(prepared), [get_protocol(protocol_id)], progress=False)) == 3


def test_cropped_predictions_are_for_protocols_that_allow_them(folder, prepared):
    for path in folder.iterdir():  # of 160 x 128, no rule would take anything away: pretend that the pairs are larger
        write_image(path, read_image(path)[:112, :144])
    dataset = open_dataset(prepared)
    larger = tuple(record.model_copy(update={"size": (159, 127)}) for record in dataset.manifest.pairs)
    dataset = Dataset(dataset.path, "test", dataset.manifest.model_copy(update={"pairs": larger}))
    release, whole = get_protocol("jdrl2022"), get_protocol("dpdd2020")
    found = check_predictions(folder, dataset, [release], progress=False)
    assert {prediction.crop for prediction in found.values()} == {"unet16"}
    with pytest.raises(ProblemsError, match=r"It looks cropped \(unet16\); dpdd2020 scores whole pictures"):
        check_predictions(folder, dataset, [release, whole], progress=False)
    with pytest.raises(ProtocolError, match="--crop unet16: dpdd2020 scores whole pictures"):
        check_predictions(folder, dataset, [release, whole], crop="unet16", progress=False)
    with pytest.raises(ProblemsError, match="wrong size: 144 x 112, expected 159 x 127"):
        check_predictions(folder, dataset, [release], crop="none", progress=False)


def test_the_ground_truth_given_as_predictions_is_refused_and_the_blurry_input_is_not(folder, prepared):
    with pytest.raises(ProblemsError, match="3 of 3 files are the dataset's own ground truth, byte for byte"):
        check_predictions(prepared / "test" / "gt", open_dataset(prepared), progress=False)
    shutil.copy(prepared / "test" / "gt" / "scene_000.png", folder)
    assert len(check_predictions(folder, open_dataset(prepared), progress=False)) == 3  # one of three may be chance
    shutil.copy(prepared / "test" / "gt" / "scene_001.png", folder)
    assert "2 of 3 files" in problems(folder, prepared)[0]


def test_a_folder_that_cannot_be_listed_is_named(folder, prepared, monkeypatch):
    def denied(self):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))

    monkeypatch.setattr(type(folder), "iterdir", denied)  # permissions do not hold for root, who may run the tests
    with pytest.raises(ResultError, match=r"predictions: can't be read: Permission denied\. Check its permissions"):
        check_predictions(folder, open_dataset(prepared), progress=False)


def test_the_blurry_input_of_a_focal_stack_is_no_ground_truth_though_it_is_that_of_another_pair(folder, prepared):
    dataset = open_dataset(prepared)
    stems = dataset.stems
    hashes = {stem: sha256(folder / f"{stem}.png") for stem in stems}
    pairs = tuple(
        record.model_copy(
            update={
                "files": {
                    f"test/blur/{record.stem}.png": hashes[record.stem],
                    f"test/gt/{record.stem}.png": hashes[stems[(stems.index(record.stem) + 1) % len(stems)]],
                }
            }
        )
        for record in dataset.manifest.pairs
        if record.stem in stems
    )
    stack = Dataset(dataset.path, "test", dataset.manifest.model_copy(update={"pairs": pairs}))
    assert len(check_predictions(folder, stack, [get_protocol(DEFAULT_PROTOCOL)], progress=False)) == len(stems)


def test_a_result_has_its_cost_only_beside_the_predictions_that_were_timed(prepared, tmp_path):
    import torch

    network = torch.nn.Sequential(torch.nn.Conv2d(3, 3, 3, padding=1))
    record = predict(network, prepared, tmp_path / "made", progress=False, reach=1)
    assert record.parameters == 3 * 3 * 9 + 3
    given = {"cache": tmp_path / "cache", "progress": False}
    made = evaluate(tmp_path / "made", prepared, "dpdd2020", **given)
    assert made.run.cost == record.cost
    path = made.save(tmp_path / "result")
    assert EvaluationResult.load(path) == made
    copied = shutil.copytree(tmp_path / "made", tmp_path / "copied")
    first, second = sorted(copied.glob("*.png"))[:2]
    shutil.copy(first, second)
    changed = evaluate(copied, prepared, "dpdd2020", **given)
    assert changed.run.cost is None
    assert "cost" not in json.loads(changed.run.model_dump_json())
    (copied / "predict.json").write_text("[]")  # somebody's own file of this name
    assert evaluate(copied, prepared, "dpdd2020", **given).run.cost is None
