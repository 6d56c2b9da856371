import shutil

import pytest

from sdd_bench.errors import ResultError
from sdd_bench.evaluation import DEFAULT_PROTOCOL, report
from sdd_bench.evaluation.run import evaluate_all

PROTOCOLS = (DEFAULT_PROTOCOL, "jdrl2022-dis", "dpdd2020")


@pytest.fixture(scope="module")
def written(prepared, tmp_path_factory):
    """Reports of the blurry inputs under three protocols, and everything they were made from."""
    folder = tmp_path_factory.mktemp("report")
    given = {"method": "blurry <input>", "out": folder / "out", "cache": folder / "cache", "progress": False}
    evaluate_all(prepared / "test" / "blur", prepared, PROTOCOLS, report=True, **given)
    return given


def path_of(given, protocol):
    return given["out"] / given["method"] / protocol / "report.html"


@pytest.mark.parametrize(
    ("protocol", "pictures"), [(DEFAULT_PROTOCOL, 7), ("jdrl2022-dis", 6), ("dpdd2020", 4)]
)  # a mask only in the first; neither deformed GT nor flow nor mask in the last
def test_a_report_lies_beside_each_result_with_the_pictures_its_protocol_has(written, protocol, pictures):
    page = path_of(written, protocol).read_text("utf-8")
    assert "blurry &lt;input&gt;" in page
    assert page.count("data:image/jpeg") == 3 * pictures
    assert page.count('<article class="strip"') == 3


def test_a_second_run_writes_the_same_bytes_but_for_the_run(written, prepared):
    before = path_of(written, DEFAULT_PROTOCOL).read_text("utf-8")
    evaluate_all(prepared / "test" / "blur", prepared, [DEFAULT_PROTOCOL], report=True, **written)
    after = path_of(written, DEFAULT_PROTOCOL).read_text("utf-8")
    assert after.partition("This run")[0] == before.partition("This run")[0]


def test_a_report_of_another_result_does_not_stay(written, prepared, tmp_path):
    given = written | {"out": tmp_path}
    path = path_of(given, DEFAULT_PROTOCOL)
    path.parent.mkdir(parents=True)
    path.write_text("old")
    evaluate_all(prepared / "test" / "blur", prepared, [DEFAULT_PROTOCOL], **given)
    assert not path.exists()


def test_the_stored_reference_is_used_and_a_prediction_that_changed_is_refused(
    written, prepared, tmp_path, monkeypatch
):
    shutil.copytree(prepared / "test" / "blur", tmp_path / "pred")
    given = written | {"out": tmp_path / "out"}
    original = report.write_report

    def change_and_write(*arguments, **options):
        monkeypatch.setattr("sdd_bench.evaluation.evaluator.align_reference", lambda *_: pytest.fail("computed again"))
        original(*arguments, **options)
        for prediction in (tmp_path / "pred").iterdir():
            prediction.write_bytes(prediction.read_bytes() + b"\0")
        original(*arguments, **options)

    monkeypatch.setattr("sdd_bench.evaluation.run.write_report", change_and_write)
    with pytest.raises(ResultError, match="changed while it was scored"):
        evaluate_all(tmp_path / "pred", prepared, [DEFAULT_PROTOCOL], report=True, **given)
