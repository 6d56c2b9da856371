import json

import cv2
import pytest
from click.testing import CliRunner

from sdd_bench.cli import main
from sdd_bench.errors import ProblemsError, ProtocolError, ResultError
from sdd_bench.evaluation.results import ImageResult, group_means
from sdd_bench.leaderboard.add import contradictions
from sdd_bench.leaderboard.folder import read_entry
from sdd_bench.leaderboard.records import Method, computed_entry
from sdd_bench.leaderboard.validate import validate_board
from sdd_bench.leaderboard.verify import PREDICTION, TOLERANCES, compare_files, verify


@pytest.fixture
def claimed(scored_blur):
    return computed_entry(scored_blur[1], Method(name="blurry"))


def changed(entry, change):
    """The entry with another first row, and with means and hash that fit it."""
    first, *rest = entry.result.images
    images = (change(first), *rest)
    result = entry.result.model_copy(update={"images": images, "means": group_means(images)})
    return computed_entry(result, entry.method)


def with_psnr(image, by):
    return image.model_copy(update={"gt": image.gt.model_copy(update={"psnr": image.gt.psnr + by})})


def change_one_pixel(path):
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    picture[5, 7, 1] ^= 1
    assert cv2.imwrite(str(path), picture)


def leaderboard(*arguments, code=0):
    done = CliRunner().invoke(main, ["leaderboard", *map(str, arguments)])
    assert done.exit_code == code, done.output
    return " ".join(done.output.split())


def test_an_honest_entry_holds_to_the_last_bit_and_becomes_verified(claimed, pred, prepared):
    done = verify(claimed, pred, prepared, progress=False)
    assert done.holds
    assert set(done.largest.values()) == {0.0}
    assert done.verified.status == "verified"
    assert done.verified.id == claimed.id
    assert done.verified.result.images == claimed.result.images
    assert done.verified.result.run.started >= claimed.result.run.started


def test_one_changed_pixel_in_one_prediction_is_caught_named_and_measured(claimed, pred, prepared, cache):
    change_one_pixel(pred / "scene_001.png")
    done = verify(claimed, pred, prepared, cache=cache, progress=False)
    assert not done.holds
    assert {one.stem for one in done.differences} == {"scene_001"}
    found = {one.name: one for one in done.differences}
    assert found[PREDICTION].entry == claimed.result.images[1].prediction_sha256
    assert 0 < abs(found["gt.psnr"].by) < TOLERANCES["psnr"]
    assert set(done.largest.values()) == {0.0}
    with pytest.raises(ValueError, match="holds is verified"):
        _ = done.verified


def test_the_same_pixels_in_another_file_are_another_file(claimed, pred, prepared, cache):
    path = pred / "scene_000.png"
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    before = path.read_bytes()
    assert cv2.imwrite(str(path), picture, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    assert path.read_bytes() != before
    done = verify(claimed, pred, prepared, cache=cache, progress=False)
    assert [(one.stem, one.name) for one in done.differences] == [("scene_000", PREDICTION)]


def test_a_number_that_was_made_better_is_caught_though_every_hash_fits(claimed, pred, prepared, cache):
    better = changed(claimed, lambda image: with_psnr(image, 0.05))
    (difference,) = verify(better, pred, prepared, cache=cache, progress=False).differences
    assert (difference.stem, difference.name) == ("scene_000", "gt.psnr")
    assert difference.by == pytest.approx(-0.05)


def test_what_processors_differ_by_is_tolerated_and_told(claimed, pred, prepared, cache):
    done = verify(changed(claimed, lambda image: with_psnr(image, 1e-4)), pred, prepared, cache=cache, progress=False)
    assert done.holds
    assert done.largest["psnr"] == pytest.approx(1e-4)
    assert done.verified.result.images == claimed.result.images  # the numbers computed here, not the claimed ones


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda i: i.model_copy(update={"environment": "outdoor" if i.environment == "indoor" else "indoor"}), "env"),
        (lambda i: i.model_copy(update={"geometry": None}), "geometry.deformation_rms"),
        (lambda i: i.model_copy(update={"aligned_gt": None}), "aligned_gt.psnr"),
        (lambda i: i.model_copy(update={"stem": "another"}), "row"),
    ],
)
def test_every_part_of_a_row_is_compared(claimed, pred, prepared, cache, change, name):
    differences = verify(changed(claimed, change), pred, prepared, cache=cache, progress=False).differences
    assert any(one.name.startswith(name) for one in differences)


def test_every_number_of_a_row_has_a_tolerance(claimed):
    def numbers(value, name):
        if isinstance(value, dict):
            return {found for key, part in value.items() for found in numbers(part, key)}
        parts = value if isinstance(value, (list, tuple)) else [value]
        return {name} if any(isinstance(part, float) for part in parts) else set()

    assert all(numbers(image.model_dump(), "") <= set(TOLERANCES) for image in claimed.result.images)
    schema = json.dumps(ImageResult.model_json_schema())
    assert all(f'"{name}"' in schema for name in TOLERANCES)


