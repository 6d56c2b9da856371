import pytest
from click.testing import CliRunner

from sdd_bench.analysis.records import AnalysisResult
from sdd_bench.cli import main


@pytest.fixture(scope="module")
def done(prepared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("analysis")
    given = ["analyze", str(prepared), "--compare", str(prepared), "--out", str(folder / "out")]
    return CliRunner().invoke(main, [*given, "--cache", str(folder / "cache")]), folder / "out"


def test_the_table_says_how_far_pairs_are_misaligned_and_what_dominates(done):
    run, _ = done
    assert run.exit_code == 0, run.output
    for expected in ("small (all): 3 pairs", "corner, px", "residual, RMS, px", "dominates", "median"):
        assert expected in run.output


def test_two_datasets_are_compared_in_one_sentence(done):
    run, _ = done
    assert "small is misaligned 1.00 times as much as small" in " ".join(run.output.split())


def test_records_and_page_are_written_and_named(done):
    run, out = done
    for name in ("analysis.json", "analysis.csv", "analysis.html"):
        assert (out / name).is_file()
        assert name in run.output
    assert AnalysisResult.load(out / "analysis.json") == AnalysisResult.load(out / "compared" / "analysis.json")


def test_a_folder_that_is_no_dataset_is_an_error_in_words(tmp_path):
    run = CliRunner().invoke(main, ["analyze", str(tmp_path), "--out", str(tmp_path / "out")])
    assert run.exit_code == 1
    assert "is not a prepared dataset" in run.output
