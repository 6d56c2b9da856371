import json

import pytest

from sdd_bench.errors import TrainingError
from sdd_bench.training.recipe import get_recipe
from sdd_bench.training.run_folder import RunRecord, read_run, write_run


@pytest.fixture
def record():
    return RunRecord(
        dataset="0" * 64,
        model="unet",
        options={},
        recipe=get_recipe("tiny"),
        seed=0,
        start_from=None,
        precision="32-true",
    )


def test_a_record_is_read_as_it_was_written(tmp_path, record):
    write_run(tmp_path, record)

    assert read_run(tmp_path) == record


def test_a_record_of_another_version_names_every_setting_that_is_not_known(tmp_path, record):
    content = record.model_dump(mode="json")
    content["recipe"]["optimiser"]["momentum"] = 0.9
    content["recipe"]["objective"]["mask"] = "soft"
    (tmp_path / "run.json").write_text(json.dumps(content))

    with pytest.raises(
        TrainingError, match=r"another version(?s:.)*objective.mask: (?s:.)*optimiser.momentum: "
    ) as error:
        read_run(tmp_path)
    assert "another folder" in str(error.value)


def test_what_is_no_json_is_told_with_its_file(tmp_path):
    (tmp_path / "run.json").write_text("{")

    with pytest.raises(TrainingError, match=r"run.json: edited, damaged(?s:.)*Invalid JSON"):
        read_run(tmp_path)
