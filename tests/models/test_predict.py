import json

import numpy as np
import pytest
import torch
from torch import nn

from sdd_bench import open_dataset, predict
from sdd_bench.device import processor_name
from sdd_bench.errors import DatasetError, ImageError, ModelError, OutputError, PredictionError, ProblemsError
from sdd_bench.io.hashing import sha256
from sdd_bench.io.images import image_info, read_image, read_samples, write_image
from sdd_bench.models import prediction_plan
from sdd_bench.models.outputs import MAP_SCALE
from sdd_bench.models.prediction_record import Cost, PredictionRecord, Timing, read_record


class Brighter(nn.Module):
    """Local, of stride 4; counts its calls."""

    stride, reach = 4, 0
    calls = 0

    def __init__(self, by=1.25):
        super().__init__()
        self.by = nn.Parameter(torch.tensor(by))

    def forward(self, x):
        assert x.shape[-1] % 4 == x.shape[-2] % 4 == 0
        self.calls += 1
        return x * self.by


class Mapping(Brighter):
    def defocus_map(self, x):
        return 10 * x[:, :1]


class Global(nn.Module):
    global_because = "it takes the mean over the picture"

    def forward(self, x):
        return x - x.mean(dim=(-1, -2), keepdim=True) + 0.5


@pytest.fixture
def pictures(tmp_path):
    """Colour of 8 and 16 bits, gray, a JPEG-like odd size, and one smaller than any stride."""
    folder, rng = tmp_path / "given", np.random.default_rng(0)
    write_image(folder / "eight.png", rng.integers(0, 256, (21, 30, 3), np.uint8))
    write_image(folder / "sixteen.tif", rng.integers(0, 65536, (16, 18, 3), np.uint16), 16)
    write_image(folder / "tiny.png", rng.integers(0, 256, (1, 3, 3), np.uint8))
    write_image(folder / "values.npy", rng.random((8, 8, 3), np.float32))
    (folder / "notes.txt").write_text("no picture")
    return folder


def run(network, folder, out, **options):
    return predict(network, None, out, input=folder, progress=False, **options)


def test_each_picture_becomes_a_png_of_its_own_depth_and_size(pictures, tmp_path):
    record = run(Brighter(), pictures, tmp_path / "out")
    assert [row.stem for row in record.pictures] == ["eight", "sixteen", "tiny", "values"]
    depths = {}
    for row in record.pictures:
        (source,) = pictures.glob(f"{row.stem}.*")
        made = tmp_path / "out" / row.file
        depths[row.stem] = image_info(made).bit_depth
        levels = 2 ** depths[row.stem] - 1
        expected = np.clip(read_image(source) * np.float32(1.25), 0, 1)
        assert np.abs(read_image(made) - expected).max() <= 0.5001 / levels
        assert (row.sha256, row.input_sha256) == (sha256(made), sha256(source))
        assert row.size == (image_info(made).width, image_info(made).height)
    assert depths == {"eight": 8, "sixteen": 16, "tiny": 8, "values": 16}


def test_a_gray_picture_gives_three_equal_channels(tmp_path):
    import cv2

    (tmp_path / "given").mkdir()
    cv2.imwrite(str(tmp_path / "given" / "gray.png"), np.random.default_rng(0).integers(0, 65536, (9, 9), np.uint16))
    run(nn.Identity(), tmp_path / "given", tmp_path / "out", reach=0)
    made = read_samples(tmp_path / "out" / "gray.png")
    assert np.array_equal(made, read_samples(tmp_path / "given" / "gray.png"))
    assert made.dtype == np.uint16


def test_bits_can_be_asked_for(pictures, tmp_path):
    run(Brighter(), pictures, tmp_path / "out", bit_depth=8)
    assert {image_info(path).bit_depth for path in (tmp_path / "out").glob("*.png")} == {8}


def test_the_record_says_how_the_pictures_were_made_and_is_read_again(prepared, tmp_path):
    record = predict(Brighter(), prepared, tmp_path / "out", tile=40, ensemble=True, progress=False)
    saved = PredictionRecord.model_validate_json((tmp_path / "out" / "predict.json").read_text())
    assert saved == record
    dataset = open_dataset(prepared)
    assert (record.settings.source.manifest_sha256, record.settings.source.split) == (dataset.hash, "test")
    assert [row.stem for row in record.pictures] == dataset.stems
    assert (record.tile, record.overlap, record.complete) == ((40, 40), 0, True)
    assert record.exactness.startswith("exact: an output depends on inputs up to 0 pixels away")
    assert (record.settings.ensemble, record.settings.device, record.weights) == (True, "cpu", "given")
    assert record.versions["torch"] == torch.__version__.split("+")[0] or record.versions["torch"]
    assert record.mean_seconds == pytest.approx(np.mean([row.seconds for row in record.pictures]), abs=1e-3)


