"""From predictions to an archive, and from an archive to an entry."""

import hashlib
import json
import shutil
import struct
import zipfile
import zlib

import cv2
import numpy as np
import pytest

from sdd_bench.errors import OutputError, ProblemsError, ResultError, SddBenchError
from sdd_bench.evaluation.results import group_means
from sdd_bench.io.hashing import sha256
from sdd_bench.leaderboard.folder import entry_path, read_entry
from sdd_bench.leaderboard.submission.check import check_submission
from sdd_bench.leaderboard.submission.pack import pack


@pytest.fixture
def found(scored_blur):
    return scored_blur[1]


@pytest.fixture
def meta(tmp_path):
    path = tmp_path / "meta.yaml"
    path.write_text("schema_version: 1\nname: A method\ntrained_on: SDD\n")
    return path


@pytest.fixture
def packed(pred, meta, found, tmp_path):
    pack(pred, meta, found, tmp_path / "s.zip")
    return tmp_path / "s.zip"


@pytest.fixture
def repacked(packed, tmp_path):
    """The archive with other files in it, and sums that fit them."""

    def make(**changes):
        with zipfile.ZipFile(packed) as archive:
            files = {name: archive.read(name) for name in archive.namelist() if name != "SHA256SUMS"}
        files |= {name.replace("__", "/").replace("_json", ".json"): data for name, data in changes.items()}
        lines = [f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in files.items()]
        with zipfile.ZipFile(tmp_path / "repacked.zip", "w") as archive:
            for name, data in (files | {"SHA256SUMS": "".join(lines).encode()}).items():
                archive.writestr(name, data)
        return tmp_path / "repacked.zip"

    return make


def refused(archive, tmp_path, **options):
    """All that is wrong, as one text; nothing may have been written."""
    before = sorted(tmp_path.iterdir())
    with pytest.raises(SddBenchError) as caught:
        check_submission(archive, tmp_path / "out", progress=False, **options)
    assert sorted(tmp_path.iterdir()) == before
    assert ".sdd-bench-tmp" not in str(caught.value)
    return str(caught.value)


def test_the_same_files_give_the_same_archive(pred, meta, found, tmp_path):
    archives = [tmp_path / "1.zip", tmp_path / "2.zip"]
    pack(pred, meta, found, archives[0])
    for path in pred.iterdir():
        path.touch()
    shutil.copytree(pred, tmp_path / "elsewhere")
    pack(tmp_path / "elsewhere", meta, found, archives[1])
    assert archives[0].read_bytes() == archives[1].read_bytes()


def test_the_archive_holds_what_other_tools_read_and_no_names_of_folders(packed, pred, found):
    with zipfile.ZipFile(packed) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert {i.compress_type for i in archive.infolist()} == {zipfile.ZIP_STORED}
        assert names[:3] == ["SHA256SUMS", "meta.yaml", "result.json"]
        assert archive.read("predictions/scene_000.png") == (pred / "scene_000.png").read_bytes()
        assert json.loads(archive.read("result.json"))["run"]["command"] is None
    assert str(pred.parent).encode() not in packed.read_bytes()


def test_files_that_were_not_scored_are_not_packed(pred, meta, found, tmp_path):
    (pred / "scene_001.png").write_bytes((pred / "scene_000.png").read_bytes())
    with pytest.raises(ProblemsError, match=r"scene_001\.png is another file than the one that was scored"):
        pack(pred, meta, found, tmp_path / "s.zip")
    assert not (tmp_path / "s.zip").exists()


def test_the_record_of_predict_may_lie_beside_the_predictions_and_is_not_packed(pred, meta, found, tmp_path):
    (pred / "predict.json").write_text("{}")
    pack(pred, meta, found, tmp_path / "s.zip")
    with zipfile.ZipFile(tmp_path / "s.zip") as archive:
        assert not [name for name in archive.namelist() if "predict.json" in name]


def test_an_archive_that_is_there_is_kept_unless_told(packed, pred, meta, found):
    with pytest.raises(OutputError, match="--overwrite"):
        pack(pred, meta, found, packed)
    pack(pred, meta, found, packed, overwrite=True)


