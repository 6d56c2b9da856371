import shutil

import numpy as np
import pytest

from sdd_bench import evaluate, open_dataset
from sdd_bench.errors import ProblemsError, ResultError
from sdd_bench.evaluation.predictions import check_predictions
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