def test_where_tiles_decide_about_the_result_the_record_says_why(prepared, tmp_path):
    whole = predict(Global(), prepared, tmp_path / "whole", progress=False)
    assert (whole.exactness, whole.settings.blended) == ("whole pictures", None)
    tiled = predict(Global(), prepared, tmp_path / "tiled", tile=64, progress=False)
    assert tiled.exactness.startswith("not exact: it takes the mean over the picture; tiles are blended over 16")
    assert tiled.settings.blended == (64, 64, 16)
    stem = tiled.pictures[0].stem
    first, second = (read_image(tmp_path / name / f"{stem}.png") for name in ("whole", "tiled"))
    assert np.abs(first - second).max() > 0.02


def test_automatic_tiles_that_decide_about_the_result_stay_those_of_the_first_run(prepared, tmp_path):
    first, second = open_dataset(prepared).stems[:2]
    given = {"stems": [first], "progress": False}
    predict(Global(), prepared, tmp_path / "out", **given, memory=1.8e6)
    before = PredictionRecord.model_validate_json((tmp_path / "out" / "predict.json").read_text()).settings
    assert before.blended is not None
    after = predict(Global(), prepared, tmp_path / "out", stems=[second], progress=False)
    assert after.settings == before
    assert [row.stem for row in after.pictures] == [first, second]


def test_what_was_made_is_not_made_again_unless_it_or_its_input_changed(pictures, tmp_path):
    out, network = tmp_path / "out", Brighter()
    run(network, pictures, out, stems=["eight", "tiny"])
    assert network.calls == 2
    run(network, pictures, out)
    assert network.calls == 4
    (out / "tiny.png").write_bytes(b"damaged")
    (out / "values.png").unlink()
    write_image(pictures / "eight.png", np.zeros((4, 4, 3), np.uint8))
    record = run(network, pictures, out)
    assert network.calls == 7
    assert {row.stem: row.sha256 for row in record.pictures} == {path.stem: sha256(path) for path in out.glob("*.png")}


def test_pictures_of_other_settings_are_kept_unless_they_may_be_replaced(pictures, tmp_path):
    out = tmp_path / "out"
    run(Brighter(), pictures, out)
    files = {path: path.read_bytes() for path in out.iterdir()}
    for other in ({"network": Brighter(0.5)}, {"ensemble": True}, {"precision": "bf16"}, {"bit_depth": 16}):
        given = {"network": Brighter(), **other}
        with pytest.raises(OutputError, match=r"other settings \(.* there, .* asked for\).*--overwrite"):
            run(given.pop("network"), pictures, out, **given)
    assert {path: path.read_bytes() for path in out.iterdir()} == files
    record = run(Brighter(0.5), pictures, out, stems=["tiny"], overwrite=True)
    assert [row.stem for row in record.pictures] == ["tiny"]
    assert sorted(path.name for path in out.iterdir()) == ["predict.json", "tiny.png"]  # none of other settings is left


def test_tiles_of_a_local_network_are_no_other_settings(pictures, tmp_path):
    network = Brighter()
    run(network, pictures, tmp_path / "out")
    assert run(network, pictures, tmp_path / "out", tile=8).complete
    assert network.calls == 4


