import pytest
from click.testing import CliRunner

from sdd_bench.cli import main


@pytest.fixture
def run(prepared, tmp_path):
    def evaluate(*options):
        places = ["--dataset", str(prepared), "--cache", str(tmp_path / "cache"), "--out", str(tmp_path / "out")]
        given = ["--pred", str(prepared / "test" / "blur"), *places, "--no-report", *options]
        return CliRunner().invoke(main, ["evaluate", *given])

    return evaluate


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--protocol", "dpdd2020", "--bit-depth", "16"], "8 bits per sample, but dpdd2020-16bit is for 16-bit files"),
        (["--protocol", "jdrl2022-dis", "--bit-depth", "8"], "no variants by bit depth"),
        (
            ["--protocol", "jdrl2022-dis", "--protocol", "dpdd2020", "--crop", "unet16"],
            "dpdd2020 scores whole pictures",
        ),
        (["--cluster", "tcp://127.0.0.1:1"], "no Dask scheduler answers at 'tcp://127.0.0.1:1'"),
        (["--protocol", "jdrl2022"], "sdd-bench weights add pwc-default"),
    ],
)
def test_options_that_do_not_fit_are_refused_before_anything_is_written(run, tmp_path, monkeypatch, options, message):
    if "--cluster" in options:
        pytest.importorskip("distributed", reason="Dask is an extra")
        monkeypatch.setattr("sdd_bench.parallel._CONNECT_SECONDS", 0.3)
    result = run(*options)
    assert result.exit_code == 1
    assert message in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_missing_device_is_said(run, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "Use --device cpu or auto" in run("--device", "cuda").stderr


def test_the_crop_can_be_given(run, tmp_path):
    # 160 x 128: the rule takes nothing away, and is on record all the same.
    result = run("--protocol", "jdrl2022-dis", "--crop", "unet16", "--device", "cpu")
    assert result.exit_code == 0, result.stderr
    text = (tmp_path / "out" / "blur" / "jdrl2022-dis" / "result.json").read_text()
    assert '"crop": "unet16"' in text
    assert "cropped (unet16)" in text
