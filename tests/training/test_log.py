import pytest

from sdd_bench.errors import OutputError
from sdd_bench.training.log import Log

ROW = {"epoch": 1, "steps": 2, "seconds": 0.5, "learning_rate": 1e-4, "loss": 0.25, "best": 1}


def test_a_run_that_is_resumed_goes_on_with_its_rows(tmp_path):
    first = Log(tmp_path, [])
    first.add(ROW, None)
    first.close()
    again = Log(tmp_path, first.rows)
    again.add(ROW | {"epoch": 2, "deblurring": 0.125}, None)
    again.close()
    assert (tmp_path / "log.csv").read_text().splitlines() == [
        "epoch,steps,seconds,learning_rate,loss,deblurring,validation_psnr,best",
        "1,2,0.5,0.0001,0.25,,,1",
        "2,2,0.5,0.0001,0.25,0.125,,1",
    ]


def test_a_folder_of_tensorboard_that_cannot_be_made_is_said_so(tmp_path):
    (tmp_path / "tensorboard").touch()
    with pytest.raises(OutputError, match=r"tensorboard.*a file, not a folder"):
        Log(tmp_path, [])