def test_without_a_dataset_only_the_files_are_compared(claimed, pred):
    assert compare_files(claimed, pred).holds
    change_one_pixel(pred / "scene_002.png")
    done = compare_files(claimed, pred)
    assert [(one.stem, one.name) for one in done.differences] == [("scene_002", PREDICTION)]
    assert done.again is None


def test_files_that_are_missing_or_left_over_are_named(claimed, pred, tmp_path):
    (pred / "scene_000.png").rename(pred / "scene_9.png")
    with pytest.raises(ProblemsError) as caught:
        compare_files(claimed, pred)
    assert len(caught.value.problems) == 2
    with pytest.raises(ResultError, match="expected a folder of predictions, found nothing"):
        compare_files(claimed, tmp_path / "none")


def test_another_dataset_is_refused_before_any_work(claimed, pred, prepared, cache, tmp_path):
    other = claimed.result.dataset.model_copy(update={"manifest_sha256": "1" * 64})
    entry = computed_entry(claimed.result.model_copy(update={"dataset": other}), claimed.method)
    with pytest.raises(ProblemsError, match=r"of small with manifest 111111111111, and .* has"):
        verify(entry, pred, prepared, cache=cache, progress=False)


def test_other_weights_are_refused_before_any_work(claimed, pred, prepared, cache, monkeypatch):
    from sdd_bench import weights

    monkeypatch.setattr(weights, "verify", lambda name: "b" * 64)
    result = claimed.result.model_copy(update={"weights": "verified", "weights_sha256": {"alexnet": "a" * 64}})
    with pytest.raises(ProblemsError, match="used weights alexnet of SHA-256 aaaaaaaaaaaa, and those here have bbb"):
        verify(computed_entry(result, claimed.method), pred, prepared, cache=cache, progress=False)


def test_an_unknown_or_changed_protocol_and_random_weights_are_refused(claimed, pred, prepared, cache):
    protocol = claimed.result.protocol.model_copy(update={"id": "dpdd2021"})
    for changes, problem in (
        (
            {"protocol": protocol, "protocol_sha256": protocol.hash},
            "unknown protocol 'dpdd2021'. Did you mean dpdd2020",
        ),
        ({"protocol_sha256": "0" * 64}, "not the one its hash names"),
        ({"weights": "random"}, "random weights"),
    ):
        entry = computed_entry(claimed.result.model_copy(update=changes), claimed.method)
        with pytest.raises((ProblemsError, ProtocolError), match=problem.replace(".", r"\.")):
            verify(entry, pred, prepared, cache=cache, progress=False)


def test_published_numbers_have_nothing_to_compute(published, pred, prepared, cache):
    with pytest.raises(ResultError, match="copied from T; there are no rows"):
        verify(published(psnr=None), pred, prepared, cache=cache, progress=False)


@pytest.fixture
def board(claimed, tmp_path, keep):
    folder = keep(claimed)
    (path,) = (folder / "entries").iterdir()
    return folder, path


def test_the_command_writes_a_verified_entry_that_fits_its_leaderboard(board, pred, prepared):
    folder, path = board
    text = leaderboard("verify", path, "--pred", pred, "--dataset", prepared, "--write")
    assert "all 3 images agree" in text
    assert "numpy" in text
    entry = read_entry(path)
    assert entry.status == "verified"
    assert validate_board(folder) == 1
    assert contradictions(entry, folder) == []


def test_the_command_says_which_image_differs_by_how_much_and_writes_nothing(board, pred, prepared, cache):
    _, path = board
    change_one_pixel(pred / "scene_001.png")
    before = path.read_bytes()
    text = leaderboard("verify", path, "--pred", pred, "--dataset", prepared, "--write", "--cache", cache, code=1)
    assert "blurry: 1 of 3 images differ: scene_001" in text
    assert "scene_001" in text
    assert "gt.psnr" in text
    assert path.read_bytes() == before


def test_the_command_without_a_dataset_computes_nothing_and_marks_nothing(board, pred):
    _, path = board
    assert "Nothing was computed" in leaderboard("verify", path, "--pred", pred)
    assert "--write needs --dataset" in leaderboard("verify", path, "--pred", pred, "--write", code=2)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda c: c["result"]["images"][0]["gt"].update(psnr=40.0), "the file was edited"),
        (lambda c: c.update(schema_version=7), "entry of schema version 7, this version of sdd-bench reads 1"),
        (lambda c: c.pop("entry_sha256"), "not an entry"),
    ],
)
def test_an_edited_or_foreign_entry_is_refused(board, pred, change, problem):
    _, path = board
    content = json.loads(path.read_text("utf-8"))
    change(content)
    path.write_text(json.dumps(content), "utf-8")
    assert problem in leaderboard("verify", path, "--pred", pred, code=1)