def test_what_would_be_refused_is_not_packed(scored_blur, pred, meta, found, tmp_path):
    image = np.zeros((128, 160, 3), np.float32)
    (pred / "scene_000.png").unlink()
    np.savez(pred / "scene_000.npz", image)
    first = found.images[0].model_copy(update={"prediction_sha256": sha256(pred / "scene_000.npz")})
    images = (first, *found.images[1:])
    other = found.model_copy(update={"images": images, "means": group_means(images)})
    with pytest.raises(ProblemsError, match="not a prediction") as caught:
        pack(pred, meta, other, tmp_path / "s.zip")
    assert str(pred) in caught.value.title
    assert not (tmp_path / "s.zip").exists()


def test_with_the_dataset_a_submission_becomes_a_verified_entry(packed, prepared, found, tmp_path):
    checked = check_submission(packed, tmp_path / "out", dataset=prepared, board=tmp_path / "board", progress=False)
    assert checked.entry.status == "verified"
    assert read_entry(tmp_path / "out" / f"{checked.entry.id}.json") == checked.entry
    assert checked.entry.result.images == found.images
    assert "**Verified.**" in (tmp_path / "out" / "pull_request.md").read_text("utf-8")
    assert len(list((tmp_path / "out" / "submission" / "predictions").iterdir())) == 3


def test_without_the_dataset_it_is_self_reported(packed, tmp_path):
    checked = check_submission(packed, tmp_path / "out")
    assert (checked.entry.status, checked.verification) == ("self-reported", None)
    assert "**Self-reported.**" in (tmp_path / "out" / "pull_request.md").read_text("utf-8")


def test_numbers_that_were_made_better_are_found_by_computing_them_again(repacked, found, prepared, cache, tmp_path):
    first = found.images[0]
    better = first.gt.model_copy(update={"psnr": first.gt.psnr + 0.2})
    images = (first.model_copy(update={"gt": better}), *found.images[1:])
    result = found.model_copy(update={"images": images, "means": group_means(images)})
    archive = repacked(result_json=result.model_dump_json().encode())
    text = refused(archive, tmp_path, dataset=prepared, cache=cache)
    assert "scene_000: gt.psnr is" in text
    assert "-2.0e-01 (tolerance 0.005)" in text


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"[" * 100_000, "not a result file"),
        (b"{}", "result of schema version None"),
        (b'{"schema_version": ' + b"9" * 5000 + b"}", "not a result file"),
        (b"\xff", "not a result file"),
    ],
)
def test_a_result_that_is_none_is_refused_in_words(repacked, tmp_path, content, problem):
    assert problem in refused(repacked(result_json=content), tmp_path)


def test_texts_that_do_something_are_spelled_wherever_they_stand(repacked, found, tmp_path):
    escape = "\x1b[2J"
    for changes in (
        {"images": (found.images[0].model_copy(update={"stem": escape}), *found.images[1:])},
        {"images": (found.images[0].model_copy(update={"scene": f"a{escape}"}), *found.images[1:])},
        {"dataset": found.dataset.model_copy(update={"split": escape})},
        {"run": found.run.model_copy(update={"versions": {escape: "\u202e"}})},
    ):
        text = refused(repacked(result_json=found.model_copy(update=changes).model_dump_json().encode()), tmp_path)
        assert "holds the character U+001B" in text
        assert text.replace("\n", "").isprintable()
    content = found.model_dump(mode="json") | {escape: escape}
    text = refused(repacked(result_json=json.dumps(content).encode()), tmp_path)
    assert text.replace("\n", "").isprintable()


def test_a_missing_prediction_and_a_mistake_in_the_meta_file_are_told_by_their_names(packed, repacked, tmp_path):
    assert refused(repacked(meta__yaml=b""), tmp_path).startswith(f"{tmp_path / 'repacked.zip'} is not unpacked")
    archive = repacked(**{"meta.yaml": b"schema_version: 1\nyear: x\n"})
    assert refused(archive, tmp_path).startswith("meta.yaml: 2 problem(s)")
    archive = repacked(**{"predictions/extra.png": b"x"})
    assert refused(archive, tmp_path).startswith("predictions does not hold the predictions of the result")


