import numpy as np
import pytest
import torch

from sdd_bench.errors import ModelError, PredictionError
from sdd_bench.models.inference import start
from sdd_bench.models.loading import Facts, resolve

onnx = pytest.importorskip("onnx", reason="needs onnx: pip install 'sdd-bench[dev]'")
pytest.importorskip("onnxruntime", reason="needs ONNX Runtime: pip install 'sdd-bench[onnx]'")

KERNEL = torch.randn((3, 3, 3, 3), generator=torch.Generator().manual_seed(0)) / 5


@pytest.fixture
def write(tmp_path):
    """Writes a file of one convolution, which its oracle, PyTorch, computes too."""

    def make(height="h", width="w", channels=3, name="net.onnx", half=False):
        helper, kind = onnx.helper, onnx.TensorProto.FLOAT16 if half else onnx.TensorProto.FLOAT
        kernel = onnx.numpy_helper.from_array(KERNEL.numpy().astype(np.float16 if half else np.float32), "kernel")
        node = helper.make_node("Conv", ["picture", "kernel"], ["result"], pads=[1, 1, 1, 1])
        values = [
            helper.make_tensor_value_info(label, kind, [1, depth, height, width])
            for label, depth in (("picture", channels), ("result", 3))
        ]
        graph = helper.make_graph([node], "net", values[:1], values[1:], [kernel])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, tmp_path / name)
        return str(tmp_path / name)

    return make


def run(loaded, picture, tile="auto"):
    ready = start(loaded, device="cpu", precision="fp32", ensemble=False, tile=tile, largest=picture.shape[:2])
    return ready.restore(picture)


def expected(picture):
    made = torch.nn.functional.conv2d(torch.from_numpy(picture.transpose(2, 0, 1))[None], KERNEL, padding=1)
    return made[0].clamp(0, 1).numpy().transpose(1, 2, 0)


@pytest.fixture
def picture():
    return np.random.default_rng(0).random((40, 50, 3), np.float32)


def test_an_onnx_file_gives_what_pytorch_gives(write, picture):
    assert np.allclose(run(resolve(write()), picture), expected(picture), atol=1e-6)
    assert np.allclose(run(resolve(write(half=True)), picture), expected(picture), atol=5e-3)


def test_with_its_reach_stated_tiles_change_nothing(write, picture):
    loaded = resolve(write(), reach=1, stride=2)
    assert loaded.facts == Facts(2, 1)
    assert np.allclose(run(loaded, picture, tile=16), expected(picture), atol=1e-6)


def test_a_file_of_one_size_is_run_in_tiles_of_that_size(write, picture):
    loaded = resolve(write(24, 32))
    assert loaded.fixed_size == (24, 32)
    found = run(loaded, picture)
    assert found.shape == picture.shape
    # Where tiles meet, half of each is blended: only there can the zeros around a tile be seen.
    assert np.median(np.abs(found - expected(picture))) < 1e-6


def test_files_that_are_no_network_for_pictures_are_refused(write, tmp_path):
    with pytest.raises(ModelError, match=r"takes \[1, 4, .*one picture of 3 channels"):
        resolve(write(channels=4))
    with pytest.raises(ModelError, match="both fixed, or both free"):
        resolve(write(height=24))
    (tmp_path / "broken.onnx").write_bytes(b"this is none")
    with pytest.raises(ModelError, match="is no ONNX file that can be used"):
        resolve(str(tmp_path / "broken.onnx"))
    with pytest.raises(ModelError, match="there is no file"):
        resolve(str(tmp_path / "nowhere.onnx"))
    with pytest.raises(ModelError, match="leave checkpoint, options and random weights out"):
        resolve(write(), random_weights=True)


def test_what_it_can_not_compute_is_said_with_the_size(write, picture, monkeypatch):
    loaded = resolve(write())
    loaded.network.given = "another"
    with pytest.raises(ModelError, match=r"can't be computed on 50 x 40 pixels: .*another"):
        run(loaded, picture)


def test_running_out_of_memory_suggests_a_tile(write, picture, monkeypatch):
    class Session:
        def run(self, outputs, inputs):
            raise RuntimeError("[ONNXRuntimeError] : 6 : bfc_arena.cc Failed to allocate memory for requested buffer")

    loaded = resolve(write())
    loaded.network.sessions["cpu"] = Session()
    with pytest.raises(PredictionError, match="Use --tile 25"):
        run(loaded, picture)


def test_without_onnx_runtime_the_way_to_get_it_is_named(write, monkeypatch):
    import sys

    path = write()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelError, match=r"pip install 'sdd-bench\[onnx\]'"):
        resolve(path)