def test_pictures_that_no_record_speaks_of_are_not_replaced(pictures, tmp_path):
    write_image(tmp_path / "out" / "tiny.png", np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(OutputError, match=r"no predict.json that says how they were made: tiny.png"):
        run(Brighter(), pictures, tmp_path / "out")
    assert run(Brighter(), pictures, tmp_path / "out", overwrite=True).complete


def test_a_damaged_record_is_an_error_and_can_be_replaced(pictures, tmp_path):
    out = tmp_path / "out"
    run(Brighter(), pictures, out)
    for text in ("{", "[]", "[" * 100_000, '{"schema_version": 7}', '{"schema_version": 1}'):
        (out / "predict.json").write_text(text)
        with pytest.raises(OutputError, match="--overwrite makes all pictures anew"):
            run(Brighter(), pictures, out)
    assert run(Brighter(), pictures, out, overwrite=True).complete


def test_an_error_names_its_picture_and_what_was_made_before_is_kept(pictures, tmp_path):
    network = Brighter()
    network.forward = lambda x: x / 0 if x.shape[-1] == 20 else Brighter.forward(network, x)
    with pytest.raises(PredictionError, match=r"sixteen.tif: the network made .* NaN or infinite"):
        run(network, pictures, tmp_path / "out")
    record = json.loads((tmp_path / "out" / "predict.json").read_text())
    assert [row["stem"] for row in record["pictures"]] == ["eight"]
    assert record["complete"] is False
    network = Brighter()
    assert run(network, pictures, tmp_path / "out").complete
    assert network.calls == 3


def test_the_input_is_never_written_to(prepared, pictures, tmp_path):
    for out in (prepared, prepared / "test" / "gt", prepared / "new"):
        with pytest.raises(OutputError, match="which is the input"):
            predict(Brighter(), prepared, out, overwrite=True, progress=False)
    with pytest.raises(OutputError, match="which is the input"):
        run(Brighter(), pictures, pictures, overwrite=True)
    with pytest.raises(PredictionError, match="files of equal names"):
        run(Mapping(), pictures, tmp_path / "out", defocus_map=tmp_path / "out")


def test_maps_are_stored_in_16_bits_with_a_preview(pictures, tmp_path):
    out, maps = tmp_path / "out", tmp_path / "maps"
    record = run(Mapping(), pictures, out, defocus_map=maps)
    stored = read_samples(maps / "eight.png")
    radius = 10 * read_image(pictures / "eight.png")[..., 0]
    assert np.abs(stored[..., 0] / MAP_SCALE - radius).max() <= 0.5 / MAP_SCALE
    preview = read_samples(maps / "preview" / "eight.png").astype(int)
    assert tuple(preview[np.unravel_index(radius.argmin(), radius.shape)]) == pytest.approx((68, 1, 84), abs=3)
    assert tuple(preview[np.unravel_index(radius.argmax(), radius.shape)]) == pytest.approx((253, 231, 37), abs=3)
    assert record.pictures[0].map_sha256 == sha256(maps / "eight.png")
    (maps / "tiny.png").unlink()
    network = Mapping()
    run(network, pictures, out, defocus_map=maps)
    assert network.calls == 1


def test_a_model_without_maps_says_so(pictures, tmp_path):
    with pytest.raises(PredictionError, match="Brighter estimates no defocus map"):
        run(Brighter(), pictures, tmp_path / "out", defocus_map=tmp_path / "maps")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"stems": ["eigth"]}, DatasetError, "unknown stem 'eigth'. Did you mean eight"),
        ({"stems": []}, DatasetError, "no stems were given"),
        ({"input": None}, PredictionError, "--dataset or --input"),
        ({"command": "x {input} {output}"}, PredictionError, "--model or --command"),
        ({"out": None}, PredictionError, "give --out"),
        ({"workers": 2}, PredictionError, "leave --workers out"),
        ({"model": "unet", "random_weights": True, "tile": 64}, PredictionError, "reaches 123 pixels. Use --tile 272"),
        ({"model": "unet", "random_weights": True, "options": {"wide": 3}}, ModelError, "It has: width"),
    ],
)
def test_what_can_not_be_done_is_said_before_any_work(change, error, message, pictures, tmp_path):
    given = {"model": Brighter(), "dataset": None, "out": tmp_path / "out", "input": pictures, **change}
    with pytest.raises(error, match=message):
        predict(**given, progress=False)
    assert not (tmp_path / "out").exists()