def test_a_dataset_has_the_name_that_it_has_here(repacked, found, prepared, cache, tmp_path):
    forged = found.dataset.model_copy(update={"name": "AAA, the first of all tables"})
    archive = repacked(result_json=found.model_copy(update={"dataset": forged}).model_dump_json().encode())
    entry = check_submission(archive, tmp_path / "out", dataset=prepared, cache=cache, progress=False).entry
    assert entry.result.dataset == found.dataset
    assert read_entry(tmp_path / "out" / f"{entry.id}.json") == entry


def test_the_words_of_a_protocol_are_those_of_this_version(repacked, found, tmp_path):
    forged = found.protocol.model_copy(update={"title": "the best of all", "description": "trust me"})
    archive = repacked(result_json=found.model_copy(update={"protocol": forged}).model_dump_json().encode())
    assert check_submission(archive, tmp_path / "out").entry.result.protocol == found.protocol


def test_a_result_of_other_files_or_an_unknown_protocol_is_refused(repacked, found, tmp_path):
    first = found.images[0].model_copy(update={"prediction_sha256": "0" * 64})
    result = found.model_copy(update={"images": (first, *found.images[1:]), "weights": "random"})
    text = refused(repacked(result_json=result.model_dump_json().encode()), tmp_path)
    assert "scene_000.png: another file than the one that the result scored" in text
    assert "random weights" in text
    protocol = found.protocol.model_copy(update={"id": "mine"})
    result = found.model_copy(update={"protocol": protocol, "protocol_sha256": protocol.hash})
    assert "unknown protocol 'mine'" in refused(repacked(result_json=result.model_dump_json().encode()), tmp_path)


def test_a_picture_that_would_fill_the_memory_is_refused_by_its_header(repacked, found, prepared, tmp_path):
    _, png = cv2.imencode(".png", np.zeros((128, 160, 3), np.uint8))
    large = bytearray(png.tobytes())
    large[16:24] = struct.pack(">2L", 16_000, 16_000)
    large[29:33] = struct.pack(">L", zlib.crc32(large[12:29]))
    first = found.images[0].model_copy(update={"prediction_sha256": hashlib.sha256(large).hexdigest()})
    images = (first, *found.images[1:])
    result = found.model_copy(update={"images": images, "means": group_means(images)})
    changes = {"result_json": result.model_dump_json().encode(), "predictions__scene_000.png": bytes(large)}
    text = refused(repacked(**changes), tmp_path, dataset=prepared)
    assert "scene_000.png: 16000 x 16000 pixels, and its pair has 160 x 128" in text


def test_an_entry_that_is_there_is_replaced_only_if_told(packed, tmp_path):
    entry = check_submission(packed, tmp_path / "first").entry
    board = tmp_path / "board"
    path = entry_path(board, entry)
    path.parent.mkdir(parents=True)
    path.write_text(entry.to_json(), "utf-8")
    assert "A method has an entry in this table already" in refused(packed, tmp_path, board=board)
    assert check_submission(packed, tmp_path / "out", board=board, replace=True).entry.id == entry.id


def test_the_predictions_of_another_entry_are_not_submitted_again(packed, pred, meta, found, tmp_path):
    entry = check_submission(packed, tmp_path / "first").entry
    board = tmp_path / "board"
    path = entry_path(board, entry)
    path.parent.mkdir(parents=True)
    path.write_text(entry.to_json(), "utf-8")
    meta.write_text("schema_version: 1\nname: Another name\n")
    pack(pred, meta, found, tmp_path / "again.zip")
    assert "score the same prediction files" in refused(tmp_path / "again.zip", tmp_path, board=board)


def test_a_folder_that_is_there_is_kept(packed, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    assert "already exists" in refused(packed, tmp_path)
    assert (tmp_path / "out" / "mine").read_text() == "mine"


def test_an_error_in_the_result_is_of_its_kind(repacked, tmp_path):
    with pytest.raises(ResultError):
        check_submission(repacked(result_json=b"[]"), tmp_path / "out")
