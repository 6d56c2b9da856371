import csv
import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from sdd_bench import synthesize
from sdd_bench.datasets.scenes import Scene, SceneSettings
from sdd_bench.datasets.synthesis import read_settings
from sdd_bench.errors import DatasetError, OutputError
from sdd_bench.io.images import read_image

SMALL = SceneSettings(width=96, height=80)


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return synthesize(tmp_path_factory.mktemp("synth") / "raw", test=2, train=1, seed=3, settings=SMALL, progress=False)


def test_the_same_seed_gives_the_same_bytes_with_any_number_of_workers(made, tmp_path):
    again = synthesize(tmp_path / "raw", test=2, train=1, seed=3, settings=SMALL, workers=2, progress=False)
    assert contents(again) == contents(made)


def test_another_seed_gives_other_pictures(made, tmp_path):
    other = synthesize(tmp_path / "raw", test=1, seed=4, settings=SMALL, progress=False)
    assert contents(other)["blur/scene_000.png"] != contents(made)["blur/scene_000.png"]


def test_a_scene_does_not_depend_on_how_many_there_are(made, tmp_path):
    fewer = synthesize(tmp_path / "raw", test=1, seed=3, settings=SMALL, progress=False)
    for name in ("blur/scene_000.png", "flow/scene_000.npy"):
        assert contents(fewer)[name] == contents(made)[name]


def test_everything_known_of_a_pair_is_written(made):
    assert sorted(folder.name for folder in made.iterdir()) == [
        "aligned",
        "blur",
        "defocus",
        "flow",
        "pairs.csv",
        "sharp",
        "synthesis.json",
        "visible",
    ]
    for name in ("blur", "sharp", "aligned", "visible"):
        assert read_image(made / name / "scene_002.png").shape == (80, 96, 3)
    flow, defocus = np.load(made / "flow" / "scene_002.npy"), np.load(made / "defocus" / "scene_002.npy")
    assert (flow.shape, flow.dtype, defocus.shape, defocus.dtype) == ((80, 96, 2), np.float32, (80, 96), np.float32)
    record = json.loads((made / "synthesis.json").read_text())
    scene = Scene.model_validate(record["pairs"]["scene_002"]["scene"])
    # The flow beyond the zoom is the displacement of the layer that is seen.
    y, x = np.mgrid[0:80, 0:96]
    beyond = flow - (scene.zoom - 1) * np.stack([x - 47.5, y - 39.5], -1)
    displacements = np.array([layer.displacement for layer in scene.layers])
    assert np.abs(beyond[:, :, None] - displacements).max(-1).min(-1).max() < 1e-4
    seen = {round(float(layer.blur_radius), 4) for layer in scene.layers}
    assert {round(float(radius), 4) for radius in np.unique(defocus)} <= seen
    for path, sha256 in record["pairs"]["scene_002"]["files"].items():
        assert hashlib.sha256((made / path).read_bytes()).hexdigest() == sha256


def test_the_folder_is_a_raw_folder_of_the_generic_layout(made):
    with (made / "pairs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["split"] for row in rows] == ["test", "test", "train"]
    assert all((made / row[column]).is_file() for row in rows for column in ("blur", "sharp", "aligned"))
    assert {row["environment"] for row in rows} <= {"indoor", "outdoor"}


def test_a_killed_run_goes_on_and_gives_the_same_bytes(made, tmp_path):
    code = (
        "from sdd_bench import synthesize; from sdd_bench.datasets.scenes import SceneSettings; import sys;"
        "synthesize(sys.argv[1], test=2, train=1, seed=3, settings=SceneSettings(width=96, height=80), progress=False)"
    )
    running = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "raw")])
    records = tmp_path / "raw.partial"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not list(records.glob("sharp/scene_000.png")):
        time.sleep(0.005)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    assert not (tmp_path / "raw").exists()
    synthesize(tmp_path / "raw", test=2, train=1, seed=3, settings=SMALL, progress=False)
    assert contents(tmp_path / "raw") == contents(made)


def test_an_existing_folder_is_never_overwritten(made):
    before = contents(made)
    with pytest.raises(OutputError):
        synthesize(made, test=1, settings=SMALL, progress=False)
    assert contents(made) == before


@pytest.mark.parametrize(("counts", "message"), [({"test": 0}, "at least one pair"), ({"seed": -1}, "seed >= 0")])
def test_impossible_requests_are_refused(tmp_path, counts, message):
    with pytest.raises(DatasetError, match=message):
        synthesize(tmp_path / "raw", progress=False, **counts)
    assert not (tmp_path / "raw").exists()


def test_settings_come_from_a_json_file_and_mistakes_in_it_are_named(tmp_path):
    path = tmp_path / "settings.json"
    path.write_text('{"width": 128, "zoom": [0, 0]}')
    assert read_settings(path) == SceneSettings(width=128, zoom=(0, 0))
    for content, message in (("{", "JSON"), ('{"widht": 128}', "widht"), ('{"width": 1}', "greater than or equal")):
        path.write_text(content)
        with pytest.raises(DatasetError, match=message):
            read_settings(path)
    with pytest.raises(DatasetError, match="No such file"):
        read_settings(tmp_path / "nothing.json")