def test_all_pictures_that_can_not_be_read_are_listed_before_any_work(pictures, tmp_path):
    (pictures / "eight.png").write_bytes(b"")
    (pictures / "tiny.png").write_bytes(b"<html>")
    with pytest.raises(ProblemsError) as raised:
        run(Brighter(), pictures, tmp_path / "out")
    assert len(raised.value.problems) == 2
    write_image(pictures / "tiny.npy", np.zeros((2, 2, 3), np.float32))
    with pytest.raises(ProblemsError, match=r"tiny.npy, tiny.png: one stem"):
        run(Brighter(), pictures, tmp_path / "out")
    with pytest.raises(DatasetError, match="found nothing"):
        run(Brighter(), tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises((ImageError, DatasetError)):
        run(Brighter(), tmp_path, tmp_path / "out")


# What it takes.


def test_the_record_counts_the_parameters_and_names_the_machine_of_the_times(prepared, tmp_path, two_torch_threads):
    record = predict(Brighter(), prepared, tmp_path / "out", progress=False)
    assert record.parameters == 1
    assert record.timing == Timing(machine=processor_name(), threads=2)
    times = [1e6 * row.seconds / (row.size[0] * row.size[1]) for row in record.pictures]
    assert record.cost.seconds_per_megapixel == pytest.approx(np.median(times), rel=1e-3)
    assert (record.cost.machine, record.cost.threads) == (record.timing.machine, record.timing.threads)
    assert record.cost.parameters == 1


def test_times_of_two_machines_are_no_time_of_one(prepared, tmp_path, monkeypatch):
    first = open_dataset(prepared).stems[0]
    given = {"progress": False}
    kept = predict(Brighter(), prepared, tmp_path / "out", stems=[first], **given)
    again = predict(Brighter(), prepared, tmp_path / "out", stems=[first], **given)
    assert again.timing == kept.timing is not None  # nothing was made: the times are those of before
    monkeypatch.setattr(prediction_plan, "processor_name", lambda: "another processor")
    assert predict(Brighter(), prepared, tmp_path / "out", stems=[first], **given).timing == kept.timing
    mixed = predict(Brighter(), prepared, tmp_path / "out", **given)
    assert (mixed.timing, mixed.cost) == (None, Cost(parameters=1))
    anew = predict(Brighter(), prepared, tmp_path / "out", overwrite=True, **given)
    assert anew.cost.machine == "another processor"


def test_a_classical_method_has_no_parameters_and_no_time_beside_other_workers(tmp_path):
    write_image(tmp_path / "given" / "a.png", np.random.default_rng(0).integers(0, 256, (40, 48, 3), np.uint8))
    arguments = {"input": tmp_path / "given", "progress": False}
    alone = predict("ebdb+wiener", None, tmp_path / "alone", **arguments)
    assert (alone.parameters, alone.timing) == (0, Timing(machine=processor_name(), threads=alone.threads))
    beside = predict("ebdb+wiener", None, tmp_path / "beside", workers=2, **arguments)
    assert beside.cost == Cost(parameters=0)


def test_a_network_that_makes_maps_too_takes_more_time_than_its_pictures_do(pictures, tmp_path):
    both = run(Mapping(), pictures, tmp_path / "out", defocus_map=tmp_path / "maps")
    assert both.cost == Cost(parameters=1)
    (tmp_path / "out" / "eight.png").unlink()
    assert run(Mapping(), pictures, tmp_path / "out").cost == Cost(parameters=1)  # the other times are of before
    assert run(Mapping(), pictures, tmp_path / "alone").cost.machine == processor_name()


def test_of_a_command_nothing_is_known(pictures, tmp_path):
    (pictures / "values.npy").unlink()
    (pictures / "sixteen.tif").unlink()
    record = predict(
        None,
        None,
        tmp_path / "out",
        input=pictures,
        command="cp {input_image} {output_image}",
        progress=False,
    )
    assert record.cost == Cost()


def test_a_record_of_before_there_were_costs_is_read(prepared, tmp_path):
    predict(Brighter(), prepared, tmp_path / "out", progress=False)
    path = tmp_path / "out" / "predict.json"
    old = json.loads(path.read_text())
    del old["parameters"], old["timing"]
    path.write_text(json.dumps(old))
    assert read_record(tmp_path / "out").cost == Cost()
    assert predict(Brighter(), prepared, tmp_path / "out", progress=False).cost == Cost(parameters=1)


def test_a_record_of_pictures_without_pixels_is_refused(prepared, tmp_path):
    predict(Brighter(), prepared, tmp_path / "out", progress=False)
    path = tmp_path / "out" / "predict.json"
    edited = json.loads(path.read_text())
    edited["pictures"][0]["size"] = [0, 5]
    path.write_text(json.dumps(edited))
    with pytest.raises(OutputError, match="no sound record"):
        read_record(tmp_path / "out")
